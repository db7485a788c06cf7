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
    ``stability``: expected correlation of the contributions with those from another draw of as many references.
    A quantity that a method does not define is NaN.
    ``unruled``: functions without a rule that were treated as linear (``on_missing="warn"``), so sums need not hold.
    """

    hypothetical: Float32[np.ndarray, "n t 4 length"]
    prediction: Float32[np.ndarray, "n t"]
    reference_prediction: Float32[np.ndarray, "n t"]
    delta: Float32[np.ndarray, "n t"]
    standard_error: Float32[np.ndarray, "n t length"]
    stability: Float32[np.ndarray, "n t"]
    unruled: tuple[str, ...] = ()


def joined(parts: Sequence[MethodResult]) -> MethodResult:
    """The results of consecutive parts as one."""
    names = [f.name for f in fields(MethodResult) if f.name != "unruled"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return MethodResult(**arrays, unruled=tuple(sorted({name for part in parts for name in part.unruled})))
