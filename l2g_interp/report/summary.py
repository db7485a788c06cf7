"""What a reader should know first, in words, and the key numbers of each target side by side."""

from __future__ import annotations

from dataclasses import dataclass

from l2g_interp.drawing.numbers import format_number, shortened
from l2g_interp.motifs.naming import family
from l2g_interp.records.types import Pattern
from l2g_interp.report.checks import TargetChecks, target_checks
from l2g_interp.report.context import Context
from l2g_interp.report.effects import one_copy, warning


@dataclass(frozen=True)
class NamedMotif:
    name: str
    anchor: str
    n_seqlets: int


@dataclass(frozen=True)
class TargetCard:
    """The key numbers of one target; ``shared`` are the names that another target has, too."""

    target: str
    motifs: str
    n_patterns: int
    named: list[NamedMotif]
    shared: set[str]
    checks: TargetChecks | None
    note: str
    effects: str


@dataclass(frozen=True)
class Summary:
    words: str
    cards: list[TargetCard]


def summary(context: Context) -> Summary:
    names = {
        target: {family(context.name(p)) for p in context.patterns(target) if context.is_named(p)}
        for target in context.targets
    }
    cards = [_card(context, target, names) for target in context.targets]
    return Summary(_words(context, cards), cards)


def _card(context: Context, target: str, names: dict[str, set[str]]) -> TargetCard:
    patterns = context.patterns(target)
    named = [NamedMotif(context.name(p), context.anchor(p), p.n_seqlets) for p in patterns if context.is_named(p)]
    others = set().union(*(names[other] for other in names if other != target))
    known = target in context.overview.by_target and context.overview.ids
    negative = sum(p.sign == "-" for p in patterns)
    return TargetCard(
        target,
        f"{len(patterns) - negative} raising, {negative} lowering",
        len(patterns),
        sorted(named, key=lambda m: -m.n_seqlets),
        names[target] & others,
        target_checks(context, target) if known else None,
        context.run.notes.get(target, ""),
        _effects(context, patterns),
    )


def _effects(context: Context, patterns: list[Pattern]) -> str:
    """How many of the patterns do more than their control; empty where none was validated."""
    tested = [one for pattern in patterns if (one := one_copy(context, pattern))]
    return f"{sum(not warning(one) for one in tested)} of {len(tested)}" if tested else ""


def _words(context: Context, cards: list[TargetCard]) -> str:
    overview = context.overview
    n, low, high = len(overview.ids), overview.lengths.min(initial=10**9), overview.lengths.max(initial=0)
    size = f" of {low} bp" if low == high else f" of {low} to {high} bp" if n else ""
    targets = _listed([shortened(card.target) for card in cards])
    patterns = sum(card.n_patterns for card in cards)
    named = sum(len(card.named) for card in cards)
    text = f"What the model reads in {_count(n, 'sequence')}{size} to predict {targets}. "
    if not patterns:
        return text + "No recurring motif was found. " + _completeness(context, cards)
    text += f"{_count(patterns, 'motif')} {'recurs' if patterns == 1 else 'recur'} in the bases that matter; "
    text += f"{_resembling(named, patterns)} a known motif (q ≤ {context.options.max_q:g}). "
    return text + _validation(context) + _completeness(context, cards)


def _validation(context: Context) -> str:
    everything = [pattern for target in context.targets for pattern in context.patterns(target)]
    confirmed = _effects(context, everything)
    if not confirmed:
        return ""
    return f"Planted into shuffled sequences, {confirmed} change the prediction beyond their scrambled control. "


def _resembling(named: int, patterns: int) -> str:
    if patterns == 1:
        return "it resembles" if named else "it does not resemble"
    if named in (0, 1):
        return "one resembles" if named else "none resembles"
    return "all resemble" if named == patterns else f"{named} resemble"


def _completeness(context: Context, cards: list[TargetCard]) -> str:
    errors = [card.checks.error for card in cards if card.checks and card.checks.passes is not None]
    if not errors:
        return "This method's contributions need not add up, so there is no completeness to check."
    worst, bound = max(errors), context.options.completeness_bound
    if worst <= bound:
        return f"The contributions add up to the predictions (to {format_number(worst, 1)} of the output difference)."
    return (
        "CAUTION: the contributions do not add up to the predictions: they miss "
        f"{format_number(worst, 2)} of the output difference; at most {bound:g} is allowed."
    )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "nothing"
