"""Gradient of the prediction at the sequence, times the sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Num
from torch import Tensor, nn

from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.statistics import check_inputs, checked_output, device_and_dtype, empty_result

DEFAULT_ROWS = 64


def input_x_gradient(
    model: nn.Module,
    one_hot: Num[Tensor, "n 4 length"],
    references: Num[Tensor, "n r 4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
) -> MethodResult:
    """Gradient of the prediction with respect to the one-hot sequence, as hypothetical contributions.

    The references are not used and the contributions need not add up, so the quantities that need references are NaN.
    Parameters, shapes and errors are those of ``deep_lift_shap``.
    """
    check_inputs(model, one_hot, references)
    device, dtype = device_and_dtype(model)
    rows = batch_size or DEFAULT_ROWS
    result = empty_result(len(one_hot), len(targets), one_hot.shape[-1])
    for start in range(0, len(one_hot), rows):
        part = slice(start, start + rows)
        x = one_hot[part].to(device, dtype).requires_grad_()
        with torch.enable_grad():
            output = checked_output(model(x), len(x), targets)
            result.prediction[part] = output.detach()[:, list(targets)].float().cpu().numpy()
            for column, target in enumerate(targets):
                (gradient,) = torch.autograd.grad(output[:, target].sum(), x, retain_graph=True)
                result.hypothetical[part, column] = gradient.float().cpu().numpy()
    return result
