"""Normalization and pools agree with loops over plain NumPy, at even and odd sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from googlenet.architecture.cost import pool_size
from googlenet.architecture.spec import LocalResponseNorm, PoolRounding
from googlenet.architecture.variants import variant
from googlenet.nn.googlenet import GoogLeNet
from googlenet.nn.layers import LRN, StridedMaxPool

SIZES = (7, 12, 55, 56, 57, 112, 113)


def images(channels: int, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(height * 1000 + width)
    return random.standard_normal((2, channels, height, width)) * 3


def plain_norm(x: np.ndarray, norm: LocalResponseNorm) -> np.ndarray:
    """Sum the squares of the channels within the window, as each tool's documentation says."""
    reach = norm.size // 2
    alpha = norm.alpha / norm.size if norm.divide_alpha else norm.alpha
    result = np.empty_like(x)
    for channel in range(x.shape[1]):
        window = x[:, max(channel - reach, 0) : channel + reach + 1]
        sums = (window**2).sum(axis=1)
        result[:, channel] = x[:, channel] / (norm.k + alpha * sums) ** norm.beta
    return result


@pytest.mark.parametrize("name", ["caffe", "inception5h"])
@pytest.mark.parametrize("size", [5, 8])
def test_local_response_normalization(name: str, size: int) -> None:
    norm = variant(name).local_response_norm
    assert norm is not None
    x = images(24, size, size + 1) * 40  # so large that the sums matter
    ours = LRN(norm)(torch.from_numpy(x)).numpy()
    assert np.abs(ours - x).max() > 1
    assert np.allclose(ours, plain_norm(x, norm), rtol=1e-12, atol=0)


def plain_pool(x: np.ndarray, kernel: int, rounding: PoolRounding) -> np.ndarray:
    """Slide a window by two over rows, then over columns; beyond the edge there is nothing."""

    def starts(size: int) -> list[int]:
        if rounding == "same":  # TensorFlow: half the size, rounded up; what lacks is split
            count = -(-size // 2)
            before = max((count - 1) * 2 + kernel - size, 0) // 2
            return [2 * index - before for index in range(count)]
        if rounding == "ceil":  # Caffe: a window may hang over the end
            return list(range(0, -(-(size - kernel) // 2) * 2 + 1, 2))
        reach = size + kernel - 1 if rounding == "end" else size
        return [start for start in range(0, size, 2) if start + kernel <= reach]

    def along(values: np.ndarray, axis: int) -> np.ndarray:
        size = values.shape[axis]
        picked = [
            np.take(values, range(max(s, 0), min(s + kernel, size)), axis).max(axis, keepdims=True)
            for s in starts(size)
        ]
        return np.concatenate(picked, axis)

    return along(along(x, 2), 3)


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("rounding", ["ceil", "same", "floor", "end"])
def test_strided_pools(rounding: PoolRounding, kernel: int) -> None:
    for height, width in zip(SIZES, reversed(SIZES), strict=True):
        x = images(3, height, width) - 100  # below zero, so that zero padding would show
        ours = StridedMaxPool(kernel, rounding)(torch.from_numpy(x)).numpy()
        assert np.array_equal(ours, plain_pool(x, kernel, rounding)), (height, width)
        sides = (pool_size(height, kernel, rounding), pool_size(width, kernel, rounding))
        assert ours.shape[2:] == sides


@pytest.mark.parametrize("size", [32, 33, 64, 65])
def test_the_stem_pads_as_same_does(size: int) -> None:
    torch.manual_seed(1)
    network = GoogLeNet(3, variant="slim").eval().double()
    x = images(3, size, size)
    before = 2 if size % 2 == 0 else 3
    padded = np.zeros((2, 3, size + 5 + size % 2, size + 5 + size % 2))
    padded[:, :, before : before + size, before : before + size] = x
    weight = network.conv1.conv.weight.detach().numpy()
    side = -(-size // 2)
    plain = np.empty((2, 64, side, side))
    for row in range(side):
        for column in range(side):
            window = padded[:, :, 2 * row : 2 * row + 7, 2 * column : 2 * column + 7]
            plain[:, :, row, column] = np.tensordot(window, weight, ((1, 2, 3), (1, 2, 3)))
    ours = network.endpoints(torch.from_numpy(x), ["conv1.conv"])["conv1.conv"]
    assert np.allclose(ours.detach().numpy(), plain, rtol=1e-10, atol=1e-12)
