"""Some mutations of a small real file of every format; the slow tests read many more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fuzz, fuzz_models

COUNT = 200
MODELS = 100


@pytest.mark.parametrize("name", fuzz.subjects(Path()))
def test_only_our_errors_come_out_of_reading(name: str, tmp_path: Path) -> None:
    fuzz.check(fuzz.subjects(tmp_path)[name](), COUNT)


@pytest.mark.parametrize("name", fuzz_models.subjects(Path()))
def test_only_our_errors_come_out_of_the_whole_way_to_a_model(name: str, tmp_path: Path) -> None:
    fuzz.check(fuzz_models.subjects(tmp_path)[name](), MODELS)
