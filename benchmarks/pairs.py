"""Which interactions of motifs are found, and how many are false? Networks whose interactions are known.

    python benchmarks/pairs.py --output runs/pairs

Each network scores six random motifs (soft detectors, whose sites add up) and has three interactions: two of its motifs
do more, or less, on one orientation at one spacing. Every two motifs are planted as ``l2g-interp pairs`` does, 0, 5, 15
and 40 bp apart. *Found*: interactions that are called synergistic or antagonistic at their orientation and spacing.
*False*: of all that are called so, those of other orientations, spacings or pairs. *Any false*: networks in which there
is such a one. *Adjacent*: at 0 bp, where a detector that reads across the junction of two motifs sees letters of both,
so that even a sum of detectors does not quite add up. ``saturating``: the same sums through a sigmoid, on the output
and on its logit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from l2g_interp import plant_pairs
from l2g_interp.effects.arrangements import OTHERS
from l2g_interp.motifs.library import log_odds
from l2g_interp.motifs.matrices import reverse_complement
from l2g_interp.records.types import PairEffect

LENGTH, N_MOTIFS, N_INTERACTIONS, SPACINGS = 200, 6, 3, (0, 5, 15, 40)
SIZES = (1.0, -1.0)  # of the interactions, where motifs do 1 to 2


@dataclass(frozen=True)
class Interaction:
    """Two motifs, upstream first, their strands, the bp between them, and what they do beyond the sum."""

    first: int
    second: int
    strands: tuple[str, str]
    spacing: int
    size: float


class Grammar(nn.Module):
    """Soft sites of motifs, counted on both strands, and products of two of them at fixed places to each other."""

    targets = ("activity",)

    def __init__(self, ppms: Sequence[np.ndarray], effects: Sequence[float], interactions: Sequence[Interaction]):
        super().__init__()
        self.effects, self.interactions = list(effects), list(interactions)
        self.scans = nn.ModuleList()
        for ppm in ppms:
            odds, width = log_odds(ppm), ppm.shape[1]
            scan = nn.Conv1d(4, 2, width)
            both = np.stack([odds, reverse_complement(odds)]).astype(np.float32)
            scan.weight.data = torch.from_numpy(both)
            scan.bias.data = torch.full((2,), -0.6 * float(odds.max(axis=0).sum()))  # type: ignore[union-attr]
            self.scans.append(scan)

    def forward(self, one_hot: Tensor) -> Tensor:
        sites = [torch.sigmoid(2 * scan(one_hot)) for scan in self.scans]
        total = sum(effect * site.sum((1, 2)) for effect, site in zip(self.effects, sites, strict=True))
        for each in self.interactions:
            total = total + each.size * self._together(sites, each)
        return total[:, None]  # type: ignore[index]

    def _together(self, sites: Sequence[Tensor], each: Interaction) -> Tensor:
        """How often both sites lie as the interaction says, on either strand, softly."""
        found = torch.zeros(len(sites[0]))
        turned = tuple("-" if strand == "+" else "+" for strand in each.strands)
        for one, two, strands in (
            (each.first, each.second, each.strands),
            (each.second, each.first, (turned[1], turned[0])),
        ):
            apart = self.scans[one].kernel_size[0] + each.spacing  # type: ignore[index]
            left, right = (sites[m][:, "+-".index(s)] for m, s in zip((one, two), strands, strict=True))
            n = min(left.shape[1], right.shape[1] - apart)
            found = found + (left[:, :n] * right[:, apart : apart + n]).sum(1)
        return found


class Saturating(nn.Module):
    """A grammar through a sigmoid."""

    targets = ("probability",)

    def __init__(self, grammar: Grammar):
        super().__init__()
        self.grammar = grammar

    def forward(self, one_hot: Tensor) -> Tensor:
        return torch.sigmoid(self.grammar(one_hot) - 1)


def drawn(seed: int, n_interactions: int) -> tuple[Grammar, dict[str, np.ndarray]]:
    """A network and its motifs: random consensus sequences with one base of 85 % and 5 % of each other."""
    rng = np.random.default_rng(seed)
    ppms = [np.eye(4)[rng.integers(0, 4, rng.integers(8, 12))].T * 0.8 + 0.05 for _ in range(N_MOTIFS)]
    effects = rng.uniform(1, 2, N_MOTIFS) * rng.choice([1, 1, -1], N_MOTIFS)
    pairs = rng.permutation(list(combinations(range(N_MOTIFS), 2)))[:n_interactions]
    interactions = [
        Interaction(
            int(a), int(b), OTHERS[rng.integers(4)], SPACINGS[rng.integers(4)], float(rng.choice(SIZES))
        )
        for a, b in pairs
    ]  # fmt: skip
    return Grammar(ppms, effects.tolist(), interactions).eval(), {str(i): ppm for i, ppm in enumerate(ppms)}


def key(row: PairEffect) -> tuple[int, int, tuple[str, str], int]:
    return int(row.first), int(row.second), (row.first_strand, row.second_strand), row.spacing


def measure(seed: int, n_interactions: int, how: str) -> dict[str, float]:
    """What was planted, found and called in one network; ``sure``: q of 0.05 or less, whatever the size."""
    network, motifs = drawn(seed, n_interactions)
    codes = np.random.default_rng(1000 + seed).integers(0, 4, (40, LENGTH))
    one_hot = np.eye(4, dtype=np.int8)[codes].transpose(0, 2, 1).copy()
    model = network if how == "output" else Saturating(network).eval()
    scale = "logit" if how == "saturating, logit" else "output"
    rows = plant_pairs(model, motifs, one_hot, spacings=SPACINGS, scale=scale, seed=seed)
    truth = {(i.first, i.second, i.strands, i.spacing) for i in network.interactions}
    called = {key(row) for row in rows if row.kind != "additive"}
    sure = {key(row) for row in rows if row.q_value <= 0.05}
    signs = {(i.first, i.second, i.strands, i.spacing): i.size for i in network.interactions}
    right = sum(np.sign(row.excess) == np.sign(signs[key(row)]) for row in rows if key(row) in called & truth)
    return {
        "planted": len(truth), "found": len(called & truth), "right sign": int(right), "called": len(called),
        "false": len(called - truth), "adjacent": sum(k[3] == 0 for k in called - truth), "sure": len(sure),
        "sure and false": len(sure - truth), "tested": len(rows),
    }  # fmt: skip


@click.command(help=__doc__)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for results.json.")
@click.option("--seeds", default=20, show_default=True, help="Networks of each kind.")
def main(output: Path, seeds: int) -> None:
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    kinds = {
        "three interactions": (N_INTERACTIONS, "output"),
        "none": (0, "output"),
        "none, saturating, on the output": (0, "saturating"),
        "none, saturating, on the logit": (0, "saturating, logit"),
    }
    results = {name: [measure(seed, *how) for seed in range(seeds)] for name, how in kinds.items()}
    (output / "results.json").write_text(json.dumps(results, indent=1))
    columns = ("networks", "found, with the right sign", "called", "false (adjacent)", "of q <= 0.05 alone")
    print(f"| {' | '.join((*columns, 'networks with any false'))} |")
    print("|---|---|---|---|---|---|")
    for name, rows in results.items():
        total = {field: sum(row[field] for row in rows) for field in rows[0]}
        found = f"{total['found']} of {total['planted']}, {total['right sign']}" if total["planted"] else "-"
        any_false = sum(row["false"] > 0 for row in rows)
        print(
            f"| {name} | {found} | {total['called']} of {total['tested']:,} | {total['false']} ({total['adjacent']}) | "
            f"{total['sure and false']} of {total['sure']} | {any_false} of {seeds} |"
        )


if __name__ == "__main__":
    main()
