"""Compares our network with what independent implementations computed, as golden files keep it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from googlenet.architecture.dialect_table import DIALECTS
from googlenet.nn.googlenet import GoogLeNet
from googlenet.weights.formats.contents import WeightsFile
from googlenet.weights.recognize import Recognized, recognize
from tests.oracles import golden

GOLDEN = Path("tests/golden")


def unpacked(name: str, directory: Path) -> Path:
    """Restore a tool's file into a directory."""
    return golden.unpack(GOLDEN / f"{name}.xz", directory / name)


def network(recognized: Recognized) -> GoogLeNet:
    """Build the recognized network in float64."""
    built = GoogLeNet.from_spec(recognized.spec).double().eval()
    state = {
        name: torch.from_numpy(np.array(array, np.float64))
        for name, array in recognized.arrays.items()
    }
    missing, surplus = built.load_state_dict(state, strict=False)
    assert not surplus
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return built


def recognized(file: WeightsFile) -> Recognized:
    """Recognize a network, and hold that nothing of the file is left."""
    found = recognize(file)
    assert found.dropped == file.notes
    return found


def largest_difference(
    network: GoogLeNet, endpoints: str, dialect: str, size: int, scale: float, tolerance: float
) -> dict[str, float]:
    """Hold every endpoint of a golden file to ours.

    Args:
        network: Ours, in float64.
        endpoints: Name of the file without ``.npz``.
        dialect: Whose names its endpoints have; one of 5h's is another one of ours.
        size: Side of the images that it was computed from.
        scale: Their deviation.
        tolerance: The largest difference, as a share of the endpoint's largest value.

    Returns:
        Each endpoint with its difference, as such a share.
    """
    kept = np.load(GOLDEN / f"{endpoints}.npz")
    names = [name.removesuffix("|shape") for name in kept.files if name.endswith("|shape")]
    ours_by_name = DIALECTS[dialect].endpoints
    with torch.no_grad():
        images = torch.from_numpy(golden.draw_images(size, scale))
        computed = network.endpoints(images, [ours_by_name[name] for name in names])
    differences = {}
    for name in names:
        ours = computed[ours_by_name[name]].numpy()
        if ours.shape[2:] == (1, 1) and len(kept[f"{name}|shape"]) == 2:
            ours = ours[:, :, 0, 0]
        assert ours.shape == tuple(kept[f"{name}|shape"]), name
        mean, deviation, largest = kept[f"{name}|summary"]
        # What has vanished, or is all the same, would agree with anything.
        assert deviation > 1e-2 * largest > 0, name
        sample = ours.reshape(-1)[golden.positions(name, ours.size)]
        wrong = np.abs(sample - kept[f"{name}|sample"]).max()
        summary = np.array([ours.mean(), ours.std(), np.abs(ours).max()])
        wrong = max(wrong, np.abs(summary - (mean, deviation, largest)).max())
        differences[name] = float(wrong / largest)
        assert differences[name] <= tolerance, f"{name} differs by {differences[name]:.2g}"
    return differences
