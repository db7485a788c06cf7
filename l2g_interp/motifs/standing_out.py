"""What stands out of chance: the stretches of contribution that shuffled sequences hardly ever have.

Contributions are not zero where nothing acts, so a share of *all* contribution says little about motifs. The controls
are dinucleotide shuffles of the same sequences, explained in the same way ('l2g-interp attribute' keeps them with the
attributions): what they reach, composition alone reaches.

A segment is a maximal scoring subsequence (Ruzzo and Tompa 1999) of the contributions of one sign, each base less what
99 of 100 bases of the controls stay below; so it covers about one site, not the region around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

QUIET = 0.99  # of the bases of shuffled sequences contribute less than the cost of a base
FDR = 0.1  # of the segments that stand out, expected share that shuffled sequences have, too
ONE_OF = 10  # shuffled sequences, of which one has a segment that exceeds the bar where no rate can set it
ONE_IN = 5  # shuffled sequences, of which one has a window as strong as a candidate's threshold
SIGNS = (1, -1)


@dataclass(frozen=True)
class Segment:
    """A stretch of row ``row`` with contributions of one sign, 0-based half-open; ``total`` is their signed sum."""

    row: int
    start: int
    end: int
    total: float


@dataclass(frozen=True)
class Bar:
    """What a segment of one sign must exceed: ``cost`` is taken from every base, ``total`` is the least that is left.

    ``total`` is infinite where no segment stands out. ``by_rate``: the total was set by the false discovery rate.
    """

    sign: int
    cost: float
    total: float
    by_rate: bool = True


def strongest_windows(
    profiles: Sequence[Float[np.ndarray, " _"]], widths: Iterable[int]
) -> dict[tuple[int, int], float]:
    """By (sign, width): the sum of contributions that one in `ONE_IN` shuffled sequences reaches in some window.

    Parameters
    ----------
    profiles
        Contribution of every base of each control.
    widths
        Of windows, in bp.
    """
    sums = {width: [sliding_window_view(p, width).sum(axis=1) for p in profiles if len(p) >= width] for width in widths}
    return {
        (sign, width): float(np.quantile([(sign * s).max() for s in found], 1 - 1 / ONE_IN)) if found else np.inf
        for width, found in sums.items()
        for sign in SIGNS
    }


def bars(
    profiles: Sequence[Float[np.ndarray, " _"]], controls: Sequence[Float[np.ndarray, " _"]], fdr: float = FDR
) -> list[Bar]:
    """What segments must exceed, for either sign, so that at most ``fdr`` of them are expected by chance.

    The rate is that of segments per base in the controls, divided by that in the sequences. Where too few sequences
    have any site, as in a whole library, no segment passes at any height: shuffled sequences have chance sites, too.
    Then the bar is what one in `ONE_OF` shuffled sequences exceeds with its strongest segment, and ``by_rate`` says so.

    Parameters
    ----------
    profiles, controls
        Contribution of every base of each sequence, and of each shuffled one.
    """
    cost = float(np.quantile(np.abs(np.concatenate([*controls])), QUIET)) if len(controls) else 0.0
    bases, control_bases = (sum(map(len, group)) for group in (profiles, controls))
    found = []
    for sign in SIGNS:
        ours, theirs = (
            np.sort([left for p in group for _, _, left in maximal_segments(sign * p - cost)])[::-1]
            for group in (profiles, controls)
        )
        found.append(Bar(sign, cost, _least(ours, theirs, bases / max(1, control_bases), fdr)))
    if len(controls) and not any(np.isfinite(bar.total) for bar in found):
        found = [replace(bar, total=_by_strongest(controls, bar), by_rate=False) for bar in found]
    return found


def _by_strongest(controls: Sequence[Float[np.ndarray, " _"]], bar: Bar) -> float:
    """What one in `ONE_OF` controls exceeds with its strongest segment."""
    strongest = [
        max((left for _, _, left in maximal_segments(bar.sign * profile - bar.cost)), default=0.0)
        for profile in controls
    ]
    return max(float(np.quantile(strongest, 1 - 1 / ONE_OF)), float(np.finfo(np.float32).tiny))


def _least(ours: np.ndarray, theirs: np.ndarray, scale: float, fdr: float) -> float:
    """The lowest total at which the controls, scaled to as many bases, have at most ``fdr`` as many segments.

    One more is counted than they have: a few controls that have none at all prove little (as in target-decoy searches).
    """
    if not len(ours):
        return np.inf
    by_chance = (np.searchsorted(-theirs, -ours, side="right") + 1) * scale
    passes = np.flatnonzero(by_chance <= fdr * np.arange(1, len(ours) + 1))
    return float(ours[passes[-1]]) if len(passes) else np.inf


def segments(profile: Float[np.ndarray, " length"], bars: Sequence[Bar], row: int = 0) -> list[Segment]:
    """The stretches of one sequence that stand out, by start."""
    found = [
        Segment(row, start, end, float(profile[start:end].sum()))
        for bar in bars
        if np.isfinite(bar.total)
        for start, end, left in maximal_segments(bar.sign * profile - bar.cost)
        if left >= bar.total
    ]
    return sorted(found, key=lambda segment: segment.start)


def maximal_segments(scores: Float[np.ndarray, " length"]) -> list[tuple[int, int, float]]:
    """All maximal scoring subsequences (Ruzzo and Tompa 1999): start, end and sum, none of them overlapping.

    Linear time: the candidates are kept with the cumulative score before and after each.
    """
    kept: list[tuple[int, int, float, float]] = []  # start, end, cumulative score left of it and at its end
    total = 0.0
    for at, score in enumerate(scores.tolist()):
        before, total = total, total + score
        if score <= 0:
            continue
        start, left = at, before
        while True:
            # the last kept segment that begins lower than this one: they join if this one also ends higher
            j = next((k for k in range(len(kept) - 1, -1, -1) if kept[k][2] < left), None)
            if j is None or kept[j][3] >= total:
                kept.append((start, at + 1, left, total))
                break
            start, left = kept[j][0], kept[j][2]
            del kept[j:]
    return [(start, end, after - left) for start, end, left, after in kept]
