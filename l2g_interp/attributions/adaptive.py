"""As many references as a sequence needs: they are added in rounds until its contributions are stable enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int8

from l2g_interp.attributions.result import MethodResult, unruled_in
from l2g_interp.attributions.statistics import stability

FIRST = 20  # references of the first round; later ones add half as many as there are


def until_stable(
    explain: Callable[[np.ndarray, slice], MethodResult],
    one_hot: Int8[np.ndarray, "n 4 length"],
    most: int,
    wanted: float,
) -> MethodResult:
    """Explain sequences against as many references as it takes for each target's stability to be ``wanted``.

    Parameters
    ----------
    explain
        Of some rows of the sequences and some of their references, their result.
    one_hot
        The sequences.
    most
        How many references there are of each.
    wanted
        The expected correlation of the contributions with those from as many fresh references. A sequence without any
        contribution counts as stable.

    Returns
    -------
    The result, with the number used of each sequence. A sequence's own does not depend on its neighbours.
    """
    used = min(FIRST, most)
    rows = np.arange(len(one_hot))
    result = _with_number(explain(rows, slice(0, used)), used)
    while used < most:
        rows = rows[(result.stability[rows] < wanted).any(1)]  # NaN is not less
        if not len(rows):
            break
        more = min(max(FIRST, used // 2), most - used)
        added = _with_number(explain(rows, slice(used, used + more)), more)
        both = pooled(result.rows(rows), added, one_hot[rows])
        for name, values in both.arrays().items():
            result.arrays()[name][rows] = values
        result = replace(result, unruled=both.unruled)
        used += more
    return result


def _with_number(result: MethodResult, n: int) -> MethodResult:
    return replace(result, n_references=np.full(result.prediction.shape, n, dtype=np.float32))


def pooled(first: MethodResult, second: MethodResult, one_hot: Int8[np.ndarray, "n 4 length"]) -> MethodResult:
    """The result of two sets of references as one: means, and the variance within and between the sets."""
    a, b = _number(first), _number(second)
    n = a + b

    def mean(name: str) -> np.ndarray:
        values = [getattr(each, name).astype(np.float64) for each in (first, second)]
        shape = n.shape + (1,) * (values[0].ndim - n.ndim)
        return (values[0] * a.reshape(shape) + values[1] * b.reshape(shape)) / n.reshape(shape)

    hypothetical = mean("hypothetical")
    there, one, other = ((h * one_hot[:, None]).sum(2) for h in (hypothetical, first.hypothetical, second.hypothetical))
    within = sum((k * (k - 1))[..., None] * part.standard_error**2 for k, part in ((a, first), (b, second)))
    between = (a * b / n)[..., None] * (one.astype(np.float64) - other) ** 2
    standard_error = np.sqrt((within + between) / (n * (n - 1))[..., None])
    known = torch.from_numpy(one_hot).any(1)
    stable = stability(torch.from_numpy(there), torch.from_numpy(standard_error), known).numpy()
    arrays = {
        "hypothetical": hypothetical,
        "prediction": first.prediction,
        "reference_prediction": mean("reference_prediction"),
        "delta": mean("delta"),
        "standard_error": standard_error,
        "stability": stable,
        "n_references": n,
    }
    return MethodResult(
        **{name: values.astype(np.float32) for name, values in arrays.items()},
        unruled=unruled_in([first, second]),
    )


def _number(result: MethodResult) -> np.ndarray:
    assert result.n_references is not None
    return result.n_references.astype(np.float64)
