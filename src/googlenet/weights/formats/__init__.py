"""Readers and writers of other tools' weights files: bytes in, arrays out, nothing ever run."""
