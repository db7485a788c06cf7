"""What planting a pattern does to the prediction, compared with its control: for the table, and by dose."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from l2g_interp.drawing.numbers import decimals_for, format_number
from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Effect, Pattern
from l2g_interp.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart, nice_ticks
from l2g_interp.report.context import Context

STRIP_WIDTH, STRIP_HEIGHT, EDGE = 120, 32, 6  # pixels; the axis with its numbers takes the lower half
AXIS, APART = 19, 26  # pixels: where the axis lies, and the least distance of two of its numbers
TEXT_WIDTH = 48  # pixels to the right of the doses, for the names of the two series


@dataclass(frozen=True)
class EffectView:
    """The effect of one copy; ``warning`` says what is wrong with it, and is empty if nothing is.

    ``decimals``: the same number for every motif of the target; ``strip``: on one scale for all targets.
    """

    effect: Effect
    warning: str
    decimals: int
    strip: Markup


def effect_view(context: Context, pattern: Pattern) -> EffectView | None:
    """The effect of one copy and its place on the scale of all targets; None where it is not known."""
    one = one_copy(context, pattern)
    return None if one is None else view_of(context, one)


def view_of(context: Context, effect: Effect) -> EffectView:
    """The same of an effect of one copy of any motif, such as a pattern of another target."""
    decimals = decimals_for(max(map(abs, _scale(context, [effect.target]))))
    return EffectView(effect, warning(effect), decimals, Markup(_strip(effect, _scale(context, context.targets))))


def one_copy(context: Context, pattern: Pattern) -> Effect | None:
    return next((effect for effect in context.effects(pattern) if effect.copies == 1), None)


def warning(effect: Effect) -> str:
    """Empty where the motif does more than its control, in the direction of its sign."""
    excess = (effect.excess_low, effect.excess_high)
    low, high = excess if effect.sign == "+" else (-excess[1], -excess[0])
    if low > 0:
        return ""
    return "acts the other way" if high < 0 else "no more than control"


def dose_chart(context: Context, pattern: Pattern) -> Markup | None:
    """The effects of one, two, ... copies with their intervals, next to the control's."""
    effects = context.effects(pattern)
    if not effects:
        return None
    low, high = _limits(effects)
    plot_height, room = HEIGHT - BOTTOM - TOP, WIDTH - LEFT - RIGHT - TEXT_WIDTH
    step = room / len(effects)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * plot_height

    body = f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}M{LEFT} {y(0.0):.1f}h{room}"/>'
    for value in nice_ticks(low, high):
        body += f'<text x="{LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{format_number(value)}</text>'
    for i, effect in enumerate(effects):
        middle = LEFT + (i + 0.5) * step
        for kind, x, values in (("effect", middle - 6, _motif(effect)), ("control", middle + 6, _control(effect))):
            body += _upright(x, [y(value) for value in values], kind)
        body += f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{effect.copies}</text>'
    last = effects[-1]
    body += _names(float(LEFT + room), y(last.effect), y(last.control))
    body += f'<text x="{LEFT + room / 2:.0f}" y="{HEIGHT - 4}" text-anchor="middle">copies planted</text>'
    return Markup(chart(f"Effect of planted copies of {plain_name(pattern)}", WIDTH, HEIGHT, body))


def _names(x: float, motif: float, control: float) -> str:
    """The labels of the two series, at least a line apart."""
    apart = max(0.0, 13 - abs(motif - control)) / 2
    shift = apart if motif > control else -apart
    return (
        f'<text class="strong" x="{x:.0f}" y="{motif + shift + 4:.1f}">motif</text>'
        f'<text x="{x:.0f}" y="{control - shift + 4:.1f}">control</text>'
    )


def _upright(x: float, heights: list[float], kind: str) -> str:
    middle, low, high = heights
    return (
        f'<path class="{kind}" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
        f'<circle class="{kind}" cx="{x:.1f}" cy="{middle:.1f}" r="3.5"/>'
    )


def _motif(effect: Effect) -> tuple[float, float, float]:
    return effect.effect, effect.effect_low, effect.effect_high


def _control(effect: Effect) -> tuple[float, float, float]:
    return effect.control, effect.control_low, effect.control_high


def _limits(effects: list[Effect]) -> tuple[float, float]:
    """Zero and all the intervals of motifs and controls."""
    values = [0.0, *(v for e in effects for v in (e.effect_low, e.effect_high, e.control_low, e.control_high))]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _scale(context: Context, targets: list[str]) -> tuple[float, float]:
    """The smallest and largest value of one copy of the patterns of these targets."""
    patterns = [pattern for target in targets for pattern in context.patterns(target)]
    return _limits([e for pattern in patterns if (e := one_copy(context, pattern))])


def _strip(effect: Effect, limits: tuple[float, float]) -> str:
    """The interval of the motif above that of its control and an axis, as decoration: the numbers are next to it."""
    low, high = _rounded(*limits)

    def x(value: float) -> float:
        return EDGE + (min(max(value, low), high) - low) / (high - low) * (STRIP_WIDTH - 2 * EDGE)

    ticks = _strip_ticks(low, high)
    body = f'<path class="axis" d="M{x(0.0):.1f} 0V{AXIS}M{x(low):.1f} {AXIS}H{x(high):.1f}'
    body += "".join(f"M{x(tick):.1f} {AXIS}v3" for tick in ticks) + '"/>'
    for tick in ticks:
        at = x(tick)
        anchor = "start" if at < STRIP_WIDTH / 6 else "end" if at > STRIP_WIDTH * 5 / 6 else "middle"
        edge = {"start": at - 3, "end": at + 3, "middle": at}[anchor]
        body += f'<text x="{edge:.1f}" y="{STRIP_HEIGHT - 1}" text-anchor="{anchor}">{format_number(tick)}</text>'
    rows = (("effect", 5, *_motif(effect)), ("control", 13, *_control(effect)))
    for kind, y, middle, left, right in rows:
        body += f'<path class="{kind}" d="M{x(left):.1f} {y}H{x(right):.1f}"/>'
        body += f'<circle class="{kind}" cx="{x(middle):.1f}" cy="{y}" r="3"/>'
    return (
        f'<svg class="strip" aria-hidden="true" width="{STRIP_WIDTH}" height="{STRIP_HEIGHT}" '
        f'viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}">{body}</svg>'
    )


def _rounded(low: float, high: float) -> tuple[float, float]:
    """The limits moved outwards to round numbers, at which the axis ends."""
    first, second, *_ = nice_ticks(low, high)
    step = second - first
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _strip_ticks(low: float, high: float) -> list[float]:
    """Zero and the ends of the axis, without an end too near zero to be written beside it."""
    room = STRIP_WIDTH - 2 * EDGE
    return [0.0, *(end for end in (low, high) if abs(end) / (high - low) * room >= APART)]
