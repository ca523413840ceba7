"""Optional dependencies: which install extra brings which package."""

from __future__ import annotations

from googlenet.errors import MissingExtraError

# Top-level package to the extra that brings it, for those that some part cannot work without.
EXTRAS = {
    "captum": "torch",
    "matplotlib": "torch",
    "torch": "torch",
    "torchmetrics": "torch",
    "torchvision": "torch",
    "elpv_dataset": "demo",
}


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
    return MissingExtraError(
        f"{needed_by} needs the package {package}, which is not installed",
        None,
        f"pip install 'googlenet[{EXTRAS[package]}]'",
    )
