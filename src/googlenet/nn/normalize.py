"""The last step of preprocessing, on the device and inside exported graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from googlenet.architecture.preprocessing import Preprocessing


class Normalize(nn.Module):
    """Turn uint8 pixels into the network's input: channel order, scale, mean and deviation."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.reverse = preprocessing.channel_order == "bgr"
        # (x * scale - mean) / std as one multiplication and one addition.
        std = torch.tensor(preprocessing.std, dtype=torch.float64)
        mean = torch.tensor(preprocessing.mean, dtype=torch.float64)
        self.register_buffer("factor", (preprocessing.scale / std).float(), persistent=False)
        self.register_buffer("shift", (-mean / std).float(), persistent=False)
        self.factor: Tensor
        self.shift: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, H, W, 3) uint8 RGB to (N, 3, H, W) float32 in channels_last memory."""
        x = pixels.flip(-1) if self.reverse else pixels
        x = x.float() * self.factor + self.shift
        return x.permute(0, 3, 1, 2)
