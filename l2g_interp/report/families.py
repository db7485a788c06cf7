"""Every motif for every target: how often it occurs, what share of what stands out it holds, and what it does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.drawing.numbers import format_number
from l2g_interp.motifs.matrices import information_logo, trimmed
from l2g_interp.motifs.naming import family, plain_name
from l2g_interp.records.types import Effect, Hit, Pattern
from l2g_interp.report.context import Context
from l2g_interp.report.effects import EffectView, effect_view, view_of
from l2g_interp.report.links import MotifLink, motif_link

NO_NAME = ""
PITCH, LOGO_HEIGHT = 8, 34  # pixels
FEW = 10  # motifs of databases that are shown without being asked for


@dataclass(frozen=True)
class Member:
    """A pattern of a family: number, HTML id, effect; ``share``: its seqlets as a fraction of the most."""

    number: str
    anchor: str
    sign: str
    n_seqlets: int
    share: float
    effect: EffectView | None
    logo: Markup


@dataclass(frozen=True)
class Planted:
    """What a pattern of another target does to this one."""

    name: str
    anchor: str
    effect: EffectView


@dataclass(frozen=True)
class Cell:
    """A family for one target: its patterns, most seqlets first, its hits, and effects of other targets' patterns.

    ``share``: the contribution in these hits (without signs) as a fraction of what stands out, as text; empty where it
    is not known. ``strength``: the same as a number.
    """

    members: list[Member]
    n_hits: int
    n_sequences: int
    share: str
    strength: float
    planted: list[Planted]

    @property
    def is_empty(self) -> bool:
        return not (self.members or self.n_hits or self.planted)


@dataclass(frozen=True)
class Family:
    """Motifs of one name: a cell per target. ``motif`` and ``logo``: the motif of a database with the most hits."""

    name: str
    cells: list[Cell]
    motif: MotifLink | None
    n_others: int
    logo: Markup | None

    @property
    def members(self) -> list[list[Member]]:
        return [cell.members for cell in self.cells]

    @property
    def n_targets(self) -> int:
        return sum(bool(cell.members) for cell in self.cells)

    @property
    def order(self) -> tuple[bool, int, int, float, int]:
        """Named ones first, then by targets with a pattern, seqlets, contribution and hits."""
        seqlets = sum(m.n_seqlets for cell in self.cells for m in cell.members)
        strength = sum(cell.strength for cell in self.cells)
        return (self.name == NO_NAME, -self.n_targets, -seqlets, -strength, -sum(cell.n_hits for cell in self.cells))


@dataclass(frozen=True)
class Families:
    """``families`` have a pattern of some target, ``others`` only hits; ``open``: these are few enough to be shown."""

    targets: list[str]
    families: list[Family]
    others: list[Family]
    words: str
    validated: bool
    with_hits: bool
    with_shares: bool
    open: bool


@dataclass(frozen=True)
class _Evidence:
    """What is known of a target by family: patterns, named hits, effects of other targets' patterns, and its total."""

    patterns: dict[str, list[Pattern]]
    hits: dict[str, list[Hit]]
    planted: dict[str, list[Planted]]
    standing_out: float


def families(context: Context) -> Families | None:
    """None where no target has a pattern or a named hit. Patterns without a name come last."""
    known = {target: _evidence(context, target) for target in context.targets}
    known = {t: found for t, found in known.items() if found.patterns or found.hits or found.planted}
    names = dict.fromkeys(n for e in known.values() for part in (e.patterns, e.hits, e.planted) for n in part)
    most = max((p.n_seqlets for e in known.values() for found in e.patterns.values() for p in found), default=1)
    rows = sorted((_family(context, name, known, most) for name in names), key=lambda row: row.order)
    if not rows:
        return None
    targets, with_pattern = list(known), [row for row in rows if row.n_targets]
    others = [row for row in rows if not row.n_targets]
    return Families(
        targets,
        with_pattern,
        others,
        _words(targets, [row for row in with_pattern if row.name != NO_NAME]),
        validated=bool(context.run.effects),
        with_hits=bool(context.run.hits),
        with_shares=any(found.standing_out > 0 for found in known.values()),
        open=len(others) <= FEW,
    )


