"""DeepSEA's three convolutions, for the ablation of Table 11."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.embedders.layers import KernelDilation, conv, operators


class DeepSEA(nn.Module):
    """Convolutions of ``width``, ``1.5`` and ``3 x width`` channels, max-pooled by 4 twice (reference: width 320)."""

    N_CONVOLUTIONS = 3
    DEFAULT_OPERATOR = (8, 1)
    DEFAULT_WIDTH = 320
    downsampling = 16
    shortest = 16

    def __init__(
        self,
        hidden: int,
        width: int | None = None,
        layer_operators: Sequence[KernelDilation] | None = None,
        dropout: float = 0.05,
    ):
        super().__init__()
        width = width or self.DEFAULT_WIDTH
        first, second, third = operators(layer_operators, self.N_CONVOLUTIONS, self.DEFAULT_OPERATOR)
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
