"""On which scale effects are compared: two motifs that add up on one do not on another.

A network that ends in a sigmoid saturates: near 1 every second motif adds less than the first, whatever it does inside.
On the logit of such an output, independent motifs add up; and on the logarithm of a count those that multiply it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from l2g_core.errors import InputError

NEAREST = 1e-6  # to 0 and 1: float32 tells no more of a probability there


def as_it_is(outputs: np.ndarray) -> np.ndarray:
    return outputs


def logit(outputs: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of probabilities; those nearer than `NEAREST` to 0 or 1 count as that far away."""
    if outputs.size and not (outputs.min() >= 0 and outputs.max() <= 1):
        raise InputError(
            f"scale logit: the model's outputs go from {outputs.min():.3g} to {outputs.max():.3g} and are no "
            "probabilities; use another scale"
        )
    p = outputs.clip(NEAREST, 1 - NEAREST)
    return np.log(p) - np.log1p(-p)


def log(outputs: np.ndarray) -> np.ndarray:
    """The natural logarithm of outputs that are all positive."""
    if outputs.size and not outputs.min() > 0:
        raise InputError(
            f"scale log: the model's outputs go down to {outputs.min():.3g}, and only positive ones have a logarithm; "
            "use another scale"
        )
    return np.log(outputs)


SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"output": as_it_is, "logit": logit, "log": log}
