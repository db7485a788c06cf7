"""Random changes like a variant: of the same kind and length, anywhere in the same window."""

from __future__ import annotations

import re
import zlib

import numpy as np

from l2g_interp.variants.changes import BASES, Change
from l2g_interp.variants.windows import Window

OTHERS = {base: "ACGT".replace(base, "") for base in "ACGT"}


def random_changes(window: Window, change: Change, n: int, seed: int) -> list[tuple[int, int, str]]:
    """Where (from the window's start), how many bases are replaced, and by which letters.

    Substitutions change as many bases as the variant does, in the same pattern, each to one of the three others with
    equal chance; inserted letters are drawn with equal chance. Stretches with letters other than A, C, G and T are left
    out. The draw depends on the seed, the window and the kind and length of the change alone, so variants of one
    sequence that are alike share it. Empty where there is no place.
    """
    n_ref, n_alt, text = change.n_ref, len(change.alt), window.reference
    places = _places(text, n_ref)
    if not n or not len(places):
        return []
    kept = _kept(change)
    shape = f"{text} {n_ref} {n_alt} {kept}"
    rng = np.random.default_rng((seed % 2**32, zlib.crc32(shape.encode())))
    starts = places[rng.integers(len(places), size=n)].tolist()
    if n_ref == n_alt:
        draws = rng.integers(3, size=(n, n_ref)).tolist()
        return [
            (at, n_ref, _substituted(text[at : at + n_ref], draw, kept))
            for at, draw in zip(starts, draws, strict=True)
        ]  # fmt: skip
    letters = rng.choice(list("ACGT"), size=(n, n_alt)).tolist()
    return [(at, n_ref, "".join(drawn)) for at, drawn in zip(starts, letters, strict=True)]


def _places(text: str, n_ref: int) -> np.ndarray:
    """Where ``n_ref`` known bases lie; where something can be inserted, if that is 0."""
    width = max(n_ref, 1)
    spans = [(found.start(), found.end()) for found in re.finditer(BASES, text)]
    return np.array([at for start, end in spans for at in range(start, end - width + 1)], dtype=np.int64)


def _kept(change: Change) -> tuple[int, ...]:
    """Which bases of a substitution stay as they are."""
    if change.longer:
        return ()
    return tuple(i for i, (ref, alt) in enumerate(zip(change.ref, change.alt, strict=True)) if ref == alt)


def _substituted(there: str, draw: list[int], kept: tuple[int, ...]) -> str:
    return "".join(base if i in kept else OTHERS[base][k] for i, (base, k) in enumerate(zip(there, draw, strict=True)))
