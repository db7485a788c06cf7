"""References to explain a prediction against: shuffles of the sequence that keep every dinucleotide count (A.8).

The draw is uniform over all distinct shuffles (Eulerian walks, by ``dinuc_shuf``) and depends on nothing but the
seed and the sequence itself: not on its neighbours, the padding, the batch, the shard or the number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from jaxtyping import Float32, Int8

from l2g_core.errors import InputError

N_COMPOSITION = 500  # shuffles: as expensive as 7 references of a small network


def dinucleotide_shuffles(
    one_hot: Int8[np.ndarray, "4 length"] | Int8[np.ndarray, "n 4 length"], n_references: int, seed: int
) -> Int8[np.ndarray, "*n references 4 length"]:
    """Shuffle sequences, keeping the count of every dinucleotide, the first and the last base.

    All-zero columns (N, and the padding at the end) stay where they are and each stretch between them is shuffled
    by itself, so that no dinucleotide is made or lost across a gap, and a gap never differs from its reference.
    A sequence with a single such order, such as AAAA, is its own reference.

    Parameters
    ----------
    one_hot
        One sequence or a batch of them.
    n_references
        Shuffles per sequence, drawn with replacement.
    seed
        Any integer; the random stream of each sequence is derived from it and the sequence's letters.

    Returns
    -------
    int8 array ``(references, 4, length)``, or ``(n, references, 4, length)`` for a batch.

    Raises
    ------
    InputError
        ``n_references`` is below 1, or a column holds anything but one 1 or four 0s.
    """
    if n_references < 1:
        raise InputError(f"{n_references} references: at least 1 is needed")
    if one_hot.ndim == 3:
        shuffles = [dinucleotide_shuffles(each, n_references, seed) for each in one_hot]
        return np.stack(shuffles) if shuffles else np.empty((0, n_references, *one_hot.shape[1:]), np.int8)
    return _shuffles(one_hot, n_references, _stream(one_hot, seed))


def expected_composition(one_hot: Int8[np.ndarray, "n 4 length"], seed: int) -> Float32[np.ndarray, "n 4 length"]:
    """How often each base stands at each position over all shuffles of each sequence, out of `N_COMPOSITION` of them.

    These are drawn apart from the references of the same seed, and the model never sees them.
    """
    composition = np.empty(one_hot.shape, dtype=np.float32)
    for each, mean in zip(one_hot, composition, strict=True):
        mean[:] = _shuffles(each, N_COMPOSITION, _stream(each, seed, "composition")).mean(0, dtype=np.float64)
    return composition


def _known_columns(one_hot: np.ndarray) -> np.ndarray:
    total = one_hot.sum(axis=0, dtype=np.int64)
    if one_hot.shape[0] != 4 or one_hot.min(initial=0) < 0 or total.max(initial=0) > 1:
        raise InputError("a sequence is not one-hot: each column needs one 1 among A, C, G, T, or four 0s for N")
    return total == 1


def _shuffles(one_hot: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    shuffled = np.repeat(one_hot[None], n, axis=0)
    for start, end in runs(_known_columns(one_hot)):
        shuffled[:, :, start:end] = _shuffle(one_hot[:, start:end], n, rng)
    return shuffled


def _stream(one_hot: np.ndarray, seed: int, purpose: str = "") -> np.random.Generator:
    """A random stream of this seed and these letters; padding at the end does not count as letters."""
    letters = np.where(one_hot.any(axis=0), one_hot.argmax(axis=0), 4).astype(np.uint8).tobytes()
    digest = blake2b(letters.rstrip(b"\x04"), key=f"{int(seed)}{purpose}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def runs(known: np.ndarray) -> Iterator[tuple[int, int]]:
    """Half-open bounds of each stretch of known bases."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _shuffle(run: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    from dinuc_shuf import shuffle

    copies = np.repeat(run.T[None].astype(np.uint8), n, axis=0)
    return shuffle(copies, rng=rng, verify=False).transpose(0, 2, 1)
