"""DeepSEA's three convolutions, for the ablation of Table 11."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.model.embedders import KernelDilation
from l2g_core.model.embedders.layers import Embedder, conv


class DeepSEA(Embedder):
    """Convolutions of ``width``, ``1.5`` and ``3 x width`` channels, max-pooled by 4 twice (reference: width 320)."""

    N_CONVOLUTIONS = 3
    DEFAULT_OPERATOR = (8, 1)
    DEFAULT_WIDTH = 320
    downsampling = 16
    shortest = 16

    def build(self, hidden: int, width: int, chosen: Iterator[KernelDilation], dropout: float) -> None:
        first, second, third = chosen
        self.channels = 3 * width
        self.layers = nn.Sequential(
            conv(4, width, first),
            nn.ReLU(),
            nn.MaxPool1d(4),
            nn.Dropout(dropout),
            conv(width, width * 3 // 2, second),
            nn.ReLU(),
            nn.MaxPool1d(4),
            nn.Dropout(dropout),
            conv(width * 3 // 2, 3 * width, third),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch channels sixteenth"]:
        return self.layers(x)
