"""The targets side by side: which motifs each of them responds to, grouped by name."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.motifs.naming import family, plain_name
from l2g_interp.records.types import Pattern
from l2g_interp.report.context import Context
from l2g_interp.report.effects import EffectView, effect_view

NO_NAME = ""
PITCH, LOGO_HEIGHT = 8, 34  # pixels


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
class Family:
    """Patterns of one name: for each target in turn those that have it, most seqlets first."""

    name: str
    members: list[list[Member]]

    @property
    def n_targets(self) -> int:
        return sum(bool(members) for members in self.members)


@dataclass(frozen=True)
class Families:
    targets: list[str]
    families: list[Family]
    words: str
    validated: bool


def families(context: Context) -> Families | None:
    """None where fewer than two targets have patterns. Patterns without a name come last."""
    targets = [target for target in context.targets if context.patterns(target)]
    if len(targets) < 2:
        return None
    everything = [pattern for target in targets for pattern in context.patterns(target)]
    most = max(pattern.n_seqlets for pattern in everything)
    names = dict.fromkeys(_key(context, pattern) for pattern in everything)
    found = [Family(name, [_members(context, target, name, most) for target in targets]) for name in names]
    found.sort(key=lambda f: (f.name == NO_NAME, -f.n_targets, -sum(m.n_seqlets for part in f.members for m in part)))
    return Families(targets, found, _words(targets, [f for f in found if f.name != NO_NAME]), bool(context.run.effects))


def _key(context: Context, pattern: Pattern) -> str:
    return family(context.name(pattern)) if context.is_named(pattern) else NO_NAME


def _members(context: Context, target: str, name: str, most: int) -> list[Member]:
    mine = [pattern for pattern in context.patterns(target) if _key(context, pattern) == name]
    return [_member(context, pattern, most) for pattern in sorted(mine, key=lambda pattern: -pattern.n_seqlets)]


def _member(context: Context, pattern: Pattern, most: int) -> Member:
    cwm = trimmed(pattern).cwm
    name = plain_name(pattern)
    logo = logo_svg(cwm, f"Logo of {name}", height=LOGO_HEIGHT, pitch=PITCH, limits=value_range(cwm))
    effect = effect_view(context, pattern)
    share = pattern.n_seqlets / max(1, most)
    return Member(name, context.anchor(pattern), pattern.sign, pattern.n_seqlets, share, effect, Markup(logo))


def _words(targets: list[str], named: list[Family]) -> str:
    shared = [f.name for f in named if f.n_targets > 1]
    if not named:
        return "No motif of any target has a name, so it is not known which are shared."
    everywhere = "both targets" if len(targets) == 2 else "several targets"
    return (
        f"Of {len(named)} named motif{'s' if len(named) > 1 else ''}, {len(shared) or 'none'} "
        + ("is" if len(shared) < 2 else "are")
        + f" found in {everywhere}. The same name does not mean the same sites: compare the logos."
    )
