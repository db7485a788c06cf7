"""What every two motifs do together: a matrix of the strongest interactions, and for each pair a curve by spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from l2g_interp.drawing.numbers import decimals_for
from l2g_interp.motifs.co_occurrence import CoOccurrence, co_occurrences, occurrences
from l2g_interp.motifs.library import grouped
from l2g_interp.records.types import Hit, PairEffect, Pattern
from l2g_interp.report.context import Context
from l2g_interp.report.spacing_picture import ARROWS, mark, spacing_picture

MOST_PAIRS = 20  # shown per target, those that are not additive first
MOST_MOTIFS = 20  # of the matrix, those with the strongest interactions
SURE = 0.05  # largest q-value of motifs that are found together more or less often than by chance


@dataclass(frozen=True)
class Named:
    """A motif: what it is called here, and its HTML id; empty where it is none of the run's."""

    name: str
    anchor: str


@dataclass(frozen=True)
class PlantedPair:
    """Two motifs: their strongest arrangement, and how often they are found together in the run's sequences.

    ``strongest``: of the arrangements that are not additive, or of all if all are; ``found``: None without hits of
    both; ``badge``: ``more`` or ``fewer`` than by chance, empty where it may be chance.
    """

    first: Named
    second: Named
    strongest: PairEffect
    arrows: str
    n_additive: int
    n_tested: int
    picture: Markup
    found: CoOccurrence | None
    badge: str


@dataclass(frozen=True)
class Cell:
    """A pair in the matrix: its strongest interaction and a mark for it."""

    row: PairEffect
    mark: Markup


@dataclass(frozen=True)
class TargetInteractions:
    """``matrix``: a row per motif, with None where the pair stands on the other side of the diagonal."""

    target: str
    motifs: list[Named]
    matrix: list[list[Cell | None]]
    pairs: list[PlantedPair]
    n_pairs: int
    n_tested: int
    n_backgrounds: int
    decimals: int
    scale: str


def interactions(context: Context) -> list[TargetInteractions] | None:
    """None where no pairs were planted."""
    groups = grouped([p for target in context.targets for p in context.patterns(target)]) if context.run.pairs else []
    found = [_of_target(context, target, groups) for target in context.targets if context.pairs(target)]
    return found or None


def _of_target(context: Context, target: str, groups: Sequence[Sequence[Pattern]]) -> TargetInteractions:
    rows = context.pairs(target)
    by_pair: dict[tuple[str, str], list[PairEffect]] = {}
    for row in rows:
        by_pair.setdefault((row.first, row.second), []).append(row)
    references = list(dict.fromkeys(reference for pair in by_pair for reference in pair))
    motifs = {reference: _named(context, target, reference, rows) for reference in references}
    best = {pair: strongest(mine) for pair, mine in by_pair.items()}
    largest = max(abs(row.excess) for row in best.values())
    observed = _observed(context, target, references, groups)
    order = sorted(best, key=lambda pair: (best[pair].kind == "additive", -abs(best[pair].excess)))
    pairs = [_pair(by_pair[pair], best[pair], motifs, observed.get(frozenset(pair))) for pair in order[:MOST_PAIRS]]
    first = list(dict.fromkeys(reference for pair in order for reference in pair))[:MOST_MOTIFS]
    shown = [reference for reference in references if reference in first]
    matrix = [[_cell(best.get((one, two)), largest) for two in shown] for one in shown]
    scale = context.recorded("pairs").get("scale", "output")
    return TargetInteractions(
        target, [motifs[reference] for reference in shown], matrix, pairs, len(by_pair), len(rows),
        rows[0].n_backgrounds, decimals_for(largest), str(scale),
    )  # fmt: skip


def strongest(rows: Sequence[PairEffect]) -> PairEffect:
    """The largest excess among the arrangements that are not additive; among all, if all are."""
    some = [row for row in rows if row.kind != "additive"] or rows
    return max(some, key=lambda row: abs(row.excess))


def _cell(row: PairEffect | None, largest: float) -> Cell | None:
    return None if row is None else Cell(row, Markup(mark(row, largest)))


def _named(context: Context, target: str, reference: str, rows: Sequence[PairEffect]) -> Named:
    pattern = context.resolved(target, reference)
    if pattern is not None:
        return Named(context.distinct_name(pattern), context.anchor(pattern))
    names = [(row.first, row.first_name) for row in rows] + [(row.second, row.second_name) for row in rows]
    return Named(next(name for key, name in names if key == reference) or reference, "")


def _pair(
    rows: Sequence[PairEffect], best: PairEffect, motifs: dict[str, Named], found: CoOccurrence | None
) -> PlantedPair:
    first, second = motifs[best.first], motifs[best.second]
    return PlantedPair(
        first=first,
        second=second,
        strongest=best,
        arrows=f"{ARROWS[best.first_strand]} {ARROWS[best.second_strand]}",
        n_additive=sum(row.kind == "additive" for row in rows),
        n_tested=len(rows),
        picture=Markup(spacing_picture(rows, f"Interaction of {first.name} and {second.name} by spacing")),
        found=found,
        badge=found.direction if found is not None and found.q_value <= SURE else "",
    )


def _observed(
    context: Context, target: str, references: Sequence[str], groups: Sequence[Sequence[Pattern]]
) -> dict[frozenset[str], CoOccurrence]:
    """How often the motifs' hits of the target are found together, by pair; tested for more and for fewer than chance.

    A motif that several targets have is called by each target's own pattern in its hits.
    """
    hits: dict[str, list[Hit]] = {}
    for hit in context.hits_of(target):
        hits.setdefault(hit.pattern, []).append(hit)
    aliases: dict[str, set[str]] = {}
    for group in groups:
        names = {f"{p.target}/{p.name}" for p in group} | {p.name for p in group if p.target == target}
        aliases |= dict.fromkeys(names, names)
    places = {}
    for reference in references:
        mine = [hit for name in aliases.get(reference, {reference}) for hit in hits.get(name, ())]
        pattern = context.resolved(target, reference)
        if mine and pattern is not None:
            places[reference] = occurrences(pattern, mine)
    rows = co_occurrences(target, places, len(context.overview.ids), of_hits=True)
    return {frozenset((row.first, row.second)): row for row in rows}
