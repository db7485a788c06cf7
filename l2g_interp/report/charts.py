"""Small charts as SVG text: histogram and scatter. Colours come from the page's style sheet."""

from __future__ import annotations

from html import escape

import numpy as np
from jaxtyping import Float

from l2g_interp.drawing.numbers import format_number, power_of_ten

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 280, 150, 40, 12, 34, 12  # pixels; the margins hold the labels
MANY_POINTS = 4000  # more than this many are drawn as a density, which is easier to read and keeps the page small
DENSITY_BINS = 64
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8)  # shades of the density, as fractions of the logarithm of the largest count


def histogram(
    values: Float[np.ndarray, " n"],
    label: str,
    x_title: str,
    *,
    limits: tuple[float, float] | None = None,
    bins: int = 30,
    log: bool = False,
    mark: float | None = None,
) -> str:
    """A histogram of the finite values as an ``<svg>``.

    Parameters
    ----------
    values
        Any numbers; NaN and infinities are left out, values beyond ``limits`` are counted in the outermost bars.
    label
        What the picture shows, for screen readers.
    limits
        Range of the x axis (decades, where ``log``); the range of the values when not given.
    log
        Bars of equal width in log10; values of zero or less are counted in the first bar.
    mark
        Draw a line at this value.
    """
    finite = values[np.isfinite(values)]
    if log:
        finite = np.log10(np.maximum(finite, 1e-300))
        mark = None if mark is None else float(np.log10(mark))
    low, high = limits or _range(finite)
    counts, _ = np.histogram(np.clip(finite, low, high), bins=bins, range=(low, high))
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM - TOP
    step, largest = plot_width / bins, max(1, int(counts.max(initial=0)))
    tops = counts / largest * plot_height
    bars = "".join(
        f"M{LEFT + i * step:.1f} {TOP + plot_height:.1f}v{-top:.1f}h{step - 1:.1f}v{top:.1f}z"
        for i, top in enumerate(tops)
        if top > 0
    )
    body = f'<path class="bar" d="{bars}"/>'
    if mark is not None and low <= mark <= high:
        x = LEFT + (mark - low) / (high - low) * plot_width
        body += f'<path class="mark" d="M{x:.1f} {TOP - 6}v{plot_height + 6}"/>'
    ticks = nice_ticks(low, high, integers=log)
    names = [power_of_ten(round(t)) if log else format_number(t) for t in ticks]
    return _framed(label, body, x_title, list(zip(ticks, names, strict=True)), (low, high), largest)


def scatter(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], label: str, x_title: str, y_title: str) -> str:
    """Points where both are finite, on equal axes with the diagonal; a density when there are many."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    low, high = _range(np.concatenate([x, y]))
    side = 260
    across, up = (LEFT + 6 + (x - low) / (high - low) * side), (TOP + side - (y - low) / (high - low) * side)
    if len(x) > MANY_POINTS:
        body = _density(across, up, side)
    else:
        dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(across, up, strict=True))
        body = f'<path class="dots" d="{dots}"/>'
    left, bottom = LEFT + 6, TOP + side
    body += f'<path class="axis" d="M{left} {TOP}v{side}h{side}"/>'
    body += f'<path class="diagonal" d="M{left} {bottom}L{left + side} {TOP}"/>'
    for value in nice_ticks(low, high):
        where = (value - low) / (high - low) * side
        body += f'<text x="{left + where:.1f}" y="{bottom + 15}" text-anchor="middle">{format_number(value)}</text>'
        body += f'<text x="{left - 5}" y="{bottom - where + 4:.1f}" text-anchor="end">{format_number(value)}</text>'
    body += f'<text x="{left + side / 2}" y="{bottom + 31}" text-anchor="middle">{escape(x_title)}</text>'
    body += (
        f'<text transform="translate(11 {TOP + side / 2}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>'
    )
    return chart(label, side + left + 16, bottom + 38, body)


def nice_ticks(low: float, high: float, integers: bool = False) -> list[float]:
    """Two to six round numbers within the range, for an axis."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    step = np.ceil(rough) if integers else step
    return [float(k * step) for k in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def count_ticks(largest: int) -> list[int]:
    """Zero and one or two round numbers up to ``largest`` (1 or more), for an axis of counts."""
    power = 10 ** (len(str(largest)) - 1)
    steps = sorted({max(1, m * power // 10) for m in (1, 2, 5, 10, 20, 50)})
    step = next(step for step in steps if largest // step <= 2)
    return list(range(0, largest + 1, step))


def _density(across: np.ndarray, up: np.ndarray, side: int) -> str:
    counts, x_edges, y_edges = np.histogram2d(
        across, up, bins=DENSITY_BINS, range=((LEFT + 6, LEFT + 6 + side), (TOP, TOP + side))
    )
    share = np.log1p(counts) / np.log1p(counts.max())
    size = side / DENSITY_BINS
    parts = []
    for level in LEVELS:
        inside = np.argwhere((counts > 0) & (share > level) & (share <= level + 0.2))
        squares = "".join(f"M{x_edges[i]:.1f} {y_edges[j]:.1f}h{size:.1f}v{size:.1f}h-{size:.1f}z" for i, j in inside)
        parts.append(f'<path class="bar" fill-opacity="{level + 0.2:.1f}" d="{squares}"/>')
    return "".join(parts)


def _framed(
    label: str,
    body: str,
    x_title: str,
    ticks: list[tuple[float, str]],
    limits: tuple[float, float],
    largest: int,
) -> str:
    low, high = limits
    plot_width, plot_height, bottom = WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM - TOP, HEIGHT - BOTTOM
    marks = f"M{LEFT} {TOP}v{plot_height}h{plot_width}"
    for value, name in ticks:
        x = LEFT + (value - low) / (high - low) * plot_width
        marks += f"M{x:.1f} {bottom}v3"
        body += f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{escape(name)}</text>'
    for count in count_ticks(largest):
        y = bottom - count / largest * plot_height
        marks += f"M{LEFT - 3} {y:.1f}h3"
        middle = y + 4 if count else y  # zero would touch the first number of the other axis
        body += f'<text x="{LEFT - 5}" y="{middle:.1f}" text-anchor="end">{count:,}</text>'
    body += f'<path class="axis" d="{marks}"/>'
    middle = LEFT + plot_width / 2
    body += f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_title)}</text>'
    return chart(label, WIDTH, HEIGHT, body)


def chart(label: str, width: int, height: int, body: str) -> str:
    """The drawing in ``body`` as an ``<svg>`` that shrinks to fit its container."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{escape(label)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">{body}</svg>'
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)
