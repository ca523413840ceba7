"""Where the weights are in what training scripts save, and what is said of all else."""

from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict, defaultdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch

from googlenet.weights.formats.contents import WeightsFile
from googlenet.weights.formats.torch_file import read
from tests.narrow import narrow_network


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return narrow_network().state_dict()


def saved(path: Path, value: object, **options: object) -> WeightsFile:
    """Let PyTorch save a value, and read it without torch."""
    torch.save(value, path / "a.pth", **options)
    return read(path / "a.pth")


def assert_same(file: WeightsFile, expected: dict[str, torch.Tensor]) -> None:
    assert list(file.arrays) == list(expected)
    for name, tensor in expected.items():
        assert file.arrays[name].dtype == tensor.numpy().dtype, name
        assert np.array_equal(file.arrays[name], tensor.numpy()), name


FORMATS: dict[str, dict[str, object]] = {
    "zip": {},
    "stream": {"_use_new_zipfile_serialization": False},
    "protocol 4": {"pickle_protocol": 4},
    "protocol 5": {"pickle_protocol": 5},
    "stream of protocol 5": {"_use_new_zipfile_serialization": False, "pickle_protocol": 5},
}


@pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)
def test_what_training_scripts_save_is_passed_over(
    tmp_path: Path, weights: dict[str, torch.Tensor], options: dict[str, object]
) -> None:
    network = narrow_network()
    optimizer = torch.optim.AdamW(network.parameters(), 0.1)
    network(torch.ones(1, 3, 64, 64)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
    args = argparse.Namespace(data=Path("/data"), lr=0.1, when=datetime(2014, 9, 17, tzinfo=UTC))
    others = {
        "args": args,
        "scheduler": scheduler.state_dict(),
        "history": defaultdict(list, {"loss": [np.float32(0.5)]}),
        "epoch": 3,
        "optimizer": optimizer.state_dict(),
        "numbers": np.random.default_rng(1),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "array": np.arange(6).reshape(2, 3),
        "classes": {"cat", "dog"},
        "frozen": frozenset(["conv1"]),
        "bytes": [b"", b"abc", bytearray(b"abc")],
        "criterion": torch.nn.CrossEntropyLoss(torch.ones(3)),
        "whole": optimizer,
        "version": torch.__version__,
        "odd": [torch.zeros(2, dtype=kind) for kind in (torch.complex64, torch.uint16)],
        "sparse": torch.eye(2).to_sparse(),
        "device": [torch.device("cpu"), torch.float32, torch.Size([1])],
    }
    file = saved(tmp_path, others | {"state_dict": weights}, **options)
    assert_same(file, weights)
    (note,) = file.notes
    assert note.startswith("Beside the weights: args (argparse.Namespace, datetime.datetime, ")
    assert note.endswith("history (collections.defaultdict) and 15 more; none of it was read.")
    assert "scheduler (collections.Counter)" in note


def test_names_of_what_is_beside_the_weights_are_noted(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    args = argparse.Namespace(out=PurePosixPath("/out"))
    file = saved(tmp_path, {"epoch": 3, "optimizer": {}, "args": args, "model": weights})
    assert file.notes == (
        "Beside the weights: epoch, optimizer, args (argparse.Namespace, pathlib.PurePosixPath); "
        "none of it was read.",
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_beside_a_state_dict_do_not_hide_it(
    tmp_path: Path, weights: dict[str, torch.Tensor], zipped: bool
) -> None:
    """The layout of PyTorch's ImageNet example, and means of channels."""
    value = {
        "epoch": 3,
        "arch": "googlenet",
        "best_acc1": torch.tensor(0.5),
        "mean": torch.ones(3),
        "std": torch.ones(3),
    }
    for key in ("state_dict", "model_of_mine"):
        file = saved(tmp_path, value | {key: weights}, _use_new_zipfile_serialization=zipped)
        assert_same(file, weights)
        assert file.notes == (
            "Beside the weights: epoch, arch, best_acc1 and 2 more; none of it was read.",
        )


@pytest.mark.parametrize(
    "keys",
    [("params",), ("model_state",), ("network_fn",), ("model", "state_dict"), ("a", "b")],
    ids="/".join,
)
def test_a_state_dict_is_found_under_any_key(
    tmp_path: Path, weights: dict[str, torch.Tensor], keys: tuple[str, ...]
) -> None:
    value: object = weights
    for key in reversed(keys):
        value = {"note": "by hand", key: value}
    assert_same(saved(tmp_path, value), weights)


@pytest.mark.parametrize(
    ("taken", "other"),
    [
        ("state_dict", "ema"),
        ("state_dict", "model"),
        ("model_state_dict", "model"),
        ("model", "net"),
        ("net", "network"),
        ("network", "weights"),
        ("weights", "params"),
        ("params", "model_ema"),
    ],
)
def test_of_several_state_dicts_the_likeliest_is_taken(
    tmp_path: Path, weights: dict[str, torch.Tensor], taken: str, other: str
) -> None:
    average = narrow_network(seed=1).state_dict()
    for value in ({taken: weights, other: average}, {other: average, taken: weights}):
        file = saved(tmp_path, value)
        assert_same(file, weights)
        assert file.notes == (f"Taken: {taken}; also there: {other}.",)


def test_of_unknown_keys_the_largest_is_taken(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    generators = {"cpu": torch.get_rng_state(), "gpu": torch.get_rng_state()}
    file = saved(
        tmp_path, {"generators": generators, "trained": {"best": weights}, "mine": weights}
    )
    assert_same(file, weights)
    assert file.notes == (
        "Beside the weights: trained; none of it was read.",
        "Taken: mine; also there: generators.",
    )


@pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)
def test_keys_of_bytes_are_read(
    tmp_path: Path, weights: dict[str, torch.Tensor], options: dict[str, object]
) -> None:
    """What torch.load gives for files of Python 2, where it is told to keep their text as bytes."""
    value = {b"state_dict": OrderedDict((name.encode(), each) for name, each in weights.items())}
    file = saved(tmp_path, value | {b"epoch": 3}, **options)
    assert_same(file, weights)
    assert file.notes == ("Beside the weights: epoch; none of it was read.",)


def test_what_is_named_and_not_called_is_passed_over(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    file = saved(tmp_path, {"model": weights, "reader": pickle.loads})
    assert_same(file, weights)
    assert file.notes == ("Beside the weights: reader (pickle.loads); none of it was read.",)
