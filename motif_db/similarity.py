"""Which motifs have the same matrix, up to a shift, the strand and trimmed ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from motif_db.motif import Motif

SAME = 0.05  # RMS distance per column; matrices from the same sites are below it, related ones rarely


def distances(
    queries: Sequence[Motif], targets: Sequence[Motif], min_overlap: int = 5
) -> tuple[Float[np.ndarray, "q t"], Int[np.ndarray, "q t"]]:
    """How far apart the matrices are at their best alignment, on either strand.

    Only alignments with an overlap of ``min_overlap`` columns and of 80 % of the shorter motif are considered (all of
    it if it is shorter than ``min_overlap``).

    Returns
    -------
    distance
        Root of the mean squared Euclidean distance of aligned columns: 0 if identical, at most 1.4; infinite where no
        alignment is allowed.
    overlap
        Aligned columns there.
    """
    best = np.full((len(queries), len(targets)), np.inf)
    overlap = np.zeros(best.shape, dtype=np.int64)
    if best.size == 0:
        return best, overlap
    q, q_width = _padded([motif.ppm for motif in queries])
    for strand in (1, -1):
        t, t_width = _padded([motif.ppm[::strand, ::strand] for motif in targets])
        shorter = np.minimum.outer(q_width, t_width)
        needed = np.maximum(np.minimum(min_overlap, shorter), np.ceil(0.8 * shorter)).astype(np.int64)
        for shift in range(1 - t.shape[2], q.shape[2]):
            mean, columns = _at_shift(q, t, shift)
            better = (columns >= needed) & (mean < best)
            best[better], overlap[better] = mean[better], columns[better]
    return np.sqrt(best), overlap


def group_duplicates(motifs: Sequence[Motif], tolerance: float = SAME) -> list[list[int]]:
    """Group motifs whose matrices are nearly identical, such as one matrix in several databases.

    Every motif joins the first group whose first member is within ``tolerance`` (see `distances`), so that groups do
    not chain. Groups, and indices within them, keep the order of ``motifs``: put the preferred database first.

    Parameters
    ----------
    motifs
        Of any databases.
    tolerance
        Root of the mean squared distance of aligned columns.

    Returns
    -------
    list of list of int
        Indices into ``motifs``, one list per group; a motif without duplicates is alone in its group.
    """
    near = distances(motifs, motifs)[0] <= tolerance
    groups: list[list[int]] = []
    for index in range(len(motifs)):
        home = next((group for group in groups if near[group[0], index]), None)
        if home is None:
            groups.append([index])
        else:
            home.append(index)
    return groups


def _padded(ppms: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Stack as ``(n, 4, width)``, zeros on the right; and the widths."""
    widths = np.array([ppm.shape[1] for ppm in ppms])
    stack = np.zeros((len(ppms), 4, widths.max()))
    for row, ppm in zip(stack, ppms, strict=True):
        row[:, : ppm.shape[1]] = ppm
    return stack, widths


def _at_shift(q: np.ndarray, t: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared distance over the columns where both have one, target moved right by ``shift``; and how many."""
    start, stop = max(0, shift), min(q.shape[2], t.shape[2] + shift)
    a, b = q[:, :, start:stop], t[:, :, start - shift : stop - shift]
    a_there, b_there = a.sum(axis=1) > 0.5, b.sum(axis=1) > 0.5
    columns = a_there.astype(float) @ b_there.T
    squares = (a**2).sum(axis=1) @ b_there.T + a_there @ (b**2).sum(axis=1).T
    products = a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
    total = np.maximum(squares - 2 * products, 0)
    return total / np.maximum(columns, 1), columns.astype(np.int64)
