"""UNet-1D: four halvings, four doublings, skip connections (paper section 2.4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from l2g_core.model.embedders import KernelDilation
from l2g_core.model.embedders.layers import Embedder, conv


class DoubleConv(nn.Sequential):
    """Twice convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, layer_operators: Iterator[KernelDilation], dropout: float):
        super().__init__(
            conv(in_channels, out_channels, next(layer_operators)),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(inplace=True),
            conv(out_channels, out_channels, next(layer_operators)),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )


class UNet1D(Embedder):
    """``width`` channels at full length, ``2, 4, 8, 8 x width`` on the way down (reference: width 64)."""

    N_CONVOLUTIONS = 18
    DEFAULT_OPERATOR = (3, 1)
    DEFAULT_WIDTH = 64
    shortest = 16

    def build(self, hidden: int, width: int, chosen: Iterator[KernelDilation], dropout: float) -> None:
        levels = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.channels = width
        self.first = DoubleConv(4, width, chosen, dropout)
        self.down = nn.ModuleList(DoubleConv(i, o, chosen, dropout) for i, o in pairwise(levels))
        self.up = nn.ModuleList(
            DoubleConv(deep + skip, out, chosen, dropout)
            for deep, skip, out in (
                (8 * width, 8 * width, 4 * width),
                (4 * width, 4 * width, 2 * width),
                (2 * width, 2 * width, width),
                (width, width, width),
            )
        )

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch channels length"]:
        skips = [self.first(x)]
        for block in self.down:
            skips.append(block(F.max_pool1d(skips[-1], 2)))
        x = skips.pop()
        for block in self.up:
            x = block(join(skips.pop(), x))
        return x


def join(skip: Float[Tensor, "batch _ length"], deep: Float[Tensor, "batch _ half"]) -> Float[Tensor, "batch _ length"]:
    """Double the length of ``deep``, centre it on ``skip`` (an odd length loses one) and stack the channels."""
    doubled = F.interpolate(deep, scale_factor=2, mode="linear", align_corners=True)
    missing = skip.shape[-1] - doubled.shape[-1]
    return torch.cat([skip, F.pad(doubled, (missing // 2, missing - missing // 2))], dim=1)
