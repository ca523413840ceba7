"""Durable writing: a file that must last is replaced whole, or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write ``data`` to ``path`` so that a crash leaves the old file or the new one, never a part.

    The data goes to a temporary file beside ``path``, is flushed to the disk, and is renamed into
    place; then the directory is flushed, so that the rename itself outlasts a power cut.

    Raises:
        OSError: The file system refused; the old file is untouched and no temporary file is left.
    """
    path = Path(path)
    raw = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        # 0o666 lets the user's umask decide, as it does for every file written plainly.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    flush_directory(path.parent)


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write ``document`` as indented JSON, atomically; non-finite numbers are refused.

    A name that is no UTF-8 is written by escapes, from which the same name is read again.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2, allow_nan=False)
    write_atomic(path, text + "\n")


def sweep_temporaries(directory: str | os.PathLike[str]) -> None:
    """Remove what killed writers left behind in ``directory``."""
    for leftover in Path(directory).glob(".*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def flush_directory(directory: Path) -> None:
    """Flush a directory, so that what was renamed in it outlasts a power cut."""
    if os.name != "posix":  # Windows cannot open a directory for flushing
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
