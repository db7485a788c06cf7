"""ORCA's embedder, for the ablation of Table 11: no features of its own, only the strided projection to tokens."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.embedders.layers import KernelDilation, operators


class ORCA(nn.Module):
    """One convolution whose kernel is its stride: the projection of ``L2G`` does that, so the DNA passes as it is."""

    N_CONVOLUTIONS = 0
    DEFAULT_OPERATOR = (1, 1)
    DEFAULT_WIDTH = 4
    downsampling = 1
    shortest = 1

    def __init__(
        self,
        hidden: int,
        width: int | None = None,
        layer_operators: Sequence[KernelDilation] | None = None,
        dropout: float = 0.05,
    ):
        super().__init__()
        operators(layer_operators, self.N_CONVOLUTIONS, self.DEFAULT_OPERATOR)
        self.channels = 4

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch 4 length"]:
        return x
