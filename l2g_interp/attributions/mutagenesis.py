"""In-silico saturation mutagenesis: what the prediction becomes with each other base, at each position in turn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Num
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
    Columns without a base (N, padding) get 0. Parameters, shapes and errors are those of ``deep_lift_shap``.
    """
    check_inputs(model, one_hot, references)
    device, dtype = device_and_dtype(model)
    rows, length = batch_size or DEFAULT_ROWS, one_hot.shape[-1]
    result = empty_result(len(one_hot), len(targets), length)
    result.hypothetical[:] = 0
    for i, x in enumerate(one_hot.to(device, dtype)):
        positions = x.any(0).nonzero().squeeze(1)
        prediction = predict(model, x[None], targets, 1)
        result.prediction[i] = prediction.cpu().numpy()
        if len(positions):
            effect = _effects(model, x, positions, targets, rows).cpu().numpy()
            result.hypothetical[i][:, :, positions.cpu().numpy()] = effect
    return result


def _effects(model: nn.Module, x: Tensor, positions: Tensor, targets: Sequence[int], rows: int) -> Tensor:
    """What each base does at each position: ``(targets, 4, positions)``."""
    per = max(1, rows // 4)
    parts = []
    for some in positions.split(per):
        mutants = x.repeat(len(some), 4, 1, 1)
        index = torch.arange(len(some), device=x.device)
        mutants[index, :, :, some] = torch.eye(4, dtype=x.dtype, device=x.device)
        parts.append(predict(model, mutants.flatten(0, 1), targets, rows).view(len(some), 4, -1))
    outputs = torch.cat(parts)
    return (outputs - outputs.mean(1, keepdim=True)).permute(2, 1, 0)