def _evidence(context: Context, target: str) -> _Evidence:
    patterns, hits, planted = defaultdict(list), defaultdict(list), defaultdict(list)
    for pattern in context.patterns(target):
        patterns[_key(context, pattern)].append(pattern)
    keys: dict[tuple[str, str], str | None] = {}
    for hit in context.hits_of(target):
        motif = hit.pattern, hit.name
        if motif not in keys:
            keys[motif] = _key_of(context, target, *motif)
        if hit.tier == 1 and (key := keys[motif]) is not None:
            hits[key].append(hit)
    for pattern, effect in _of_others(context, target).values():
        name = f"{pattern.target} {plain_name(pattern)}"
        planted[_key(context, pattern)].append(Planted(name, context.anchor(pattern), view_of(context, effect)))
    return _Evidence(patterns, hits, planted, float(sum(row.standing_out for row in context.explained(target))))


def _of_others(context: Context, target: str) -> dict[str, tuple[Pattern, Effect]]:
    """The patterns of other targets that were planted for this one, and what the smallest dose does."""
    found: dict[str, tuple[Pattern, Effect]] = {}
    for effect in sorted(context.run.effects, key=lambda effect: effect.copies):
        pattern = context.resolved(target, effect.pattern)
        if effect.target == target and pattern is not None and pattern.target != target:
            found.setdefault(effect.pattern, (pattern, effect))
    return found


def _key(context: Context, pattern: Pattern) -> str:
    return family(context.name(pattern)) if context.is_named(pattern) else NO_NAME


def _key_of(context: Context, target: str, reference: str, name: str) -> str | None:
    """The family of a hit's motif; None for a motif of a database without a name."""
    pattern = context.resolved(target, reference)
    if pattern is not None:
        return _key(context, pattern)
    return family(name) if name else None


def _family(context: Context, name: str, known: dict[str, _Evidence], most: int) -> Family:
    cells = [_cell(context, name, found, most) for found in known.values()]
    counts: dict[str, tuple[int, str]] = {}
    for target, found in known.items():
        for hit in found.hits.get(name, ()):
            if context.resolved(target, hit.pattern) is None:
                counts[hit.pattern] = (counts.get(hit.pattern, (0, ""))[0] + 1, target)
    if not counts:
        return Family(name, cells, None, 0, None)
    best = max(counts, key=lambda reference: counts[reference][0])
    link = motif_link(context, counts[best][1], best)
    return Family(name, cells, link, len(counts) - 1, _database_logo(context, best))


def _database_logo(context: Context, reference: str) -> Markup | None:
    """The frequency logo of a motif of a database; None where the run does not have it."""
    database, _, motif_id = reference.partition("/")
    ppm = context.run.motifs.get((database, motif_id))
    if ppm is None:
        return None
    bits = information_logo(np.asarray(ppm))
    return Markup(logo_svg(bits, f"Logo of {motif_id}", height=LOGO_HEIGHT, pitch=PITCH, limits=(0.0, 2.0)))


def _cell(context: Context, name: str, found: _Evidence, most: int) -> Cell:
    patterns = sorted(found.patterns.get(name, ()), key=lambda pattern: -pattern.n_seqlets)
    hits = found.hits.get(name, [])
    inside = sum(abs(hit.contribution) for hit in hits)
    strength = inside / found.standing_out if found.standing_out > 0 else 0.0
    return Cell(
        [_member(context, pattern, most) for pattern in patterns],
        len(hits),
        len({hit.row for hit in hits}),
        f"{format_number(100 * strength, 2)}\N{NO-BREAK SPACE}%" if found.standing_out > 0 else "",
        strength,
        found.planted.get(name, []),
    )


def _member(context: Context, pattern: Pattern, most: int) -> Member:
    cwm = trimmed(pattern).cwm
    name = plain_name(pattern)
    logo = logo_svg(cwm, f"Logo of {name}", height=LOGO_HEIGHT, pitch=PITCH, limits=value_range(cwm))
    effect = effect_view(context, pattern)
    share = pattern.n_seqlets / max(1, most)
    return Member(name, context.anchor(pattern), pattern.sign, pattern.n_seqlets, share, effect, Markup(logo))


def _words(targets: list[str], named: list[Family]) -> str:
    if len(targets) < 2:
        return ""
    shared = [f.name for f in named if f.n_targets > 1]
    if not named:
        return "No motif of any target has a name, so it is not known which are shared."
    everywhere = "both targets" if len(targets) == 2 else "several targets"
    return (
        f"Of {len(named)} named motif{'s' if len(named) > 1 else ''}, {len(shared) or 'none'} "
        + ("is" if len(shared) < 2 else "are")
        + f" found in {everywhere}. The same name does not mean the same sites: compare the logos."
    )
