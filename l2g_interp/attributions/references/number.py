"""How many references are enough."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float


def references_needed(
    stability: Float[np.ndarray, " n"], n_references: int | float | Float[np.ndarray, " n"], wanted: float
) -> Float[np.ndarray, " n"]:
    """How many references would give each sequence the ``wanted`` stability, as the noise falls with their number.

    A stability s at n references says that noise and signal are as 1 - s to s in variance. Infinite where there is no
    signal, NaN where stability is not known.
    """
    with np.errstate(divide="ignore"):
        return n_references * (1 - stability) / stability * wanted / (1 - wanted)


def would_do(
    stability: Float[np.ndarray, " n"], n_references: int | float | Float[np.ndarray, " n"], wanted: float
) -> str:
    """How many references would do for nine in ten of the sequences, in words."""
    needed = references_needed(stability, n_references, wanted)
    known = np.sort(needed[~np.isnan(needed)])
    if not len(known):
        return ""
    enough = known[math.ceil(0.9 * len(known)) - 1]
    if not np.isfinite(enough):
        return "no number of references would do for nine in ten of them"
    digits = 10 ** max(0, math.floor(math.log10(max(enough, 1))) - 1)
    return f"about {math.ceil(enough / digits) * digits:,} references would do for nine in ten of them"
