"""Whether a converted network computes what its source computed, by outputs that the user kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from googlenet.architecture.dialects import bare_name, find_endpoint
from googlenet.errors import DataError, ModelError
from googlenet.weights.layout import swapped_head

if TYPE_CHECKING:
    from googlenet.nn.googlenet import GoogLeNet

INPUT = "input"

# Tools' names of probabilities, which are no endpoint of ours, and the logits they are made from.
PROBABILITIES = {
    **dict.fromkeys(("prob", "prob_1", "probabilities", "softmax"), "logits"),
    **dict.fromkeys(("softmax2", "output2", "Predictions", "Predictions/Reshape_1"), "logits"),
    "softmax0": "aux1",
    "softmax1": "aux2",
}


@dataclass(frozen=True)
class Agreement:
    """Hold how far an output of ours is from its reference.

    Attributes:
        name: What the reference calls it.
        endpoint: What we call it.
        difference: The largest difference of a value.
        largest: The largest value of the reference.
    """

    name: str
    endpoint: str
    difference: float
    largest: float

    @property
    def relative(self) -> float:
        """The largest difference as a share of the largest value; infinite where that is 0."""
        if self.largest == 0:
            return 0.0 if self.difference == 0 else float("inf")
        return self.difference / self.largest


def compare_with_reference(
    network: GoogLeNet,
    reference: str | os.PathLike[str],
    *,
    dialect: str | None = None,
    swap_aux: bool = False,
) -> list[Agreement]:
    """Run the network on a reference's input and compare every output that the reference has.

    Args:
        network: The network; it computes in its own precision, in eval mode.
        reference: An ``.npz`` with ``input``, (N, 3, H, W) or (N, H, W, 3), as the source's network
            got it, after its preprocessing; and any of its activations under the name of any
            dialect: (N, C, H, W), (N, H, W, C) or (N, C); probabilities as ``prob`` or under a
            tool's name of them.
        dialect: Whose meaning of a name comes first: that of the file the network is from.
        swap_aux: Whether the reference names the two heads the other way round.

    Returns:
        One row for each output, in the file's order.

    Raises:
        DataError: The file cannot be read, or an output has another shape than ours.
        UsageError: The network has no such endpoint, or does not take such an input.
    """
    import torch

    from googlenet.weights.formats.chainer_npz import read

    try:
        arrays = read(Path(reference)).arrays
    except ModelError as error:
        raise DataError(
            f"reference cannot be read: {error.what}",
            reference,
            "Save it with numpy.savez: the input, and outputs under their names.",
        ) from error
    inputs = arrays.get(INPUT)
    if inputs is None or inputs.ndim != 4 or 3 not in (inputs.shape[1], inputs.shape[3]):
        raise DataError(
            "reference has no input of shape (N, 3, H, W) or (N, H, W, 3)",
            reference,
            f"Save the network's input as {INPUT!r}, and its outputs under their names.",
        )
    if inputs.shape[1] != 3:
        inputs = inputs.transpose(0, 3, 1, 2)
    endpoints = {name: _endpoint(name, dialect, swap_aux) for name in arrays if name != INPUT}
    if not endpoints:
        raise DataError(
            "reference has an input and no output", reference, "Save the outputs beside it."
        )
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise DataError(
            f"reference holds values in {broken[0]} that are not finite",
            reference,
            "Save what the source computes for an ordinary image.",
        )
    kind = next(network.parameters()).dtype
    images = torch.from_numpy(np.ascontiguousarray(inputs, np.float64)).to(kind)
    wanted = {endpoint for endpoint, _ in endpoints.values()}
    with torch.inference_mode():
        seen = {name: each.numpy() for name, each in network.endpoints(images, wanted).items()}
    return [
        _compared(
            name,
            endpoint,
            _softmax(seen[endpoint]) if soft else seen[endpoint],
            arrays[name],
            reference,
        )
        for name, (endpoint, soft) in endpoints.items()
    ]


def _endpoint(name: str, dialect: str | None, swap_aux: bool) -> tuple[str, bool]:
    """Return our endpoint for a name, and whether the name is of its probabilities."""
    soft = PROBABILITIES.get(bare_name(name))
    ours = soft
    if ours is None and dialect is not None:
        ours = find_endpoint(f"{dialect}:{name}")
    ours = ours or find_endpoint(name) or name
    return (swapped_head(ours) if swap_aux else ours), soft is not None


def _softmax(logits: NDArray[Any]) -> NDArray[Any]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def _compared(
    name: str,
    endpoint: str,
    ours: NDArray[Any],
    reference_values: NDArray[Any],
    reference: str | os.PathLike[str],
) -> Agreement:
    theirs = np.asarray(reference_values, np.float64)
    if theirs.ndim == 4 and ours.ndim == 4 and theirs.shape != ours.shape:
        theirs = theirs.transpose(0, 3, 1, 2)
    if theirs.size == ours.size and ours.ndim == 2 and len(theirs) in (len(ours), theirs.size):
        theirs = theirs.reshape(ours.shape)  # (N, C, 1, 1), or (C,) for one image
    if theirs.shape != ours.shape:
        raise DataError(
            f"reference's {name} has the shape {reference_values.shape}, the network's is "
            f"{ours.shape}",
            reference,
            "Save what the same network gave for the same input.",
        )
    return Agreement(
        name, endpoint, float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    )
