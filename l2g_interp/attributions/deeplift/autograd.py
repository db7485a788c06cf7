"""Autograd as in plain code, wherever a model calls a function: what it computes does not depend on that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_hooks_on_what_is_saved = torch._C._autograd._top_saved_tensors_default_hooks  # pyright: ignore[reportAttributeAccessIssue]


def is_ordinary() -> bool:
    """Whether gradients are followed, and nothing stands between autograd and what it saves (a checkpoint does)."""
    return torch.is_grad_enabled() and _hooks_on_what_is_saved(True) is None


@contextmanager
def ordinary() -> Iterator[None]:
    """Follow gradients inside ``torch.no_grad``, ``inference_mode`` or a checkpoint, too."""
    with torch.inference_mode(False), torch.enable_grad():
        if is_ordinary():
            yield
            return
        with torch.autograd.graph.saved_tensors_hooks(_as_it_is, _as_it_is):
            yield


def _as_it_is(value: Any) -> Any:
    return value
