"""What the prediction loses without the hits of each motif, and without all of them; a column of the motifs' table."""

from __future__ import annotations

from dataclasses import dataclass

from l2g_interp.drawing.numbers import decimals_for, format_number
from l2g_interp.records.types import ALL_HITS, ALL_NAMED, Pattern, Removal
from l2g_interp.report.context import Context

REDUNDANT, MUTUAL = 0.7, 1.3  # single losses as a share of the joint one, below and above which it is said
AT_ONCE = (ALL_NAMED, ALL_HITS)


@dataclass(frozen=True)
class RemovalView:
    """A removal as the page shows it; ``badge`` is empty where more is lost than without other stretches."""

    numbers: Removal
    name: str
    anchor: str
    badge: str
    decimals: int
    share: str


@dataclass(frozen=True)
class TargetRemovals:
    """``words``: what all named hits at once say of the target."""

    target: str
    rows: list[RemovalView]
    words: str


def removals(context: Context) -> list[TargetRemovals] | None:
    """None where nothing was removed."""
    found = [_of_target(context, target) for target in context.targets if context.removals(target)]
    return found or None


def removal_of(context: Context, pattern: Pattern) -> RemovalView | None:
    """What is lost without a pattern's hits; None where that is not known."""
    mine = context.removals(pattern.target)
    return next((view_of(context, row) for row in mine if row.pattern == pattern.name), None)


def view_of(context: Context, row: Removal) -> RemovalView:
    pattern = context.resolved(row.target, row.pattern)
    numbers = [abs(each.loss) for each in context.removals(row.target)]
    return RemovalView(
        row,
        row.pattern if row.pattern in AT_ONCE else context.label(row.target, row.pattern, row.name),
        "" if pattern is None else context.anchor(pattern),
        {"not shown": "no more than elsewhere", "opposite": "the other way"}.get(row.needed, ""),
        decimals_for(max(numbers)),
        "" if row.share != row.share else _percent(row),
    )


def _of_target(context: Context, target: str) -> TargetRemovals:
    rows = context.removals(target)
    joint = next((row for row in rows if row.pattern == ALL_NAMED), None)
    return TargetRemovals(target, [view_of(context, row) for row in rows], "" if joint is None else words_on(joint))


def words_on(joint: Removal) -> str:
    """How much of the prediction the named motifs carry, and whether they stand in for each other."""
    said = ""
    if joint.share == joint.share:
        said = f"All named hits at once carry {_percent(joint)} of what the prediction has beyond shuffled sequences. "
    alone, together = format_number(joint.singly), format_number(joint.loss)
    if joint.loss_low <= 0 <= joint.loss_high or joint.singly != joint.singly:
        return said.strip()
    ratio = joint.singly / joint.loss
    if ratio < REDUNDANT:
        return (
            f"{said}Together they lose {together}, each alone only {alone} in sum: motifs stand in for each "
            "other, so a motif that loses little alone may matter."
        )
    if ratio > MUTUAL:
        return (
            f"{said}Together they lose {together}, each alone {alone} in sum: motifs need each other, and the "
            "loss of one is counted with that of its partners."
        )
    return f"{said}Together they lose {together}, and each alone {alone} in sum: about the same."


def _percent(row: Removal) -> str:
    middle, *ends = (f"{100 * value:.0f}".replace("-", "−") for value in (row.share, row.share_low, row.share_high))
    return f"{middle} % [{ends[0]}, {ends[1]}]"
