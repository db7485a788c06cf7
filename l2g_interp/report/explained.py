"""What stands out of shuffled sequences and has no name: how much that is, and what the strongest of it looks like."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from l2g_interp.drawing.numbers import decimals_for
from l2g_interp.motifs.unexplained import AROUND, shares
from l2g_interp.records.types import Explained, Unexplained
from l2g_interp.report.charts import histogram
from l2g_interp.report.context import Context
from l2g_interp.report.links import MotifLink, motif_link

MOST_STRETCHES = 15  # shown per target


@dataclass(frozen=True)
class Part:
    """A part of what stands out: what it is, its share as text, and where to draw it (percent of the bar)."""

    kind: str
    words: str
    share: str
    x: float
    width: float


@dataclass(frozen=True)
class Stretch:
    """One unexplained stretch, 0-based half-open in its sequence; ``track``: HTML id, empty where none is drawn.

    ``before``, ``letters`` and ``after``: its bases, and those around it.
    """

    id: str
    track: str
    start: int
    end: int
    before: str
    letters: str
    after: str
    contribution: float
    nearest: str
    link: MotifLink
    likeness: float


@dataclass(frozen=True)
class TargetExplained:
    """``decimals``: of the contributions; ``n_stretches``: how many unexplained ones ``unexplained.tsv`` has.

    ``by_rate``: the false discovery rate says what stands out, as it does unless nothing passes it.
    """

    target: str
    n_segments: int
    n_sequences: int
    parts: list[Part]
    chart: Markup
    stretches: list[Stretch]
    decimals: int
    n_stretches: int
    by_rate: bool


def explained(context: Context) -> list[TargetExplained] | None:
    """None where the run does not tell: it was made without shuffled controls, or by an older version."""
    return [_of_target(context, t, rows) for t in context.targets if (rows := context.explained(t))] or None


def percent(share: float) -> str:
    """``0.873`` as ``87 %``, with a space that does not break; neither 0 nor 100 % unless it is exactly that."""
    if math.isnan(share):
        return "–"
    if 0 < share < 0.005:
        return "under\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    if 0.995 <= share < 1:
        return "over\N{NO-BREAK SPACE}99\N{NO-BREAK SPACE}%"
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _of_target(context: Context, target: str, rows: list[Explained]) -> TargetExplained:
    found = context.unexplained(target)
    drawn = set(context.drawn(target)) if target in context.overview.by_target else set()
    return TargetExplained(
        target,
        sum(row.segments for row in rows),
        len(rows),
        _parts(rows),
        _chart(target, rows),
        [_stretch(context, row, drawn) for row in found[:MOST_STRETCHES]],
        decimals_for(max((abs(row.contribution) for row in found), default=0.0)),
        len(found),
        _by_rate(context, target),
    )


def _by_rate(context: Context, target: str) -> bool:
    return context.recorded("hits").get("explained", {}).get(target, {}).get("by_rate", True)


def _parts(rows: list[Explained]) -> list[Part]:
    """The three parts from left to right; none where nothing stands out."""
    known = shares(rows)
    named, resembling = known["named"], known["resembling"]
    if math.isnan(named):
        return []
    kinds = (
        ("named", "in named motifs", named),
        ("resembling", "in hits that only resemble, or unnamed", resembling),
        ("left", "unexplained", max(0.0, 1 - named - resembling)),
    )
    parts, x = [], 0.0
    for kind, words, share in kinds:
        parts.append(Part(kind, words, percent(share), x, 100 * share))
        x += 100 * share
    return parts


def _chart(target: str, rows: list[Explained]) -> Markup:
    named = np.array([100 * row.named / row.standing_out for row in rows if row.standing_out > 0])
    label = f"Share of what stands out that has a name, in each sequence, for {target}"
    return Markup(histogram(named, label, "% of what stands out that has a name", limits=(0.0, 100.0), bins=20))


def _stretch(context: Context, row: Unexplained, drawn: set[int]) -> Stretch:
    left = min(AROUND, row.start)  # the letters begin at the sequence's first base if there are no more before
    right = left + row.end - row.start
    return Stretch(
        id=row.id,
        track=context.track_anchor(row.target, row.row) if row.row in drawn else "",
        start=row.start,
        end=row.end,
        before=row.letters[:left],
        letters=row.letters[left:right],
        after=row.letters[right:],
        contribution=row.contribution,
        nearest=context.label(row.target, row.motif, row.nearest) if row.motif else "",
        link=motif_link(context, row.target, row.motif),
        likeness=row.likeness,
    )
