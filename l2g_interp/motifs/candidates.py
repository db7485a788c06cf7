"""Every stretch of contributions that could be a hit of a motif, with the numbers by which candidates are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from l2g_interp.motifs.library import Entry, centred
from l2g_interp.motifs.matrices import reverse_complement
from l2g_interp.motifs.standing_out import SIGNS

LEAST_COSINE = 0.5  # of the contributions at the bases with the CWM
ROUNDING = 1e-5  # subtracted from likeness thresholds: float32 sums depend on their order


@dataclass(frozen=True)
class Candidates:
    """Parallel arrays with one row per candidate.

    ``entry``: index in the library; ``row``, ``start``, ``end``: where, 0-based half-open; ``strand``: 0 or 1;
    ``sign``: 1 or -1; ``similarity``: cosine of the contributions with the CWM; ``contribution``: their sum;
    ``gain``: their product with the CWM of length 1; ``likeness``: cosine of the centred hypothetical contributions
    with the motif's. The last four are those of the contributions times the sign, but for ``contribution``.
    """

    entry: Int[np.ndarray, " k"]
    row: Int[np.ndarray, " k"]
    start: Int[np.ndarray, " k"]
    end: Int[np.ndarray, " k"]
    strand: Int[np.ndarray, " k"]
    sign: Int[np.ndarray, " k"]
    similarity: Float[np.ndarray, " k"]
    contribution: Float[np.ndarray, " k"]
    gain: Float[np.ndarray, " k"]
    likeness: Float[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def none(cls) -> Candidates:
        return cls(*(np.empty(0, dtype=np.int64) for _ in range(6)), *(np.empty(0, dtype=np.float32) for _ in range(4)))

    @classmethod
    def of(cls, parts: Sequence[Candidates]) -> Candidates:
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def take(self, which: np.ndarray) -> Candidates:
        return Candidates(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class Needed:
    """What a candidate must reach: ``contribution`` times its sign, by (sign, width); ``likeness``, by entry."""

    contribution: Mapping[tuple[int, int], float]
    likeness: Float[np.ndarray, " entries"]


class Matrices:
    """The matrices of a library in one array ``(strand, entry, base, column)``, narrower ones padded with zeros."""

    def __init__(self, library: Sequence[Entry]) -> None:
        self.widths = np.array([entry.width for entry in library], dtype=np.int64)
        widest = int(self.widths.max(initial=1))
        self.cwm, self.centred = (np.zeros((2, len(library), 4, widest), dtype=np.float32) for _ in range(2))
        for i, entry in enumerate(library):
            for padded, matrix in ((self.cwm, entry.cwm), (self.centred, entry.centred)):
                padded[0, i, :, : entry.width] = matrix
                padded[1, i, :, : entry.width] = reverse_complement(matrix)

    def of_width(self, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices of the entries of this width, and both their matrices as ``(4 x width, 2 x entries)``."""
        which = np.flatnonzero(self.widths == width)
        cwm, like = (
            np.ascontiguousarray(each[:, which, :, :width].reshape(2 * len(which), 4 * width).T)
            for each in (self.cwm, self.centred)
        )
        return which, cwm, like


@dataclass
class Block:
    """Some sequences: contributions at their bases, and centred hypothetical ones. Silencing changes both."""

    contributions: Float[np.ndarray, "n 4 length"]
    hypothetical: Float[np.ndarray, "n 4 length"]
    lengths: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, hypothetical: np.ndarray, one_hot: np.ndarray, lengths: np.ndarray) -> Block:
        """From the arrays of attributions, which are not changed. Bases that are not there are silent."""
        there = one_hot.any(axis=1, keepdims=True)
        silent = (centred(hypothetical) * there).astype(np.float32)
        return cls((hypothetical * one_hot).astype(np.float32), silent, lengths)

    def silence(self, found: Candidates) -> None:
        for row, start, end in zip(found.row.tolist(), found.start.tolist(), found.end.tolist(), strict=True):
            self.contributions[row, :, start:end] = 0
            self.hypothetical[row, :, start:end] = 0


