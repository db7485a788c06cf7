"""Where motifs are planted to see what the model does: shuffled backgrounds, positions, instances and controls.

All random draws depend only on the seed and the pattern's name, so one pattern's result does not depend on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles, runs
from l2g_interp.motifs.matrices import normalised, reverse_complement

CANDIDATES = 10  # orders of the columns that are drawn for each one that is used
UNLIKE = 0.6  # an order of the columns is a control if its likeness to the motif is below this at every shift
NO_CONTROL = 0.8  # above this even the least similar order is practically the motif itself


@dataclass(frozen=True)
class Backgrounds:
    """Shuffled sequences, and the stretch of each (half-open) that can be planted in: its longest without N."""

    one_hot: Int8[np.ndarray, "b 4 length"]
    start: Int[np.ndarray, " b"]
    end: Int[np.ndarray, " b"]

    def __len__(self) -> int:
        return len(self.one_hot)


@dataclass(frozen=True)
class Planting:
    """Copies to plant into each background: first base (-1: no room), letters 0-3 of the motif and of its control.

    Letters are those of the forward strand; ``likeness`` is that of the most similar control, from 0 to 1.
    """

    starts: Int[np.ndarray, "b copies"]
    motif: Int[np.ndarray, "b copies width"]
    control: Int[np.ndarray, "b copies width"]
    likeness: float


def stream(seed: int, *names: str) -> np.random.Generator:
    """A random generator for this seed and purpose, named by ``names``."""
    digest = blake2b("\0".join(names).encode(), key=str(int(seed)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def draw_rows(n: int, n_backgrounds: int, seed: int) -> Int[np.ndarray, " backgrounds"]:
    """Which of ``n`` sequences to shuffle, in ascending order; each as often as any other, give or take one."""
    rounds, rest = divmod(n_backgrounds, n)
    some = stream(seed, "rows").choice(n, rest, replace=False)
    return np.sort(np.concatenate([np.repeat(np.arange(n), rounds), some]))


def draw_backgrounds(one_hot: Int8[np.ndarray, "b 4 length"], seed: int, first: int = 0) -> Backgrounds:
    """One dinucleotide shuffle of each sequence; a repeated sequence is shuffled differently each time.

    ``first``: how many were drawn before, where they are drawn in blocks.
    """
    seeds = stream(seed, "shuffles").integers(2**62, size=first + len(one_hot))[first:].tolist()
    shuffled = np.stack([dinucleotide_shuffles(x, 1, s)[0] for x, s in zip(one_hot, seeds, strict=True)])
    stretches = [max(runs(x.any(axis=0)), key=lambda run: run[1] - run[0], default=(0, 0)) for x in shuffled]
    start, end = np.array(stretches).T
    return Backgrounds(shuffled, start, end)


def draw_planting(
    ppm: Float[np.ndarray, "4 width"], backgrounds: Backgrounds, copies: int, rng: np.random.Generator
) -> Planting:
    """Positions, strands and letters of up to ``copies`` copies that do not overlap.

    Letters are drawn from the PPM, separately for each copy, so that the mean is over the motif's real variation; the
    consensus alone would overstate what the motif does. The control is the same letters in another order of the
    columns, drawn separately for each copy. Half of the copies lie on either strand.
    """
    n, width = len(backgrounds), ppm.shape[1]
    starts = np.stack([_starts(s, e, width, copies, rng) for s, e in _stretches(backgrounds)])
    reverse = rng.permuted(np.tile(np.arange(n) % 2 == 1, (copies, 1)), axis=1).T
    motif = sample(ppm, (n, copies), rng)
    orders, likeness = unlike_orders(normalised(ppm), n * copies, rng)
    control = np.take_along_axis(motif, orders.reshape(motif.shape), axis=2)
    return Planting(starts, _on_strand(motif, reverse), _on_strand(control, reverse), likeness)


def plant(
    one_hot: Int8[np.ndarray, "b 4 length"], starts: Int[np.ndarray, "b copies"], letters: Int[np.ndarray, "b copies _"]
) -> Int8[np.ndarray, "b 4 length"]:
    """The sequences with the letters written into them."""
    planted, rows = one_hot.copy(), np.arange(len(one_hot))[:, None]
    bases = np.eye(4, dtype=np.int8)
    for copy in range(starts.shape[1]):
        columns = starts[:, copy, None] + np.arange(letters.shape[2])
        planted[rows, :, columns] = bases[letters[:, copy]]
    return planted


def sample(
    ppm: Float[np.ndarray, "4 width"], shape: tuple[int, int], rng: np.random.Generator
) -> Int[np.ndarray, "b copies width"]:
    """Instances of a motif as letters 0-3, column by column from its frequencies."""
    cumulative = np.cumsum(normalised(ppm), axis=0).T
    draws = rng.random((*shape, ppm.shape[1], 1))
    return (draws > cumulative).sum(axis=3).clip(max=3)


def unlike_orders(
    ppm: Float[np.ndarray, "4 width"], n: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "n width"], float]:
    """Orders of a motif's columns that no longer resemble it, and the likeness of the most similar of them.

    The identity, shifts of the motif and its reverse complement are too similar; where a motif has hardly any other
    order (AAAAAA), the least similar are taken.
    """
    width = ppm.shape[1]
    orders = rng.permuted(np.tile(np.arange(width), (CANDIDATES * n, 1)), axis=1)
    alike = likeness(ppm, orders)
    fit = np.flatnonzero(alike <= UNLIKE)[:n]
    chosen = fit if len(fit) == n else np.argsort(alike, kind="stable")[:n]
    return orders[chosen], float(alike[chosen].max())


def likeness(ppm: Float[np.ndarray, "4 width"], orders: Int[np.ndarray, "m width"]) -> Float[np.ndarray, " m"]:
    """How similar a motif with its columns in another order is to itself, 1 for the identity.

    The probability that both have the same letter, summed over the columns and divided by that of the motif with
    itself; the maximum over both strands and shifts of up to half the width.
    """
    width = ppm.shape[1]
    permuted = ppm[:, orders]  # (4, m, width)
    best = np.zeros(len(orders))
    for matrix in (ppm, reverse_complement(ppm)):
        for shift in range(-(width // 2), width // 2 + 1):
            left, right = max(0, shift), min(width, width + shift)
            part = permuted[:, :, left - shift : right - shift]
            best = np.maximum(best, np.einsum("amw,aw->m", part, matrix[:, left:right]))
    return best / (ppm**2).sum()


def _stretches(backgrounds: Backgrounds):
    return zip(backgrounds.start.tolist(), backgrounds.end.tolist(), strict=True)


def _starts(start: int, end: int, width: int, copies: int, rng: np.random.Generator) -> Int[np.ndarray, " copies"]:
    """First bases of copies that do not overlap, in random order; -1 for those beyond what the stretch holds."""
    held = min(copies, (end - start) // width)
    free = end - start - held * width
    offsets = np.sort(rng.integers(0, free + 1, held)) + width * np.arange(held)
    return np.concatenate([start + rng.permutation(offsets), np.full(copies - held, -1)]).astype(np.int64)


def _on_strand(
    letters: Int[np.ndarray, "b copies width"], reverse: Bool[np.ndarray, "b copies"]
) -> Int[np.ndarray, "b copies width"]:
    return np.where(reverse[:, :, None], 3 - letters[:, :, ::-1], letters)
