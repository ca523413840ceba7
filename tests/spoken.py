"""Weights of a spec as a tool would write them: its names, its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.parameters import parameter_shapes
from googlenet.architecture.spec import GoogLeNetSpec
from googlenet.architecture.variants import variant
from googlenet.weights.formats.contents import GraphFacts, WeightsFile

# The variant whose weights are published in each dialect.
SPOKEN = {
    "torchvision": "torchvision",
    "caffe": "caffe",
    "slim": "slim",
    "inception5h": "inception5h",
    "lucent": "inception5h",
    "captum": "inception5h",
    "captum-old": "inception5h",
    "onnx": "onnx-googlenet",
    "chainer": "caffe",
    "keras": "caffe",
    "caffe-torch": "caffe",
    "gluoncv": "gluoncv",
}
CHANNELS_LAST = ("slim", "inception5h", "keras")


def arrays_of(spec: GoogLeNetSpec) -> dict[str, np.ndarray]:
    """Draw every parameter of a spec; running variances are positive."""
    random = np.random.default_rng(5)
    return {
        name: np.abs(random.standard_normal(shape, np.float32)) + 0.1
        for name, shape in parameter_shapes(spec).items()
    }


def spoken(spec: GoogLeNetSpec, dialect_name: str, prefix: str = "") -> dict[str, np.ndarray]:
    """Write a spec's arrays under a dialect's names and in its layout."""
    dialect = DIALECTS[dialect_name]
    ours = arrays_of(spec)
    theirs = {}
    for name, our_name in dialect.parameters.items():
        if our_name not in ours:
            continue
        array = ours[our_name]
        if dialect_name in CHANNELS_LAST:
            if our_name.endswith("fc1.weight"):
                array = array.reshape(-1, 128, 4, 4).transpose(0, 2, 3, 1).reshape(array.shape)
            if array.ndim == 4:
                array = array.transpose(2, 3, 1, 0)
            elif array.ndim == 2:
                array = array.T
        theirs[prefix + name] = array
    return theirs


def file_of(
    arrays: Mapping[str, np.ndarray], facts: GraphFacts | None = None, **more: Any
) -> WeightsFile:
    facts = facts or GraphFacts()
    return WeightsFile(format="torch", path=Path("x.bin"), arrays=arrays, facts=facts, **more)


def same_arrays(found: Mapping[str, np.ndarray], spec: GoogLeNetSpec) -> bool:
    expected = arrays_of(spec)
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


def of_dialect(name: str) -> GoogLeNetSpec:
    spec = variant(SPOKEN[name])
    has_heads = any(layer.startswith("aux") for layer in DIALECTS[name].layers)
    return spec if has_heads else replace(spec, aux=None)


def renamed(arrays: Mapping[str, np.ndarray], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    result = {}
    for name, array in arrays.items():
        for old, new in names.items():
            name = name.replace(old, new)
        result[name] = array
    return result
