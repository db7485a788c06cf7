"""Maps of single changes for notebooks and PNG: a row per base, blue where a change lowers the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from l2g_core.dna import ALPHABET
from l2g_interp.drawing.track import new_axes, stretch

if TYPE_CHECKING:
    from l2g_interp.records.mutations import Mutations

COLOURS = "RdBu_r"  # blue to red, told apart by people with any kind of colour vision
FULL = 99.0  # percentile of the differences that has the darkest colours, with all that are larger
HEIGHT = 1.3  # inches, of a figure made here


def draw_mutations(
    mutations: Mutations,
    row: int,
    target: str,
    *,
    start: int = 0,
    end: int | None = None,
    limit: float | None = None,
    legend: bool = True,
    ax: Any = None,
) -> Any:
    """Draw what changing each base to A, C, G or T does to the prediction; a dot marks the base that is there.

    Parameters
    ----------
    mutations, row, target
        Whose changes: a row of `read_mutations`, and one of their targets.
    start, end
        Only this stretch, 0-based and half-open; the whole sequence by default.
    limit
        The difference from which on colours are the darkest; by default what 99 % of the drawn ones reach.
    legend
        A bar of the colours with the differences that they stand for.
    ax
        Axes to draw on, such as those below a `draw_track`; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        No such target or row, or the stretch is not within the sequence.
    """
    start, last = stretch(mutations, "mutations", row, target, start, end)
    difference = mutations[target].difference[row, :, start:last]
    there = mutations.one_hot[row, :, start:last]
    ax = new_axes(last - start, HEIGHT) if ax is None else ax
    most = _limit(difference, there) if limit is None else limit
    edges = (start - 0.5, last - 0.5, len(ALPHABET) - 0.5, -0.5)
    image = ax.imshow(difference, cmap=COLOURS, vmin=-most, vmax=most, aspect="auto", extent=edges)
    base, position = np.nonzero(there)
    ax.scatter(start + position, base, s=4, color="black", marker="s", linewidth=0)
    ax.set_yticks(range(len(ALPHABET)), list(ALPHABET))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("position (bp)")
    ax.set_title(f"{mutations.ids[row]}: {target}", loc="left", fontsize="medium", parse_math=False)
    if legend:
        bar = ax.figure.colorbar(image, ax=ax, extend="both", pad=0.01, aspect=8)
        bar.set_label("change of the\nprediction", fontsize="small")
    return ax


def _limit(difference: np.ndarray, there: np.ndarray) -> float:
    changes = np.abs(difference[np.isfinite(difference) & (there == 0)])
    found = float(np.percentile(changes, FULL)) if len(changes) else 0.0
    return found or 1.0
