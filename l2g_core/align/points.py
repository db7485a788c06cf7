"""Which vectors of a batch are compared with the text, and which kind of DNA each belongs to."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from l2g_core.align.options import Points
from l2g_core.model.l2g import masked_mean

N_GROUPS = 5  # of DNA by its measured values, for tasks without classes


def dna_points(
    tokens: Float[Tensor, "batch tokens width"],
    mask: Tensor | None,
    points: Points,
    n_points: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n width"], Int[Tensor, " n"]]:
    """At most ``n_points`` points drawn from a batch, and for each the row of the batch; padding is left out."""
    n, length, _ = tokens.shape
    if points == "mean":
        found, owners = masked_mean(tokens, mask), torch.arange(n)
    else:
        found, owners = tokens.flatten(0, 1), torch.arange(n).repeat_interleave(length)
        if mask is not None:
            found, owners = found[mask.flatten()], owners[mask.flatten().cpu()]
    chosen = torch.randperm(len(found), generator=generator)[:n_points]
    return found[chosen.to(found.device)], owners[chosen]


def label_groups(labels: Float[Tensor, "n targets"], task: str) -> Int[Tensor, " n"]:
    """A label for each row, for discrepancies that need one: its class, or the quintile of its first value.

    Rows whose first target was not measured are a separate group, ``N_GROUPS``.
    """
    first = labels[:, 0]
    if task == "classification":
        return first.long()
    measured = first[~torch.isnan(first)].double()
    if not len(measured):
        return torch.full((len(first),), N_GROUPS)
    edges = torch.quantile(measured, torch.linspace(0, 1, N_GROUPS + 1, dtype=torch.float64)[1:-1]).unique()
    groups = torch.bucketize(torch.nan_to_num(first).double(), edges)
    return torch.where(torch.isnan(first), N_GROUPS, groups)
