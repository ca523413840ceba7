"""A run that is killed ten times and resumed ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import photographs
from tests.resume import survives

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [0, 2])
def test_ten_kills_change_no_bit(tmp_path: Path, workers: int) -> None:
    photos = photographs(tmp_path / "photos", 40)
    survives(photos, tmp_path, workers=workers, kills=10, seed=10 + workers)
