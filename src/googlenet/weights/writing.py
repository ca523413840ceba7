"""A network in other tools' files: torchvision's names, Caffe's, or plain safetensors."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from googlenet.architecture.difference import differences
from googlenet.architecture.variants import variant
from googlenet.errors import ModelError, ResultError, UsageError
from googlenet.files import write_atomic
from googlenet.names import encodable
from googlenet.weights.model_config import CONFIG, PREPROCESSOR, ModelConfig

if TYPE_CHECKING:
    from torch import Tensor

    from googlenet.nn.googlenet import GoogLeNet

Target = Literal["torchvision", "caffemodel", "safetensors"]

SUFFIXES: dict[Target, str] = {
    "torchvision": ".pth",
    "caffemodel": ".caffemodel",
    "safetensors": ".safetensors",
}


def write_weights(
    network: GoogLeNet,
    config: ModelConfig,
    target: Target,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write a network's weights, in float32, for another tool.

    Args:
        network: The network.
        config: Its classes, its preprocessing, and what else is on record.
        target: ``torchvision`` gives a state dict (``.pth``) that torchvision's own GoogLeNet
            loads, where it can hold such a network; ``caffemodel`` gives a ``.caffemodel``, with
            batch normalization folded into the convolutions, its deploy ``.prototxt`` and a
            ``.labels.txt``; ``safetensors`` gives our names, which are torchvision's, and a
            description from which the model is read again as it is.
        path: The file to write; what comes with it stands beside it.
        overwrite: Whether files that are there already may be replaced.

    Returns:
        The files written, the weights first.

    Raises:
        UsageError: The file's suffix is not the target's, the target cannot hold the network, or a
            file is there already.
        ResultError: A weight is not finite in float32.
        ModelError: The file system refused.
    """
    path = Path(path)
    if path.suffix != SUFFIXES[target]:
        raise UsageError(
            f"a {target} file ends in {SUFFIXES[target]}",
            path,
            f"Call it {path.stem or 'googlenet'}{SUFFIXES[target]}.",
        )
    state = _single(network, path)
    files = _FILES[target](config, state, path)
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise UsageError(
            f"{' and '.join(file.name for file in there)} would be replaced",
            path,
            "Give another name, or --overwrite.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The weights come last: where they are, what goes with them is there too.
        for file, data in reversed(files.items()):
            write_atomic(file, data)
    except OSError as error:
        raise ModelError(
            f"weights could not be written: {error.strerror}",
            error.filename or path,
            "Give a path that can be written, on a disk with room.",
        ) from error
    return list(files)


def _single(network: GoogLeNet, path: Path) -> dict[str, Tensor]:
    """Return the weights in float32, on the CPU.

    Raises:
        ResultError: One is not finite.
    """
    state = {
        name: tensor.detach().float().cpu() if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in network.state_dict().items()
    }
    bad = [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]
    if bad:
        raise ResultError(
            f"{len(bad)} tensors hold values that are not finite, {bad[0]} the first; nothing was "
            "written",
            path,
            "Train again with a lower learning rate, or take an earlier state.",
        )
    return state


def _torchvision(
    config: ModelConfig, state: dict[str, Tensor], path: Path
) -> dict[Path, bytes | str]:
    import torch

    spec, theirs = config.spec, variant("torchvision")
    norm, their_norm = spec.batch_norm, theirs.batch_norm
    if norm is not None and their_norm is not None:  # a missing scale is a scale of one
        their_norm = replace(their_norm, gamma=norm.gamma, momentum=norm.momentum)
    fixed = replace(
        spec,
        stem_padding=theirs.stem_padding,
        kernel_5x5=theirs.kernel_5x5,
        last_pool_kernel=theirs.last_pool_kernel,
        pool_rounding=theirs.pool_rounding,
        batch_norm=their_norm,
        local_response_norm=theirs.local_response_norm,
        aux=spec.aux and replace(spec.aux, pooling="adaptive"),
    )
    other = [each for each in differences(fixed, spec) if each.fact not in _COSTS]
    if other:
        listed = "; ".join(f"{each.fact}: {each.second}, not {each.first}" for each in other)
        raise UsageError(
            f"torchvision's GoogLeNet does not compute {spec.variant}: {listed}",
            path,
            "Use --to safetensors, which has the same names.",
        )
    for name in [name for name in state if name.endswith(".bn.bias")]:
        state.setdefault(name.replace(".bias", ".weight"), torch.ones_like(state[name]))
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return {path: buffer.getvalue()}


# These follow from the rest.
_COSTS = ("parameters", "parameters with heads", "multiply-adds at 224")


def _caffemodel(
    config: ModelConfig, state: dict[str, Tensor], path: Path
) -> dict[Path, bytes | str]:
    from googlenet.weights.formats.caffe_writer import caffemodel, deploy_prototxt

    spec = config.spec
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    # Caffe's description of a network has no place for how its input is made.
    told = f"# Input: {config.preprocessing.sentence()}.\n"
    labels = (f"{name} {config.titles.get(name, '')}".rstrip() for name in config.classes)
    return {
        path: caffemodel(arrays, spec),
        path.with_suffix(".prototxt"): told + deploy_prototxt(spec),
        path.with_suffix(".labels.txt"): "".join(f"{encodable(name)}\n" for name in labels),
    }


def _safetensors(
    config: ModelConfig, state: dict[str, Tensor], path: Path
) -> dict[Path, bytes | str]:
    from googlenet.weights.tensor_file import tensor_file

    described = {
        "variant": config.spec.variant,
        CONFIG: json.dumps(config.to_json(), allow_nan=False),
        PREPROCESSOR: json.dumps(config.preprocessing.to_config(), allow_nan=False),
    }
    return {path: tensor_file(state, described)}


_FILES = {
    "torchvision": _torchvision,
    "caffemodel": _caffemodel,
    "safetensors": _safetensors,
}
