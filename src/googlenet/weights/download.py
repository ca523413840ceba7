"""Published weights on this machine: where they are, whether they are whole, and how to get them.

Each has a folder in the cache (``GOOGLENET_CACHE``, or the user's own) below ``weights``. Where no
checksum of the very file was published, one was taken when it was put there (``NAME.sha256``), so
that later damage is seen.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from platformdirs import user_cache_path

from googlenet.errors import ModelError
from googlenet.files import flush_directory, sweep_temporaries, write_atomic
from googlenet.offline import offline
from googlenet.weights.formats.archive import only_member
from googlenet.weights.formats.contents import read_bytes
from googlenet.weights.published import find
from googlenet.weights.published_entry import PublishedWeights
from googlenet.weights.transfer import Transfer, misfit


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Hold what was found of published weights on this machine.

    Attributes:
        path: Where they are, or would be.
        state: ``whole``; ``damaged``; ``absent``; or ``unknown`` where there is no checksum.
        problem: What is wrong, or nothing.
    """

    path: Path
    state: Literal["whole", "damaged", "absent", "unknown"]
    problem: str = ""


def cache_folder() -> Path:
    """Return the folder of all published weights."""
    chosen = os.environ.get("GOOGLENET_CACHE")
    return (Path(chosen).expanduser() if chosen else user_cache_path("googlenet")) / "weights"


def path(weights: str | PublishedWeights) -> Path:
    """Return where weights are, or would be: in the cache, else in torch's.

    Raises:
        UsageError: There are none of this name.
    """
    entry = _entry(weights)
    own = _own_path(entry)
    theirs = _torch_cache() / entry.file_name
    # Without a checksum, a file of the same name there may be anything.
    shared = entry.format == "torch" and entry.checksums and not own.exists() and theirs.exists()
    return theirs if shared else own


def verify(weights: str | PublishedWeights) -> Verification:
    """Look whether weights are here and whole.

    Raises:
        UsageError: There are none of this name.
        ModelError: The file cannot be read.
    """
    entry = _entry(weights)
    file = path(entry)
    if not file.exists():
        return Verification(path=file, state="absent")
    checksums = _checksums(entry, file)
    if checksums is None and entry.checksums:
        return Verification(path=file, state="damaged", problem=f"{_recorded(file)} is missing")
    if checksums is None:
        return Verification(path=file, state="unknown", problem="it has no known checksum")
    problem = misfit(read_bytes(file), checksums)
    if problem:
        return Verification(path=file, state="damaged", problem=problem)
    known = "" if entry.checksums else "as it was given; nobody published a checksum"
    return Verification(path=file, state="whole", problem=known)


def _check_contents(entry: PublishedWeights, path: Path) -> None:
    """Look into a file whose checksum nobody published: is it of that network at all?

    Raises:
        ModelError: It is not.
    """
    from googlenet.weights.formats.detect import read_weights
    from googlenet.weights.recognize import recognize

    file = read_weights(path)
    found = recognize(file, lineage=entry.variant)
    given = f"{file.format} with {found.spec.num_classes} classes"
    published = f"{entry.format} with {entry.classes} classes"
    if given != published:
        raise ModelError(
            f"file is a {given}, and {entry.name} is a {published}",
            path,
            f"Give the published file, {entry.file_name}.",
        )


def get(
    weights: str | PublishedWeights,
    from_file: str | os.PathLike[str] | None = None,
    *,
    timeout: tuple[float, float] = (15.0, 30.0),
    pause: float = 1.0,
) -> Path:
    """Return verified weights, downloaded where they are not here.

    Args:
        weights: Name, or what is known of them.
        from_file: The published file, to be copied into the cache instead of downloaded.
        timeout: Seconds to wait for a connection, and for the next bytes.
        pause: Seconds to wait after a first failure.

    Returns:
        The file with the weights; of a published archive, the one in it.

    Raises:
        UsageError: There are none of this name.
        ModelError: They cannot be had, or are not what was published.
    """
    entry = _entry(weights)
    if from_file is not None:
        if not entry.checksums:
            _check_contents(entry, Path(from_file))
        return _copy(entry, Path(from_file))
    found = verify(entry)
    if found.state in ("whole", "unknown"):
        return found.path
    missing = "is not in the cache" if found.state == "absent" else f"is damaged: {found.problem}"
    if offline():
        raise ModelError(
            f"{entry.name} {missing}, and GOOGLENET_OFFLINE forbids to fetch it",
            found.path,
            _by_hand(entry),
        )
    if not entry.checksums:
        raise ModelError(
            f"{entry.name} {missing}, and has no known checksum to verify a download with",
            found.path,
            _by_hand(entry),
        )
    with _explained(entry):
        return _download(entry, timeout, pause)


def _entry(weights: str | PublishedWeights) -> PublishedWeights:
    return find(weights) if isinstance(weights, str) else weights


def _own_path(entry: PublishedWeights) -> Path:
    return cache_folder() / entry.name / PurePosixPath(entry.member or entry.file_name).name


