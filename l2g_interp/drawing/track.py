"""Contribution tracks for notebooks: the letters of one sequence with their standard error, on matplotlib axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32

from l2g_core.errors import InputError
from l2g_interp.drawing.logo import draw_logo
from l2g_interp.records.types import check_targets

if TYPE_CHECKING:
    from l2g_interp.records.mutations import Mutations
    from l2g_interp.records.types import Attributions

BAND_COLOR = "#202020"
INCHES_PER_BASE, NARROWEST, WIDEST, HEIGHT = 0.09, 4.0, 12.0, 1.8  # of a figure made here


def draw_track(
    attributions: Attributions,
    row: int,
    target: str,
    *,
    start: int = 0,
    end: int | None = None,
    band: float = 2.0,
    hypothetical: bool = False,
    ax: Any = None,
) -> Any:
    """Draw the contributions along one sequence as letters, with a band of standard errors around them.

    Parameters
    ----------
    attributions, row, target
        Whose contributions: a row of the attributions, and one of their targets.
    start, end
        Only this stretch, 0-based and half-open; the whole sequence by default.
    band
        Half the height of the grey band, in standard errors over the references (2: about 95 %); 0 for none. It shows
        how much another draw of references would move a letter, not how certain the model or the biology is.
    hypothetical
        All four letters at each position (what each base would contribute), without a band, which is known only for
        the base that is there.
    ax
        Axes to draw on; by default those of a new figure as wide as the sequence needs.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        No such target or row, or the stretch is not within the sequence.
    """
    first, last = stretch(attributions, "attributions", row, target, start, end)
    values = attributions[target]
    scores = values.hypothetical[row] if hypothetical else values.hypothetical[row] * values.one_hot[row]
    heights = scores[:, first:last]
    half = band * values.standard_error[row, first:last] if band and not hypothetical else np.full(last - first, np.nan)
    ax = new_axes(last - first, HEIGHT) if ax is None else ax
    low, high = _limits(ax, heights, half)
    draw_logo(heights, ax, start=first, baseline_width=0.5)
    _draw_band(ax, first, heights.sum(axis=0), half)
    ax.set_xlim(first - 0.5, last - 0.5)
    ax.set_ylim(low, high)
    ax.set_xlabel("position (bp)")
    ax.set_ylabel("hypothetical\ncontribution" if hypothetical else "contribution")
    ax.set_title(f"{attributions.ids[row]}: {target}", loc="left", fontsize="medium", parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def stretch(
    found: Attributions | Mutations, what: str, row: int, target: str, start: int, end: int | None
) -> tuple[int, int]:
    """First and last position to draw, checked; padding is left out. ``what`` they are, for messages."""
    check_targets([target], found.targets, what)
    if not 0 <= row < len(found):
        raise InputError(f"no row {row}: the {what} have rows 0 to {len(found) - 1}")
    length = int(found.lengths[row])
    last = length if end is None else end
    if not 0 <= start < last <= length:
        raise InputError(f"{start} to {last} is not a range within sequence {found.ids[row]!r}, which has {length} bp")
    return start, last


def new_axes(width: int, height: float) -> Any:
    """Axes of a new figure, as wide as ``width`` bases need and ``height`` inches high."""
    import matplotlib.pyplot as plt

    inches = min(WIDEST, max(NARROWEST, INCHES_PER_BASE * width))
    return plt.subplots(figsize=(inches, height), layout="constrained")[1]


def _limits(ax: Any, heights: Float32[np.ndarray, "4 width"], half: Float[np.ndarray, " width"]) -> tuple[float, float]:
    """The heights that letters and band need, here and on tracks drawn before that share the axis."""
    total, reach = heights.sum(axis=0), np.nan_to_num(half)
    low = min(np.minimum(heights, 0).sum(axis=0).min(), (total - reach).min())
    high = max(np.maximum(heights, 0).sum(axis=0).max(), (total + reach).max())
    drawn = [other.get_ylim() for other in ax.get_shared_y_axes().get_siblings(ax) if other is not ax and other.patches]
    low, high = min([low, *(below for below, _ in drawn)]), max([high, *(above for _, above in drawn)])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _draw_band(
    ax: Any, first: int, contributions: Float32[np.ndarray, " width"], half: Float[np.ndarray, " width"]
) -> None:
    """A grey bar per base from ``contribution - half`` to ``contribution + half``; nothing where it is unknown."""
    known = np.isfinite(half)
    if known.any():
        positions = first + np.flatnonzero(known)
        low, tall = (contributions - half)[known], 2 * half[known]
        ax.bar(positions, tall, bottom=low, width=0.9, color=BAND_COLOR, alpha=0.25, linewidth=0, zorder=3)
