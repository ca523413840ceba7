"""Some mutations of a small real file of every format; the slow tests read many more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fuzz

COUNT = 200


@pytest.mark.parametrize("name", fuzz.subjects(Path()))
def test_only_our_errors_come_out_of_reading(name: str, tmp_path: Path) -> None:
    fuzz.check(fuzz.subjects(tmp_path)[name](), COUNT)
