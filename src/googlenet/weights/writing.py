"""A network in other tools' files: torchvision's names, Caffe's, or plain safetensors."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from googlenet.architecture.difference import differences
from googlenet.architecture.variants import variant
from googlenet.errors import ModelError, ResultError, UsageError
from googlenet.files import write_atomic

if TYPE_CHECKING:
    from torch import Tensor

    from googlenet.architecture.spec import GoogLeNetSpec
    from googlenet.nn.googlenet import GoogLeNet

Target = Literal["torchvision", "caffemodel", "safetensors"]

SUFFIXES: dict[Target, str] = {
    "torchvision": ".pth",
    "caffemodel": ".caffemodel",
    "safetensors": ".safetensors",
}


def write_weights(
    network: GoogLeNet,
    target: Target,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    overwrite: bool = False,
) -> list[Path]:
    """Write a network's weights, in float32, for another tool.

    Args:
        network: The network.
        target: ``torchvision`` gives a state dict (``.pth``) that torchvision's own GoogLeNet
            loads, where it can hold such a network; ``caffemodel`` gives a ``.caffemodel``, with
            batch normalization folded into the convolutions, its deploy ``.prototxt`` and a
            ``.labels.txt``; ``safetensors`` gives our names, which are torchvision's.
        path: The file to write; what comes with it stands beside it.
        classes: Name of each class, for the label file.
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
            f"a {target} file does not end in {path.suffix or 'nothing'}",
            path,
            f"Call it {path.with_suffix(SUFFIXES[target]).name}.",
        )
    state = _single(network, path)
    files = _FILES[target](network.spec, state, path, classes)
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise UsageError(
            f"{' and '.join(file.name for file in there)} would be replaced",
            path,
            "Give another name, or --overwrite.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, data in files.items():
            write_atomic(file, data)
    except OSError as error:
        raise ModelError(
            f"weights could not be written: {error.strerror}",
            path,
            "Give a path that can be written and has room.",
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
    spec: GoogLeNetSpec, state: dict[str, Tensor], path: Path, classes: Sequence[str]
) -> dict[Path, bytes | str]:
    import torch

    theirs = variant("torchvision")
    fixed = replace(
        theirs,
        stem=spec.stem,
        inception=spec.inception,
        aux=spec.aux and replace(spec.aux, pooling="adaptive"),
        num_classes=spec.num_classes,
        dropout=spec.dropout,
        initialization=spec.initialization,
        preprocessing=spec.preprocessing,
    )
    other = [each for each in differences(fixed, spec) if each.fact not in _COSTS]
    if other:
        listed = "; ".join(f"{each.fact}: {each.second}, not {each.first}" for each in other)
        raise UsageError(
            f"torchvision's GoogLeNet does not compute {spec.variant}: {listed}",
            path,
            "Use --to safetensors, which has the same names.",
        )
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return {path: buffer.getvalue()}


# These follow from the rest.
_COSTS = ("parameters", "parameters with heads", "multiply-adds at 224")


def _caffemodel(
    spec: GoogLeNetSpec, state: dict[str, Tensor], path: Path, classes: Sequence[str]
) -> dict[Path, bytes | str]:
    from googlenet.weights.formats.caffe_writer import caffemodel, deploy_prototxt

    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    files: dict[Path, bytes | str] = {
        path: caffemodel(arrays, spec),
        path.with_suffix(".prototxt"): deploy_prototxt(spec),
    }
    if classes:
        files[path.with_suffix(".labels.txt")] = "".join(f"{name}\n" for name in classes)
    return files


def _safetensors(
    spec: GoogLeNetSpec, state: dict[str, Tensor], path: Path, classes: Sequence[str]
) -> dict[Path, bytes | str]:
    from googlenet.weights.tensor_file import tensor_file

    return {path: tensor_file(state, {"variant": spec.variant})}


_FILES = {
    "torchvision": _torchvision,
    "caffemodel": _caffemodel,
    "safetensors": _safetensors,
}
