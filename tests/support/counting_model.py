"""A network whose answer to a motif is known by arithmetic: it counts exact sites on both strands."""

from __future__ import annotations

import torch
from torch import nn

from l2g_core import dna

ACTIVATOR, PALINDROME, REPRESSOR = "ATGACTCA", "TATCGATA", "GGCCACCTG"
EFFECTS = {ACTIVATOR: 2.0, PALINDROME: 1.0, REPRESSOR: -1.0}  # per site; the palindrome is found on both strands
TARGETS = {"act": (ACTIVATOR, PALINDROME), "rep": (REPRESSOR,)}


class Counter(nn.Module):
    """Per target, the sum over its motifs of the effect times the number of sites."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.targets = tuple(TARGETS)
        self.sites = nn.ModuleList()
        for motif in EFFECTS:
            both = torch.from_numpy(dna.one_hot([motif, dna.reverse_complement(motif)])).float()
            counter = nn.Conv1d(4, 2, len(motif))
            counter.weight.data, counter.bias.data = both, torch.full((2,), 1.0 - len(motif))  # type: ignore[union-attr]
            self.sites.append(counter)
        table = [[scale * effect * (motif in TARGETS[t]) for motif, effect in EFFECTS.items()] for t in TARGETS]
        self.head = nn.Linear(len(EFFECTS), len(TARGETS))
        self.head.weight.data, self.head.bias.data = torch.tensor(table), torch.zeros(len(TARGETS))

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        counts = [torch.relu(counter(one_hot)).sum((1, 2)) for counter in self.sites]
        return self.head(torch.stack(counts, 1))


def build() -> nn.Module:
    return Counter()


def other() -> nn.Module:
    return Counter(scale=1.5)
