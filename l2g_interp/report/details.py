"""The details of a motif: matrices on both strands, doses, where the seqlets lie, and examples of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.motifs.matrices import TRIM_THRESHOLD, information_logo, reverse_complement, trim_span
from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Effect, Pattern
from l2g_interp.report.charts import histogram
from l2g_interp.report.context import Context
from l2g_interp.report.effects import dose_chart
from l2g_interp.report.seqlets import Evidence, Example

FLANK = 4  # columns on either side of the trimmed part that the logos show, as TF-MoDISco's report does
PITCH, HEIGHT = 10, 60  # pixels


@dataclass(frozen=True)
class BothStrands:
    """One matrix, forward and reverse-complemented."""

    title: str
    forward: Markup
    reverse: Markup


@dataclass(frozen=True)
class TrackLink:
    """A track that shows the pattern, and how many times."""

    id: str
    anchor: str
    count: int


@dataclass(frozen=True)
class Details:
    """``n_sequences``: all that the run explained, with or without the pattern."""

    n_sequences: int
    logos: list[BothStrands]
    doses: list[Effect]
    charts: list[tuple[str, Markup]]
    examples: list[Example]
    tracks: list[TrackLink]


def details(context: Context, pattern: Pattern, evidence: Evidence) -> Details:
    return Details(
        n_sequences=len(context.overview.ids),
        logos=_logos(pattern),
        doses=context.effects(pattern),
        charts=_charts(context, pattern, evidence),
        examples=evidence.examples,
        tracks=_track_links(context, pattern),
    )


def _logos(pattern: Pattern) -> list[BothStrands]:
    """The matrices around the trimmed part (shaded), each in its own unit."""
    start, end = trim_span(pattern.cwm, TRIM_THRESHOLD, FLANK)
    left, right = trim_span(pattern.cwm)
    shade, back = (left - start, right - start), (end - right, end - left)
    matrices = {
        "Contributions (CWM)": pattern.cwm[:, start:end],
        "Base frequencies (PPM), bits": information_logo(pattern.ppm[:, start:end]),
        "Hypothetical contributions (hCWM)": pattern.hcwm[:, start:end],
    }
    return [
        BothStrands(
            title,
            _logo(heights, f"{title} of {plain_name(pattern)}", shade),
            _logo(reverse_complement(heights), f"{title} of {plain_name(pattern)}, reverse complement", back),
        )
        for title, heights in matrices.items()
    ]


def _logo(heights: np.ndarray, label: str, shade: tuple[int, int]) -> Markup:
    return Markup(logo_svg(heights, label, height=HEIGHT, pitch=PITCH, limits=value_range(heights), shade=shade))


def _charts(context: Context, pattern: Pattern, evidence: Evidence) -> list[tuple[str, Markup]]:
    name = plain_name(pattern)
    charts = []
    dose = dose_chart(context, pattern)
    if dose:
        n = context.effects(pattern)[0].n_backgrounds
        charts.append((f"Change of the prediction in {n:,} shuffled sequences, with 95 % intervals", dose))
    centres = (pattern.seqlets.start + pattern.seqlets.end) / 2
    longest = float(context.overview.lengths.max(initial=1))
    position = histogram(
        centres, f"Where the seqlets of {name} lie", "centre of the seqlet (bp)", limits=(0.0, longest)
    )
    charts.append(("Position in the sequence", Markup(position)))
    if len(evidence.contributions):
        contribution = histogram(
            evidence.contributions, f"Contributions of the seqlets of {name}", "contribution of the seqlet"
        )
        charts.append(("Contribution", Markup(contribution)))
    return charts


def _track_links(context: Context, pattern: Pattern) -> list[TrackLink]:
    """The tracks of its target that show the pattern, in the order of the page."""
    if pattern.target not in context.overview.by_target:
        return []
    counts = Counter(context.occurrences(pattern).example.tolist())
    return [
        TrackLink(context.overview.ids[row], context.track_anchor(pattern.target, row), counts[row])
        for row in context.drawn(pattern.target)
        if counts[row]
    ]
