"""The page: what it says, what it escapes, and that it needs nothing from outside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from googlenet.report import write_report
from tests.report_runs import confusion_matrix, write_evaluation, write_json, write_run

VOID = {"meta", "link", "img", "br"}
# SVG elements that the templates close in place.
SELF_CLOSED = {"line", "path", "circle", "rect"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "two\nlines",
    "\u202egpj.exe",
    "nul\x00 and escape\x1b[31m",
    "' onmouseover='alert(1)",
)


class Page(HTMLParser):
    """Take a page apart, and hold that its tags are balanced."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.html = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(self.html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in SELF_CLOSED
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_report_of_a_whole_run_has_every_section(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mistake_files=["cells/0001.png", "cells/0002.png"])
    path = write_report(run)
    assert path == run / "report.html"
    page = Page(path)
    sections = {attributes["aria-labelledby"] for attributes in page.all("section")}
    assert sections == {
        "result",
        "curves",
        "batch",
        "confusion",
        "classes",
        "mistakes",
        "unreadable",
        "settings",
        "environment",
        "next",
    }
    measured = json.loads((run / "test" / "evaluation.json").read_text())
    for key in ("top1", "balanced_accuracy", "majority_share", "expected_calibration_error"):
        assert f"{100 * measured[key]:.1f}%" in page.text
    low, high = measured["top1_interval"]
    assert f"95% interval {100 * low:.1f}% – {100 * high:.1f}%" in page.text
    assert f"{measured['macro_f1']:.3f}" in page.text
    assert "held-out test images" in page.text
    assert "2 min 07 s" in page.text
    assert "optimistic" not in page.text
    assert f"googlenet predict {run}/best photo.jpg" in page.text
    assert "--resume" not in page.text


@pytest.mark.parametrize("classes", [2, 10, 20, 21, 50, 51, 130])
def test_report_asks_for_nothing_and_runs_nothing(tmp_path: Path, classes: int) -> None:
    names = [f"class {place}" for place in range(classes)]
    run = write_run(tmp_path / "run", classes=names, mistake_files=["a.png"] * 24)
    page = Page(write_report(run))
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
                assert value.startswith(("data:", "#"))
            assert not name.startswith("on")
    assert not page.all("script") and not page.all("iframe") and not page.all("object")
    assert "http://" not in page.html and "https://" not in page.html
    assert "@import" not in page.html
    assert all(start == "data:" for start in re.findall(r"url\((.{5})", page.html))
    policies = [each["content"] for each in page.all("meta") if "http-equiv" in each]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_links_lead_to_sections_and_pictures_have_words(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mistake_files=["a.png"])
    page = Page(write_report(run))
    named = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(named) == len(set(named))
    links = [each["href"] for each in page.all("a")]
    assert links and {link.removeprefix("#") for link in links} <= set(named)
    assert all(image["alt"] for image in page.all("img"))
    assert all(each["aria-label"] for _, each in page.tags if each.get("role") == "img")
    assert all(header["scope"] in ("row", "col") for header in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        classes=HOSTILE,
        data="<u>line",
        mistake_files=HOSTILE,
        unreadable=[(name, "<i>why</i>") for name in HOSTILE],
    )
    page = Page(write_report(run))
    assert not page.all("script")
    assert not page.all("u")
    assert not any(name.startswith("on") for _, each in page.tags for name in each)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\x7f]", page.html)
    for shown in (
        "<u>line",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        r"two\nlines",
        r"\u202egpj.exe",
        r"nul\x00 and escape\x1b[31m",
        "' onmouseover='alert(1)",
        "<i>why</i>",
    ):
        assert shown in page.text
    sources = [image["src"] for image in page.all("img")]
    assert len(sources) == len(HOSTILE)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_names_that_are_no_text_are_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mistake_files=["caf\udce9.png"])
    assert r"caf\udce9.png" in Page(write_report(run)).text


def test_interrupted_run_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=7, planned_epochs=20, stop="SIGINT")
    page = Page(write_report(run))
    assert "This run was stopped after 7 epochs and 385 of 1,100 steps (SIGINT)." in page.text
    assert "Validation accuracy" in page.text
    assert "The test part was not measured." in page.text and "optimistic" in page.text
    assert f"googlenet train --resume {run}" in page.text


