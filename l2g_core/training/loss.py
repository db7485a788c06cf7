"""The loss of each task; the same in all three stages."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def task_loss(outputs: Float[Tensor, "batch targets"], labels: Tensor, task: str) -> Tensor:
    """Mean squared error (regression), cross-entropy (classification) or binary cross-entropy (multilabel).

    Parameters
    ----------
    outputs
        Predictions: values, or logits.
    labels
        ``(batch, targets)``, NaN where a value was not measured: these do not count. For classification
        ``(batch, 1)``: the number of the class.
    """
    if task == "classification":
        return F.cross_entropy(outputs, labels[:, 0].long())
    measured = ~torch.isnan(labels)
    known = torch.where(measured, labels, 0.0)
    elementwise = F.binary_cross_entropy_with_logits if task == "multilabel" else F.mse_loss
    losses = elementwise(outputs, known, reduction="none")
    return (losses * measured).sum() / measured.sum().clamp(min=1)
