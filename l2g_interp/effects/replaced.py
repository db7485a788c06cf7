"""Sites replaced by background letters: what stands at the same place in dinucleotide shuffles of the sequence.

These are the references that contributions are explained against, so that what is lost with a site can be compared with
what its contributions said. A draw in which the site reads as the motif again is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int8
from numpy.lib.stride_tricks import sliding_window_view

from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles
from l2g_interp.motifs.library import log_odds
from l2g_interp.motifs.matrices import reverse_complement

TRIES = 5  # draws for a site, at most, until one does not read as the motif
NEARLY, HALF = 0.8, 0.5  # of the site's own score, and of the best possible one: what reads as the motif


@dataclass(frozen=True)
class Span:
    """A stretch to replace, half-open, and the PPM that it must not read as afterwards, if there is one."""

    start: int
    end: int
    ppm: Float[np.ndarray, "4 width"] | None = None


def draw_letters(one_hot: Int8[np.ndarray, "4 length"], n_draws: int, seed: int) -> Int8[np.ndarray, "pool 4 length"]:
    """Shuffles to take letters from: the first ``n_draws`` of them, and as many for each of `TRIES` more tries."""
    return dinucleotide_shuffles(one_hot, n_draws * TRIES, seed)


def replaced(
    one_hot: Int8[np.ndarray, "4 length"], spans: Sequence[Span], letters: Int8[np.ndarray, "pool 4 length"]
) -> tuple[Int8[np.ndarray, "draws 4 length"], float]:
    """The sequence with the spans replaced, once for each draw, and the share of sites that read as the motif still.

    A site for which all tries do so keeps the letters that read least like it.
    """
    n_draws = len(letters) // TRIES
    made, remade = np.repeat(one_hot[None], n_draws, axis=0), 0
    for span in spans:
        columns = slice(span.start, span.end)
        choice = np.arange(n_draws)
        if span.ppm is not None:
            score = _scores(one_hot, span, letters)
            own = float(_scores(one_hot, span, one_hot[None])[0])
            bar = NEARLY * max(own, HALF * float(log_odds(span.ppm).max(axis=0).sum()))
            tries = score.reshape(TRIES, n_draws)
            passing = tries < bar
            first = np.where(passing.any(axis=0), passing.argmax(axis=0), tries.argmin(axis=0))
            choice = first * n_draws + choice
            remade += int((~passing.any(axis=0)).sum())
        made[:, :, columns] = letters[choice][:, :, columns]
    return made, remade / max(1, len(spans) * n_draws)


def _scores(
    one_hot: Int8[np.ndarray, "4 length"], span: Span, letters: Int8[np.ndarray, "k 4 length"]
) -> Float[np.ndarray, " k"]:
    """The best log-odds of the motif, on either strand, in any window over the span with these letters in it."""
    assert span.ppm is not None
    width = span.ppm.shape[1]
    left, right = max(0, span.start - width + 1), min(one_hot.shape[1], span.end + width - 1)
    around = np.repeat(one_hot[None, :, left:right], len(letters), axis=0)
    around[:, :, span.start - left : span.end - left] = letters[:, :, span.start : span.end]
    if around.shape[2] < width:
        return np.full(len(letters), -np.inf)
    windows = sliding_window_view(around, width, axis=2)  # (k, 4, places, width)
    odds = log_odds(span.ppm)
    both = [np.einsum("kapw,aw->kp", windows, matrix) for matrix in (odds, reverse_complement(odds))]
    return np.maximum(*both).max(axis=1)


def free_spans(
    known: Bool[np.ndarray, " length"],
    taken: Sequence[tuple[int, int]],
    widths: Sequence[int],
    rng: np.random.Generator,
) -> list[Span] | None:
    """Stretches of these widths among the known bases, off what is taken and off each other; None without room."""
    free, found = known.copy(), []
    for start, end in taken:
        free[start:end] = False
    for width in sorted(widths, reverse=True):
        if width > len(free):
            return None
        starts = np.flatnonzero(sliding_window_view(free, width).all(axis=1))
        if not len(starts):
            return None
        start = int(rng.choice(starts))
        free[start : start + width] = False
        found.append(Span(start, start + width))
    return found
