"""Optional dependencies: which install extra brings which package."""

from __future__ import annotations

from importlib.util import find_spec

from googlenet.errors import MissingExtraError

# Top-level package to the extra that brings it, for those that some part cannot work without.
EXTRAS = {
    "captum": "torch",
    "cramjam": "convert",
    "google": "convert",
    "google_crc32c": "convert",
    "matplotlib": "torch",
    "torch": "torch",
    "torchmetrics": "torch",
    "torchvision": "torch",
    "elpv_dataset": "demo",
    "pyfive": "convert",
}


# What pip calls those that are imported by another name.
_DISTRIBUTIONS = {"elpv_dataset": "elpv-dataset", "google": "protobuf"} | {
    "google_crc32c": "google-crc32c"
}


def require(*packages: str, needed_by: str) -> None:
    """Check that packages are installed, before hours of work that would fail for want of one.

    Args:
        packages: Names that ``EXTRAS`` knows.
        needed_by: What cannot work without them, such as ``googlenet train``.

    Raises:
        MissingExtraError: One is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise _not_installed(package, needed_by)


def missing_extra(error: ImportError, needed_by: str) -> MissingExtraError | None:
    """Turn a failed import into the error that names the command which mends it.

    Args:
        error: What the import raised.
        needed_by: What cannot work without the package, such as ``googlenet.train``.

    Returns:
        The error, or None where no extra brings the package: then the import failed for a reason
        that no extra mends, and ``error`` should go on.
    """
    package = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in EXTRAS:
        return None
    return _not_installed(package, needed_by)


def _not_installed(package: str, needed_by: str) -> MissingExtraError:
    return MissingExtraError(
        f"{needed_by} needs the package {_DISTRIBUTIONS.get(package, package)}, which is not "
        "installed",
        None,
        f"pip install 'googlenet[{EXTRAS[package]}]'",
    )
