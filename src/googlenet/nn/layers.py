"""The parts that a GoogLeNet is made of, each built from the spec's facts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from googlenet.architecture.cost import AUX_GRID
from googlenet.architecture.spec import (
    BatchNorm,
    GoogLeNetSpec,
    InceptionWidths,
    LocalResponseNorm,
    PoolRounding,
)


class ConvUnit(nn.Module):
    """Convolve, normalize where the spec says so, and rectify.

    With batch normalization the convolution has no bias; without, it has one. The padding keeps the
    size at stride 1. ``same`` padding at stride 2 is TensorFlow's: the odd pixel goes after.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        batch_norm: BatchNorm | None,
        stride: int = 1,
        same: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=0 if same else kernel_size // 2,
            bias=batch_norm is None,
        )
        self.same = same
        self.bn = None if batch_norm is None else _batch_norm(out_channels, batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W'), all values at least 0."""
        if self.same:
            x = _pad_same(x, self.conv.kernel_size[0], self.conv.stride[0], 0.0)
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return F.relu(x, inplace=True)


class StridedMaxPool(nn.Module):
    """Take the largest value of windows two apart, rounding the output size as the spec says."""

    def __init__(self, kernel_size: int, rounding: PoolRounding) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.rounding = rounding

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, about H / 2, about W / 2)."""
        if self.rounding == "same":
            x = _pad_same(x, self.kernel_size, 2, float("-inf"))
        elif self.rounding == "end":
            after = self.kernel_size - 1
            x = F.pad(x, (0, after, 0, after), value=float("-inf"))
        return F.max_pool2d(x, self.kernel_size, 2, ceil_mode=self.rounding == "ceil")

    def extra_repr(self) -> str:
        """Describe the pool where PyTorch prints the network."""
        return f"kernel_size={self.kernel_size}, rounding={self.rounding}"


class LRN(nn.Module):
    """Divide each value by a power of the squares around it in the channel direction."""

    def __init__(self, norm: LocalResponseNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        norm = self.norm
        # PyTorch divides alpha by the window size; undo that where the source does not.
        alpha = norm.alpha if norm.divide_alpha else norm.alpha * norm.size
        return F.local_response_norm(x, norm.size, alpha, norm.beta, norm.k)

    def extra_repr(self) -> str:
        """Describe the constants where PyTorch prints the network."""
        return str(self.norm)


class Inception(nn.Module):
    """Run four branches on one input and concatenate them: 1x1, 3x3, 5x5, pool projection.

    Source: paper, section 4 and figure 2(b).
    """

    def __init__(
        self,
        in_channels: int,
        widths: InceptionWidths,
        *,
        kernel_5x5: int,
        batch_norm: BatchNorm | None,
    ) -> None:
        super().__init__()

        def unit(channels_in: int, channels_out: int, kernel_size: int) -> ConvUnit:
            return ConvUnit(channels_in, channels_out, kernel_size, batch_norm=batch_norm)

        self.branch1 = unit(in_channels, widths.n1x1, 1)
        self.branch2 = nn.Sequential(
            unit(in_channels, widths.n3x3_reduce, 1),
            unit(widths.n3x3_reduce, widths.n3x3, 3),
        )
        self.branch3 = nn.Sequential(
            unit(in_channels, widths.n5x5_reduce, 1),
            unit(widths.n5x5_reduce, widths.n5x5, kernel_5x5),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            unit(in_channels, widths.pool_proj, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, widths.out_channels, H, W)."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)


class AuxHead(nn.Module):
    """Classify from an intermediate map; used while training only.

    Source: paper, section 5.
    """

    def __init__(self, in_channels: int, spec: GoogLeNetSpec) -> None:
        super().__init__()
        assert spec.aux is not None
        self.pool: nn.Module = (
            nn.AdaptiveAvgPool2d(AUX_GRID)
            if spec.aux.pooling == "adaptive"
            else nn.AvgPool2d(5, stride=3, ceil_mode=True)
        )
        self.conv = ConvUnit(in_channels, spec.aux.conv_channels, 1, batch_norm=spec.batch_norm)
        self.fc1 = nn.Linear(spec.aux.conv_channels * AUX_GRID * AUX_GRID, spec.aux.hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(spec.aux.hidden, spec.num_classes)
        self.dropout = nn.Dropout(spec.aux.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.conv(self.pool(x))
        x = self.relu(self.fc1(torch.flatten(x, 1)))
        logits: Tensor = self.fc2(self.dropout(x))
        return logits


def _batch_norm(channels: int, norm: BatchNorm) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels, eps=norm.eps, momentum=norm.momentum)
    if not norm.gamma:
        layer.register_parameter("weight", None)
    return layer


def _pad_same(x: Tensor, kernel: int, stride: int, value: float) -> Tensor:
    """Pad as TensorFlow's SAME does: output side = ceil(input side / stride)."""

    def sides(size: int) -> tuple[int, int]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2

    return F.pad(x, (*sides(x.shape[-1]), *sides(x.shape[-2])), value=value)
