"""A model as a directory: weights, configuration, preprocessing policy and model card.

The files are those of a Hugging Face model repository, so it can be put there as it is. Everything
here can be imported without torch; saving and loading weights needs it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.errors import ModelError, ResultError, UsageError
from googlenet.names import encodable
from googlenet.weights.directory_swap import swap_directory
from googlenet.weights.model_card import model_card
from googlenet.weights.model_config import (
    CARD,
    CONFIG,
    PREPROCESSOR,
    WEIGHTS,
    ModelConfig,
    library_version,
    read_config,
)
from googlenet.weights.tensor_file import layouts, read_tensors, tensor_file

if TYPE_CHECKING:
    from torch import Tensor

    from googlenet.nn.googlenet import GoogLeNet

__all__ = ["ModelConfig", "load_network", "read_config", "save_model"]


def save_model(
    directory: str | os.PathLike[str],
    network: GoogLeNet,
    *,
    classes: Sequence[str],
    preprocessing: Preprocessing | None = None,
    metadata: Mapping[str, Any] | None = None,
    titles: Mapping[str, str] | None = None,
    card: str | None = None,
) -> None:
    """Write a model directory in one step: a crash leaves the old one or the new one.

    Args:
        directory: Where to write; a model directory that is there already is replaced.
        network: The network; floating-point weights are stored as float32.
        classes: Name of each class, in the order of the logits.
        preprocessing: The policy that the weights were trained with; None for the spec's own.
        metadata: JSON values to keep with the model; see ``ModelConfig``.
        titles: Words to show for classes whose names are codes.
        card: Contents of ``README.md``; None writes one without an evaluation.

    Raises:
        ResultError: A weight is not finite.
        UsageError: The classes do not fit the network, metadata is no JSON, or the directory holds
            other files.
        ModelError: The file system refused.
    """
    policy = network.spec.preprocessing if preprocessing is None else preprocessing
    config = ModelConfig(
        spec=replace(network.spec, preprocessing=policy),
        classes=tuple(classes),
        preprocessing=policy,
        titles=dict(titles or {}),
        metadata=dict(metadata or {}),
        library_version=library_version(),
    )
    tensors = _storable(network, directory)
    header = {
        "model_type": "googlenet",
        "variant": config.spec.variant,
        "library_version": config.library_version,
    }
    files: dict[str, bytes | str] = {
        WEIGHTS: tensor_file(tensors, header),
        CONFIG: _json(config.to_json()),
        PREPROCESSOR: _json(policy.to_config()),
        CARD: model_card(config) if card is None else card,
    }
    try:
        swap_directory(directory, files)
    except OSError as error:
        size = sum(map(len, files.values())) / 1e6
        raise ModelError(
            f"model could not be saved: {error.strerror}",
            directory,
            f"Give a directory that can be written and has {size:.0f} MB free.",
        ) from error


def load_network(directory: str | os.PathLike[str], config: ModelConfig | None = None) -> GoogLeNet:
    """Build the network of a model directory and give it its weights.

    Names, types and shapes are compared with the spec before any data is read, and each tensor with
    its checksum. PyTorch's random numbers are left as they were.

    Args:
        directory: A model directory.
        config: What ``read_config`` gave for it, to save reading it again.

    Returns:
        The network in eval mode, on the CPU, in float32.

    Raises:
        ModelError: A file is missing, foreign or damaged.
    """
    config = config or read_config(directory)
    path = Path(directory) / WEIGHTS
    network = empty_network(config, Path(directory) / CONFIG)
    tensors = read_tensors(path, layouts(network.state_dict()))
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def empty_network(config: ModelConfig, path: Path) -> GoogLeNet:
    """Build a network without memory for its weights, to compare names and shapes with.

    Raises:
        ModelError: The spec's numbers give no network.
    """
    import torch

    from googlenet.nn.googlenet import GoogLeNet

    try:
        with torch.device("meta"):
            return GoogLeNet.from_spec(config.spec)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(
            f"the network's description gives no network: {error}",
            path,
            "Take the config.json that was saved with these weights.",
        ) from error


def _storable(network: GoogLeNet, directory: str | os.PathLike[str]) -> dict[str, Tensor]:
    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    bad = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if bad:
        raise ResultError(
            f"{len(bad)} of {len(tensors)} tensors hold values that are not finite, "
            f"{bad[0]} the first; nothing was saved",
            directory,
            "Train again with a lower learning rate, or save an earlier state.",
        )
    return tensors


def _json(document: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
        if encodable(text) != text:  # a name with bytes that are no text keeps them as escapes
            text = json.dumps(document, indent=2, allow_nan=False)
        return text + "\n"
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"metadata cannot be written as JSON: {error}", None, "Give plain JSON values."
        ) from error
