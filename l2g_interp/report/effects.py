"""What planting a pattern does to the prediction, compared with its control: for the table, and by dose."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from l2g_interp.drawing.numbers import decimals_for, format_number
from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Effect, Pattern
from l2g_interp.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart, nice_ticks
from l2g_interp.report.context import Context

STRIP_WIDTH, STRIP_HEIGHT, EDGE = 120, 18, 4  # pixels
TEXT_WIDTH = 48  # pixels to the right of the doses, for the names of the two series


@dataclass(frozen=True)
class EffectView:
    """The effect of one copy; ``warning`` says what is wrong with it, and is empty if nothing is.

    ``decimals``: the same number for every motif of the target.
    """

    effect: Effect
    warning: str
    decimals: int
    strip: Markup


def effect_view(context: Context, pattern: Pattern) -> EffectView | None:
    """The effect of one copy and its place on the scale of the target; None where it is not known."""
    one = one_copy(context, pattern)
    if one is None:
        return None
    limits = _scale(context, pattern.target)
    return EffectView(one, warning(one), decimals_for(max(map(abs, limits))), Markup(_strip(one, limits)))


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


def _scale(context: Context, target: str) -> tuple[float, float]:
    return _limits([e for pattern in context.patterns(target) if (e := one_copy(context, pattern))])


def _strip(effect: Effect, limits: tuple[float, float]) -> str:
    """The interval of the motif above that of its control, as decoration: the numbers are next to it."""
    low, high = limits

    def x(value: float) -> float:
        return EDGE + (value - low) / (high - low) * (STRIP_WIDTH - 2 * EDGE)

    body = f'<path class="axis" d="M{x(0.0):.1f} 0v{STRIP_HEIGHT}"/>'
    rows = (("effect", 5, *_motif(effect)), ("control", 13, *_control(effect)))
    for kind, y, middle, left, right in rows:
        body += f'<path class="{kind}" d="M{x(left):.1f} {y}H{x(right):.1f}"/>'
        body += f'<circle class="{kind}" cx="{x(middle):.1f}" cy="{y}" r="3"/>'
    return (
        f'<svg class="strip" aria-hidden="true" width="{STRIP_WIDTH}" height="{STRIP_HEIGHT}" '
        f'viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}">{body}</svg>'
    )
