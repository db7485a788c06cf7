"""The motifs of each target: the table of the paper's Figures 8 and 9, and the evidence behind each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from l2g_interp.logo import logo_svg, value_range
from l2g_interp.motifs import (
    TRIM_THRESHOLD,
    consensus,
    information_logo,
    padded,
    place,
    reverse_complement,
    trim_span,
    trimmed,
)
from l2g_interp.records import Match, Pattern
from l2g_interp.report.charts import histogram
from l2g_interp.report.context import Context, plain_name, shortened
from l2g_interp.report.seqlets import Evidence, Example, seqlet_evidence

BITS = (0.0, 2.0)
WIDEST, PITCHES = 210, (6, 13)  # pixels: a logo in the table, and the range of what one column may take
FLANK = 4  # columns beside the trimmed part that the detail logos show, as TF-MoDISco's report does


@dataclass(frozen=True)
class MatchView:
    """A match and its logo below the pattern's, on one axis."""

    match: Match
    significant: bool
    pattern_logo: Markup
    logo: Markup | None


@dataclass(frozen=True)
class MotifView:
    """One row of the table and its details."""

    anchor: str
    name: str
    number: str
    named: bool
    sign: str
    n_seqlets: int
    n_sequences: int
    contribution: float
    consensus: str
    forward: Markup
    reverse: Markup
    best: MatchView | None
    others: list[MatchView]
    details: list[tuple[str, Markup]]
    charts: list[tuple[str, Markup]]
    examples: list[Example]


@dataclass(frozen=True)
class TargetMotifs:
    target: str
    anchor: str
    note: str
    rows: list[MotifView]


def motifs(context: Context) -> list[TargetMotifs]:
    """One table per target; a target without patterns keeps its place and says why."""
    found = []
    for number, target in enumerate(context.targets):
        patterns = context.patterns(target)
        evidence = seqlet_evidence(context.run.attributions, target, patterns)
        rows = [_motif_view(context, p, e) for p, e in zip(patterns, evidence, strict=True)]
        found.append(TargetMotifs(target, f"motifs-{number}", context.run.notes.get(target, ""), rows))
    return found


def _motif_view(context: Context, pattern: Pattern, evidence: Evidence) -> MotifView:
    core = trimmed(pattern)
    views = [_match_view(context, core, m) for m in context.matches(pattern)[: context.options.n_matches]]
    letters = consensus(core.ppm)
    limits = value_range(core.cwm)
    return MotifView(
        anchor=context.anchor(pattern),
        name=context.name(pattern),
        number=plain_name(pattern),
        named=context.is_named(pattern),
        sign=pattern.sign,
        n_seqlets=pattern.n_seqlets,
        n_sequences=len(np.unique(pattern.seqlets.example)),
        contribution=float(core.cwm.sum()),
        consensus=letters,
        forward=Markup(
            logo_svg(core.cwm, f"Forward logo: {letters}", limits=limits, height=48, pitch=_pitch(core.cwm))
        ),
        reverse=Markup(
            logo_svg(
                reverse_complement(core.cwm),
                f"Reverse logo of {letters}",
                limits=limits,
                height=48,
                pitch=_pitch(core.cwm),
            )
        ),
        best=views[0] if views else None,
        others=views[1:],
        details=_detail_logos(pattern),
        charts=_charts(context, pattern, evidence),
        examples=evidence.examples,
    )


def _pitch(heights: np.ndarray) -> int:
    """Pixels per column that keep a logo within its cell of the table."""
    narrowest, widest = PITCHES
    return int(np.clip(WIDEST // max(1, heights.shape[1]), narrowest, widest))


def _match_view(context: Context, core: Pattern, match: Match) -> MatchView:
    """Both frequency logos on one axis: that is what TOMTOM compared."""
    label = f"Frequency logo of {plain_name(core)}"
    significant = match.q_value <= context.options.max_q
    motif = context.run.motifs.get((match.database, match.motif_id))
    width = core.ppm.shape[1]
    if motif is None:
        alone = Markup(logo_svg(information_logo(core.ppm), label, height=34, pitch=_pitch(core.ppm)))
        return MatchView(match, significant, alone, None)
    pattern_start, motif_start, drawn = place(width, np.asarray(motif), match.offset, match.strand)
    columns = max(pattern_start + width, motif_start + drawn.shape[1])
    above = padded(information_logo(core.ppm), pattern_start, columns)
    below = padded(information_logo(drawn), motif_start, columns)
    name = shortened(match.label or match.motif_id)
    return MatchView(
        match,
        significant,
        Markup(logo_svg(above, label, height=34, pitch=_pitch(above), limits=BITS)),
        Markup(logo_svg(below, f"Logo of {name}, aligned below it", height=34, pitch=_pitch(below), limits=BITS)),
    )


def _detail_logos(pattern: Pattern) -> list[tuple[str, Markup]]:
    """The matrices around the trimmed part (shaded), each in its own unit."""
    start, end = trim_span(pattern.cwm, TRIM_THRESHOLD, FLANK)
    left, right = trim_span(pattern.cwm)
    shade = (left - start, right - start)
    name = plain_name(pattern)
    logos = [
        ("Contributions (CWM)", pattern.cwm[:, start:end]),
        ("Base frequencies (PPM), bits", information_logo(pattern.ppm[:, start:end])),
        ("Hypothetical contributions (hCWM)", pattern.hcwm[:, start:end]),
    ]
    return [
        (title, Markup(logo_svg(heights, f"{title} of {name}", height=64, pitch=12, shade=shade)))
        for title, heights in logos
    ]


def _charts(context: Context, pattern: Pattern, evidence: Evidence) -> list[tuple[str, Markup]]:
    name = plain_name(pattern)
    centres = (pattern.seqlets.start + pattern.seqlets.end) / 2
    longest = float(context.overview.lengths.max(initial=1))
    position = histogram(
        centres, f"Where the seqlets of {name} lie", "centre of the seqlet (bp)", limits=(0.0, longest)
    )
    charts = [("Position in the sequence", Markup(position))]
    if len(evidence.contributions):
        contribution = histogram(
            evidence.contributions, f"Contributions of the seqlets of {name}", "contribution of the seqlet"
        )
        charts.append(("Contribution", Markup(contribution)))
    return charts
