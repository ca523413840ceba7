"""Writing a directory of files so that a crash leaves the old one or the new one, never a part."""

from __future__ import annotations

import ctypes
import glob
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from googlenet.errors import UsageError
from googlenet.files import write_atomic

# <linux/fs.h> and <fcntl.h>: change places in one step; paths count from the working directory.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def swap_directory(directory: str | os.PathLike[str], files: Mapping[str, bytes | str]) -> None:
    """Make ``directory`` hold exactly ``files``, in one step.

    The files are written and flushed to the disk in a temporary directory beside it, which then
    takes its place. What killed writers left there is removed afterwards. Where the system cannot
    exchange two directories (it can on Linux), a kill between two renames leaves no directory.

    Args:
        directory: Where the files belong; missing parents are made. A link is followed.
        files: Name and content of each.

    Raises:
        UsageError: The place is taken by something that these files would not replace whole.
        OSError: The file system refused; an old directory is untouched.
    """
    final = Path(os.path.realpath(directory))
    _check_replaceable(final, files)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir()
        for name, content in files.items():
            write_atomic(temporary / name, content)
        if not final.exists():
            os.rename(temporary, final)
        elif not _exchange(temporary, final):
            old = temporary.with_suffix(".old.tmp")
            os.rename(final, old)
            os.rename(temporary, final)
        _flush(final.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    # The old directory is among them.
    for leftover in final.parent.glob(f".{glob.escape(final.name)}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _check_replaceable(final: Path, files: Mapping[str, bytes | str]) -> None:
    """Refuse to replace what is not an older edition of the same files: it may be dear to someone."""
    if not final.exists():
        return
    if not final.is_dir():
        raise UsageError("a file is in the way of the directory", final, "Give another name.")
    foreign = sorted(entry.name for entry in final.iterdir() if entry.name not in files)
    if foreign:
        raise UsageError(
            f"directory holds files that are no part of a model: {', '.join(foreign[:3])}",
            final,
            "Give a new directory, or take the other files out of this one.",
        )


def _exchange(first: Path, second: Path) -> bool:
    """Let two directories change places in one step, and say whether the system could."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    places = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return bool(rename(*places, _RENAME_EXCHANGE) == 0)


def _flush(directory: Path) -> None:
    if os.name != "posix":  # Windows cannot open a directory for flushing
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
