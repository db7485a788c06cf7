"""A network whose motifs act together in known ways: by arithmetic, on either strand.

``spaced``: A and B add up, and 3 more where they lie 7 bp apart as A +, B -. ``either``: C or D is enough (OR).
``both``: E counts only where there is F (AND). ``sum``: A, C and a repressor, which only add up.
"""

from __future__ import annotations

import torch
from torch import nn

from l2g_core import dna

A, B, C, D, E, F, REPRESSOR = "ATGACTCA", "AGATAAGA", "CATTCCGA", "TGTTTACG", "AGTGTGACC", "CAGCTGTT", "GGCCACCTG"
MOTIFS = {"A": A, "B": B, "C": C, "D": D, "E": E, "F": F, "repressor": REPRESSOR}
SPACING, BONUS = 7, 3.0
TARGETS = ("spaced", "either", "both", "sum")


class Sites(nn.Module):
    """How often letters (N: any) occur on both strands, ``(batch,)``."""

    def __init__(self, letters: str):
        super().__init__()
        both = torch.from_numpy(dna.one_hot([letters, dna.reverse_complement(letters)])).float()
        self.scan = nn.Conv1d(4, 2, len(letters))
        asked = float(len(letters) - letters.count("N"))
        self.scan.weight.data, self.scan.bias.data = both, torch.full((2,), 1.0 - asked)  # type: ignore[union-attr]

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.scan(one_hot)).sum((1, 2))


class Interacting(nn.Module):
    targets = TARGETS

    def __init__(self) -> None:
        super().__init__()
        self.sites = nn.ModuleDict({name: Sites(letters) for name, letters in MOTIFS.items()})
        self.composite = Sites(A + "N" * SPACING + dna.reverse_complement(B))

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        n = {name: count(one_hot) for name, count in self.sites.items()}
        spaced = 2 * n["A"] + n["B"] + BONUS * self.composite(one_hot)
        either = 2 * (n["C"] + n["D"]).clamp(max=1)
        both = 4 * n["E"].clamp(max=1) * n["F"].clamp(max=1)
        return torch.stack([spaced, either, both, 2 * n["A"] + n["C"] - n["repressor"]], 1)


class Probability(nn.Module):
    """The sum through a sigmoid: saturating, and additive on the logit."""

    targets = ("probability",)

    def __init__(self) -> None:
        super().__init__()
        self.sums = Interacting()

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.sums(one_hot)[:, 3:] - 1)


def build() -> nn.Module:
    return Interacting().eval()
