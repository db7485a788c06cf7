"""tangermeme behind our signature, as it is and with its rules registered by hand."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from l2g_interp.attributions.result import MethodResult


def tangermeme(
    model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], rows: int, **rules: Any
) -> MethodResult:
    """One call per target; multipliers are kept raw so that the sums can be checked as for the others."""
    from tangermeme.deep_lift_shap import deep_lift_shap

    from l2g_interp.attributions.statistics import device_and_dtype, empty_result, no_sums, predict, store

    device, _ = device_and_dtype(model)
    floats, of_floats = x.float(), references.float()
    result = empty_result(len(x), len(targets), x.shape[-1])
    sums = no_sums(predict(model, x, targets, rows), x.shape[-1])
    r = references.shape[1]
    outputs = predict(model, references.flatten(0, 1), targets, rows).view(len(x), r, -1)
    for column, target in enumerate(targets):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = deep_lift_shap(
                model,
                floats,
                target=target,
                references=of_floats,
                batch_size=rows,
                raw_outputs=True,
                device=device,
                **rules,
            )
        multipliers = raw.to(device).view(len(x), r, 4, -1)
        sums.add(column, floats.to(device), of_floats.to(device), multipliers, outputs[..., column])
    store(result, slice(0, len(x)), sums, floats.to(device), r)
    return result


def tangermeme_registered(
    model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], rows: int
) -> MethodResult:
    """With attention written as modules and the language model's GELU registered: its fairest form."""
    from tangermeme.deep_lift_shap import _nonlinear
    from transformers.activations import GELUActivation

    if hasattr(model, "encoder"):
        register_attention(model.encoder)
    return tangermeme(model, x, references, targets, rows, additional_nonlinear_ops={GELUActivation: _nonlinear})


def register_attention(encoder: Any) -> None:
    """Give every self-attention modules that tangermeme has rules for, and make the model call them."""
    from tangermeme.deep_lift_shap import BilinearOp
    from transformers import AttentionInterface

    def attend(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **kwargs):
        scores = module.scores(query * (scaling or query.shape[-1] ** -0.5), key)
        scores = scores if attention_mask is None else scores + attention_mask
        return module.mix(module.weigh(scores), value).transpose(1, 2).contiguous(), None

    AttentionInterface.register("modules", attend)
    for module in encoder.modules():
        if type(module).__name__.endswith("SelfAttention") and not hasattr(module, "scores"):
            module.scores, module.mix = BilinearOp("bhqd,bhkd->bhqk"), BilinearOp("bhqk,bhkd->bhqd")
            module.weigh = nn.Softmax(dim=-1)
    encoder.set_attn_implementation("modules")
