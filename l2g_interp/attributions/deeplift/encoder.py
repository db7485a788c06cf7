"""What ``nn.TransformerEncoder`` does with padding when no gradient is asked for: its outputs there are zeros.

Under ``torch.no_grad`` it takes a fast path: it drops the padded tokens and puts zeros in their place after the last
layer (before its ``norm``). With gradients it computes them like any others. What is explained is what the model
predicts, so the zeros are put there in a pass with gradients, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def as_in_prediction(model: nn.Module) -> Iterator[None]:
    """While this is entered, the model's encoders do with padding what they do when they predict."""
    handles = []
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder) and getattr(encoder, "use_nested_tensor", False):
            hidden: list[Tensor | None] = [None]
            handles.append(encoder.register_forward_pre_hook(_look_for_padding(hidden), with_kwargs=True))
            handles.append(encoder.layers[-1].register_forward_hook(_put_zeros(hidden)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _look_for_padding(hidden: list[Tensor | None]) -> Any:
    def before(encoder: nn.TransformerEncoder, args: tuple, kwargs: dict) -> None:
        names = ("src", "mask", "src_key_padding_mask")
        given: dict[str, Any] = dict.fromkeys(names) | dict(zip(names, args, strict=False)) | kwargs
        src, mask, padding = (given[name] for name in names)
        drops = padding is not None and mask is None and src.dim() == 3 and not torch.is_autocast_enabled()
        if drops and torch.backends.mha.get_fastpath_enabled() and getattr(encoder, "mask_check", True):
            drops = bool(torch._nested_tensor_from_mask_left_aligned(src, padding == 0))
        hidden[0] = padding != 0 if drops and torch.backends.mha.get_fastpath_enabled() else None

    return before


def _put_zeros(hidden: list[Tensor | None]) -> Any:
    def after(layer: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return output if hidden[0] is None else output.masked_fill(hidden[0].unsqueeze(-1), 0.0)

    return after
