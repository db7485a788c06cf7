"""Integrated gradients (Sundararajan et al. 2017), by captum, from each reference to the sequence."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Num
from torch import Tensor, nn

from l2g_core.errors import missing_extra
from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.statistics import (
    check_inputs,
    checked_output,
    device_and_dtype,
    empty_result,
    no_sums,
    predict,
    store,
)

DEFAULT_ROWS = 100


def integrated_gradients(
    model: nn.Module,
    one_hot: Num[Tensor, "n 4 length"],
    references: Num[Tensor, "n r 4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
    n_steps: int = 20,
) -> MethodResult:
    """Mean gradient along the straight line from each reference to the sequence, over the references.

    Exact only in the limit of many ``n_steps`` (of Gauss-Legendre quadrature); ``delta`` is how far the sums are off.
    Parameters, shapes, result and errors are those of ``deep_lift_shap``; also raises InputError
    where captum is not installed.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise missing_extra("the method integrated_gradients", "captum", "peers") from error
    check_inputs(model, one_hot, references)
    device, dtype = device_and_dtype(model)
    rows, r = batch_size or DEFAULT_ROWS, references.shape[1]
    result = empty_result(len(one_hot), len(targets), one_hot.shape[-1])
    method = IntegratedGradients(lambda x: checked_output(model(x), len(x), targets), multiply_by_inputs=False)
    prediction = predict(model, one_hot, targets, rows)
    for i in range(len(one_hot)):
        x = one_hot[i : i + 1].to(device, dtype)
        sums = no_sums(prediction[i : i + 1], one_hot.shape[-1])
        for chunk in references[i].to(device, dtype).split(rows):
            reference_prediction = predict(model, chunk, targets, rows)
            for column, target in enumerate(targets):
                gradient = method.attribute(
                    x.expand_as(chunk).contiguous(), chunk, target, n_steps=n_steps, internal_batch_size=rows
                )
                sums.add(column, x, chunk[None], gradient.to(dtype)[None], reference_prediction[None, :, column])
        store(result, slice(i, i + 1), sums, x, r)
    return result
