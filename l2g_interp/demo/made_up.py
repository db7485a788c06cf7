"""Synthetic fly-like DNA with known motifs planted in it, and activities that depend on them: the ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2g_core.dna import ALPHABET, reverse_complement


@dataclass(frozen=True)
class Planted:
    """A motif to plant.

    Attributes
    ----------
    label
        Its usual name.
    consensus
        The sequence that is planted (A, C, G, T).
    target
        The activity that it drives.
    effect
        What one copy adds to that activity.
    names
        How the labels of factors that bind it may begin; any of these is a right answer.
    """

    label: str
    consensus: str
    target: str
    effect: float
    names: tuple[str, ...]


@dataclass(frozen=True)
class PlantedSet:
    """Sequences, their activities by target ``(n,)``, and the site of every planted motif: (row, start, motif)."""

    sequences: list[str]
    activities: dict[str, np.ndarray]
    sites: list[tuple[int, int, Planted]]


# Consensus sites as de Almeida et al. (2022) and Ohler et al. (2002) give them for S2 enhancers and promoters. The site
# of twist has a flanking base on both sides, because the core alone, CACATGTG, is also a site of Snail.
PLANTED = (
    Planted("AP-1", "ATGACTCA", "dev", 1.2, ("AP-1",)),
    Planted("GATA", "TCTTATCT", "dev", 1.0, ("GATA",)),
    Planted("twi", "ACACATGTGT", "dev", 1.0, ("twi", "da")),
    Planted("DRE", "TATCGATA", "hk", 1.2, ("DRE",)),
    Planted("Ohler1", "GGTCACACT", "hk", 1.0, ("Ohler1",)),
)
MEAN_COPIES = 0.6  # mean number of copies of each motif in a sequence (Poisson)
POINT_MUTATIONS = 0.03  # share of planted bases replaced at random
NOISE = 0.3  # standard deviation of the measurement, in units of activity

# P(next base | base) of the Drosophila genome, rows and columns ACGT (rounded): AT-rich, with runs of A and T.
FLY_TRANSITIONS = np.array(
    [[0.36, 0.18, 0.18, 0.28], [0.33, 0.22, 0.20, 0.25], [0.27, 0.27, 0.22, 0.24], [0.22, 0.18, 0.24, 0.36]]
)


def make_planted_sequences(n: int, length: int, seed: int, motifs: tuple[Planted, ...] = PLANTED) -> PlantedSet:
    """Make ``n`` sequences of ``length`` bp; motifs are planted on a random strand and never overlap.

    Returns
    -------
    PlantedSet
        The same for the same ``seed``; activities are the sums of the planted motifs' effects plus Gaussian noise.
    """
    rng = np.random.default_rng(seed)
    codes = _background(n, length, rng)
    activities = {target: rng.normal(0, NOISE, n) for target in dict.fromkeys(m.target for m in motifs)}
    sites: list[tuple[int, int, Planted]] = []
    for row in range(n):
        chosen = [m for m in motifs for _ in range(rng.poisson(MEAN_COPIES))]
        free = np.ones(length, dtype=bool)
        for motif in (chosen[i] for i in rng.permutation(len(chosen))):
            start = int(rng.integers(0, length - len(motif.consensus) + 1))
            stretch = slice(start, start + len(motif.consensus))
            if free[stretch].all():
                free[stretch] = False
                codes[row, stretch] = _instance(motif, rng)
                activities[motif.target][row] += motif.effect
                sites.append((row, start, motif))
    sequences = ["".join(ALPHABET[c] for c in row) for row in codes]
    return PlantedSet(sequences, activities, sites)


def _background(n: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """First-order Markov chains, one per sequence."""
    cumulative = np.cumsum(FLY_TRANSITIONS, axis=1)
    codes = np.empty((n, length), dtype=np.int64)
    codes[:, 0] = rng.integers(0, 4, n)
    draws = rng.random((n, length))
    for position in range(1, length):
        codes[:, position] = (draws[:, position, None] > cumulative[codes[:, position - 1]]).sum(axis=1).clip(max=3)
    return codes


def _instance(motif: Planted, rng: np.random.Generator) -> np.ndarray:
    site = motif.consensus if rng.random() < 0.5 else reverse_complement(motif.consensus)
    codes = np.array([ALPHABET.index(base) for base in site])
    mutated = rng.random(len(codes)) < POINT_MUTATIONS
    return np.where(mutated, rng.integers(0, 4, len(codes)), codes)
