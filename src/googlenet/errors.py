"""The exceptions that a user may catch.

Each carries three lines: what happened, where, and what to do. The command line prints them and
exits with the class's ``exit_code``; Python callers read the parts as attributes.
"""

from __future__ import annotations

import os


class GoogLeNetError(Exception):
    """Report a fault that the user can mend.

    Args:
        what: What happened, as one sentence without a full stop.
        where: The file, directory or setting at fault; none where there is no such thing.
        fix: What to do about it, as an imperative sentence.
    """

    exit_code = 1

    def __init__(
        self, what: str, where: str | os.PathLike[str] | None = None, fix: str | None = None
    ) -> None:
        self.what = what
        self.where = None if where is None else os.fspath(where)
        self.fix = fix
        super().__init__("\n".join(line for line in (what, self.where, fix) if line))

    def __reduce__(self) -> tuple[object, ...]:
        # Loader workers send exceptions between processes; the default would lose the parts.
        return (type(self), (self.what, self.where, self.fix), self.__dict__)


class ResultError(GoogLeNetError):
    """Report work that ran and ended badly: training that diverged, too many unreadable images."""

    exit_code = 1


class UsageError(GoogLeNetError, ValueError):
    """Report settings that cannot be carried out."""

    exit_code = 2


class InputSizeError(UsageError):
    """Report an input that is too small for the network, or that its heads cannot train on."""


class DataError(GoogLeNetError):
    """Report images or labels that cannot be read or do not fit together."""

    exit_code = 3


class ImageError(DataError):
    """Report one image that cannot be decoded.

    Args:
        reason: A stable code: ``missing``, ``empty``, ``not-an-image``, ``format``,
            ``truncated``, ``too-many-pixels``, ``too-many-bytes``, ``too-many-scans``, ``corrupt``
            or ``unreadable``.
    """

    def __init__(
        self,
        what: str,
        where: str | os.PathLike[str] | None = None,
        fix: str | None = None,
        *,
        reason: str = "corrupt",
    ) -> None:
        super().__init__(what, where, fix)
        self.reason = reason


class ModelError(GoogLeNetError):
    """Report a model directory, run directory or weights file that cannot be used."""

    exit_code = 3


class MissingExtraError(GoogLeNetError, ImportError):
    """Report an optional dependency that is not installed, with the command that installs it."""

    exit_code = 4
