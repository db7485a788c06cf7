"""What a model predicts for sequences that were made to ask it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int8

from l2g_core.errors import InputError

if TYPE_CHECKING:
    from torch import nn


def predicted(
    model: nn.Module, one_hot: Int8[np.ndarray, "n 4 length"], columns: Sequence[int], rows: int
) -> Float[np.ndarray, "n t"]:
    """These outputs of the model, ``rows`` sequences per forward pass.

    Raises
    ------
    InputError
        Predictions are NaN or infinite.
    """
    import torch

    from l2g_interp.attributions.statistics import predict

    found = predict(model, torch.from_numpy(one_hot), columns, rows).cpu().numpy()
    if lost := int((~np.isfinite(found)).any(axis=1).sum()):
        raise InputError(f"the model predicts NaN or infinity for {lost} of {len(found)} sequences; check the model")
    return found
