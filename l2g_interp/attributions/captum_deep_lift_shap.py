"""DeepLIFT by captum's hooks on modules: what the paper used (appendix A.8). Kept for comparison; mostly wrong.

It sees only the modules it has rules for, so whatever a model calls as functions (attention, GELU, softmax) is treated
as linear, and its rule for max pooling is inexact. ``delta`` is how far the contributions are from adding up.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Num
from torch import Tensor, nn

from l2g_core.errors import InputError, missing_extra
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


def captum_deep_lift_shap(
    model: nn.Module,
    one_hot: Num[Tensor, "n 4 length"],
    references: Num[Tensor, "n r 4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
) -> MethodResult:
    """Captum's DeepLiftShap, one call per sequence, target and chunk of references.

    Parameters, shapes, result and errors are those of ``deep_lift_shap``; also raises InputError for a model that
    captum cannot handle, such as one that uses a module twice, and where captum is not installed.
    """
    _captums_class()  # is captum there?
    check_inputs(model, one_hot, references)
    device, dtype = device_and_dtype(model)
    rows, r = batch_size or DEFAULT_ROWS, references.shape[1]
    result = empty_result(len(one_hot), len(targets), one_hot.shape[-1])
    prediction = predict(model, one_hot, targets, rows)
    for i in range(len(one_hot)):
        x = one_hot[i : i + 1].to(device, dtype)
        sums = no_sums(prediction[i : i + 1], one_hot.shape[-1])
        for chunk in references[i].to(device, dtype).split(rows):
            reference_prediction = predict(model, chunk, targets, rows)
            for column, target in enumerate(targets):
                multipliers = _multipliers(model, x, chunk, targets, target)
                sums.add(column, x, chunk[None], multipliers[None], reference_prediction[None, :, column])
        store(result, slice(i, i + 1), sums, x, r)
    return result


class _Checked(nn.Module):
    """The model with its output checked, as a module: captum sets its hooks on modules."""

    def __init__(self, model: nn.Module, targets: Sequence[int]) -> None:
        super().__init__()
        self.model, self.targets = model, targets

    def forward(self, x: Tensor) -> Tensor:
        return checked_output(self.model(x), len(x), self.targets)


def _captums_class() -> Any:
    try:
        from captum.attr import DeepLiftShap
    except ImportError as error:
        raise missing_extra("the method captum_deep_lift_shap", "captum", "peers") from error
    return DeepLiftShap


def _multipliers(
    model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], target: int
) -> Num[Tensor, "r 4 length"]:
    kept: list[Tensor] = []

    def keep(multipliers: tuple[Tensor], inputs: tuple[Tensor], baselines: tuple[Tensor]) -> tuple[Tensor]:
        kept.append(multipliers[0].detach())
        return multipliers

    with warnings.catch_warnings(), torch.enable_grad():
        warnings.filterwarnings("ignore", message=r"(?s)\s*Setting forward, backward hooks", category=UserWarning)
        warnings.filterwarnings("ignore", message=r"Input Tensor \d+ (did not|has)", category=UserWarning)
        method = _captums_class()(_Checked(model, targets).eval())
        try:
            method.attribute(x.clone().requires_grad_(), references, target=target, custom_attribution_func=keep)
        except (RuntimeError, AssertionError, AttributeError) as error:
            raise InputError(
                f"captum's DeepLiftShap cannot handle this model ({str(error).splitlines()[0]}); use deep_lift_shap"
            ) from error
    return kept[0]
