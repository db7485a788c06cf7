"""What a reader should know first, in words, and the key numbers of each target side by side."""

from __future__ import annotations

from dataclasses import dataclass

from l2g_interp.drawing.numbers import format_number, shortened
from l2g_interp.motifs.naming import family
from l2g_interp.motifs.unexplained import shares
from l2g_interp.records.types import Pattern
from l2g_interp.report.checks import TargetChecks, target_checks
from l2g_interp.report.context import Context
from l2g_interp.report.effects import one_copy, warning
from l2g_interp.report.explained import percent


@dataclass(frozen=True)
class NamedMotif:
    name: str
    anchor: str
    n_seqlets: int


@dataclass(frozen=True)
class Found:
    """What stands out for a target: stretches, sequences looked at, and the shares with a name (``87 %``)."""

    segments: int
    n_sequences: int
    named: str
    sequences_named: str


@dataclass(frozen=True)
class TargetCard:
    """The key numbers of one target; ``shared`` are the names that another target has, too.

    ``found``: what stands out and how much of it has a name; ``wrong``: how often the site of an unknown motif would
    get another name (``9 %``). They are None and empty where the run does not tell.
    """

    target: str
    motifs: str
    n_patterns: int
    named: list[NamedMotif]
    shared: set[str]
    checks: TargetChecks | None
    note: str
    effects: str
    found: Found | None
    wrong: str


@dataclass(frozen=True)
class Summary:
    """``first``: a sentence per target on what stands out; empty where the run does not tell."""

    first: list[str]
    words: str
    cards: list[TargetCard]


def summary(context: Context) -> Summary:
    names = {
        target: {family(context.name(p)) for p in context.patterns(target) if context.is_named(p)}
        for target in context.targets
    }
    cards = [_card(context, target, names) for target in context.targets]
    first = [_first_words(card.target, card.found) for card in cards if card.found]
    return Summary(first, _words(context, cards), cards)


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
        _found(context, target),
        _wrong(context, target),
    )


def _found(context: Context, target: str) -> Found | None:
    rows = context.explained(target)
    if not rows:
        return None
    known = shares(rows)
    return Found(int(known["segments"]), len(rows), percent(known["named"]), percent(known["sequences_with_a_name"]))


def _wrong(context: Context, target: str) -> str:
    rates = context.recorded("hits").get("missing_named_wrong")
    rate = rates.get(target) if isinstance(rates, dict) else None
    return percent(float(rate)) if isinstance(rate, int | float) else ""


def _first_words(target: str, found: Found) -> str:
    sequences = _count(found.n_sequences, "sequence")
    if not found.segments:
        return f"For {shortened(target)}, nothing stands out of shuffled sequences in {sequences}."
    stretches = _count(found.segments, "stretch", "es") + (" stands" if found.segments == 1 else " stand")
    return (
        f"For {shortened(target)}, {stretches} out of shuffled sequences in {sequences}; named motifs hold "
        f"{found.named} of {'its' if found.segments == 1 else 'their'} contribution, and "
        f"{found.sequences_named} of the sequences have one."
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
        return text + "No recurring motif was found. " + _caution(context, cards)
    text += f"{_count(patterns, 'motif')} {'recurs' if patterns == 1 else 'recur'} in the bases that matter; "
    text += f"{_resembling(named, patterns)} a known motif (q ≤ {context.options.max_q:g}). "
    return text + _validation(context) + _caution(context, cards)


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


def _caution(context: Context, cards: list[TargetCard]) -> str:
    """Empty where the contributions add up, or need not: the cards tell how well."""
    errors = [card.checks.error for card in cards if card.checks and card.checks.passes is not None]
    worst, bound = max(errors, default=0.0), context.options.completeness_bound
    if worst <= bound:
        return ""
    return (
        "CAUTION: the contributions do not add up to the predictions: they miss "
        f"{format_number(worst, 2)} of the output difference; at most {bound:g} is allowed."
    )


def _count(n: int, noun: str, plural: str = "s") -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else plural)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "nothing"
