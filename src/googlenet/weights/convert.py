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
from googlenet.architecture.parameters import parameter_shapes
from googlenet.errors import ModelError, UsageError
from googlenet.weights import imagenet
from googlenet.weights.class_names import CLASSES_ARE_IMAGENETS, name_classes
from googlenet.weights.formats.contents import WeightsFile
from googlenet.weights.model_config import (
    CONFIG,
    PREPROCESSOR,
    ModelConfig,
    library_version,
    parse_config,
    read_json,
)
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
    classifier: str | None = None,
    swap_aux: bool = False,
    classes: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ForeignModel:
    """Read a weights file and tell what network it is of, without torch.

    Args:
        path: The file.
        prototxt: Caffe's description of the network, for a ``.caffemodel``.
        mean: A mean image or three means, for a Caffe network.
        labels: The classes, a line each, in the order of the logits.
        lineage: The variant that it is, where names and shapes do not tell.
        classifier: The file's layer that gives the logits, where the file does not tell.
        swap_aux: Whether the file names the two heads the other way round.
        classes: Name of each logit where it is known, as of published weights; ``labels`` win.
        metadata: More to keep with the model, such as its licence.

    Raises:
        ModelError: A file is missing, damaged, or not of a GoogLeNet.
        UsageError: There is no such variant, or an option is not for such a file.
    """
    from googlenet.weights.formats.detect import read_weights

    file = read_weights(Path(path), prototxt=None if prototxt is None else Path(prototxt))
    if mean is not None:
        file = _with_mean(file, Path(mean))
    recognized = recognize(file, lineage=lineage, swap_aux=swap_aux, classifier=classifier)
    own = _own_description(recognized) if lineage is None else None
    if own is not None:
        spec = own.spec
        guessed = list(map(str, own.metadata.get("guessed") or ()))
        found: tuple[str, ...] = (_OWN.format(own.spec.variant),)
        named, titles, sentence = own.classes, own.titles, ""
        if labels is not None:
            named, titles, _ = name_classes(spec.num_classes, labels, None, file.path)
    else:
        spec, guessed = recognized.spec, list(recognized.guessed)
        found = recognized.found
        named, titles, sentence = name_classes(spec.num_classes, labels, classes, file.path)
    guessed += [sentence] if sentence else []
    config = ModelConfig(
        spec=spec,
        classes=named,
        titles={each: titles[each] for each in named if each in titles},
        preprocessing=spec.preprocessing,
        metadata={
            "weights": "converted",
            "converted_from": file.path.name,
            "format": file.format,
            "dialect": recognized.match.dialect.name,
            "sha256": _digest(file.path),
            # Of a file of ours, where its weights first came from stays on record.
            **(own.metadata if own is not None else {}),
            "guessed": guessed,
            **(metadata or {}),
        },
        library_version=library_version(),
    )
    return ForeignModel(
        config=config,
        arrays=recognized.arrays,
        recognized=recognized,
        found=found,
        guessed=tuple(guessed),
        dropped=recognized.dropped,
    )


_OWN = "The file holds its own description: {}, with its classes and preprocessing."


def _with_mean(file: WeightsFile, path: Path) -> WeightsFile:
    """Put a mean that the user gives in the place of the graph's."""
    from googlenet.weights.formats.caffe import read_mean

    if file.format != "caffemodel":
        raise UsageError(
            f"a mean goes with a .caffemodel, not with {file.format}",
            path,
            "Leave it out; the published version's preprocessing is taken.",
        )
    mean = read_mean(path)
    if 0 < max(mean) <= 1:
        raise UsageError(
            f"the means {', '.join(f'{value:g}' for value in mean)} are on a scale of 0 to 1",
            path,
            "Give Caffe's, on a scale of 0 to 255, blue first.",
        )
    return replace(file, facts=replace(file.facts, mean=mean, channel_order="bgr"))


def _own_description(recognized: Recognized) -> ModelConfig | None:
    """Return what a file that we wrote says of itself, if its arrays are of that network."""
    texts = recognized.file.metadata
    if CONFIG not in texts or PREPROCESSOR not in texts:
        return None
    path = recognized.file.path
    config = parse_config(
        read_json(texts[CONFIG], path), read_json(texts[PREPROCESSOR], path), path
    )
    shapes = {name: array.shape for name, array in recognized.arrays.items()}
    if shapes != parameter_shapes(config.spec):
        raise ModelError(
            "weights file describes another network than its arrays are of",
            path,
            "Write the file again with googlenet convert --to safetensors.",
        )
    return config


def in_imagenet_order(model: ForeignModel) -> ForeignModel:
    """Keep only the thousand classes of ILSVRC 2012, in its order.

    Raises:
        UsageError: The classes are not ImageNet's.
    """
    rows = _imagenet_rows(model.config.classes, model.recognized.file.path)
    arrays = dict(model.arrays)
    for name in (f"{each}.{leaf}" for each in CLASSIFIERS for leaf in ("weight", "bias")):
        if name in arrays:
            arrays[name] = arrays[name][rows]
    others = model.config.spec.num_classes - len(rows)
    left = f"{others} logits that are none of ILSVRC 2012's classes."
    spec = replace(model.config.spec, num_classes=len(rows))
    guessed = [each for each in model.guessed if not each.startswith(CLASSES_ARE_IMAGENETS)]
    return replace(
        model,
        config=replace(
            model.config,
            spec=spec,
            classes=imagenet.synsets(1000),
            titles={
                synset: model.config.titles.get(synset, words)
                for synset, words in imagenet.names().items()
            },
            metadata={**model.config.metadata, "guessed": guessed},
        ),
        guessed=tuple(guessed),
        arrays=arrays,
        dropped=(*model.dropped, *([left] if others else [])),
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
