"""Which motifs of a target occur together in a sequence, and how far apart they lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup

from l2g_interp.naming import plain_name
from l2g_interp.records import Pattern, Seqlets
from l2g_interp.report.charts import histogram
from l2g_interp.report.context import Context

MOST_PAIRS = 15  # shown per target, those furthest above chance
MOST_PATTERNS = 60  # the patterns with most seqlets: pairs grow with their square
FARTHEST = 100.0  # bp either way in the picture of distances


@dataclass(frozen=True)
class Pair:
    """Two motifs: sequences that have both, what chance would give, and the distances between them.

    ``q_value``: hypergeometric test for more than chance, Benjamini-Hochberg over the pairs of the target. Fewer than
    chance is not tested: without hits, TF-MoDISco's seqlets of about 40 bp are counted, and two motifs in one such
    stretch count for neither, so motifs that are planted independently look exclusive (the demo shows it).
    """

    first: str
    second: str
    first_anchor: str
    second_anchor: str
    together: int
    expected: float
    q_value: float
    distance: float
    chart: Markup


@dataclass(frozen=True)
class TargetPairs:
    """``of_hits``: counted are hits, not seqlets."""

    target: str
    of_hits: bool
    n_pairs: int
    n_sequences: int
    pairs: list[Pair]


def pairs(context: Context) -> list[TargetPairs] | None:
    """Nothing where no target has two patterns."""
    found = [_target_pairs(context, t) for t in context.targets if len(context.patterns(t)) > 1]
    return found or None


def _target_pairs(context: Context, target: str) -> TargetPairs:
    patterns = sorted(context.patterns(target), key=lambda p: -p.n_seqlets)[:MOST_PATTERNS]
    seqlets = [context.occurrences(p) for p in patterns]
    where = [np.unique(s.example) for s in seqlets]
    n = len(context.overview.ids)
    both = list(combinations(range(len(patterns)), 2))
    counts = np.array([len(np.intersect1d(where[i], where[j], assume_unique=True)) for i, j in both])
    sizes = np.array([(len(where[i]), len(where[j])) for i, j in both])
    q_values = adjusted(chance(counts, sizes, n))
    shown = np.lexsort((-counts, q_values))[:MOST_PAIRS]
    made = [
        _pair(
            context, (patterns[i], patterns[j]), (seqlets[i], seqlets[j]), int(counts[k]), sizes[k], float(q_values[k])
        )
        for k in shown.tolist()
        for i, j in [both[k]]
    ]
    return TargetPairs(target, bool(context.run.hits), len(both), n, made)


def chance(together: Int[np.ndarray, " k"], sizes: Int[np.ndarray, "k 2"], n: int) -> Float[np.ndarray, " k"]:
    """P-values of sharing so many or more of ``n`` sequences, given how many each motif has."""
    from scipy.special import gammaln  # scipy.stats would take longer to import than the report to write

    def log_choose(total: np.ndarray | int, part: np.ndarray) -> np.ndarray:
        return gammaln(total + 1) - gammaln(part + 1) - gammaln(total - part + 1)

    p_values = np.ones(len(together))
    for i, (shared, (one, other)) in enumerate(zip(together.tolist(), sizes.tolist(), strict=True)):
        counts = np.arange(max(0, one + other - n), min(one, other) + 1)
        logs = log_choose(one, counts) + log_choose(n - one, other - counts)
        share = np.exp(logs - logs.max())
        share /= share.sum()
        p_values[i] = min(1.0, float(share[counts >= shared].sum()))
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


def _told_apart(context: Context, pattern: Pattern) -> str:
    """The name, and the number where several patterns of the target have that name."""
    name = context.name(pattern)
    namesakes = [p for p in context.patterns(pattern.target) if context.name(p) == name]
    return f"{name} ({plain_name(pattern)})" if len(namesakes) > 1 else name


def _pair(
    context: Context,
    patterns: tuple[Pattern, Pattern],
    seqlets: tuple[Seqlets, Seqlets],
    together: int,
    sizes: np.ndarray,
    q_value: float,
) -> Pair:
    first, second = patterns
    apart = distances(*seqlets)
    chart = histogram(
        apart[np.abs(apart) <= FARTHEST],
        f"Distances from {plain_name(first)} to {plain_name(second)}",
        "downstream of the first motif (bp)",
        limits=(-FARTHEST, FARTHEST),
        bins=40,
    )
    return Pair(
        first=_told_apart(context, first),
        second=_told_apart(context, second),
        first_anchor=context.anchor(first),
        second_anchor=context.anchor(second),
        together=together,
        expected=float(sizes[0]) * float(sizes[1]) / max(1, len(context.overview.ids)),
        q_value=q_value,
        distance=float(np.median(np.abs(apart))) if len(apart) else float("nan"),
        chart=Markup(chart),
    )
