"""The interaction of two motifs by their spacing, a panel per orientation, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence

from l2g_interp.drawing.numbers import format_number
from l2g_interp.records.types import PairEffect
from l2g_interp.report.charts import chart, nice_ticks

ARROWS = {"+": "→", "-": "←"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, GAP = 132, 128, 44, 34, 20, 14  # pixels; width of a panel, gap between two
MARK = 26  # pixels, of a mark in the matrix
DIRECTION = {True: "raised", False: "lowered"}


def spacing_picture(rows: Sequence[PairEffect], label: str) -> str:
    """The excess over the control with its interval; filled where it is not additive, hollow where it may be."""
    panels: dict[tuple[str, str], list[PairEffect]] = {}
    for row in sorted(rows, key=lambda row: row.spacing):
        panels.setdefault((row.first_strand, row.second_strand), []).append(row)
    values = [0.0, *(end for row in rows for end in (row.excess_low, row.excess_high))]
    low, high = (min(values), max(values)) if max(values) > min(values) else (-0.5, 0.5)
    spacings = [row.spacing for row in rows]
    limits = (min(spacings), max(spacings))
    body = ""
    for i, (strands, mine) in enumerate(panels.items()):
        left = LEFT + i * (WIDTH + GAP)
        body += _panel(mine, strands, left, (low, high), limits, numbered=i == 0)
    return chart(label, LEFT + len(panels) * (WIDTH + GAP), HEIGHT, body)


def _panel(
    rows: Sequence[PairEffect],
    strands: tuple[str, str],
    left: int,
    heights: tuple[float, float],
    limits: tuple[int, int],
    *,
    numbered: bool,
) -> str:
    low, high = heights
    near, far = limits

    def x(spacing: int) -> float:
        return left + 8 + (spacing - near) / max(1, far - near) * (WIDTH - 16)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    bottom = HEIGHT - BOTTOM
    body = f'<path class="axis" d="M{left} {TOP}V{bottom}H{left + WIDTH}M{left} {y(0.0):.1f}h{WIDTH}"/>'
    title = f"{ARROWS[strands[0]]} {ARROWS[strands[1]]}"
    body += f'<text class="strong" x="{left + WIDTH / 2}" y="13" text-anchor="middle">{title}</text>'
    if numbered:
        for value in nice_ticks(low, high):
            body += f'<text x="{left - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{format_number(value)}</text>'
    for value in _ticks(sorted({row.spacing for row in rows}), x):
        body += f'<text x="{x(value):.1f}" y="{bottom + 14}" text-anchor="middle">{value}</text>'
    body += f'<text x="{left + WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">bp between</text>'
    line = "L".join(f"{x(row.spacing):.1f} {y(row.excess):.1f}" for row in rows)
    body += f'<path class="curve" d="M{line}"/>'
    for row in rows:
        kind = "control" if row.kind == "additive" else DIRECTION[row.excess > 0]
        at = x(row.spacing)
        body += f'<path class="{kind}" d="M{at:.1f} {y(row.excess_low):.1f}V{y(row.excess_high):.1f}"/>'
        body += f'<circle class="{kind}" cx="{at:.1f}" cy="{y(row.excess):.1f}" r="3.5"/>'
    return body


def _ticks(spacings: Sequence[int], x) -> list[int]:
    """The spacings that can be written below the axis without touching each other."""
    shown: list[int] = []
    for spacing in spacings:
        if not shown or x(spacing) - x(shown[-1]) >= 20:
            shown.append(spacing)
    return shown


def mark(row: PairEffect, largest: float) -> str:
    """A disc whose area tells the size of the excess; hollow where the pair may be additive."""
    radius = max(2.5, (MARK / 2 - 1) * (abs(row.excess) / largest) ** 0.5) if largest else 2.5
    kind = "control" if row.kind == "additive" else DIRECTION[row.excess > 0]
    middle = MARK / 2
    return (
        f'<svg class="interaction" aria-hidden="true" width="{MARK}" height="{MARK}" viewBox="0 0 {MARK} {MARK}">'
        f'<circle class="{kind}" cx="{middle:.0f}" cy="{middle:.0f}" r="{radius:.1f}"/></svg>'
    )