def find_candidates(block: Block, matrices: Matrices, needed: Needed) -> Candidates:
    """Every place and motif that reaches what is needed, on the strand that fits better."""
    profile = block.contributions.sum(axis=1)
    found = [Candidates.none()]
    for width in np.unique(matrices.widths).tolist():
        if width > profile.shape[1]:
            continue
        sums = sliding_window_view(profile, width, axis=1).sum(axis=2)
        inside = np.arange(sums.shape[1]) + width <= block.lengths[:, None]
        for sign in SIGNS:
            row, start = np.nonzero((sign * sums >= needed.contribution[sign, width]) & inside)
            if len(row):
                found.append(_of_windows(block, matrices, needed, width, sign, row, start, sums[row, start]))
    return Candidates.of(found)


def _of_windows(
    block: Block,
    matrices: Matrices,
    needed: Needed,
    width: int,
    sign: int,
    row: np.ndarray,
    start: np.ndarray,
    total: np.ndarray,
) -> Candidates:
    """The candidates among windows of one width and sign."""
    which, cwm, like = matrices.of_width(width)
    here, there = (sign * _flat(values, row, start, width) for values in (block.contributions, block.hypothetical))
    gain, likeness = _by_strand(here @ cwm), _by_strand(there @ like)
    cosine = _ratio(gain, np.linalg.norm(here, axis=1)[None, :, None])
    likeness = _ratio(likeness, np.linalg.norm(there, axis=1)[None, :, None])
    strand = (gain * likeness).argmax(axis=0)
    cosine, gain, likeness = (np.take_along_axis(x, strand[None], axis=0)[0] for x in (cosine, gain, likeness))
    at, entry = np.nonzero((cosine >= LEAST_COSINE) & (likeness >= needed.likeness[which] - ROUNDING))
    numbers = (x[at, entry] for x in (cosine, total[:, None].repeat(len(which), 1), gain, likeness))
    return Candidates(
        which[entry], row[at], start[at], start[at] + width, strand[at, entry], np.full(len(at), sign), *numbers
    )


def score_again(found: Candidates, block: Block, matrices: Matrices, needed: Needed) -> Candidates:
    """The candidates with the numbers that they have now that bases were silenced, without those that fail."""
    if not len(found):
        return found
    widest = matrices.cwm.shape[3]
    rows, where = np.unique(found.row, return_inverse=True)
    inside = (np.arange(widest) < matrices.widths[found.entry][:, None])[:, None] * found.sign[:, None, None]
    room = ((0, 0), (0, 0), (0, widest))
    here, there = (
        _flat(np.pad(values[rows], room), where, found.start, widest).reshape(len(found), 4, widest) * inside
        for values in (block.contributions, block.hypothetical)
    )
    gain = np.einsum("kbw,kbw->k", here, matrices.cwm[found.strand, found.entry])
    likeness = np.einsum("kbw,kbw->k", there, matrices.centred[found.strand, found.entry])
    cosine = _ratio(gain, np.linalg.norm(here.reshape(len(found), -1), axis=1))
    likeness = _ratio(likeness, np.linalg.norm(there.reshape(len(found), -1), axis=1))
    total = here.sum(axis=(1, 2))
    keys = zip(found.sign.tolist(), (found.end - found.start).tolist(), strict=True)
    enough = total >= np.array([needed.contribution[key] for key in keys])
    kept = enough & (cosine >= LEAST_COSINE) & (likeness >= needed.likeness[found.entry] - ROUNDING)
    same = (found.entry, found.row, found.start, found.end, found.strand, found.sign)
    return Candidates(*same, cosine, found.sign * total, gain, likeness).take(kept)


def _flat(values: np.ndarray, row: np.ndarray, start: np.ndarray, width: int) -> Float[np.ndarray, "k _"]:
    """Stretches of the given rows, ``(k, 4 x width)``."""
    return sliding_window_view(values, width, axis=2)[row, :, start].reshape(len(row), 4 * width)


def _by_strand(product: np.ndarray) -> Float[np.ndarray, "2 k entries"]:
    return product.reshape(len(product), 2, -1).transpose(1, 0, 2)


def _ratio(product: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.divide(product, size, out=np.zeros_like(product), where=size > 0)
