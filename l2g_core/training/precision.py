"""Mixed precision (bf16, fp16) in the training step: faster on GPUs that support it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from l2g_core.training.options import Precision

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def default_precision(device: str) -> Precision:
    """bf16 on a GPU that supports it natively, fp32 elsewhere."""
    on_gpu = torch.device(device).type == "cuda"
    return "bf16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """A context in which matrix products and convolutions have this precision; weights and sensitive sums stay fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, DTYPES[precision])
