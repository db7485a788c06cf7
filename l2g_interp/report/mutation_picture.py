"""The map of single changes below a track: a row per base, blue where a change lowers the prediction, red where raises.

The colours are those of ColorBrewer's RdBu, which people with any kind of colour vision tell apart; the style sheet has
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int8
from markupsafe import Markup

from l2g_core.dna import ALPHABET, decode
from l2g_interp.drawing.numbers import format_number, signed

LEVELS = 5  # colours of either sign; what would be a tenth of the darkest has none
CELL, GAP = 11, 7  # pixels: height of a row, and what is above the first
UNIT = 10  # of the inner drawing, for a base and a row
FULL = 99.0  # percentile of the differences that has the darkest colours, with all that are larger
SWATCH = 16  # pixels


@dataclass(frozen=True)
class MutationMap:
    """What single changes of a sequence do, in the units of the model's output.

    ``difference``: 0 for the base that is there, NaN in columns without one. ``agreement``: with the contributions, in
    words; empty where that is not known.
    """

    difference: Float[np.ndarray, "4 length"]
    one_hot: Int8[np.ndarray, "4 length"]
    agreement: str = ""

    @property
    def height(self) -> int:
        """Pixels."""
        return GAP + len(ALPHABET) * CELL


def common_limit(maps: Sequence[MutationMap]) -> float:
    """The difference from which on colours are the darkest, for maps that are to be compared."""
    values = [np.abs(each.difference[np.isfinite(each.difference) & (each.one_hot == 0)]) for each in maps]
    together = np.concatenate(values) if values else np.empty(0)
    return float(np.percentile(together, FULL)) if len(together) else 0.0


def map_svg(shown: MutationMap, limit: float, y: int) -> str:
    """An inner drawing ``y`` pixels from the top, which stretches as the letters of the track do."""
    length = shown.difference.shape[1]
    levels = _levels(shown.difference, limit)
    paths = "".join(
        f'<path class="{"gain" if level > 0 else "loss"}{abs(level)}" d="{_cells(levels == level)}"/>'
        for level in np.unique(levels[levels != 0]).tolist()
    )
    there = "".join(f"M{UNIT * p + 3} {UNIT * b + 3}h4v4h-4z" for b, p in np.argwhere(shown.one_hot == 1).tolist())
    return (
        f'<svg class="changes" y="{y + GAP}" width="100%" height="{len(ALPHABET) * CELL}" '
        f'viewBox="0 0 {length * UNIT} {len(ALPHABET) * UNIT}" preserveAspectRatio="none">'
        f'<path class="none" d="M0 0H{length * UNIT}V{len(ALPHABET) * UNIT}H0z"/>{paths}'
        f'<path class="there" d="{there}"/>{"".join(_tips(shown))}</svg>'
    )


def _levels(difference: Float[np.ndarray, "4 length"], limit: float) -> Int[np.ndarray, "4 length"]:
    """From ``-LEVELS`` to ``LEVELS``; 0 near no change, and where nothing is known."""
    if not limit > 0:
        return np.zeros(difference.shape, dtype=int)
    share = np.clip(np.nan_to_num(difference) / limit, -1, 1)
    return np.trunc(share * (LEVELS + 0.5) + 0.5 * np.sign(share)).clip(-LEVELS, LEVELS).astype(int)


def _cells(here: np.ndarray) -> str:
    """Rectangles over the cells ``(4, length)``, neighbours in a row together."""
    parts = []
    for base, row in enumerate(here):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        parts += [
            f"M{UNIT * a} {UNIT * base}h{UNIT * (b - a)}v{UNIT}h-{UNIT * (b - a)}z"
            for a, b in edges.reshape(-1, 2).tolist()
        ]
    return "".join(parts)


def _tips(shown: MutationMap) -> list[str]:
    """An invisible rectangle for each position, which tells the numbers."""
    letters = decode(shown.one_hot, shown.one_hot.shape[1])
    tips = []
    for position in np.flatnonzero(np.isfinite(shown.difference).all(0)).tolist():
        numbers = ", ".join(
            f"{base} {signed(float(shown.difference[b, position]), 2)}"
            for b, base in enumerate(ALPHABET)
            if base != letters[position]
        )
        tips.append(
            f'<rect x="{UNIT * position}" width="{UNIT}" height="{UNIT * len(ALPHABET)}">'
            f"<title>{letters[position]}{position + 1} to {numbers}</title></rect>"
        )
    return tips


def map_scale_svg(right: int, y: int) -> str:
    """The names of the rows, in the column beside the track."""
    return "".join(
        f'<text x="{right - 7}" y="{y + GAP + CELL * row + CELL - 1}" text-anchor="end">{base}</text>'
        for row, base in enumerate(ALPHABET)
    )


def legend_svg(limit: float) -> Markup:
    """The colours with the differences that they stand for."""
    levels = [*range(-LEVELS, 0), 0, *range(1, LEVELS + 1)]
    boxes = "".join(
        f'<rect class="{"gain" if level > 0 else "loss" if level else "none"}{abs(level) or ""}" '
        f'x="{SWATCH * i}" y="1" width="{SWATCH}" height="{SWATCH - 4}"/>'
        for i, level in enumerate(levels)
    )
    wide, low = SWATCH * len(levels), format_number(-limit, 2)
    texts = "".join(
        f'<text x="{x}" y="{2 * SWATCH - 6}" text-anchor="{side}">{text}</text>'
        for x, side, text in (
            (0, "start", f"≤ {low}"),
            (wide / 2, "middle", "0"),
            (wide, "end", f"≥ {signed(limit, 2)}"),
        )
    )
    said = f"Colours from {low} (blue) to {signed(limit, 2)} (red)"
    return Markup(
        f'<svg class="chart changes legend" role="img" aria-label="{said}" width="{wide}" '
        f'height="{2 * SWATCH - 2}">{boxes}{texts}</svg>'
    )
