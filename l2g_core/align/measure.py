"""Embeddings of DNA and text at one point of the training: for the record and for the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from l2g_core.align.discrepancy import discrepancy
from l2g_core.align.options import Points
from l2g_core.align.points import dna_points, label_groups
from l2g_core.align.text import TextReference
from l2g_core.datasets import Labelled
from l2g_core.evaluation.predict import device_of
from l2g_core.model.l2g import L2G, sequence_lengths
from l2g_core.training.loop import encoded

MEASURED = 512  # points of each side
BATCH = 64
OWN_SEEDS = 2**31  # seeds above those of the training, so that a measurement does not repeat an epoch's draws


@dataclass(frozen=True)
class Snapshot:
    """Points of validation DNA and of the text, each with its label; on the CPU."""

    dna: Float[Tensor, "n width"]
    dna_labels: Int[Tensor, " n"]
    text: Float[Tensor, "m width"]
    text_labels: Int[Tensor, " m"]


@torch.no_grad()
def take_snapshot(
    model: L2G, rows: Labelled, text: TextReference, points: Points = "tokens", seed: int = 0
) -> Snapshot:
    """Embed random rows with the model as it is, in evaluation mode; a seed always draws the same rows and points."""
    generator = torch.Generator().manual_seed(OWN_SEEDS + seed % OWN_SEEDS)
    model.eval()
    batches = torch.randperm(len(rows), generator=generator)[:MEASURED].split(BATCH)
    each = -(-MEASURED // len(batches))
    groups = label_groups(torch.from_numpy(rows.labels), model.config.task)
    dna, labels = [], []
    for batch in batches:
        x = encoded(rows, batch, model.longest, device_of(model))
        found, owners = dna_points(*model.embed(x, sequence_lengths(x)), points, each, generator)
        dna.append(found.cpu())
        labels.append(groups[batch][owners])
    chosen = torch.randperm(len(text.labels), generator=generator)[:MEASURED]
    return Snapshot(torch.cat(dna), torch.cat(labels), text.embeddings[chosen], text.labels[chosen])


def of_text_itself(text: TextReference, name: str, seed: int = 0) -> dict[str, float]:
    """The discrepancies between two random halves of the text, at most ``MEASURED`` points each: a lower reference."""
    generator = torch.Generator().manual_seed(OWN_SEEDS + seed % OWN_SEEDS)
    n = min(MEASURED, len(text.labels) // 2)
    one, other = torch.randperm(len(text.labels), generator=generator)[: 2 * n].split(max(n, 1))
    halves = Snapshot(text.embeddings[one], text.labels[one], text.embeddings[other], text.labels[other])
    return discrepancies(halves, name)


@torch.no_grad()
def discrepancies(snapshot: Snapshot, name: str) -> dict[str, float]:
    """The MMD and the discrepancy ``name``, by name."""
    sides = (snapshot.dna, snapshot.text, snapshot.dna_labels, snapshot.text_labels)
    return {key: float(discrepancy(key)(*sides)) for key in dict.fromkeys(("mmd", name))}
