"""Which motifs of a target occur together in a sequence more or less often than by chance, and how far apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from l2g_interp.motifs.matrices import trimmed
from l2g_interp.records.types import Hit, Pattern, Seqlets

MOST_PATTERNS = 60  # those with the most seqlets: the number of pairs grows quadratically


@dataclass(frozen=True)
class CoOccurrence:
    """Two patterns of a target: observed and expected sequences with both; exported as ``pairs.tsv``.

    ``q_value``: hypergeometric test, Benjamini-Hochberg over the pairs of the target. Hits are tested for more and for
    fewer than expected (twice the smaller tail). Seqlets only for more: TF-MoDISco's are about 40 bp, and two motifs in
    one such stretch count for neither, so motifs that are planted independently look exclusive (see the demo).
    ``distance``: median centre to centre (bp), NaN where they never meet. ``direction``: ``more`` or ``fewer`` than
    expected, whatever the q-value.
    """

    target: str
    first: str
    second: str
    with_first: int
    with_second: int
    together: int
    expected: float
    q_value: float
    distance: float
    direction: str = ""


def occurrences(pattern: Pattern, hits: Sequence[Hit] | None) -> Seqlets:
    """Where the pattern occurs: its hits of tier 1, or the trimmed stretches of its seqlets if hits were not called.

    A hit of tier 2 only resembles the motif: it is no evidence that the motif is there.
    """
    if hits is None:
        return trimmed(pattern).seqlets
    sure = [hit for hit in hits if hit.tier == 1]
    rows, starts, ends = (np.array([getattr(h, key) for h in sure], dtype=int) for key in ("row", "start", "end"))
    return Seqlets(rows, starts, ends, np.array([h.strand == "-" for h in sure], dtype=bool))


def co_occurrences(target: str, places: dict[str, Seqlets], n: int, *, of_hits: bool = False) -> list[CoOccurrence]:
    """Every pair of patterns of one target, those furthest from chance first.

    Parameters
    ----------
    places
        Where each pattern occurs, by its name; the number of pairs grows quadratically (see `MOST_PATTERNS`).
    n
        Sequences in all.
    of_hits
        The places are hits, not seqlets, so fewer than expected means something (see `CoOccurrence`).
    """
    names, where = list(places), [np.unique(s.example) for s in places.values()]
    both = list(combinations(range(len(names)), 2))
    counts = np.array([len(np.intersect1d(where[i], where[j], assume_unique=True)) for i, j in both], dtype=int)
    sizes = np.array([(len(where[i]), len(where[j])) for i, j in both], dtype=int).reshape(-1, 2)
    q_values = adjusted(chance(counts, sizes, n, two_sided=of_hits))
    found = []
    for k in np.lexsort((-counts, q_values)).tolist():
        first, second = (names[i] for i in both[k])
        apart = distances(places[first], places[second])
        expected = float(sizes[k].prod()) / max(1, n)
        row = CoOccurrence(
            target=target,
            first=first,
            second=second,
            with_first=int(sizes[k, 0]),
            with_second=int(sizes[k, 1]),
            together=int(counts[k]),
            expected=expected,
            q_value=float(q_values[k]),
            distance=float(np.median(np.abs(apart))) if len(apart) else float("nan"),
            direction="fewer" if counts[k] < expected else "more",
        )
        found.append(row)
    return found


def chance(
    together: Int[np.ndarray, " k"], sizes: Int[np.ndarray, "k 2"], n: int, *, two_sided: bool = False
) -> Float[np.ndarray, " k"]:
    """P-values of sharing this many of ``n`` sequences, given how many have each motif (hypergeometric).

    Of sharing at least this many, or, ``two_sided``, twice the smaller of that and of sharing at most this many.
    """
    from scipy.special import gammaln  # importing scipy.stats would take longer than writing the report

    def log_choose(total: np.ndarray | int, part: np.ndarray) -> np.ndarray:
        return gammaln(total + 1) - gammaln(part + 1) - gammaln(total - part + 1)

    p_values = np.ones(len(together))
    for i, (shared, (one, other)) in enumerate(zip(together.tolist(), sizes.tolist(), strict=True)):
        counts = np.arange(max(0, one + other - n), min(one, other) + 1)
        logs = log_choose(one, counts) + log_choose(n - one, other - counts)
        share = np.exp(logs - logs.max())
        share /= share.sum()
        at_least, at_most = float(share[counts >= shared].sum()), float(share[counts <= shared].sum())
        p_values[i] = min(1.0, 2 * min(at_least, at_most) if two_sided else at_least)
    return p_values


def adjusted(p_values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Benjamini-Hochberg q-values."""
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    q_values = np.empty_like(p_values)
    q_values[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return q_values


def distances(first: Seqlets, second: Seqlets) -> Float[np.ndarray, " k"]:
    """Centre to centre in bp, of every two seqlets in one sequence; positive where the second lies downstream.

    Upstream and downstream are those of the first motif's strand.
    """
    order = np.argsort(second.example, kind="stable")
    rows = second.example[order]
    left, right = np.searchsorted(rows, first.example, "left"), np.searchsorted(rows, first.example, "right")
    repeats = right - left
    mine = np.repeat(np.arange(len(first)), repeats)
    theirs = order[np.arange(repeats.sum()) - np.repeat(repeats.cumsum() - repeats, repeats) + np.repeat(left, repeats)]
    gap = (second.start + second.end)[theirs] / 2 - (first.start + first.end)[mine] / 2
    return np.where(first.is_revcomp[mine], -gap, gap)
