"""What logits are called: by a file of any usual form, by a published list, or by number."""

from __future__ import annotations

from pathlib import Path

import pytest

from googlenet.errors import ModelError
from googlenet.weights.class_names import name_classes
from googlenet.weights.imagenet import names, synsets

WEIGHTS = Path("x.pth")


def named(tmp_path: Path, lines: list[str]) -> tuple[tuple[str, ...], dict[str, str], str]:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    classes, titles, told = name_classes(len(lines), path, None, WEIGHTS)
    return classes, dict(titles), told


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_lines_that_begin_with_a_synset_are_taken_apart(tmp_path: Path, separator: str) -> None:
    classes, titles, told = named(
        tmp_path, ["background", f"n01440764{separator}tench, Tinca tinca", "n01443537"]
    )
    assert classes == ("background", "n01440764", "n01443537")
    assert titles["n01440764"] == "tench, Tinca tinca"
    assert titles["n01443537"] == names()["n01443537"]
    assert told == ""


def test_imagenets_words_alone_are_its_classes(tmp_path: Path) -> None:
    words = [names()[synset].partition(",")[0] for synset in synsets(1000)]
    assert words.count("crane") == 2
    classes, titles, _ = named(tmp_path, words)
    assert classes == synsets(1000)
    assert titles["n01440764"] == "tench"


def test_a_thousand_other_names_are_kept(tmp_path: Path) -> None:
    classes, titles, _ = named(tmp_path, [f"thing {number}" for number in range(1000)])
    assert classes[3] == "thing 3"
    assert titles == {}


@pytest.mark.parametrize("lines", [["cat", "cat"], ["n01440764 a", "n01440764 b"]])
def test_a_name_twice_is_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(ModelError, match="twice") as caught:
        named(tmp_path, lines)
    assert "(1)' and '" in str(caught.value.fix)


def test_without_a_file_the_count_decides() -> None:
    assert name_classes(1001, None, None, WEIGHTS)[0] == ("background", *synsets(1000))
    classes, _, told = name_classes(365, None, None, WEIGHTS)
    assert classes[0] == "airfield"
    assert told == "Classes are Places365's, since there are 365."
    assert name_classes(2, None, None, WEIGHTS)[0] == ("class_0", "class_1")
    assert name_classes(2, None, ("a", "b"), WEIGHTS) == (("a", "b"), names(), "")
