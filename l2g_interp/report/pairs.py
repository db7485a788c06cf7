"""Which motifs of a target occur together in a sequence, and how far apart they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from l2g_interp.motifs.co_occurrence import MOST_PATTERNS, CoOccurrence, co_occurrences, distances
from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Pattern, Seqlets
from l2g_interp.report.charts import histogram
from l2g_interp.report.context import Context

MOST_PAIRS = 15  # shown per target, those furthest from chance
FARTHEST = 100.0  # bp either way in the picture of distances
SURE = 0.05  # largest q-value of a pair that is marked as more or fewer than chance


@dataclass(frozen=True)
class Pair:
    """Two motifs: the statistics, what they are called here, and the distances between them.

    ``badge``: ``more`` or ``fewer`` than chance, empty where it may be chance.
    """

    numbers: CoOccurrence
    first: str
    second: str
    first_anchor: str
    second_anchor: str
    chart: Markup
    badge: str


@dataclass(frozen=True)
class TargetPairs:
    """``of_hits``: hits are counted, not seqlets."""

    target: str
    of_hits: bool
    n_pairs: int
    n_sequences: int
    pairs: list[Pair]


def pairs(context: Context) -> list[TargetPairs] | None:
    """None where no target has two patterns."""
    found = [_target_pairs(context, t) for t in context.targets if len(context.patterns(t)) > 1]
    return found or None


def _target_pairs(context: Context, target: str) -> TargetPairs:
    patterns = {p.name: p for p in sorted(context.patterns(target), key=lambda p: -p.n_seqlets)[:MOST_PATTERNS]}
    places = {name: context.occurrences(pattern) for name, pattern in patterns.items()}
    n = len(context.overview.ids)
    found = co_occurrences(target, places, n, of_hits=bool(context.run.hits))
    made = [_pair(context, numbers, patterns, places) for numbers in found[:MOST_PAIRS]]
    return TargetPairs(target, bool(context.run.hits), len(found), n, made)


def _pair(context: Context, numbers: CoOccurrence, patterns: dict[str, Pattern], places: dict[str, Seqlets]) -> Pair:
    first, second = patterns[numbers.first], patterns[numbers.second]
    apart = distances(places[first.name], places[second.name])
    chart = histogram(
        apart[np.abs(apart) <= FARTHEST],
        f"Distances from {plain_name(first)} to {plain_name(second)}",
        "downstream of the first motif (bp)",
        limits=(-FARTHEST, FARTHEST),
        bins=40,
    )
    return Pair(
        numbers,
        first=context.distinct_name(first),
        second=context.distinct_name(second),
        first_anchor=context.anchor(first),
        second_anchor=context.anchor(second),
        chart=Markup(chart),
        badge=numbers.direction if numbers.q_value <= SURE else "",
    )
