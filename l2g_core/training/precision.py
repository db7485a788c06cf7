"""Numbers of fewer bits in the training step: faster on GPUs that have them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from l2g_core.training.options import Precision

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def default_precision(device: str) -> Precision:
    """bf16 on a GPU that computes with it, fp32 elsewhere."""
    on_gpu = torch.device(device).type == "cuda"
    return "bf16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """Within it, matrix products and convolutions take this precision; weights and sums that need it stay fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, DTYPES[precision])
