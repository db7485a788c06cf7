"""The hyperparameters of an L2G model. Imports nothing slow: the command line reads names and defaults here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from l2g_core.model.embedders import KernelDilation

Task = Literal["regression", "classification", "multilabel"]


Training = Literal["full", "frozen", "lora", "none"]


@dataclass(frozen=True)
class L2GConfig:
    """Architecture of an L2G model; the defaults are the paper's (Table 15).

    ``targets``: names of the outputs; ``units`` are those of a regression's targets.
    ``sequence_length``: the longest sequence (bp); shorter ones are padded to it and masked.
    ``embedder``, ``embedder_width``: its family and channels, the family's default when None.
    ``operators``: (kernel, dilation) of each convolution, the family's default when None (stage 1 searches them).
    ``target_tokens``: the most tokens that a sequence becomes.
    ``backbone``, ``backbone_layers``: the language model, and how many of its layers to keep (all when None).
    ``backbone_training``: ``full``, ``frozen``, ``lora`` (frozen, with low-rank adapters of ``lora_rank`` whose sum
    is scaled by ``lora_alpha / lora_rank``) or ``none`` (no transformer at all; of the language model only its width
    is taken, so that its weights need not be there, and the LayerNorm after the embedder starts as a plain one).
    ``backbone_seed``: draws the language model's weights if they are not pre-trained.
    ``position_embeddings``: whether to reuse the language model's.
    ``average_strands``: whether predictions are the mean of both strands.
    """

    targets: tuple[str, ...]
    sequence_length: int
    task: Task = "regression"
    units: str = ""
    embedder: str = "unet"
    embedder_width: int | None = None
    operators: tuple[KernelDilation, ...] | None = None
    target_tokens: int = 512
    backbone: str = "roberta-base"
    backbone_layers: int | None = None
    backbone_pretrained: bool = True
    backbone_seed: int = 0
    backbone_training: Training = "full"
    lora_rank: int = 8
    lora_alpha: float = 16.0
    position_embeddings: bool = False
    dropout: float = 0.05
    average_strands: bool = True
