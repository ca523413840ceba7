"""Safetensors of any tool, googlenet's own with their checksums, and files that are damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from googlenet.errors import ModelError
from googlenet.weights.formats.safetensors_file import read
from googlenet.weights.tensor_file import tensor_file
from tests import foreign_files


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value.what


def written(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_tensors_are_those_that_were_saved(tmp_path: Path) -> None:
    file = read(foreign_files.write_safetensors(tmp_path / "a.safetensors"))
    assert file.format == "safetensors"
    expected = foreign_files.state_dict()
    assert set(file.arrays) == set(expected)
    for name, tensor in expected.items():
        whole = tensor.detach()
        values = whole.float() if whole.dtype in (torch.half, torch.bfloat16) else whole
        assert file.arrays[name].dtype == values.numpy().dtype
        assert np.array_equal(file.arrays[name], values.numpy()), name


def test_our_own_checksums_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    weight = torch.from_numpy(foreign_files.KERNEL.copy())
    data = tensor_file({"a": weight, "b": torch.ones(3)}, {"library": "googlenet"})
    path.write_bytes(data)
    assert np.array_equal(read(path).arrays["a"], foreign_files.KERNEL)
    flipped = bytearray(data)
    flipped[-1] ^= 1
    path.write_bytes(flipped)
    assert "is not what was saved" in problem(path)
    path.write_bytes(data.replace(b'"library":"googlenet"', b'"library":"googlenot"'))
    assert "header is not what was saved" in problem(path)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**40]}},
        {"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4] + [1] * 20, "data_offsets": [0, 16]}},
        {"a": {"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}},
        {
            "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        },
        {"a": 7},
        [],
        b"{" * 1000,
        b"",
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, header: object) -> None:
    path = written(tmp_path / "a.safetensors", header, bytes(16))
    assert "safetensors file is damaged" in problem(path)


def test_no_numbers_have_any_shape(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [2**62, 0], "data_offsets": [0, 0]}}
    assert read(written(tmp_path / "a.safetensors", header)).arrays["a"].size == 0


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path = foreign_files.write_safetensors(tmp_path / "a.safetensors")
    data = path.read_bytes()
    for length in range(0, len(data), 101):
        path.write_bytes(data[:length])
        assert "safetensors file is damaged" in problem(path)
