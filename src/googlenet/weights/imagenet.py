"""ImageNet's classes: the synset of each logit, for every way in which published weights count.

A class is its synset, such as ``n01440764``; the words are for display. The thousand synsets and
their words are those of ILSVRC 2012, sorted by synset: BVLC/caffe's ``synset_words.txt``,
onnx/models' ``validated/vision/classification/synset.txt`` and timm's
``imagenet_synset_to_lemma.txt`` agree in every one. The order of "Inception 5h" is that of the
challenge's own numbers, 1 (kit fox) to 1000 (dumbbell): greentfrapp/lucent's
``old_imagenet_labels.txt`` and the development kit's ``map_clsloc.txt`` agree in every synset, and
the names of ``imagenet_comp_graph_label_strings.txt``, which came with the network, follow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

Count = Literal[1000, 1001, 1008]


@cache
def synsets(count: Count) -> tuple[str, ...]:
    """Return the class of each logit.

    Args:
        count: 1000 as in Caffe and torchvision; 1001 as in TF-slim, which puts ``background``
            first; 1008 as in Inception 5h, which has ``dummy`` first, an order of its own, and
            ``unused_1001`` to ``unused_1007`` last.
    """
    if count == 1000:
        return tuple(names())
    if count == 1001:
        return ("background", *names())
    unused = (f"unused_{number}" for number in range(1001, 1008))
    return ("dummy", *read_lines("inception5h.txt"), *unused)


@cache
def names() -> Mapping[str, str]:
    """Return the words of each of the 1000 synsets, separated by a comma and a space.

    Words are no key: two synsets are both ``crane``, a bird and a machine.
    """
    return MappingProxyType(dict(_split(line) for line in read_lines("imagenet.txt")))


def read_lines(name: str) -> tuple[str, ...]:
    """Return the lines of a list of classes that comes with the package."""
    text = (files("googlenet.weights") / "labels" / name).read_text(encoding="utf-8")
    return tuple(text.splitlines())


def _split(line: str) -> tuple[str, str]:
    synset, _, words = line.partition(" ")
    return synset, words
