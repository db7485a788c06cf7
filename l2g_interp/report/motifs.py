"""The motifs of each target: the table of the paper's Figures 8 and 9, with effects and hits where they are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.motifs.matrices import consensus, reverse_complement, trimmed
from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Pattern
from l2g_interp.report.agreement import places_of
from l2g_interp.report.aligned import MatchView, Symbols, match_view, pitch
from l2g_interp.report.context import Context
from l2g_interp.report.details import Details, details
from l2g_interp.report.effects import EffectView, effect_view
from l2g_interp.report.removals import RemovalView, removal_of
from l2g_interp.report.seqlets import hit_cwms, seqlet_evidence

LOGO_HEIGHT = 48  # pixels


@dataclass(frozen=True)
class Hits:
    """How often a pattern occurs, in how many sequences, and how many more places only resemble it."""

    n: int
    n_sequences: int
    n_alike: int


@dataclass(frozen=True)
class MotifView:
    """One row of the table and its details; ``effect``, ``hits`` and ``removal`` are None where they are not known.

    ``ties``: names of other families that came close to naming it.
    """

    anchor: str
    name: str
    number: str
    named: bool
    ties: list[str]
    sign: str
    n_seqlets: int
    n_sequences: int
    contribution: float
    consensus: str
    forward: Markup
    reverse: Markup
    effect: EffectView | None
    hits: Hits | None
    removal: RemovalView | None
    best: MatchView | None
    others: list[MatchView]
    details: Details


@dataclass(frozen=True)
class TargetMotifs:
    """The table of one target; ``symbols`` are the logos that its matches refer to."""

    target: str
    anchor: str
    note: str
    rows: list[MotifView]
    symbols: Markup


@dataclass(frozen=True)
class Motifs:
    """The tables, and which optional columns they have."""

    groups: list[TargetMotifs]
    validated: bool
    with_hits: bool
    with_removals: bool


def motifs(context: Context) -> Motifs:
    """One table per target; a target without patterns keeps its place and explains why."""
    groups = [_target_motifs(context, number, target) for number, target in enumerate(context.targets)]
    return Motifs(groups, bool(context.run.effects), bool(context.run.hits), bool(context.run.removals))


def _target_motifs(context: Context, number: int, target: str) -> TargetMotifs:
    patterns = context.patterns(target)
    evidence = seqlet_evidence(context.run.attributions, target, patterns)
    symbols = Symbols(f"logo-{number}", {})
    cwms = hit_cwms(context.run.attributions, target, [context.hits(pattern) for pattern in patterns])
    places = places_of(context.hits_of(target))
    rows = [
        _motif_view(context, p, symbols, details(context, p, e, cwm, places))
        for p, e, cwm in zip(patterns, evidence, cwms, strict=True)
    ]
    return TargetMotifs(target, f"motifs-{number}", context.run.notes.get(target, ""), rows, symbols.svg())


def _motif_view(context: Context, pattern: Pattern, symbols: Symbols, more: Details) -> MotifView:
    core = trimmed(pattern)
    views = [match_view(context, core, m, symbols) for m in context.matches(pattern)[: context.options.n_matches]]
    letters = consensus(core.ppm)
    return MotifView(
        anchor=context.anchor(pattern),
        name=context.name(pattern),
        number=plain_name(pattern),
        named=context.is_named(pattern),
        ties=context.other_names(pattern),
        sign=pattern.sign,
        n_seqlets=pattern.n_seqlets,
        n_sequences=len(np.unique(pattern.seqlets.example)),
        contribution=float(core.cwm.sum()),
        consensus=letters,
        forward=_logo(core.cwm, f"Forward logo: {letters}"),
        reverse=_logo(reverse_complement(core.cwm), f"Reverse logo of {letters}"),
        effect=effect_view(context, pattern),
        hits=_hits(context, pattern),
        removal=removal_of(context, pattern),
        best=views[0] if views else None,
        others=views[1:],
        details=more,
    )


def _logo(cwm: Float[np.ndarray, "4 width"], label: str) -> Markup:
    return Markup(logo_svg(cwm, label, limits=value_range(cwm), height=LOGO_HEIGHT, pitch=pitch(cwm.shape[1])))


def _hits(context: Context, pattern: Pattern) -> Hits | None:
    if not context.run.hits:
        return None
    hits = context.hits(pattern)
    sure = [hit for hit in hits if hit.tier == 1]
    return Hits(len(sure), len({hit.row for hit in sure}), len(hits) - len(sure))
