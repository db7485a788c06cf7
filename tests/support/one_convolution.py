"""An embedder of one convolution, to be searched."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.model.embedders import KernelDilation
from l2g_core.model.embedders.layers import Embedder, conv


class OneConvolution(Embedder):
    """A single convolution: with more, dilations can stand in for each other."""

    N_CONVOLUTIONS = 1
    DEFAULT_OPERATOR = (3, 1)
    DEFAULT_WIDTH = 8

    def build(self, hidden: int, width: int, chosen: Iterator[KernelDilation], dropout: float) -> None:
        self.channels = width
        self.layers = nn.Sequential(conv(4, width, next(chosen)), nn.BatchNorm1d(width), nn.ReLU())

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch channels length"]:
        return self.layers(x)
