"""From a weights file of any tool to a network with its classes and its preprocessing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from googlenet.architecture.dialect import CLASSIFIERS
from googlenet.errors import ModelError, UsageError
from googlenet.weights import imagenet, places
from googlenet.weights.model_config import ModelConfig, library_version
from googlenet.weights.model_directory import empty_network
from googlenet.weights.recognize import Recognized, recognize

if TYPE_CHECKING:
    from googlenet.nn.googlenet import GoogLeNet


@dataclass(frozen=True, kw_only=True)
class ForeignModel:
    """Hold a model that was read from another tool's file.

    Attributes:
        config: Network, classes, preprocessing, and where the weights are from.
        arrays: Every parameter and running statistic by our names, in our layout.
        recognized: What was read, and how it was understood.
        found: What the file proves, a sentence each.
        guessed: What it does not, and why it was decided so, a sentence each.
        dropped: What was in the file and is not in the model, a sentence each.
    """

    config: ModelConfig
    arrays: Mapping[str, NDArray[Any]]
    recognized: Recognized
    found: tuple[str, ...]
    guessed: tuple[str, ...]
    dropped: tuple[str, ...]


def read_model(
    path: str | os.PathLike[str],
    *,
    prototxt: str | os.PathLike[str] | None = None,
    mean: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    lineage: str | None = None,
    swap_aux: bool = False,
    imagenet_order: bool = False,
    classes: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ForeignModel:
    """Read a weights file and tell what network it is of; without torch but for its own formats.

    Args:
        path: The file.
        prototxt: Caffe's description of the network, for a ``.caffemodel``.
        mean: A mean image or three means, for a Caffe network.
        labels: The classes, a line each, in the order of the logits.
        lineage: The variant that it is, where names and shapes do not tell.
        swap_aux: Whether the file names the two heads the other way round.
        imagenet_order: Whether to keep only the thousand classes of ILSVRC 2012, in its order.
        classes: Name of each logit where it is known, as of published weights; ``labels`` win.
        metadata: More to keep with the model, such as its licence.

    Raises:
        ModelError: A file is missing, damaged, or not of a GoogLeNet.
        UsageError: There is no such variant, or the classes are not ImageNet's.
    """
    from googlenet.weights.formats.detect import read_weights

    file = read_weights(Path(path), prototxt=None if prototxt is None else Path(prototxt))
    if mean is not None:
        if file.format != "caffemodel":
            raise UsageError(
                f"a mean goes with a .caffemodel, not with {file.format}",
                mean,
                "Leave it out; the published version's preprocessing is taken.",
            )
        from googlenet.weights.formats.caffe import read_mean

        facts = replace(file.facts, mean=read_mean(Path(mean)), channel_order="bgr")
        file = replace(file, facts=facts)
    recognized = recognize(file, lineage=lineage, swap_aux=swap_aux)
    spec, arrays = recognized.spec, dict(recognized.arrays)
    classes, titles, sentence = _classes(spec.num_classes, labels, classes, file.path)
    guessed = list(recognized.guessed)
    if sentence:
        guessed.append(sentence)
    dropped = list(recognized.dropped)
    if imagenet_order:
        rows = _imagenet_rows(classes, file.path)
        for name in (f"{each}.{leaf}" for each in CLASSIFIERS for leaf in ("weight", "bias")):
            if name in arrays:
                arrays[name] = arrays[name][rows]
        others = spec.num_classes - 1000
        if others:
            dropped.append(f"{others} logits that are none of ILSVRC 2012's classes.")
        spec = replace(spec, num_classes=1000)
        classes = imagenet.synsets(1000)
    config = ModelConfig(
        spec=spec,
        classes=classes,
        titles={each: titles[each] for each in classes if each in titles},
        preprocessing=spec.preprocessing,
        metadata={
            "weights": "converted",
            "converted_from": file.path.name,
            "format": file.format,
            "dialect": recognized.match.dialect.name,
            "sha256": _digest(file.path),
            "guessed": guessed,
            **(metadata or {}),
        },
        library_version=library_version(),
    )
    return ForeignModel(
        config=config,
        arrays=arrays,
        recognized=recognized,
        found=recognized.found,
        guessed=tuple(guessed),
        dropped=tuple(dropped),
    )


def build_network(model: ForeignModel) -> GoogLeNet:
    """Build the network of a model and give it its weights.

    Returns:
        The network in eval mode, on the CPU, in float64 where the file has any, else in float32.
    """
    import torch

    network = empty_network(model.config, model.recognized.file.path)
    double = any(array.dtype.itemsize == 8 for array in model.arrays.values())
    kind = np.dtype(np.float64 if double else np.float32)
    state = {
        name: torch.from_numpy(np.array(array, kind, order="C"))
        for name, array in model.arrays.items()
    }
    for name in network.state_dict():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _classes(
    count: int,
    labels: str | os.PathLike[str] | None,
    known: Sequence[str] | None,
    path: Path,
) -> tuple[tuple[str, ...], Mapping[str, str], str]:
    """Name the logits: by a file, by what is published, by the count of a list, or by number."""
    if labels is not None:
        from googlenet.weights.formats.labels import read_labels

        return _split_synsets(_counted(read_labels(Path(labels)), count, labels), labels)
    if known is not None:
        return tuple(_counted(known, count, path)), imagenet.names(), ""
    match count:
        case 1000 | 1001 | 1008:
            kind = {1000: "ILSVRC 2012's", 1001: "TF-slim's", 1008: "Inception 5h's"}[count]
            return (
                imagenet.synsets(count),
                imagenet.names(),
                f"Classes are ImageNet's in {kind} order, since there are {count}.",
            )
        case 365:
            return places.scenes(), {}, "Classes are Places365's, since there are 365."
        case _:
            numbered = tuple(f"class_{index}" for index in range(count))
            return numbered, {}, "Classes are numbered; give their names with --labels."


def _counted(named: Sequence[str], count: int, where: str | os.PathLike[str]) -> tuple[str, ...]:
    if len(named) != count:
        raise ModelError(
            f"label file names {len(named)} classes, the weights have {count}",
            where,
            "Give one line for each logit, in their order.",
        )
    return tuple(named)


def _split_synsets(
    named: tuple[str, ...], labels: str | os.PathLike[str]
) -> tuple[tuple[str, ...], Mapping[str, str], str]:
    """Take lines such as ``n01440764 tench, Tinca tinca`` apart, where all are such."""
    known = imagenet.names()
    pairs = [line.partition(" ") for line in named]
    if not all(synset in known for synset, _, _ in pairs):
        return named, {}, ""
    titles = {synset: words or known[synset] for synset, _, words in pairs}
    if len(titles) != len(pairs):
        raise ModelError(
            "label file names a synset twice", labels, "Give each logit a class of its own."
        )
    return tuple(titles), titles, ""


def _imagenet_rows(classes: tuple[str, ...], path: Path) -> list[int]:
    place = {name: index for index, name in enumerate(classes)}
    try:
        return [place[synset] for synset in imagenet.synsets(1000)]
    except KeyError as error:
        raise UsageError(
            f"the classes are not ImageNet's: there is no {error.args[0]}",
            path,
            "Leave out --imagenet-order.",
        ) from error


def _digest(path: Path) -> str:
    """Return the file's SHA-256, or nothing for a checkpoint of several files."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
