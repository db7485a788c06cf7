"""In-silico saturation mutagenesis: what the prediction becomes with each other base, at each position in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Num
from torch import Tensor, nn

from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.statistics import check_inputs, device_and_dtype, empty_result, predict

DEFAULT_ROWS = 256


def mutagenesis(
    model: nn.Module,
    one_hot: Num[Tensor, "n 4 length"],
    references: Num[Tensor, "n r 4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
) -> MethodResult:
    """Prediction with each base at each position, minus the mean over the four bases there.

    The references are not used and the contributions need not add up, so the quantities that need references are NaN.
    Columns without a base (N, padding) get 0. Parameters, shapes and errors are those of ``deep_lift_shap``; the
    predictions themselves come from `mutant_predictions`.
    """
    check_inputs(model, one_hot, references)
    result = empty_result(len(one_hot), len(targets), one_hot.shape[-1])
    result.prediction[:] = predict(model, one_hot, targets, 1).cpu().numpy()
    outputs = mutant_predictions(model, one_hot, targets, batch_size=batch_size)
    known = one_hot.bool().any(1).cpu().numpy()[:, None, None]
    result.hypothetical[:] = np.where(known, outputs - outputs.mean(2, keepdims=True), 0)
    return result


def mutant_predictions(
    model: nn.Module, one_hot: Num[Tensor, "n 4 length"], targets: Sequence[int], *, batch_size: int | None = None
) -> Float64[np.ndarray, "n t 4 length"]:
    """What the model predicts for every single change of each sequence.

    Parameters
    ----------
    model
        In evaluation mode, from ``(batch, 4, length)`` to ``(batch, targets)``.
    one_hot
        Sequences, rows ACGT.
    targets
        Columns of the model's output.
    batch_size
        Rows per forward pass.

    Returns
    -------
    numpy.ndarray
        The prediction, in the units of the output, with each base (rows ACGT) at each position. For the base that is
        there it is the prediction for the sequence itself; in columns without a base (N, padding) it is NaN.

    Raises
    ------
    InputError
        The model's output is not ``(batch, targets)`` or lacks a target.
    """
    device, dtype = device_and_dtype(model)
    n, _, length = one_hot.shape
    outputs = np.full((n, len(targets), 4, length), np.nan)
    for output, x in zip(outputs, one_hot.to(device, dtype), strict=True):
        output[:, x.bool().cpu().numpy()] = predict(model, x[None], targets, 1).cpu().numpy().T
        changes = ((x == 0) & x.any(0)).nonzero()
        for some in changes.split(batch_size or DEFAULT_ROWS):
            mutants, (base, position) = x.repeat(len(some), 1, 1), some.T
            row = torch.arange(len(some), device=device)
            mutants[row, :, position] = 0
            mutants[row, base, position] = 1
            output[:, base.cpu(), position.cpu()] = predict(model, mutants, targets, len(some)).cpu().numpy().T
    return outputs
