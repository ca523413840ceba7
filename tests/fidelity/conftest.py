"""One way to hold our network to another: every endpoint, with a share of its largest value."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Agree = Callable[[str, str, Mapping[str, float], float], None]


@pytest.fixture
def agree() -> Agree:
    """Check a pair's differences, and note the largest where ``make fidelity`` asks for it."""

    def check(pair: str, precision: str, differences: Mapping[str, float], limit: float) -> None:
        worst = max(differences, key=lambda name: differences[name])
        assert differences[worst] <= limit, f"{worst} differs by {differences[worst]:.2g}"
        log = os.environ.get("GOOGLENET_FIDELITY_LOG")
        if log:
            row = {
                "pair": pair,
                "precision": precision,
                "endpoints": len(differences),
                "worst": worst,
                "difference": differences[worst],
                "limit": limit,
            }
            with Path(log).open("a") as file:
                file.write(json.dumps(row) + "\n")

    return check
