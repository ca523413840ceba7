"""A network in other tools' files: torchvision's names, Caffe's, or plain safetensors."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from googlenet.architecture.variants import variant
from googlenet.errors import ModelError, UsageError
from googlenet.files import write_atomic

if TYPE_CHECKING:
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

    Returns:
        The files written, the weights first.

    Raises:
        UsageError: The file's suffix is not the target's, or the target cannot hold the network.
        ModelError: The file system refused.
    """
    path = Path(path)
    if path.suffix != SUFFIXES[target]:
        raise UsageError(
            f"a {target} file does not end in {path.suffix or 'nothing'}",
            path,
            f"Call it {path.with_suffix(SUFFIXES[target]).name}.",
        )
    files = _FILES[target](network, path, classes)
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


def _torchvision(network: GoogLeNet, path: Path, classes: Sequence[str]) -> dict[Path, bytes | str]:
    import torch

    spec, theirs = network.spec, variant("torchvision")
    if spec.batch_norm is None or spec.kernel_5x5 != theirs.kernel_5x5:
        norm = "no batch normalization" if spec.batch_norm is None else "batch normalization"
        raise UsageError(
            f"torchvision's GoogLeNet cannot hold {spec.variant}: it has 3x3 kernels in its 5x5 "
            f"branches and batch normalization, these weights have {spec.kernel_5x5}x"
            f"{spec.kernel_5x5} and {norm}",
            path,
            "Use --to safetensors, which has the same names.",
        )
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    if not spec.batch_norm.gamma:  # a learned shift alone is a scale of one
        shifts = [name for name in state if name.endswith(".bn.bias")]
        for name in shifts:
            state[name.replace(".bias", ".weight")] = torch.ones_like(state[name])
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return {path: buffer.getvalue()}


def _caffemodel(network: GoogLeNet, path: Path, classes: Sequence[str]) -> dict[Path, bytes | str]:
    from googlenet.weights.formats.caffe_writer import caffemodel, deploy_prototxt

    arrays = {
        name: tensor.detach().float().cpu().numpy() for name, tensor in network.state_dict().items()
    }
    files: dict[Path, bytes | str] = {
        path: caffemodel(arrays, network.spec),
        path.with_suffix(".prototxt"): deploy_prototxt(network.spec),
    }
    if classes:
        files[path.with_suffix(".labels.txt")] = "".join(f"{name}\n" for name in classes)
    return files


def _safetensors(network: GoogLeNet, path: Path, classes: Sequence[str]) -> dict[Path, bytes | str]:
    from googlenet.weights.tensor_file import tensor_file

    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    return {path: tensor_file(tensors, {"variant": network.spec.variant})}


_FILES = {
    "torchvision": _torchvision,
    "caffemodel": _caffemodel,
    "safetensors": _safetensors,
}
