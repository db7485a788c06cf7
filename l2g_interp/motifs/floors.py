"""How alike is alike enough? The floor of each motif, and how often it is wrong, measured on the run itself.

Leaving one motif out needs no truth. The seqlets of a pattern are its sites; with the pattern and its kin withheld (its
family, and what reads like it where one has no name), every motif that would take such a site would take it wrongly. A
motif's floor is the likeness that best separates the seqlets of its own patterns from those of the others. Decoys with
shuffled columns do not show this: 6 % where a third of the names were wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from l2g_interp.motifs.candidates import Block, Candidates, Matrices, Needed, find_candidates
from l2g_interp.motifs.library import Entry, aligned_cosines
from l2g_interp.motifs.naming import family_keys
from l2g_interp.records.types import Pattern, Seqlets, evenly_spaced

LOWEST = 0.5  # likeness below which nothing is called
GRID = np.arange(0.6, 0.951, 0.01)  # floors that a pattern may have
PRICE = 0.5  # own seqlets that a pattern may lose to keep one of another, which has its own motif, from being taken
MOST_TAKEN = 0.2  # share of any other pattern's seqlets that a pattern may take, whatever that costs
OF_DATABASE = 0.8  # floor of a database's motif: no seqlets speak for it
TAKEN = 0.03  # share of any pattern's seqlets that a database's motif may take; its floor is raised to keep to that
FEW = 50  # seqlets; fewer say nothing about a share
KIN = 0.75  # aligned cosine of two motifs' centred matrices above which they read alike
MOST_SEQLETS = 500  # of a pattern, evenly spaced


@dataclass(frozen=True)
class Sites:
    """The seqlets of one pattern: the likeness ``(k, entries)`` that every motif of the library has there at its best.

    0 where a motif is no candidate on more than half of the site.
    """

    entry: int
    pattern: Pattern
    likeness: Float[np.ndarray, "k entries"]


@dataclass(frozen=True)
class Floors:
    """Least likeness by entry of the library; and the error rate, by (target, pattern).

    ``first``: of a named hit; ``second``: of a hit that resembles its motif, infinite for motifs of databases;
    ``missing_named_wrong``: share of a pattern's seqlets that would get another name if their motif were not known.
    """

    first: Float[np.ndarray, " entries"]
    second: Float[np.ndarray, " entries"]
    missing_named_wrong: dict[tuple[str, str], float]


def sites_of(entry: int, pattern: Pattern, block: Block, rows: np.ndarray, matrices: Matrices, needed: Needed) -> Sites:
    """What the library makes of a pattern's seqlets. ``rows`` are those of the block in the attributions, ascending."""
    s = pattern.seqlets
    here = np.searchsorted(rows, s.example)
    found = find_candidates(block, matrices, needed)
    found = found.take(np.argsort(found.row, kind="stable"))
    best = np.zeros((len(s), len(matrices.widths)), dtype=np.float32)
    for i, (row, start, end) in enumerate(zip(here.tolist(), s.start.tolist(), s.end.tolist(), strict=True)):
        first, last = np.searchsorted(found.row, [row, row + 1])
        near = found.take(np.arange(first, last))
        on = near.take(_covering(near, start, end))
        np.maximum.at(best[i], on.entry, on.likeness)
    return Sites(entry, pattern, best)


def some_seqlets(pattern: Pattern) -> Pattern:
    """The pattern with at most `MOST_SEQLETS` of its seqlets."""
    s = pattern.seqlets
    some = evenly_spaced(len(s), MOST_SEQLETS)
    return replace(pattern, seqlets=Seqlets(s.example[some], s.start[some], s.end[some], s.is_revcomp[some]))


def _covering(found: Candidates, start: int, end: int) -> Bool[np.ndarray, " k"]:
    """Which lie on more than half of the stretch, however wide they are."""
    return 2 * (np.minimum(found.end, end) - np.maximum(found.start, start)) > end - start


def calibrated(library: Sequence[Entry], sites: Sequence[Sites], quantile: float, floor: float | None = None) -> Floors:
    """The floors that the seqlets of a run ask for.

    Parameters
    ----------
    sites
        The seqlets of every pattern, for every target.
    quantile
        Share of a pattern's own seqlets that may read less like it than a hit of the second tier.
    floor
        One floor for all, instead.
    """
    kin = {i: _kin(library, i) for i in {s.entry for s in sites}}
    foreign = [np.where(kin[s.entry], 0, s.likeness) for s in sites]
    first = np.full(len(library), OF_DATABASE if floor is None else floor)
    second = np.full(len(library), np.inf)
    for i, entry in enumerate(library):
        mine = [s.likeness[:, i] for s in sites if s.entry == i]
        own = np.concatenate(mine) if mine else np.empty(0)
        others = [likeness[:, i] for likeness in foreign]
        if floor is None:
            first[i] = _of_pattern(own, others) if entry.patterns else _of_database(others)
        if (own > 0).any():
            second[i] = max(LOWEST, float(np.quantile(own[own > 0], quantile)))
    return Floors(first, np.where(second < first, second, np.inf), _wrong(sites, foreign, first))


def _of_pattern(own: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Where the fewest own seqlets are lost and, each at `PRICE`, the fewest of the others are taken.

    1 where every floor takes too large a share of another pattern's.
    """
    lost = (own[:, None] < GRID).sum(axis=0)
    taken = [each[:, None] >= GRID for each in others]
    shares = np.max([each.mean(axis=0) for each in taken], axis=0, initial=0.0)
    cost = lost + PRICE * sum(each.sum(axis=0) for each in taken)
    able = np.flatnonzero(shares <= MOST_TAKEN)
    return float(GRID[able[np.argmin(cost[able])]]) if len(able) else 1.0


def _of_database(others: Sequence[np.ndarray]) -> float:
    shares = [(each[:, None] >= GRID).mean(axis=0) for each in others if len(each) >= FEW]
    fits = np.flatnonzero(np.max(shares, axis=0) <= TAKEN) if shares else np.array([0])
    return max(OF_DATABASE, float(GRID[fits[0]]) if len(fits) else 1.0)


def _wrong(sites: Sequence[Sites], foreign: Sequence[np.ndarray], first: np.ndarray) -> dict[tuple[str, str], float]:
    return {
        (s.pattern.target, s.pattern.name): float((likeness >= first).any(axis=1).mean())
        for s, likeness in zip(sites, foreign, strict=True)
    }


def _kin(library: Sequence[Entry], i: int) -> Bool[np.ndarray, " entries"]:
    """Which cannot be wrong about the sites of one: those of its family, and what reads like it if one has no name."""
    entry = library[i]
    alike = aligned_cosines(entry.centred, [other.centred for other in library]) >= KIN
    unnamed = np.array([not (entry.name and other.name) for other in library])
    mine = family_keys(entry.name, entry.family)
    return (alike & unnamed) | np.array([bool(mine & family_keys(other.name, other.family)) for other in library])
