"""ORCA's embedder, for the ablation of Table 11: no features, only the strided projection to tokens."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from l2g_core.model.embedders import KernelDilation
from l2g_core.model.embedders.layers import Embedder


class ORCA(Embedder):
    """One convolution whose kernel is its stride: the projection of ``L2G`` does that, so the DNA is unchanged."""

    N_CONVOLUTIONS = 0
    DEFAULT_OPERATOR = (1, 1)
    DEFAULT_WIDTH = 4

    def build(self, hidden: int, width: int, chosen: Iterator[KernelDilation], dropout: float) -> None:
        self.channels = 4

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch 4 length"]:
        return x