def _torch_cache() -> Path:
    # As torch.hub finds it.
    general = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(general, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def _published(entry: PublishedWeights) -> tuple[str, ...]:
    """Return the published checksums of the file with the weights."""
    return entry.member_checksums if entry.member else entry.checksums


def _checksums(entry: PublishedWeights, file: Path) -> tuple[str, ...] | None:
    """Return what a file in the cache has to fit, or None where nothing is known."""
    if published := _published(entry):
        return published
    try:
        return (f"sha256:{_recorded(file).read_text(encoding='ascii').split()[0]}",)
    except (OSError, ValueError, IndexError):
        return None


def _recorded(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _by_hand(entry: PublishedWeights) -> str:
    return (
        f"Fetch {entry.addresses[0]} elsewhere, and run: googlenet weights get {entry.name} "
        f"--from {entry.file_name}"
    )


def _copy(entry: PublishedWeights, file: Path) -> Path:
    data = read_bytes(file)
    problem = misfit(data, entry.checksums)
    # What was in a published archive may be given as it is where it has a checksum of its own.
    bare = bool(entry.member_checksums) and misfit(data, entry.member_checksums) is None
    if problem and not bare:
        raise ModelError(
            f"this is not {entry.file_name}, which was published as {entry.name}: {problem}",
            file,
            f"Fetch it again from {entry.addresses[0]}.",
        )
    folder = _own_path(entry).parent
    with _explained(entry):
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            return _keep(entry, data if bare else _unpacked(entry, data, file))


def _unpacked(entry: PublishedWeights, data: bytes, file: Path) -> bytes:
    return only_member(data, file, Path(entry.member).suffix) if entry.member else data


def _keep(entry: PublishedWeights, data: bytes) -> Path:
    file = _own_path(entry)
    if not _published(entry):
        # First, so that a crash between the two leaves a file that is fetched again.
        write_atomic(_recorded(file), f"{hashlib.sha256(data).hexdigest()}  {file.name}\n")
    write_atomic(file, data)
    return file


def _download(entry: PublishedWeights, timeout: tuple[float, float], pause: float) -> Path:
    import requests

    folder = _own_path(entry).parent
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    with _locked(folder):
        found = verify(entry)
        if found.state == "whole":
            return found.path  # another process was faster
        _clear(folder)
        _own_path(entry).unlink(missing_ok=True)
        for address in entry.addresses:
            try:
                came = _retrieve(entry, address, folder, timeout, pause)
            except (requests.RequestException, ValueError) as error:
                failures.append(f"{address}: {_reason(error)}")
                continue
            flush_directory(folder)
            if entry.member is None:
                return came
            kept = _keep(entry, _unpacked(entry, read_bytes(came), came))
            came.unlink()
            return kept
    raise ModelError(
        f"{entry.name} cannot be downloaded: {'; '.join(failures)}",
        folder,
        f"Try again; what has come is kept. Or else: {_by_hand(entry)}",
    )


def _retrieve(
    entry: PublishedWeights,
    address: str,
    folder: Path,
    timeout: tuple[float, float],
    pause: float,
) -> Path:
    import pooch

    with _progress(entry.file_name) as on_progress, _quiet_pooch():
        fetch = Transfer(
            part=folder / f"{entry.file_name}.part",
            checksums=entry.checksums,
            size=entry.size if entry.size_is_exact else None,
            on_progress=on_progress,
            timeout=timeout,
            pause=pause,
        )
        return Path(
            pooch.retrieve(
                address,
                known_hash=_whole_checksum(entry),
                fname=entry.file_name,
                path=folder,
                downloader=fetch,
            )
        )


def _clear(folder: Path) -> None:
    """Remove what killed processes left, but for what can be continued."""
    sweep_temporaries(folder)
    for leftover in folder.glob("tmp*"):  # pooch's
        leftover.unlink()


def _whole_checksum(entry: PublishedWeights) -> str | None:
    """Return a checksum that pooch can compare; ``Transfer`` has looked at all of them."""
    for checksum in entry.checksums:
        algorithm, _, digest = checksum.partition(":")
        if len(digest) == 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size:
            return checksum
    return None


def _reason(error: Exception) -> str:
    """Return one short line of what went wrong with an address."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"the server says {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    lost = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    if isinstance(error, lost):
        return "there is no connection, or it breaks off"
    return str(error)


@contextlib.contextmanager
def _explained(entry: PublishedWeights) -> Iterator[None]:
    """Say what the disk refused."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise ModelError(
            f"{entry.name} cannot be put into the cache: "
            f"{'the disk is full' if full else error.strerror or error}",
            cache_folder() / entry.name,
            f"{'Free some space' if full else 'Check its rights'}, or set GOOGLENET_CACHE to "
            "another folder.",
        ) from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait for other processes that download into ``folder``, and keep them out until the end."""
    with (folder / ".lock").open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                # It gives up after ten seconds.
                with contextlib.suppress(OSError):
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file frees it, as does the end of the process


@contextlib.contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch from announcing what it does on standard error."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _progress(file_name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(file_name)
        yield lambda done, total: bar.update(task, completed=done, total=total)
