"""The README's examples, taken from it and run as they stand."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from googlenet.architecture import cost
from googlenet.architecture.variants import VARIANTS, variant
from tests.cli.command import environment
from tests.conftest import photograph, photographs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one code block of this language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def lines_of(code: str) -> int:
    return sum(1 for line in code.splitlines() if line.strip())


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The files that the examples speak of."""
    photographs(tmp_path / "photos")
    photographs(tmp_path / "more-photos", count=8)
    photograph(tmp_path / "new.jpg", "leaf", seed=101)
    photograph(tmp_path / "inbox" / "one.jpg", "sky", seed=102)
    photograph(tmp_path / "inbox" / "two.jpg", "leaf", seed=103)
    return tmp_path


def run(command: list[str], desk: Path) -> str:
    done = subprocess.run(
        command, cwd=desk, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shell(desk: Path) -> None:
    code = block("sh")
    assert lines_of(code) == 10
    shown = run(["bash", "-euo", "pipefail", "-c", code], desk)
    assert "new.jpg" in shown
    assert "googlenet 0.1.0" in shown
    with (desk / "predictions.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["inbox/one.jpg", "inbox/two.jpg"]
    assert "inception (5b)" in (desk / "table.md").read_text()
    for name in ("best/model.safetensors", "report.html", "test/predictions.csv", "results.csv"):
        assert (desk / "runs" / "photos" / name).exists(), name


def test_python(desk: Path) -> None:
    code = block("python")
    assert lines_of(code) <= 10
    shown = run([sys.executable, "-c", code], desk)
    assert re.search(r"^\d+% right; 50% by always guessing one class$", shown, re.MULTILINE)
    assert re.search(r"^(leaf|sky) \d+%$", shown, re.MULTILINE)


def test_the_table_of_variants_has_them_all_with_their_parameters() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .* \| ([\d,]+), ([\d,]+|none) \|$", README, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(VARIANTS)
    for name, plain, heads in rows:
        spec = variant(name)
        assert plain == f"{cost.parameters(spec, heads=False):,}"
        assert heads == ("none" if spec.aux is None else f"{cost.parameters(spec):,}")


def test_links_lead_somewhere() -> None:
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / target).exists(), f"{page}: {target}"


def test_architecture_names_what_there_is() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "googlenet"
    for path in re.findall(r"`([a-z_]+/[a-z_]+\.py)`", text):
        assert (package / path).exists(), path
    for folder in package.iterdir():
        if folder.is_dir() and any(folder.glob("*.py")):
            assert f"`{folder.name}`" in text, folder.name


def test_make_targets_of_the_readme_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
