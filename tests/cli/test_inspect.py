"""``googlenet inspect``: the paper's table, in three formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from googlenet.architecture import cost
from googlenet.architecture.table import table
from googlenet.architecture.variants import VARIANTS, variant
from tests.cli.command import googlenet

# Table 1 of the paper, but for its rounded costs: type, patch and stride, output, depth, widths.
PAPER = """\
convolution        7x7/2  112x112x64   1
max pool           3x3/2  56x56x64     0
convolution        3x3/1  56x56x192    2  64 192
max pool           3x3/2  28x28x192    0
inception (3a)            28x28x256    2  64 96 128 16 32 32
inception (3b)            28x28x480    2  128 128 192 32 96 64
max pool           3x3/2  14x14x480    0
inception (4a)            14x14x512    2  192 96 208 16 48 64
inception (4b)            14x14x512    2  160 112 224 24 64 64
inception (4c)            14x14x512    2  128 128 256 24 64 64
inception (4d)            14x14x528    2  112 144 288 32 64 64
inception (4e)            14x14x832    2  256 160 320 32 128 128
max pool           3x3/2  7x7x832      0
inception (5a)            7x7x832      2  256 160 320 32 128 128
inception (5b)            7x7x1024     2  384 192 384 48 128 128
avg pool           7x7/1  1x1x1024     0
dropout (40%)             1x1x1024     0
linear                    1x1x1000     1
softmax                   1x1x1000     0
"""


def test_the_rows_are_the_papers() -> None:
    done = googlenet("inspect", "paper", "--format", "markdown")
    assert done.returncode == 0
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines() if "|" in line][2:]
    cells = [[cell.strip() for cell in row[:10]] for row in rows]
    shown = [
        " ".join(cell for cell in row if cell)
        for row in cells
        if not row[0].startswith(("local response norm", "auxiliary"))
    ]
    assert shown == [" ".join(line.split()) for line in PAPER.splitlines()]


@pytest.mark.parametrize("name", VARIANTS)
def test_totals_agree_with_the_cost_of_the_layers(name: str) -> None:
    spec, drawn = variant(name), table(variant(name))
    assert drawn.without_heads.parameters == cost.parameters(spec, heads=False)
    assert drawn.without_heads.multiply_adds == cost.multiply_adds(spec, heads=False)
    if spec.aux is None:
        assert drawn.with_heads is None
        return
    assert drawn.with_heads is not None
    assert drawn.with_heads.parameters == cost.parameters(spec, heads=True)
    assert drawn.with_heads.multiply_adds == cost.multiply_adds(spec, heads=True)


def test_text_shows_totals_and_differences() -> None:
    lines = googlenet("inspect").stdout.splitlines()
    assert lines[0] == "GoogLeNet bn, 1000 classes, input 224x224 (smallest 31x31)"
    assert "without heads: 7,005,832 parameters, 1,582,671,872 multiply-adds" in lines
    assert "with heads:    13,385,816 parameters, 1,591,044,096 multiply-adds" in lines
    for difference in VARIANTS["bn"].differences:
        assert f"  - {difference}" in lines


def test_json_is_one_document_with_a_schema() -> None:
    document = json.loads(googlenet("inspect", "caffe", "--json").stdout)
    assert document == json.loads(googlenet("inspect", "caffe", "--format", "json").stdout)
    assert document["schema"] == "googlenet.inspect/1"
    assert document["with_heads"]["parameters"] == 13_378_280
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["inception4e"]["widths"]["n3x3"] == 320
    assert rows["conv3"]["widths"] == {"n3x3_reduce": 64, "n3x3": 192}
    assert rows["conv1"]["receptive_field"] == 7
    assert [row["name"] for row in document["head_rows"]] == ["aux1", "aux2"]


def test_heads_that_do_not_fit_the_input_are_left_out_and_said() -> None:
    done = googlenet("inspect", "paper", "--size", "112")
    assert "the auxiliary heads cannot train on inputs of 112x112" in done.stdout
    assert "auxiliary head 1" not in done.stdout
    assert "with heads" not in done.stdout


def test_an_input_too_small_names_the_smallest() -> None:
    done = googlenet("inspect", "--size", "30")
    assert done.returncode == 2
    assert done.stderr.splitlines()[2] == "  Give it at least 31x31 pixels."
    assert googlenet("inspect", "--size", "31").returncode == 0
    assert googlenet("inspect", "--size", "-5").returncode == 2


def test_a_model_directory_is_shown_with_its_classes(model: Path) -> None:
    done = googlenet("inspect", model)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("GoogLeNet bn, 2 classes, input 64x64")
    assert lines[1] == "classes: leaf, sky; weights: raw"
    document = json.loads(googlenet("inspect", model, "--json").stdout)
    assert document["classes"] == ["leaf", "sky"]
    assert document["with_heads"] is None


def test_a_strangers_model_does_not_act_on_the_terminal(model: Path, tmp_path: Path) -> None:
    strange = shutil.copytree(model, tmp_path / "model")
    config = json.loads((strange / "config.json").read_text())
    text = (
        json.dumps(config)
        .replace('"leaf"', json.dumps("\x1b[2Jleaf"))
        .replace("raw", "\\u001b]0;x")
    )
    (strange / "config.json").write_text(text)
    done = googlenet("inspect", strange)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\\x1b[2Jleaf" in done.stdout