def test_killed_run_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=7, planned_epochs=20, test=False)
    (run / "events.ndjson").unlink()
    page = Page(write_report(run))
    assert "it broke off or is still going, after 7 epochs" in page.text
    assert "The data has no test part." in page.text


def test_run_without_an_epoch_has_a_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=3, planned_epochs=20, stop="SIGTERM", batch=False)
    for name in ("results.csv", "env.json"):
        (run / name).unlink()
    page = Page(write_report(run))
    assert "No epoch was finished" in page.text
    assert "not measured" in page.text
    assert not any(each.get("id") == "curves" for _, each in page.tags)
    assert "googlenet predict" not in page.text  # there is no model yet
    assert "googlenet train --resume" in page.text


def test_single_epoch_is_drawn_as_dots(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=1)
    page = Page(write_report(run))
    assert len(page.all("circle")) == 4 + 5 + 1
    assert not any(each.get("class") == "mark" for each in page.all("line"))


def test_run_without_heads_draws_the_main_classifier_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", heads=False)
    page = Page(write_report(run))
    styles = {each["class"] for each in page.all("path")}
    assert styles == {"line main", "line validation", "line balanced", "line rate"}
    assert "Trained without auxiliary heads." in page.text


def test_run_without_test_part_shows_validation_as_optimistic(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", test=False)
    matrix = confusion_matrix(2, 0.9)
    write_evaluation(run / "validation", ("functional", "defective"), matrix, split="validation")
    page = Page(write_report(run))
    assert "Validation accuracy" in page.text
    assert "The data has no test part." in page.text and "optimistic" in page.text
    assert any(each.get("id") == "confusion" for _, each in page.tags)


def test_model_that_is_no_better_than_the_baseline_is_called_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", confusion=np.array([[60, 4], [30, 6]]))
    assert "not clearly better" in Page(write_report(run)).text


def test_classes_stand_worst_first_and_those_without_images_last(tmp_path: Path) -> None:
    matrix = np.array([[9, 1, 0], [0, 0, 0], [0, 5, 5]])
    run = write_run(tmp_path / "run", classes=("good", "unseen", "bad"), confusion=matrix)
    text = Page(write_report(run)).text
    table = text[text.index("Training images") :]
    assert table.index("bad") < table.index("good") < table.index("unseen")


def test_matrix_cells_tell_share_and_count(tmp_path: Path) -> None:
    matrix = np.array([[90, 10], [1, 299]])
    run = write_run(tmp_path / "run", confusion=matrix)
    page = Page(write_report(run))
    titles = [each["title"] for each in page.all("td") if "title" in each]
    assert titles == [
        "true functional, named functional: 90 images, 90.0% of the class",
        "true functional, named defective: 10 images, 10.0% of the class",
        "true defective, named functional: 1 image, 0.3% of the class",
        "true defective, named defective: 299 images, 99.7% of the class",
    ]
    assert "<1%" in page.text and ">99%" in page.text


def test_perfect_model_has_no_mistakes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", confusion=np.array([[70, 0], [0, 30]]))
    assert "None: every measured image was named correctly." in Page(write_report(run)).text


def test_unreadable_files_of_training_and_test_are_listed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", unreadable=[("train/broken.jpg", "truncated")])
    page = Page(write_report(run))
    assert page.text.count("train/broken.jpg") == 2
    assert "truncated" in page.text


def test_large_batch_picture_is_made_smaller(tmp_path: Path) -> None:
    from PIL import Image

    run = write_run(tmp_path / "run")
    noise = np.random.default_rng(0).integers(0, 256, (896, 1792, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run / "batch.png")
    assert (run / "batch.png").stat().st_size > 4_000_000
    assert write_report(run).stat().st_size < 2_500_000


def test_report_is_the_same_for_the_same_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mistake_files=["a.png"])
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_settings_are_all_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    text = Page(write_report(run)).text
    for told in ("weight decay 0.05", "input size not set", "precision bf16", "torch 2.14.1"):
        assert told in text


def test_report_needs_neither_torch_nor_matplotlib(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    code = (
        "import sys; from googlenet.report import write_report; write_report(sys.argv[1]);"
        "print(sorted({'torch', 'matplotlib', 'torchvision'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nested_settings_of_odd_types_do_not_stop_the_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_json(run / "args.json", {"settings": [], "plan": None, "counts": {"train": [1]}, "a": {}})
    assert "Test accuracy" in Page(write_report(run)).text
