"""What every attribution method returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    ``fold_spread``, ``prediction_spread``: standard deviations between folds, of the contribution of the base that is
    there and of the prediction; None unless the mean of several was explained.
    ``n_references``: how many were taken, where that was found out for each sequence.
    ``unruled``: functions without a rule that were treated as linear (``on_missing="warn"``), so sums need not hold.
    """

    hypothetical: Float32[np.ndarray, "n t 4 length"]
    prediction: Float32[np.ndarray, "n t"]
    reference_prediction: Float32[np.ndarray, "n t"]
    delta: Float32[np.ndarray, "n t"]
    standard_error: Float32[np.ndarray, "n t length"]
    stability: Float32[np.ndarray, "n t"]
    unruled: tuple[str, ...] = ()
    fold_spread: Float32[np.ndarray, "n t length"] | None = None
    prediction_spread: Float32[np.ndarray, "n t"] | None = None
    n_references: Float32[np.ndarray, "n t"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """The quantities that there are, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def rows(self, rows: np.ndarray | slice) -> MethodResult:
        """The result of some of the sequences."""
        return replace(self, **{name: value[rows] for name, value in self.arrays().items()})


def joined(parts: Sequence[MethodResult]) -> MethodResult:
    """The results of consecutive parts as one."""
    arrays = {name: np.concatenate([part.arrays()[name] for part in parts]) for name in parts[0].arrays()}
    return MethodResult(**arrays, unruled=unruled_in(parts))


def unruled_in(results: Sequence[MethodResult]) -> tuple[str, ...]:
    """The functions without a rule in any of the results, each once."""
    return tuple(sorted({name for result in results for name in result.unruled}))
