"""What every attribution method returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class MethodResult:
    """Contributions of ``n`` sequences of ``length`` bp to ``t`` targets, in the units of the output.

    ``hypothetical``: what each base would contribute at each position, averaged over the references.
    ``prediction`` f(x); ``reference_prediction`` the mean of f(reference).
    ``delta``: mean over references of |sum of contributions - (f(x) - f(reference))|.
    ``standard_error``: of the contribution of the base that is there, over the references.
    ``stability``: expected correlation of the contributions with those from a fresh draw of as many references.
    A quantity that a method does not define is NaN.
    ``unruled``: functions that were let through without a rule (``on_missing="warn"``), so sums need not hold.
    """

    hypothetical: Float32[np.ndarray, "n t 4 length"]
    prediction: Float32[np.ndarray, "n t"]
    reference_prediction: Float32[np.ndarray, "n t"]
    delta: Float32[np.ndarray, "n t"]
    standard_error: Float32[np.ndarray, "n t length"]
    stability: Float32[np.ndarray, "n t"]
    unruled: tuple[str, ...] = ()


def joined(parts: Sequence[MethodResult]) -> MethodResult:
    """Consecutive sequences, one part after the other."""
    arrays = [f.name for f in fields(MethodResult) if f.name != "unruled"]
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
    return MethodResult(**whole, unruled=tuple(sorted({name for part in parts for name in part.unruled})))
