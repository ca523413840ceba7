"""What an independent implementation computed, small enough to keep: the tool's own weights file,
and a sample of every endpoint.

Weights are drawn under the tool's own names, so that nothing of our name tables is in a golden
file. Most weights are zero and the others have few digits: the file compresses to a fortieth, and
every output channel still reads from all over its input. NumPy alone is imported here, of any
version: `RandomState` gives the same numbers in all of them.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SAMPLES = 400
# Weights other than zero that an output value has on average.
NONZERO = 12


def stream(name: str) -> np.random.RandomState:
    """Start the random numbers that belong to a name."""
    return np.random.RandomState(zlib.crc32(name.encode()))


def draw_weight(name: str, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Draw a sparse weight, float32, that keeps the spread of what goes through it."""
    random = stream(name)
    share = min(1.0, NONZERO / fan_in)
    values = random.standard_normal(shape) * np.sqrt(2.0 / (fan_in * share))
    return coarse(np.where(random.random_sample(shape) < share, values, 0.0))


def draw_shift(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw biases, batch-norm shifts or running means, float32, large enough to show."""
    return coarse(stream(name).standard_normal(shape) * 0.3)


def draw_variance(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw running variances or batch-norm scales, float32, from 0.5 to 2."""
    return coarse(stream(name).uniform(0.5, 2.0, shape))


def draw_images(size: int, scale: float, count: int = 2) -> np.ndarray:
    """Draw a batch of inputs, (count, 3, size, size) float64, normal with this deviation."""
    return stream(f"images {size}").standard_normal((count, 3, size, size)) * scale


def coarse(values: np.ndarray) -> np.ndarray:
    """Round to float32 with the digits of bfloat16, which compress."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return (bits & np.uint32(0xFFFF0000)).view(np.float32)


def save_endpoints(path: Path, endpoints: Mapping[str, np.ndarray]) -> None:
    """Keep a sample of each endpoint, and the shape, mean, deviation and largest of all of it.

    Args:
        path: Where to write an ``.npz``.
        endpoints: The tool's own name of each, (N, C, H, W) or (N, C), whatever the tool's layout.
    """
    kept: dict[str, np.ndarray] = {}
    for name, values in endpoints.items():
        whole = np.asarray(values, np.float64)
        kept[f"{name}|shape"] = np.array(whole.shape)
        kept[f"{name}|sample"] = whole.reshape(-1)[positions(name, whole.size)]
        kept[f"{name}|summary"] = np.array([whole.mean(), whole.std(), np.abs(whole).max()])
    np.savez_compressed(path, **kept)


def positions(name: str, size: int) -> np.ndarray:
    """Give the places of an endpoint's sample in its flattened values."""
    return stream(name).randint(0, size, min(SAMPLES, size))


def pack(source: Path, target: Path) -> None:
    """Keep a tool's file, compressed."""
    target.write_bytes(lzma.compress(source.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


def unpack(source: Path, target: Path) -> Path:
    """Restore a file that ``pack`` kept."""
    target.write_bytes(lzma.decompress(source.read_bytes()))
    return target
