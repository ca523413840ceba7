"""A run that is killed and resumed ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.resume import survives


@pytest.mark.parametrize("workers", [0, 2])
def test_three_kills_change_no_bit(folder: Path, tmp_path: Path, workers: int) -> None:
    survives(folder, tmp_path, workers=workers, kills=3, seed=workers)
