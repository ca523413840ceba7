"""Whether the network may be used."""

from __future__ import annotations

import os


def offline() -> bool:
    """Tell whether ``GOOGLENET_OFFLINE`` forbids to fetch anything; 0 and nothing do not."""
    return os.environ.get("GOOGLENET_OFFLINE", "0") not in ("", "0")
