"""Gradient of the prediction at the sequence, corrected for what DNA cannot do, times the sequence."""

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
    """Gradient of the prediction minus its mean over the four bases, as hypothetical contributions.

    A column of DNA always sums to one, so a gradient that is the same for all four bases points to where no sequence
    lies and says nothing; training leaves noise there, which the correction takes out (Majdandzic et al. 2023,
    "Correcting gradient-based interpretations of deep neural networks for genomics", Genome Biology 24:109).
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
                gradient = gradient.float()
                result.hypothetical[part, column] = (gradient - gradient.mean(1, keepdim=True)).cpu().numpy()
    return result
