"""Name and shape of every parameter and running statistic of a spec, by arithmetic alone."""

from __future__ import annotations

from googlenet.architecture.cost import AUX_GRID
from googlenet.architecture.spec import AUX_PLACES, GoogLeNetSpec

_ALWAYS = ("bn.bias", "bn.running_mean", "bn.running_var")


def parameter_shapes(spec: GoogLeNetSpec) -> dict[str, tuple[int, ...]]:
    """Give the shapes, in PyTorch's layout, in the order of computation.

    Names are those of the PyTorch network's state dict; its counts of batches are left out.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def unit(name: str, channels_in: int, channels_out: int, kernel: int) -> None:
        shapes[f"{name}.conv.weight"] = (channels_out, channels_in, kernel, kernel)
        if spec.batch_norm is None:
            shapes[f"{name}.conv.bias"] = (channels_out,)
            return
        for leaf in (*(("bn.weight",) if spec.batch_norm.gamma else ()), *_ALWAYS):
            shapes[f"{name}.{leaf}"] = (channels_out,)

    def linear(name: str, features_in: int, features_out: int) -> None:
        shapes[f"{name}.weight"] = (features_out, features_in)
        shapes[f"{name}.bias"] = (features_out,)

    first, reduce, channels = spec.stem
    unit("conv1", 3, first, 7)
    unit("conv2", first, reduce, 1)
    unit("conv3", reduce, channels, 3)
    places = {place: head for head, place in AUX_PLACES.items()}
    for module, widths in spec.inception.items():
        block = f"inception{module}"
        unit(f"{block}.branch1", channels, widths.n1x1, 1)
        unit(f"{block}.branch2.0", channels, widths.n3x3_reduce, 1)
        unit(f"{block}.branch2.1", widths.n3x3_reduce, widths.n3x3, 3)
        unit(f"{block}.branch3.0", channels, widths.n5x5_reduce, 1)
        unit(f"{block}.branch3.1", widths.n5x5_reduce, widths.n5x5, spec.kernel_5x5)
        unit(f"{block}.branch4.1", channels, widths.pool_proj, 1)
        channels = widths.out_channels
        if spec.aux is not None and module in places:
            head = places[module]
            unit(f"{head}.conv", channels, spec.aux.conv_channels, 1)
            linear(f"{head}.fc1", spec.aux.conv_channels * AUX_GRID**2, spec.aux.hidden)
            linear(f"{head}.fc2", spec.aux.hidden, spec.num_classes)
    linear("fc", channels, spec.num_classes)
    return shapes
