"""Tensors in a safetensors file that vouches for its own content.

The format checks layout only: a flipped bit in a weight loads without a word. So the header's
metadata holds the SHA-256 of each tensor, and of the header itself, and both are checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from googlenet.errors import ModelError
from googlenet.weights.tensor_header import (
    HEADER_CHECKSUM,
    NO_CHECKSUM,
    TENSOR_CHECKSUMS,
    TensorLayout,
    damaged,
    open_tensor_file,
    quoted,
    read_header,
    sha256,
    tensor_checksums,
)

if TYPE_CHECKING:
    from torch import Tensor

_MISMATCHES_NAMED = 3


def tensor_file(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file with a checksum for each tensor and for the header.

    Args:
        tensors: Tensors of any device and memory format; they are written in C order.
        metadata: Text entries for the header; ``format`` is added.
    """
    import torch
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sums = {
        name: sha256(tensor.reshape(-1).view(torch.uint8).numpy()) for name, tensor in plain.items()
    }
    data = save(plain)
    end = 8 + int.from_bytes(data[:8], "little")
    # The library writes metadata in an order that changes from run to run; equal tensors shall give
    # equal files, so the header is written here.
    entries = {
        "format": "pt",
        **metadata,
        TENSOR_CHECKSUMS: json.dumps(sums),
        HEADER_CHECKSUM: NO_CHECKSUM,
    }
    document = {"__metadata__": entries, **json.loads(data[8:end])}
    text = json.dumps(document, separators=(",", ":"))
    header = text.encode() + b" " * (-len(text) % 8)  # the data begins at a multiple of 8
    header = header.replace(quoted(NO_CHECKSUM), quoted(sha256(header)))
    return len(header).to_bytes(8, "little") + header + data[end:]


def read_tensors(
    path: str | os.PathLike[str], expected: Mapping[str, TensorLayout] | None = None
) -> dict[str, Tensor]:
    """Read the tensors of a file that ``tensor_file`` made, each checked against its checksum.

    Args:
        path: The file.
        expected: The tensors that it must hold; compared before any data is read.

    Raises:
        ModelError: The file is missing, is no such file, holds other tensors, or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    with open_tensor_file(path) as file:
        header = read_header(file, path)
        if expected is not None:
            compare_layouts(header.layouts, expected, path)
        sums = tensor_checksums(header, path)
        length = max((end for _, end in header.places.values()), default=8 + len(header.raw))
        if os.fstat(file.fileno()).st_size != length:
            raise damaged(path, f"it is not {length} bytes long, as its header says")
        file.seek(0)
        data = file.read(length)
    try:
        tensors = load(data)  # refuses overlaps, gaps and a length that does not fit
    except (SafetensorError, ValueError, OverflowError, RuntimeError) as error:
        raise damaged(path, f"its layout is broken ({error})") from error
    view = memoryview(data)
    for name in tensors:
        start, end = header.places[name]
        if sha256(view[start:end]) != sums[name]:
            raise damaged(path, f"the content of {name} is not what was saved")
    # Loaded tensors lie at any address; copies are aligned as the arithmetic likes them.
    return {name: tensor.clone() for name, tensor in tensors.items()}


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the text entries of a tensor file, without its data and without torch.

    Raises:
        ModelError: The file is missing, is no such file, or its header is damaged.
    """
    path = Path(path)
    with open_tensor_file(path) as file:
        header = read_header(file, path)
    tensor_checksums(header, path)
    return {
        name: text
        for name, text in header.metadata.items()
        if name not in (TENSOR_CHECKSUMS, HEADER_CHECKSUM)
    }


def layouts(tensors: Mapping[str, Tensor]) -> dict[str, TensorLayout]:
    """Return type and shape of each tensor, as a file would hold them."""
    import torch

    words = {torch.float32: "F32", torch.float64: "F64", torch.bfloat16: "BF16"} | {
        torch.float16: "F16",
        torch.int64: "I64",
    }
    return {
        name: TensorLayout(words.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
        for name, tensor in tensors.items()
    }


def compare_layouts(
    found: Mapping[str, TensorLayout], expected: Mapping[str, TensorLayout], path: Path
) -> None:
    """Raise if the tensors found are not those expected.

    Raises:
        ModelError: It names the first tensors that are missing, unknown or of another shape.
    """
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is unknown" for name in found if name not in expected]
    problems += [
        f"{name} is {found[name]} in place of {layout}"
        for name, layout in expected.items()
        if name in found and found[name] != layout
    ]
    if problems:
        named = "; ".join(problems[:_MISMATCHES_NAMED])
        rest = len(problems) - _MISMATCHES_NAMED
        raise ModelError(
            f"weights do not fit the network: {named}{f'; and {rest} more' if rest > 0 else ''}",
            path,
            "Keep weights together with the config.json that they were saved with.",
        )
