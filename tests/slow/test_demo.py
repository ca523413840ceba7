"""The README's first command, but for its installation and most of its minutes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_make_demo(tmp_path: Path) -> None:
    # An environment that make takes for installed: the one that runs this test.
    venv, run = tmp_path / "venv", tmp_path / "demo"
    venv.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (venv / part).symlink_to(Path(sys.prefix) / part)
    (venv / ".demo").touch()
    words = ("demo", f"VENV={venv}", f"RUN={run}", "MINUTES=1", "INPUT_SIZE=64")
    done = subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = re.findall(r"on elpv, test: 656 images\n\ntop-1 accuracy +(\S+)%", done.stdout)
    assert first == second
    predictions = re.findall(r"/cell\d+\.png +(functional|defective) +\d+\.\d%", done.stdout)
    assert len(predictions) == 5
    assert done.stdout.splitlines()[-1] == f"{run}/report.html"
    assert (run / "report.html").exists()
