"""The details of a motif: matrices on both strands, doses, where the seqlets lie, and examples of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.motifs.matrices import TRIM_THRESHOLD, information_logo, padded, reverse_complement, trim_span
from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Effect, Pattern
from l2g_interp.report.agreement import Agreement, Places, agreement
from l2g_interp.report.charts import histogram
from l2g_interp.report.context import Context
from l2g_interp.report.effects import dose_chart
from l2g_interp.report.seqlets import Evidence, Example, HitCwm

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
    """``n_sequences``: all that the run explained, with or without the pattern; ``agreement``: None without hits."""

    n_sequences: int
    agreement: Agreement | None
    logos: list[BothStrands]
    doses: list[Effect]
    charts: list[tuple[str, Markup]]
    examples: list[Example]
    tracks: list[TrackLink]


def details(context: Context, pattern: Pattern, evidence: Evidence, hits: HitCwm, places: Places) -> Details:
    """``hits``: the mean contributions under the pattern's hits; ``places``: all hits of its target."""
    return Details(
        n_sequences=len(context.overview.ids),
        agreement=agreement(context, pattern, places) if context.run.hits else None,
        logos=_logos(pattern, hits),
        doses=context.effects(pattern),
        charts=_charts(context, pattern, evidence),
        examples=evidence.examples,
        tracks=_track_links(context, pattern),
    )


def _logos(pattern: Pattern, hits: HitCwm) -> list[BothStrands]:
    """The matrices around the trimmed part (shaded), each in its own unit; both kinds of contributions on one scale."""
    start, end = trim_span(pattern.cwm, TRIM_THRESHOLD, FLANK)
    left, right = trim_span(pattern.cwm)
    shade = left - start, right - start
    seqlets = pattern.cwm[:, start:end]
    under_hits = aligned_to(pattern.cwm, hits.cwm)[:, start:end]
    limits = value_range(seqlets, under_hits)
    bits = information_logo(pattern.ppm[:, start:end])
    hypothetical = pattern.hcwm[:, start:end]
    of_hits = f"Contributions under its hits ({'mean of ' if hits.n > 1 else ''}{hits.n:,})"
    matrices = [
        ("Contributions (CWM)", seqlets, limits),
        *([(of_hits, under_hits, limits)] if hits.n else []),
        ("Base frequencies (PPM), bits", bits, value_range(bits)),
        ("Hypothetical contributions (hCWM)", hypothetical, value_range(hypothetical)),
    ]
    return [_both_strands(pattern, *each, shade) for each in matrices]


def _both_strands(
    pattern: Pattern, title: str, heights: np.ndarray, limits: tuple[float, float], shade: tuple[int, int]
) -> BothStrands:
    label, width = f"{title} of {plain_name(pattern)}", heights.shape[1]
    return BothStrands(
        title,
        _logo(heights, label, limits, shade),
        _logo(
            reverse_complement(heights), f"{label}, reverse complement", limits, (width - shade[1], width - shade[0])
        ),
    )


def aligned_to(cwm: Float[np.ndarray, "4 width"], other: Float[np.ndarray, "4 _"]) -> Float[np.ndarray, "4 width"]:
    """The other matrix where, and on the strand on which, it is most like the first; zeros beside it.

    The hits of a pattern that several targets have are those of the target where it has most seqlets, which may have it
    shifted or on the other strand.
    """
    width, beyond = cwm.shape[1], other.shape[1]  # columns of the other may stick out on either side
    placed = [
        padded(each, start, width + 2 * beyond)[:, beyond : beyond + width]
        for each in (other, reverse_complement(other))
        for start in range(1, width + beyond)
    ]
    return max(placed, key=lambda matrix: float((matrix * cwm).sum()), default=np.zeros_like(cwm))


def _logo(heights: np.ndarray, label: str, limits: tuple[float, float], shade: tuple[int, int]) -> Markup:
    return Markup(logo_svg(heights, label, height=HEIGHT, pitch=PITCH, limits=limits, shade=shade))


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
