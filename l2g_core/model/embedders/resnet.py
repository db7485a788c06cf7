"""ResNet-1D: three residual blocks of three convolutions (paper section 2.4.1)."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.model.embedders import KernelDilation
from l2g_core.model.embedders.layers import Embedder, conv


class ResidualBlock(nn.Module):
    """Three times convolution, dropout, batch norm, ReLU, plus a shortcut; no activation after the sum."""

    def __init__(self, in_channels: int, out_channels: int, layer_operators: Iterator[KernelDilation], dropout: float):
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels, out_channels):
            layers += [
                conv(channels, out_channels, next(layer_operators)),
                nn.Dropout(dropout),
                nn.BatchNorm1d(out_channels),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Sequential(nn.Conv1d(in_channels, out_channels, 1), nn.BatchNorm1d(out_channels))
        )

    def forward(self, x: Float[Tensor, "batch _ length"]) -> Float[Tensor, "batch _ length"]:
        return self.layers(x) + self.shortcut(x)


class ResNet1D(Embedder):
    """Blocks of ``width``, ``2 width`` and ``hidden`` channels at full length (reference: 128, 256, 768)."""

    N_CONVOLUTIONS = 9
    DEFAULT_OPERATOR = (3, 1)
    DEFAULT_WIDTH = 128

    def build(self, hidden: int, width: int, chosen: Iterator[KernelDilation], dropout: float) -> None:
        self.channels = hidden
        self.blocks = nn.Sequential(
            *(ResidualBlock(i, o, chosen, dropout) for i, o in ((4, width), (width, 2 * width), (2 * width, hidden)))
        )

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch hidden length"]:
        return self.blocks(x)
