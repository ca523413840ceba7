"""Mutations of small GoogLeNets in other tools' files, read the whole way to a model."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from googlenet.errors import GoogLeNetError
from googlenet.weights.convert import read_model
from googlenet.weights.model_config import ModelConfig
from googlenet.weights.tensor_header import HEADER_CHECKSUM, NO_CHECKSUM, quoted, sha256
from googlenet.weights.writing import Target, write_weights
from tests.fuzz import Subject, member
from tests.narrow import narrow_network, narrow_spec


def subjects(folder: Path) -> dict[str, Callable[[], Subject]]:
    """Give a maker of each subject."""
    return {
        "torch": lambda: torch_pickle(folder),
        "safetensors": lambda: plain_safetensors(folder),
        "safetensors-ours": lambda: our_safetensors(folder),
        "caffemodel": lambda: caffemodel(folder),
        "prototxt": lambda: prototxt(folder),
    }


def model(original: bytes, place: Callable[[bytes], object], path: Path, **options: Any) -> Subject:
    """Mutate bytes of a model's file, and read it as ``googlenet convert`` does."""
    return Subject(original, place, lambda: read_model(path, **options), GoogLeNetError)


def torch_pickle(folder: Path) -> Subject:
    """Mutate the pickle of a state dict."""
    path = folder / "a.pth"
    torch.save(narrow_network(narrow_spec(name="torchvision")).state_dict(), path)
    pickle = member(path, "a/data.pkl")
    return model(pickle.original, pickle.place, path)


def plain_safetensors(folder: Path) -> Subject:
    """Mutate the header of a file without checksums."""
    path = folder / "a.safetensors"
    save_file(narrow_network().state_dict(), path)
    header, tensors = parts(path.read_bytes())
    return model(header, lambda data: path.write_bytes(sized(data) + tensors), path)


def our_safetensors(folder: Path) -> Subject:
    """Mutate the header of a file of ours, and give it a right checksum again."""
    path = written(folder, "safetensors", "a.safetensors")
    header, tensors = parts(path.read_bytes())

    def place(data: bytes) -> None:
        own = f'"{HEADER_CHECKSUM}":'.encode()
        data = re.sub(own + b'"[0-9a-f]{64}"', own + quoted(NO_CHECKSUM), data)
        data = data.replace(quoted(NO_CHECKSUM), quoted(sha256(data)))
        path.write_bytes(sized(data) + tensors)

    return model(header, place, path)


def caffemodel(folder: Path) -> Subject:
    """Mutate a caffemodel."""
    path = written(folder, "caffemodel", "a.caffemodel", "caffe")
    # Without its net, a caffemodel does not say all that it computes.
    return model(path.read_bytes(), path.write_bytes, path, lineage="caffe")


def prototxt(folder: Path) -> Subject:
    """Mutate the net that goes with a caffemodel."""
    path = written(folder, "caffemodel", "a.caffemodel")
    net = path.with_suffix(".prototxt")
    return model(net.read_bytes(), net.write_bytes, path, prototxt=net)


def written(folder: Path, target: Target, name: str, variant: str = "bn") -> Path:
    """Let googlenet write a narrow network."""
    network = narrow_network(narrow_spec(name=variant))
    spec = network.spec
    config = ModelConfig(
        spec=spec,
        classes=tuple(f"class_{index}" for index in range(spec.num_classes)),
        preprocessing=spec.preprocessing,
    )
    return write_weights(network, config, target, folder / name)[0]


def parts(data: bytes) -> tuple[bytes, bytes]:
    """Take a safetensors file apart: its header, and its tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def sized(header: bytes) -> bytes:
    """Put a header's length before it."""
    return len(header).to_bytes(8, "little") + header
