"""Writing a directory of files so that a crash leaves the old one or the new one, never a part."""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from googlenet.errors import UsageError
from googlenet.files import flush_directory

# <linux/fs.h> and <fcntl.h>: change places in one step; paths count from the working directory.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def swap_directory(
    directory: str | os.PathLike[str],
    files: Mapping[str, bytes | str],
    *,
    replaces: Collection[str] = (),
) -> None:
    """Make ``directory`` hold exactly ``files``, in one step.

    The files are written and flushed to the disk in a temporary directory beside it, which then
    takes its place. What killed writers left there is removed afterwards. Where the system cannot
    exchange two directories (it can on Linux), a kill between two renames leaves no directory.

    Args:
        directory: Where the files belong; missing parents are made. A link is followed.
        files: Content of each, by its path inside the directory, with ``/`` between parts.
        replaces: Names that may stand in the directory besides, and are removed.

    Raises:
        UsageError: The place is taken by something that these files would not replace whole.
        OSError: The file system refused; an old directory is untouched.
    """
    final = Path(os.path.realpath(directory))
    check_replaceable(final, {*replaces, *(name.partition("/")[0] for name in files)})
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        _write_all(temporary, files)
        if not final.exists():
            os.rename(temporary, final)
        elif not _exchange(temporary, final):
            old = temporary.with_suffix(".old.tmp")
            os.rename(final, old)
            os.rename(temporary, final)
        flush_directory(final.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    # The old directory is among them.
    leftover = re.compile(rf"\.{re.escape(final.name)}\.\d+\.[0-9a-f]{{8}}(\.old)?\.tmp")
    for path in final.parent.iterdir():
        if leftover.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def check_replaceable(directory: str | os.PathLike[str], known: Collection[str]) -> None:
    """Raise unless a directory is missing, or holds nothing but files of known names.

    Anything else in it may be dear to someone.

    Raises:
        UsageError: It holds other files, or is none.
    """
    path = Path(directory)
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(
            "a file is in the way of the directory to write", path, "Give another name."
        )
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in known)
    if foreign:
        raise UsageError(
            f"directory to write holds other files: {', '.join(foreign[:3])}",
            path,
            "Give a new directory, or take the other files out of this one.",
        )


def _write_all(directory: Path, files: Mapping[str, bytes | str]) -> None:
    directory.mkdir()
    inner = set()
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        inner.add(path.parent)
        with path.open("xb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
    for parent in inner | {directory}:
        flush_directory(parent)


def _exchange(first: Path, second: Path) -> bool:
    """Let two directories change places in one step, and say whether the system could."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    places = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return bool(rename(*places, _RENAME_EXCHANGE) == 0)
