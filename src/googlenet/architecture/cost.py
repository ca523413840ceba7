"""Shapes, parameters, multiply-adds and receptive fields of a spec, by arithmetic alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

from googlenet.architecture.spec import (
    AUX_PLACES,
    POOLED_MODULES,
    GoogLeNetSpec,
    InceptionWidths,
    PoolRounding,
)
from googlenet.errors import InputSizeError

AUX_GRID = 4  # the heads pool to 4x4
LARGEST_USEFUL_SEARCH = 256


@dataclass(frozen=True)
class Layer:
    """Describe what one layer costs for one image.

    Attributes:
        name: The module's path in the PyTorch network, such as ``inception3a.branch2.1``.
        block: The row of Table 1 it belongs to, such as ``inception3a`` or ``aux1``.
        kind: What it computes.
        kernel: Side of its window; 1 for a linear layer.
        stride: Step of its window.
        out_channels: Channels, or features, that come out.
        out_height: Rows that come out.
        out_width: Columns that come out.
        parameters: Learned numbers, those of its batch normalization included.
        multiply_adds: Multiplications of its weights; biases and normalization are not counted.
        receptive_field: Side, in input pixels, of what one output value can see.
        effective_stride: Input pixels between two neighbouring output values.
    """

    name: str
    block: str
    kind: Literal["convolution", "max pool", "average pool", "lrn", "concat", "linear"]
    kernel: int
    stride: int
    out_channels: int
    out_height: int
    out_width: int
    parameters: int
    multiply_adds: int
    receptive_field: int
    effective_stride: int


@dataclass(frozen=True)
class _Map:
    """Carry what the arithmetic knows about an activation."""

    channels: int
    height: int
    width: int
    field: int = 1
    stride: int = 1

    def through(self, channels: int, height: int, width: int, kernel: int, stride: int = 1) -> _Map:
        field = self.field + (kernel - 1) * self.stride
        return _Map(channels, height, width, field, self.stride * stride)


def pool_size(size: int, kernel: int, rounding: PoolRounding) -> int:
    """Return the output side of an unpadded max pool of stride 2, or 0 where nothing comes out."""
    if rounding == "same":
        return -(-size // 2)
    if rounding == "end":
        size += kernel - 1
    if size < kernel - (rounding == "ceil"):
        return 0
    if rounding == "ceil":
        return -(-(size - kernel) // 2) + 1
    return (size - kernel) // 2 + 1


def aux_pool_size(size: int) -> int:
    """Return the output side of the heads' 5x5 average pool of stride 3, rounded up as in Caffe."""
    return -(-(size - 5) // 3) + 1 if size >= 5 else 0


def layers(
    spec: GoogLeNetSpec, size: int | tuple[int, int] = 224, *, heads: bool = True
) -> list[Layer]:
    """List every layer in the order of computation; a head follows the module that feeds it.

    Args:
        spec: The network.
        size: Side of the square input in pixels, or (height, width).
        heads: Whether to list the auxiliary heads too, where the spec has them.

    Raises:
        InputSizeError: The input is too small for the network, or its heads do not fit it.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < smallest_input(spec):
        raise too_small(spec, height, width)
    return list(_walk(spec, height, width, heads))


def parameters(spec: GoogLeNetSpec, *, heads: bool = True) -> int:
    """Count the learned parameters."""
    return sum(layer.parameters for layer in layers(spec, heads=heads))


def multiply_adds(
    spec: GoogLeNetSpec, size: int | tuple[int, int] = 224, *, heads: bool = False
) -> int:
    """Count the multiply-adds of convolutions and linear layers for one image."""
    return sum(layer.multiply_adds for layer in layers(spec, size, heads=heads))


def smallest_input(spec: GoogLeNetSpec) -> int:
    """Return the side of the smallest input that leaves at least one value everywhere."""
    for size in range(1, LARGEST_USEFUL_SEARCH):
        if all(side >= 1 for side in _sides(spec, size)):
            return size
    raise AssertionError("a stem and four pools of stride 2 pass any input of this size")


def heads_fit(spec: GoogLeNetSpec, height: int, width: int) -> bool:
    """Tell whether the auxiliary heads can take an input of this size."""
    if spec.aux is None or spec.aux.pooling == "adaptive":
        return True
    return all(aux_pool_size(_sides(spec, side)[3]) == AUX_GRID for side in (height, width))


def too_small(spec: GoogLeNetSpec, height: int, width: int) -> InputSizeError:
    """Make the error for an input below ``smallest_input``."""
    least = smallest_input(spec)
    return InputSizeError(
        f"an input of {height}x{width} is too small for the network",
        f"variant {spec.variant}",
        f"Give it at least {least}x{least} pixels.",
    )


def heads_do_not_fit(spec: GoogLeNetSpec, height: int, width: int) -> InputSizeError:
    """Make the error for heads with a fixed pool and an input they cannot train on."""
    fits = [side for side in range(1, LARGEST_USEFUL_SEARCH) if heads_fit(spec, side, side)]
    return InputSizeError(
        f"the auxiliary heads pool 5x5 with stride 3 and cannot train on {height}x{width} inputs",
        f"variant {spec.variant}",
        f"Use inputs of {fits[0]} to {fits[-1]} pixels, adaptive pooling "
        "(AuxHeads(pooling='adaptive')), or train without heads (--aux-weight 0).",
    )


def _sides(spec: GoogLeNetSpec, size: int) -> tuple[int, ...]:
    """Return the side after the first convolution and after each of the four pools."""
    sides = [stem_size(spec, size)]
    for kernel in (3, 3, 3, spec.last_pool_kernel):
        sides.append(pool_size(sides[-1], kernel, spec.pool_rounding))
    return tuple(sides)


def stem_size(spec: GoogLeNetSpec, size: int) -> int:
    """Return the output side of the first convolution, 7x7 with stride 2."""
    return -(-size // 2) if spec.stem_padding == "same" else (size - 1) // 2 + 1


def _walk(spec: GoogLeNetSpec, height: int, width: int, heads: bool) -> Iterator[Layer]:
    image = _Map(3, height, width)
    first, reduce, last = spec.stem

    rows, columns = stem_size(spec, height), stem_size(spec, width)
    now = image.through(first, rows, columns, kernel=7, stride=2)
    yield _convolution(spec, "conv1", "conv1", image, now, kernel=7, stride=2)
    now = yield from _pool(spec, "maxpool1", now, kernel=3)
    if spec.local_response_norm:
        yield _passive("norm1", "norm1", "lrn", now, kernel=1, stride=1)
    before, now = now, now.through(reduce, now.height, now.width, kernel=1)
    yield _convolution(spec, "conv2", "conv2", before, now, kernel=1)
    before, now = now, now.through(last, now.height, now.width, kernel=3)
    yield _convolution(spec, "conv3", "conv3", before, now, kernel=3)
    if spec.local_response_norm:
        yield _passive("norm2", "norm2", "lrn", now, kernel=1, stride=1)
    now = yield from _pool(spec, "maxpool2", now, kernel=3)

    places = {module: head for head, module in AUX_PLACES.items()}
    pools = iter((("maxpool3", 3), ("maxpool4", spec.last_pool_kernel)))
    for module, widths in spec.inception.items():
        now = yield from _inception(spec, f"inception{module}", widths, now)
        if heads and spec.aux and module in places:
            if not heads_fit(spec, height, width):
                raise heads_do_not_fit(spec, height, width)
            yield from _head(spec, places[module], now)
        if module in POOLED_MODULES:
            name, kernel = next(pools)
            now = yield from _pool(spec, name, now, kernel=kernel)

    side = max(now.height, now.width)
    pooled = now.through(now.channels, 1, 1, kernel=side)
    yield _passive("avgpool", "avgpool", "average pool", pooled, side, stride=1)
    yield _linear("fc", "fc", pooled, spec.num_classes)


def _inception(
    spec: GoogLeNetSpec, block: str, widths: InceptionWidths, before: _Map
) -> Generator[Layer, None, _Map]:
    def unit(name: str, source: _Map, channels: int, kernel: int) -> tuple[Layer, _Map]:
        after = source.through(channels, source.height, source.width, kernel)
        return _convolution(spec, f"{block}.{name}", block, source, after, kernel), after

    layer, _ = unit("branch1", before, widths.n1x1, 1)
    yield layer
    layer, reduced = unit("branch2.0", before, widths.n3x3_reduce, 1)
    yield layer
    layer, _ = unit("branch2.1", reduced, widths.n3x3, 3)
    yield layer
    layer, reduced = unit("branch3.0", before, widths.n5x5_reduce, 1)
    yield layer
    layer, widest = unit("branch3.1", reduced, widths.n5x5, spec.kernel_5x5)
    yield layer
    pooled = before.through(before.channels, before.height, before.width, 3)
    yield _passive(f"{block}.branch4.0", block, "max pool", pooled, kernel=3, stride=1)
    layer, _ = unit("branch4.1", pooled, widths.pool_proj, 1)
    yield layer
    after = _Map(widths.out_channels, before.height, before.width, widest.field, widest.stride)
    yield _passive(block, block, "concat", after, kernel=1, stride=1)
    return after


def _head(spec: GoogLeNetSpec, name: str, before: _Map) -> Iterator[Layer]:
    assert spec.aux is not None
    kernel, stride = 5, 3
    if spec.aux.pooling == "adaptive":  # the widest window and the usual step of adaptive pooling
        side = max(before.height, before.width)
        kernel = max(-(-(i + 1) * side // AUX_GRID) - i * side // AUX_GRID for i in range(AUX_GRID))
        stride = max(side // AUX_GRID, 1)
    pooled = before.through(before.channels, AUX_GRID, AUX_GRID, kernel, stride)
    yield _passive(f"{name}.pool", name, "average pool", pooled, kernel, stride)
    now = pooled.through(spec.aux.conv_channels, AUX_GRID, AUX_GRID, 1)
    yield _convolution(spec, f"{name}.conv", name, pooled, now, kernel=1)
    field = now.field + (AUX_GRID - 1) * now.stride
    flat = _Map(now.channels * AUX_GRID * AUX_GRID, 1, 1, field, now.stride)
    yield _linear(f"{name}.fc1", name, flat, spec.aux.hidden)
    yield _linear(
        f"{name}.fc2", name, _Map(spec.aux.hidden, 1, 1, field, now.stride), spec.num_classes
    )


def _pool(
    spec: GoogLeNetSpec, name: str, before: _Map, kernel: int
) -> Generator[Layer, None, _Map]:
    rows = pool_size(before.height, kernel, spec.pool_rounding)
    columns = pool_size(before.width, kernel, spec.pool_rounding)
    after = before.through(before.channels, rows, columns, kernel, stride=2)
    yield _passive(name, name, "max pool", after, kernel, stride=2)
    return after


def _convolution(
    spec: GoogLeNetSpec,
    name: str,
    block: str,
    before: _Map,
    after: _Map,
    kernel: int,
    stride: int = 1,
) -> Layer:
    weights = before.channels * after.channels * kernel * kernel
    norm = spec.batch_norm
    extra = after.channels if norm is None else after.channels * (2 if norm.gamma else 1)
    return Layer(
        name=name,
        block=block,
        kind="convolution",
        kernel=kernel,
        stride=stride,
        out_channels=after.channels,
        out_height=after.height,
        out_width=after.width,
        parameters=weights + extra,
        multiply_adds=weights * after.height * after.width,
        receptive_field=after.field,
        effective_stride=after.stride,
    )


def _linear(name: str, block: str, before: _Map, features: int) -> Layer:
    weights = before.channels * features
    return Layer(
        name=name,
        block=block,
        kind="linear",
        kernel=1,
        stride=1,
        out_channels=features,
        out_height=1,
        out_width=1,
        parameters=weights + features,
        multiply_adds=weights,
        receptive_field=before.field,
        effective_stride=before.stride,
    )


def _passive(
    name: str,
    block: str,
    kind: Literal["max pool", "average pool", "lrn", "concat"],
    after: _Map,
    kernel: int,
    stride: int,
) -> Layer:
    return Layer(
        name=name,
        block=block,
        kind=kind,
        kernel=kernel,
        stride=stride,
        out_channels=after.channels,
        out_height=after.height,
        out_width=after.width,
        parameters=0,
        multiply_adds=0,
        receptive_field=after.field,
        effective_stride=after.stride,
    )
