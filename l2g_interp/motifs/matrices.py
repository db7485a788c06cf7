"""Matrices of motifs: trimming, the other strand, information, consensus, and alignment for drawing.

Every matrix is ``(4, width)``, rows ACGT. ``ppm``: base frequencies (columns sum to 1); ``cwm``: mean contributions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Num

from l2g_interp.records.types import Pattern

FLAT_BITS = 0.25  # columns below this are uninformative
TRIM_THRESHOLD = 0.3  # of the largest sum|CWM|: what TF-MoDISco's report and Fi-NeMo use
UNIFORM = (0.25, 0.25, 0.25, 0.25)
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T",
    "AG": "R", "CT": "Y", "CG": "S", "AT": "W", "GT": "K", "AC": "M",
    "CGT": "B", "AGT": "D", "ACT": "H", "ACG": "V", "ACGT": "N",
}  # fmt: skip


def reverse_complement(matrix: Num[np.ndarray, "4 width"]) -> Num[np.ndarray, "4 width"]:
    """The matrix read on the other strand: rows ACGT become TGCA, columns are reversed."""
    return np.ascontiguousarray(matrix[::-1, ::-1])


def trim_span(
    cwm: Float[np.ndarray, "4 width"], threshold: float = TRIM_THRESHOLD, flank: int = 0, narrowest: int = 0
) -> tuple[int, int]:
    """The columns that matter, half-open: first to last with sum|CWM| of at least ``threshold`` of the largest.

    Parameters
    ----------
    cwm
        Contributions of one pattern; their sign does not matter.
    threshold
        Fraction of the largest column, 0 to 1.
    flank
        Columns to add on either side, as far as there are any (4 is usual for logos, 0 for TOMTOM).
    narrowest
        While there are fewer columns than this, the stronger neighbour is taken in.

    Returns
    -------
    start, end
        Half-open range of columns; all of them if every contribution is 0.
    """
    weight = np.abs(cwm).sum(axis=0)
    if not weight.any():
        return 0, len(weight)
    kept = np.flatnonzero(weight >= threshold * weight.max())
    start, end = int(kept[0]), int(kept[-1]) + 1
    while end - start < min(narrowest, len(weight)):
        left = weight[start - 1] if start else -1.0
        right = weight[end] if end < len(weight) else -1.0
        start, end = (start - 1, end) if left > right else (start, end + 1)
    return max(0, start - flank), min(len(weight), end + flank)


def trimmed(pattern: Pattern, threshold: float = TRIM_THRESHOLD, flank: int = 0, narrowest: int = 0) -> Pattern:
    """The pattern with its matrices cut to `trim_span`, and its seqlets to the stretches under those columns.

    ``threshold``, ``flank`` and ``narrowest`` are those of `trim_span`.
    """
    start, end = trim_span(pattern.cwm, threshold, flank, narrowest)
    matrices = {key: getattr(pattern, key)[:, start:end] for key in ("ppm", "cwm", "hcwm")}
    seqlets, width = pattern.seqlets, pattern.cwm.shape[1]
    left = np.where(seqlets.is_revcomp, width - end, start)  # a seqlet on the other strand loses its far end
    starts = seqlets.start + left
    return replace(pattern, **matrices, seqlets=replace(seqlets, start=starts, end=starts + (end - start)))


def normalised(ppm: Float[np.ndarray, "4 width"]) -> Float[np.ndarray, "4 width"]:
    """The matrix ``(4, width)`` with columns that sum to 1; a column of zeros (only N) becomes uniform."""
    total = ppm.sum(axis=0, keepdims=True)
    return np.where(total > 0, ppm / np.where(total > 0, total, 1.0), 0.25)


def information(
    ppm: Float[np.ndarray, "4 width"], background: tuple[float, ...] = UNIFORM
) -> Float[np.ndarray, " width"]:
    """Relative entropy of each column to the background, in bits: 0 to 2 for a uniform background.

    ``ppm`` has columns that sum to 1; ``background`` are the frequencies of A, C, G and T.
    """
    ratio = np.where(ppm > 0, ppm, 1.0) / np.where(ppm > 0, np.array(background)[:, None], 1.0)
    return (ppm * np.log2(ratio)).sum(axis=0)


def informative_span(ppm: Float[np.ndarray, "4 width"]) -> tuple[int, int]:
    """The columns between the flat ones at the ends, half-open; (0, 0) if all are flat."""
    says = np.flatnonzero(information(normalised(ppm)) >= FLAT_BITS)
    return (int(says[0]), int(says[-1]) + 1) if len(says) else (0, 0)


def information_logo(ppm: Float[np.ndarray, "4 width"]) -> Float[np.ndarray, "4 width"]:
    """Letter heights of the usual logo, in bits: frequency times the column's information."""
    frequencies = normalised(ppm)
    return frequencies * information(frequencies)


def consensus(ppm: Float[np.ndarray, "4 width"]) -> str:
    """The matrix in IUPAC letters, by Cavener's rule (1987).

    One base if it has over 50 % and twice the next, two bases if they have over 75 % together, N otherwise;
    three bases if the fourth is never seen.
    """
    return "".join(_letter(column) for column in normalised(ppm).T)


def _letter(column: np.ndarray) -> str:
    order = np.argsort(-column, kind="stable")
    first, second, third, fourth = column[order]
    count = 4
    if first > 0.5 and first >= 2 * second:
        count = 1
    elif first + second > 0.75:
        count = 2
    elif third > 0 and fourth <= 0.01:
        count = 3
    return IUPAC["".join(sorted("ACGT"[i] for i in order[:count]))]


def place(
    pattern_width: int, motif: Float[np.ndarray, "4 _"], offset: int, strand: str
) -> tuple[int, int, Float[np.ndarray, "4 _"]]:
    """Place a matched motif and the trimmed pattern on one axis, to draw their logos one above the other.

    Parameters
    ----------
    pattern_width
        Columns of the trimmed pattern.
    motif
        The database motif as its database gives it.
    offset, strand
        Of the `Match`: the motif (reverse-complemented if ``-``) starts at column ``offset`` of the pattern.

    Returns
    -------
    pattern_start, motif_start, motif
        Columns of the shared axis, which starts at 0 with whichever comes first, and the motif as drawn.
    """
    drawn = reverse_complement(motif) if strand == "-" else motif
    origin = min(0, offset)
    return -origin, offset - origin, drawn


def padded(matrix: Float[np.ndarray, "4 _"], start: int, width: int) -> Float[np.ndarray, "4 _"]:
    """A zero matrix of ``width`` columns with the given matrix written into it from column ``start`` on."""
    result = np.zeros((4, width), dtype=matrix.dtype)
    result[:, start : start + matrix.shape[1]] = matrix
    return result


def similarity(first: Float[np.ndarray, "4 _"], second: Float[np.ndarray, "4 _"], max_shift: int = 2) -> float:
    """How similar two PPMs are, 0 to 1 (identical), at their best over both strands and small shifts.

    One minus the largest distance (half the summed absolute difference) of any pair of overlapping columns; 0 if
    less than 80 % of the shorter one overlaps. ``max_shift``: columns that one may be moved against the other.
    """
    best = 0.0
    for other in (second, reverse_complement(second)):
        for shift in range(-max_shift, max_shift + 1):
            left, right = max(0, shift), min(first.shape[1], shift + other.shape[1])
            if right - left < 0.8 * min(first.shape[1], other.shape[1]):
                continue
            difference = np.abs(first[:, left:right] - other[:, left - shift : right - shift]).sum(axis=0) / 2
            best = max(best, 1.0 - float(difference.max()))
    return best
