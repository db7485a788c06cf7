"""Augmentation on the fly: random shift and reverse complement (paper, appendix A.9), drawn again in every epoch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from l2g_core.model.l2g import reverse_complement, sequence_lengths
from l2g_core.training.options import MAX_SHIFT


def shift(one_hot: Float[Tensor, "batch 4 length"], offsets: Tensor) -> Float[Tensor, "batch 4 length"]:
    """Move each sequence right by its offset (bp, one per sequence, may be negative).

    Vacated columns become zero, and what leaves the array is cut off.
    """
    length = one_hot.shape[-1]
    reach = int(offsets.abs().max())
    padded = F.pad(one_hot, (reach, reach))
    index = torch.arange(length, device=one_hot.device) + reach - offsets[:, None]
    return padded.gather(2, index[:, None, :].expand_as(one_hot))


def augment(
    one_hot: Float[Tensor, "batch 4 length"], generator: torch.Generator, max_shift: int = MAX_SHIFT
) -> Float[Tensor, "batch 4 length"]:
    """Reverse-complement each sequence with probability 1/2, then shift it by -max_shift to max_shift bp, uniformly."""
    n = len(one_hot)
    flipped = torch.rand(n, generator=generator) < 0.5
    offsets = torch.randint(-max_shift, max_shift + 1, (n,), generator=generator)
    strand = torch.where(
        flipped.to(one_hot.device)[:, None, None], reverse_complement(one_hot, sequence_lengths(one_hot)), one_hot
    )
    return shift(strand, offsets.to(one_hot.device)) if max_shift else strand
