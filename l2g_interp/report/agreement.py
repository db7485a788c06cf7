"""Whether hits are called where the seqlets of a pattern lie, or else which motif's hits are there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from l2g_interp.motifs.matrices import trimmed
from l2g_interp.records.types import Hit, Pattern
from l2g_interp.report.context import Context

MOST_NAMED = 3  # other motifs that are told by name


@dataclass(frozen=True)
class Agreement:
    """Of the seqlets of a pattern: how many have one of its hits on them, one of another motif, or none.

    ``others``: names of those other motifs with their numbers, the most frequent first; ``beyond``: hits of the pattern
    that are no seqlets of it.
    """

    n_seqlets: int
    own: int
    other: int
    none: int
    others: list[tuple[str, int]]
    n_hits: int
    beyond: int


@dataclass(frozen=True)
class Places:
    """The hits of a target, sorted by row; ``motif``: index into ``references``, pairs of pattern and name."""

    row: Int[np.ndarray, " k"]
    start: Int[np.ndarray, " k"]
    end: Int[np.ndarray, " k"]
    motif: Int[np.ndarray, " k"]
    references: list[tuple[str, str]]


def places_of(hits: list[Hit]) -> Places:
    numbers: dict[tuple[str, str], int] = {}
    motif = [numbers.setdefault((hit.pattern, hit.name), len(numbers)) for hit in hits]
    table = np.array([(h.row, h.start, h.end, m) for h, m in zip(hits, motif, strict=True)], dtype=int).reshape(-1, 4)
    row, start, end, which = table[np.argsort(table[:, 0], kind="stable")].T
    return Places(row, start, end, which, list(numbers))


def agreement(context: Context, pattern: Pattern, places: Places) -> Agreement:
    """``places``: all hits of the pattern's target, of both tiers."""
    core = trimmed(pattern)
    best, is_own = _best_hits(core, places)
    hits = context.hits(pattern)
    other = ~is_own & (best >= 0)
    named = [places.references[i] for i in places.motif[best[other]].tolist()]
    counts = Counter(context.label(pattern.target, *reference) for reference in named)
    return Agreement(
        core.n_seqlets,
        own=int(is_own.sum()),
        other=int(other.sum()),
        none=int((best < 0).sum()),
        others=counts.most_common(MOST_NAMED),
        n_hits=len(hits),
        beyond=sum(not hit.seqlet for hit in hits),
    )


def _best_hits(core: Pattern, places: Places) -> tuple[np.ndarray, np.ndarray]:
    """For each seqlet the hit that covers most of it, its own before others' (-1: none), and whether it is its own.

    A hit lies on a seqlet if it overlaps it by more than half of the shorter of the two, as where hits are counted
    (`l2g_interp.motifs.hits.overlap`).
    """
    s = core.seqlets
    left, right = np.searchsorted(places.row, s.example, "left"), np.searchsorted(places.row, s.example, "right")
    repeats = right - left
    mine = np.repeat(np.arange(len(s)), repeats)
    theirs = np.arange(repeats.sum()) - np.repeat(repeats.cumsum() - repeats, repeats) + np.repeat(left, repeats)
    start, end = places.start[theirs], places.end[theirs]
    shared = np.minimum(s.end[mine], end) - np.maximum(s.start[mine], start)
    on = 2 * shared > np.minimum(s.end[mine] - s.start[mine], end - start)
    mine, theirs, shared = mine[on], theirs[on], shared[on]
    own_numbers = [i for i, (name, _) in enumerate(places.references) if name == core.name]
    own = np.isin(places.motif[theirs], own_numbers)
    order = np.lexsort((shared, own))  # the last one written wins
    best, is_own = np.full(len(s), -1), np.zeros(len(s), dtype=bool)
    best[mine[order]], is_own[mine[order]] = theirs[order], own[order]
    return best, is_own
