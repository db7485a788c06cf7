"""What stage 1 trains: an embedder family with its own head, without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from l2g_core.model.backbones import backbone_width
from l2g_core.model.checkpoint import SequenceModel
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import KernelDilation, embedder_class
from l2g_core.model.l2g import masked_mean, pad_to, reverse_complement, sequence_lengths


class TaskNetwork(SequenceModel):
    """Embedder -> mean over the positions that are not padding -> linear head; both strands averaged in evaluation.

    The head reads the features directly, as in the reference implementation. L2G's projection and LayerNorm follow in
    stage 2: SGD with the learning rates that the search needs does not train through them.
    """

    def __init__(self, config: L2GConfig):
        super().__init__(config)
        self.family = embedder_class(config.embedder)
        hidden = backbone_width(config.backbone)
        self.embedder = self.family(hidden, config.embedder_width, config.operators, config.dropout)
        self.head = nn.Linear(self.embedder.channels, len(config.targets))

    @property
    def shortest(self) -> int:
        return self.family.shortest

    def forward(self, one_hot: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch targets"]:
        x = pad_to(one_hot, self.longest)
        lengths = sequence_lengths(x)
        if self.training:
            return self.predict_strand(x, lengths)
        return (self.predict_strand(x, lengths) + self.predict_strand(reverse_complement(x, lengths), lengths)) / 2

    def predict_strand(
        self, x: Float[Tensor, "batch 4 length"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch targets"]:
        features = self.embedder(x).transpose(1, 2)
        present = (lengths // self.family.downsampling).clamp(min=1)
        mask = torch.arange(features.shape[1], device=x.device) < present[:, None]
        return self.head(masked_mean(features, mask))


def build(
    config: L2GConfig, embedder: str, operators: Sequence[KernelDilation] | None = None, seed: int = 0
) -> TaskNetwork:
    """A family with these operators (None for its defaults) and weights drawn from ``seed``."""
    torch.manual_seed(seed)
    chosen = None if operators is None else tuple(operators)
    return TaskNetwork(replace(config, embedder=embedder, operators=chosen))
