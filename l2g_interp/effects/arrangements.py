"""Two motifs side by side: distinct orientations, the places in each background, and the letters that are planted.

The first motif ends where a background's anchor is and the second begins ``spacing`` bp behind it, so that the same
places, letters and backgrounds serve every pair, and a motif by itself is predicted once for all its partners. In half
of the backgrounds the whole arrangement lies on the other strand: then (A +, B +) and (B -, A -) are one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from l2g_core.errors import InputError
from l2g_interp.effects.backgrounds import Backgrounds, plant, sample, stream, unlike_orders
from l2g_interp.motifs.matrices import normalised

FIRST, SECOND = 0, 1  # places of an arrangement
OTHERS = (("+", "+"), ("+", "-"), ("-", "+"), ("-", "-"))
WITH_ITSELF = (("+", "+"), ("+", "-"), ("-", "+"))  # (-, -) is (+, +) on the other strand


@dataclass(frozen=True)
class Site:
    """One motif of an arrangement: which, at which place, on which strand, as itself or with its columns reordered."""

    motif: str
    place: int
    strand: str = "+"
    scrambled: bool = False


@dataclass(frozen=True)
class Letters:
    """What is planted of a motif at one place, forward, 0-3 for ACGT: a draw for every background, and its control."""

    motif: Int[np.ndarray, "b width"]
    control: Int[np.ndarray, "b width"]
    likeness: float


@dataclass(frozen=True)
class Places:
    """Where motifs go in each background.

    ``anchor``: where the first motif ends, on the arrangement's own strand; ``reverse``: whether that is the other
    one. ``letters``: by motif, at the first place and at the second.
    """

    backgrounds: Backgrounds
    anchor: Int[np.ndarray, " b"]
    reverse: Bool[np.ndarray, " b"]
    letters: Mapping[str, tuple[Letters, Letters]]

    def __len__(self) -> int:
        return len(self.anchor)

    def width(self, motif: str) -> int:
        """In bp."""
        return self.letters[motif][FIRST].motif.shape[1]


def orientations(first: str, second: str) -> tuple[tuple[str, str], ...]:
    """The strands of two motifs, the first of them upstream, each arrangement of the two once."""
    return WITH_ITSELF if first == second else OTHERS


def draw_places(
    motifs: Mapping[str, Float[np.ndarray, "4 _"]],
    backgrounds: Backgrounds,
    spacings: Sequence[int],
    fewest: int,
    seed: int,
    source: str = "the sequences",
) -> tuple[Places, tuple[int, ...]]:
    """Anchors, strands and letters of every motif, and those of the spacings for which there is room.

    Parameters
    ----------
    motifs
        PPMs ``(4, width)``, trimmed.
    spacings
        In bp between the motifs, ascending. Those for which fewer than ``fewest`` backgrounds, or fewer than half, have
        room are left out; and so are backgrounds without room for the widest that is left.
    fewest
        Backgrounds, at least.
    source
        Where the backgrounds come from, for the message.

    Raises
    ------
    InputError
        There is no room for any spacing.
    """
    widest = max(ppm.shape[1] for ppm in motifs.values())
    room = backgrounds.end - backgrounds.start - 2 * widest
    needed = max(fewest, len(backgrounds) / 2)
    kept = tuple(spacing for spacing in spacings if (room >= spacing).sum() >= needed)
    if not kept:
        raise InputError(
            f"{source}: two motifs of up to {widest} bp, {spacings[0]} bp apart, have no room in enough of them; use "
            "longer sequences, or fewer --spacings"
        )
    fits = room >= kept[-1]
    some = Backgrounds(backgrounds.one_hot[fits], backgrounds.start[fits], backgrounds.end[fits])
    rng = stream(seed, "pairs", "places")
    anchor = some.start + widest + rng.integers(0, room[fits] - kept[-1] + 1)
    reverse = rng.permutation(np.arange(len(some)) % 2 == 1)
    letters = {
        name: (_letters(ppm, len(some), seed, name, "first"), _letters(ppm, len(some), seed, name, "second"))
        for name, ppm in motifs.items()
    }
    return Places(some, anchor, reverse, letters), kept


def planted(
    places: Places, sites: Sequence[Site], spacing: int, rows: Int[np.ndarray, " k"] | None = None
) -> Int8[np.ndarray, "k 4 length"]:
    """The backgrounds (some ``rows`` of them) with these motifs in them."""
    rows = np.arange(len(places)) if rows is None else rows
    one_hot = places.backgrounds.one_hot[rows]
    for site in sites:
        drawn = places.letters[site.motif][site.place]
        letters = (drawn.control if site.scrambled else drawn.motif)[rows]
        width, anchor, other = letters.shape[1], places.anchor[rows], places.reverse[rows]
        start = anchor - width if site.place == FIRST else anchor + spacing
        mirrored = places.backgrounds.start[rows] + places.backgrounds.end[rows] - start - width
        turned = other ^ (site.strand == "-")
        letters = np.where(turned[:, None], 3 - letters[:, ::-1], letters)
        one_hot = plant(one_hot, np.where(other, mirrored, start)[:, None], letters[:, None])
    return one_hot


def _letters(ppm: Float[np.ndarray, "4 width"], n: int, seed: int, *names: str) -> Letters:
    """Drawn from the frequencies; the control is each draw with its columns in another order."""
    rng = stream(seed, "pairs", *names)
    motif = sample(ppm, (n, 1), rng)[:, 0]
    orders, likeness = unlike_orders(normalised(ppm), n, rng)
    return Letters(motif, np.take_along_axis(motif, orders, axis=1), likeness)
