"""Attributions with a known truth: motifs planted into random DNA, and what a perfect model would say of them.

Two targets: ``dev`` answers to AP-1, GATA and (negatively) a repressor, ``hk`` to DRE, Ohler1 and Ohler7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2g_core import dna
from l2g_interp.records.types import Attributions, TargetAttributions


@dataclass(frozen=True)
class Motif:
    """A consensus, the target that it acts on and how strongly (sign included)."""

    name: str
    consensus: str
    target: str
    effect: float


MOTIFS = (
    Motif("AP-1", "ATGACTCA", "dev", 1.0),
    Motif("GATA", "AGATAAGA", "dev", 0.8),
    Motif("repressor", "GGCCACCTG", "dev", -1.0),
    Motif("DRE", "TATCGATA", "hk", 1.0),
    Motif("Ohler1", "AGTGTGACC", "hk", 0.8),
    Motif("Ohler7", "CATCACTAG", "hk", 0.7),
)
TARGETS = ("dev", "hk")


@dataclass(frozen=True)
class Plant:
    """Where a motif was put: row, first base, strand."""

    motif: str
    row: int
    start: int
    strand: str


def planted(
    n: int, length: int = 249, seed: int = 0, motifs: tuple[Motif, ...] = MOTIFS, share: float = 0.6
) -> tuple[Attributions, list[Plant]]:
    """Attributions of ``n`` sequences of ``length`` bp, each motif in a ``share`` of them, and where they lie.

    Instances are on either strand and vary by one base in three cases of ten. Hypothetical contributions follow the
    motif's base preferences, scaled by a random strength; other positions carry small noise.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length))
    hypothetical = {target: rng.normal(0, 0.02, (n, 4, length)) for target in TARGETS}
    slots = np.linspace(5, length - 25, 2 * len(motifs)).astype(int)
    plants: list[Plant] = []
    for row in range(n):
        starts = rng.permutation(slots)[: len(motifs)] + rng.integers(0, 4, len(motifs))
        for motif, start in zip(motifs, starts, strict=True):
            if rng.random() < share:
                strand = "+" if rng.random() < 0.5 else "-"
                _plant(rng, codes[row], hypothetical[motif.target][row], motif, int(start), strand)
                plants.append(Plant(motif.name, row, int(start), strand))
    one_hot = np.eye(4, dtype=np.int8)[codes].transpose(0, 2, 1).copy()
    by_target = {target: _target(one_hot, scores, rng) for target, scores in hypothetical.items()}
    lengths = np.full(n, length, dtype=np.int64)
    ids = [f"planted_{i}" for i in range(n)]
    return Attributions(ids, one_hot, lengths, by_target, provenance={"seed": seed, "method": "planted"}), plants


def planted_attributions(n: int, length: int = 249, seed: int = 0) -> Attributions:
    """As `planted`, without the truth."""
    return planted(n, length, seed)[0]


def _plant(rng, codes: np.ndarray, scores: np.ndarray, motif: Motif, start: int, strand: str) -> None:
    """Write one instance into a sequence ``codes`` (length,) and its scores (4, length)."""
    text = motif.consensus if strand == "+" else dna.reverse_complement(motif.consensus)
    wanted = np.array(["ACGT".index(base) for base in text])
    seen = wanted.copy()
    if rng.random() < 0.3:
        seen[rng.integers(len(seen))] = rng.integers(4)
    span = slice(start, start + len(text))
    codes[span] = seen
    strength = motif.effect * rng.uniform(0.7, 1.3)
    preference = np.full((4, len(text)), -0.5)
    preference[wanted, np.arange(len(text))] = 1.0
    scores[:, span] += strength * preference


def _target(one_hot: np.ndarray, scores: np.ndarray, rng) -> TargetAttributions:
    hypothetical = scores.astype(np.float32)
    n, _, length = one_hot.shape
    gain = (hypothetical * one_hot).sum(axis=(1, 2))
    reference = rng.normal(0, 0.1, n).astype(np.float32)
    return TargetAttributions(
        one_hot,
        hypothetical,
        prediction=(reference + gain).astype(np.float32),
        reference_prediction=reference,
        delta=np.full(n, 1e-6, dtype=np.float32),
        standard_error=np.full((n, length), 0.02, dtype=np.float32),
        stability=np.full(n, 0.98, dtype=np.float32),
    )
