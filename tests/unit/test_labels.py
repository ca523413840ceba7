"""ImageNet's and Places' classes: what comes with the package against what others have."""

from __future__ import annotations

import re

import pytest

from googlenet.weights.imagenet import names, synsets
from googlenet.weights.places import scenes

# torchvision tells these from another class of the same first word.
RENAMED = {"n02012849": "crane bird", "n03710721": "maillot tank suit"}


def first_name(synset: str) -> str:
    return names()[synset].partition(", ")[0]


def test_the_thousand_are_sorted_synsets_with_words() -> None:
    thousand = synsets(1000)
    assert len(thousand) == len(set(thousand)) == 1000
    assert list(thousand) == sorted(thousand)
    assert all(re.fullmatch(r"n\d{8}", synset) for synset in thousand)
    assert names()["n01440764"] == "tench, Tinca tinca"
    assert names()["n15075141"] == "toilet tissue, toilet paper, bathroom tissue"
    for words in names().values():
        assert words == words.strip()
        assert all(word.strip() == word != "" for word in words.split(", "))


def test_torchvision_has_the_same_words_in_the_same_order() -> None:
    categories = pytest.importorskip("torchvision.models").GoogLeNet_Weights.DEFAULT.meta[
        "categories"
    ]
    assert [RENAMED.get(synset, first_name(synset)) for synset in synsets(1000)] == categories


def test_only_two_words_are_those_of_two_classes() -> None:
    first = [first_name(synset) for synset in synsets(1000)]
    assert sorted(word for word in set(first) if first.count(word) > 1) == ["crane", "maillot"]


def test_slim_puts_the_background_first() -> None:
    assert synsets(1001) == ("background", *synsets(1000))


def test_5h_has_an_order_of_its_own() -> None:
    classes = synsets(1008)
    assert len(classes) == len(set(classes)) == 1008
    assert classes[0] == "dummy"
    assert set(classes[1:1001]) == set(synsets(1000))
    assert classes[1001:] == tuple(f"unused_{number}" for number in range(1001, 1008))
    # As the list that came with the graph begins, ends, and has its words that are twice there:
    # the bird among birds, the machine among machines.
    assert [first_name(synset) for synset in classes[1:4]] == [
        *("kit fox", "English setter", "Siberian husky")
    ]
    assert [first_name(synset) for synset in classes[998:1001]] == [
        "stole",
        "carbonara",
        "dumbbell",
    ]
    assert classes[429] == "n02012849" and classes[545] == "n03126707"
    assert [first_name(classes[place]) for place in (428, 430)] == ["bittern", "limpkin"]
    assert [first_name(classes[place]) for place in (544, 546)] == [
        "typewriter keyboard",
        "lighter",
    ]
    assert names()[classes[782]] == "maillot"
    assert names()[classes[977]] == "maillot, tank suit"


def test_places_has_365_scenes() -> None:
    assert len(scenes()) == len(set(scenes())) == 365
    assert scenes()[0] == "airfield"
    assert scenes()[-1] == "zen_garden"
    assert "balcony/exterior" in scenes()
