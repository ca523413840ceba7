"""A tensor file: every change to it is found, and equal tensors give equal files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from googlenet.errors import ModelError
from googlenet.weights.tensor_file import read_metadata, read_tensors, tensor_file
from tests.narrow import narrow_network


@pytest.fixture(scope="module")
def sound() -> bytes:
    """The content of a file that holds a network."""
    return tensor_file(narrow_network().state_dict(), {"variant": "bn"})


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_flipped_bit_is_found(sound: bytes, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(sound)
    header = 8 + int.from_bytes(content[:8], "little")
    # Half of the flips go into the header, which is the smaller part.
    last = data.draw(st.sampled_from([7, header - 1, len(content) - 1]))
    offset = data.draw(st.integers(0, last))
    content[offset] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_tensors(path)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_other_length_is_found(sound: bytes, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "model.safetensors"
    if data.draw(st.booleans()):
        path.write_bytes(sound[: data.draw(st.integers(0, len(sound) - 1))])
    else:
        path.write_bytes(sound + data.draw(st.binary(min_size=1, max_size=20)))
    with pytest.raises(ModelError):
        read_tensors(path)


def test_tensors_of_every_kind_come_back(tmp_path: Path) -> None:
    tensors = {
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 4),
        "half": torch.randn(3).half(),
        "transposed": torch.randn(4, 5).t(),
        "flags": torch.tensor([True, False]),
    }
    path = tmp_path / "tensors.safetensors"
    path.write_bytes(tensor_file(tensors, {"note": 'quotes " and é'}))
    found = read_tensors(path)
    assert set(found) == set(tensors)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert read_metadata(path)["note"] == 'quotes " and é'


def test_other_processes_write_the_same_bytes(sound: bytes) -> None:
    script = (
        "from tests.narrow import narrow_network; "
        "from googlenet.weights.tensor_file import tensor_file; "
        "data = tensor_file(narrow_network().state_dict(), {'variant': 'bn'}); "
        "import sys; sys.stdout.buffer.write(data)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == sound


def test_a_file_that_never_ends_is_not_read(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(sound)
    with path.open("r+b") as file:
        file.truncate(2**40)  # a hole: no byte of it is on the disk
    with pytest.raises(ModelError, match="bytes long"):
        read_tensors(path)
