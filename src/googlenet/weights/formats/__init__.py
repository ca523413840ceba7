"""Readers and writers of other tools' weights files: bytes in, NumPy arrays out, nothing ever run."""
