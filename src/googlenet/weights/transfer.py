"""One file over HTTP: continued where it broke off, and handed over only when it is the right one.

What has come stays in a file ``NAME.part``, and beside it is said which version of the remote file
it is a part of (``NAME.part.json``). A server is asked for the rest on the condition that it still
has that version (RFC 9110, ``Range`` and ``If-Range``).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from googlenet.files import write_json
from googlenet.weights.formats.contents import LARGEST_FILE

if TYPE_CHECKING:
    from requests import Response

# An answer of these may be another one soon.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_CHUNK = 2**14  # what came of a last, incomplete one is lost


class WrongBytesError(ValueError):
    """Report bytes that do not have the published checksum, or are too many."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Fetch a file; what pooch calls a downloader.

    Attributes:
        part: Where to collect what comes.
        checksums: Such as ``sha256:5725cc...``, or the beginning of one; all have to fit.
        size: Bytes of the file where they are known; more are never taken.
        on_progress: Called with the bytes that are there and those there will be, or None.
        timeout: Seconds to wait for a connection, and for the next bytes.
        failures: How often in a row nothing new may come before the address is given up.
        pause: Seconds to wait after the first failure; after the second twice that, and so on.
    """

    part: Path
    checksums: Sequence[str]
    size: int | None = None
    on_progress: Callable[[int, int | None], None]
    timeout: tuple[float, float] = (15.0, 30.0)
    failures: int = 3
    pause: float = 1.0

    def __call__(self, address: str, output_file: str, pooch: object) -> None:
        """Fetch ``address`` into ``output_file``.

        Raises:
            requests.RequestException: It could not be fetched; what has come is kept.
            WrongBytesError: It is another file than it should be; nothing is kept.
            OSError: The disk refused.
        """
        continued = self._fetch(address)
        problem = misfit(self.part.read_bytes(), self.checksums)
        if problem and continued:
            # The part may have been spoiled while it lay there: once more, from the start.
            self._forget()
            self._fetch(address)
            problem = misfit(self.part.read_bytes(), self.checksums)
        if problem:
            self._forget()
            raise WrongBytesError(problem)
        os.replace(self.part, output_file)
        self._forget()

    def _fetch(self, address: str) -> bool:
        """Collect the whole file, and tell whether some of it was there before."""
        import requests

        most = before = self._there(address)[0]
        failures = 0
        while True:
            try:
                self._receive(address)
                return before > 0
            except requests.RequestException as error:
                there = self._there(address)[0]
                failures = 0 if there > most else failures + 1
                most = max(most, there)
                if failures == self.failures or not _is_passing(error):
                    raise
                time.sleep(self.pause * max(failures, 1))

    def _receive(self, address: str) -> None:
        import requests

        there, version = self._there(address)
        if there and there == version["size"]:
            return
        # Only what the server has on its disk can be continued, not what it compresses on the way.
        headers = {"Accept-Encoding": "identity"}
        if there:
            headers |= {"Range": f"bytes={there}-", "If-Range": version["validator"]}
        with requests.get(address, headers=headers, stream=True, timeout=self.timeout) as response:
            if there and _is_astray(response, there):
                self._forget()
                raise requests.ConnectionError("another part came than was asked for")
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                there, version = 0, self._begin(address, response)
            self._append(response, there, version["size"])

    def _append(self, response: Response, there: int, size: int | None) -> None:
        import requests

        limit = self.size or LARGEST_FILE
        with self.part.open("ab") as file:
            self.on_progress(there, size)
            for chunk in response.iter_content(_CHUNK):
                there += len(chunk)
                if there > limit:
                    self._forget()
                    raise WrongBytesError(f"it has more than {limit:,} bytes")
                file.write(chunk)
                self.on_progress(there, size)
            file.flush()
            os.fsync(file.fileno())
        if size is not None and there < size:
            raise requests.ConnectionError(f"it broke off after {there:,} of {size:,} bytes")

    def _begin(self, address: str, response: Response) -> dict[str, Any]:
        """Start from nothing, and note what this is going to be a part of."""
        self._forget()
        length = response.headers.get("Content-Length", "")
        etag = response.headers.get("ETag", "")
        # A weak tag does not promise the same bytes.
        strong = etag if etag and not etag.startswith("W/") else None
        version = {
            "address": address,
            "validator": strong or response.headers.get("Last-Modified"),
            "size": int(length) if length.isdecimal() else self.size,
        }
        write_json(self._note, version)
        return version

    def _there(self, address: str) -> tuple[int, dict[str, Any]]:
        """Return how many bytes can be continued, and what they are a part of."""
        try:
            version = json.loads(self._note.read_text(encoding="utf-8"))
            if version["address"] == address and version["validator"]:
                return self.part.stat().st_size, {"size": version["size"], **version}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass  # nothing came yet, or a crash spoiled the note
        return 0, {}

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")


def misfit(data: bytes, checksums: Sequence[str]) -> str | None:
    """Say which checksum some bytes do not have, or return None where they have all of them."""
    for checksum in checksums:
        algorithm, _, digest = checksum.partition(":")
        # The checksums tell whether a file is whole; sha1 and md5 are those that were published.
        found = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        if not found.startswith(digest):
            return f"its {algorithm} is {found}, and should be {digest}"
    return None


def _is_astray(response: Response, there: int) -> bool:
    """Tell an answer that neither goes on after the bytes that are there nor starts again."""
    if response.status_code == 206:
        return not response.headers.get("Content-Range", "").startswith(f"bytes {there}-")
    return response.status_code == 416


def _is_passing(error: Exception) -> bool:
    import requests

    if isinstance(error, requests.HTTPError):
        return error.response.status_code in _PASSING
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )
