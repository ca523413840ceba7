"""Chainer's own GoogLeNet with both heads: its ``.npz``, and its activations in float64.

Run from the repository's root, with a fixed seed since Chainer saves parameters in a set's order:
``PYTHONHASHSEED=0 .oracles/chainer/bin/python -m tests.oracles.chainer.googlenet``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import chainer
import numpy as np
from chainer.links.model.vision.googlenet import GoogLeNet

from tests.oracles import golden

GOLDEN = Path("tests/golden")
SIZE = 224
# The deviation of the inputs, which are 0 to 255 less the mean.
SCALE = 60.0
# Biases grow with them, or no one would miss a bias.
BIAS_SCALE = 32


class InnerOutputs(chainer.LinkHook):
    """Keep what the convolutions inside the modules give, before it is rectified."""

    def __init__(self, model: chainer.Chain) -> None:
        self.names = {id(link): name.lstrip("/") for name, link in model.namedlinks()}
        self.outputs: dict[str, np.ndarray] = {}

    def forward_postprocess(self, args) -> None:
        name = self.names[id(args.link)]
        if name.startswith("inc") and "/" in name:
            self.outputs[name] = args.out.array


def build() -> GoogLeNet:
    """Build the network, in the precision that is configured, and draw its parameters."""
    model = GoogLeNet(pretrained_model=None)
    for path, parameter in model.namedparams():
        name = path.lstrip("/")
        if name.endswith("/W"):
            drawn = golden.draw_weight(name, parameter.shape, int(np.prod(parameter.shape[1:])))
        else:
            drawn = golden.draw_shift(name, parameter.shape) * BIAS_SCALE
        parameter.array[...] = drawn
    return model


def compute(model: GoogLeNet) -> dict[str, np.ndarray]:
    """Give every activation by Chainer's own name."""
    batch = golden.draw_images(SIZE, SCALE).astype(next(model.params()).dtype)
    with (
        chainer.using_config("train", False),
        chainer.no_backprop_mode(),
        InnerOutputs(model) as inner,
    ):
        # The probabilities say no more than what they are made of, loss3_fc.
        outer = model(batch, layers=[name for name in model.available_layers if name != "prob"])
    return {name: values.array for name, values in outer.items()} | inner.outputs


def main() -> None:
    """Write the golden files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chainer.npz"
        # As Chainer itself saves what it converts from a caffemodel.
        chainer.serializers.save_npz(path, build(), compression=False)
        golden.pack(path, GOLDEN / "chainer.npz.xz")
    with chainer.using_config("dtype", np.float64):
        golden.save_endpoints(GOLDEN / f"chainer_{SIZE}.npz", compute(build()))


if __name__ == "__main__":
    main()
