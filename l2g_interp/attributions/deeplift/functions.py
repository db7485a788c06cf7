"""A model's own ``torch.autograd.Function`` counts by what its forward computes; its backward is about training."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from l2g_interp.attributions.deeplift.witness import Witness

LEFT_ALONE = (__package__ or "", "torch.nn.modules._functions")  # our rules; hooks on gradients look for their function
HOME = torch.autograd.function._SingleLevelFunction  # whose apply every function's own ends up at


@contextmanager
def by_their_forward(witness: Witness | None) -> Iterator[None]:
    """While this is entered, autograd functions run their forward and nothing else, so that it can be intercepted."""

    here = threading.get_ident()

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if cls.__module__.startswith(LEFT_ALONE) or threading.get_ident() != here:  # another thread may be training
            return super(HOME, cls).apply(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        given = args if cls.setup_context is not torch.autograd.Function.setup_context else (_context(args), *args)
        if witness is None:
            return cls.forward(*given, **kwargs)
        with witness.named(f"the torch.autograd.Function {cls.__module__}.{cls.__qualname__}"):
            output = cls.forward(*given, **kwargs)
            if any(isinstance(value, Tensor) and value.requires_grad for value in args):
                witness.expect(tree_leaves(output))
        return output

    HOME.apply = classmethod(apply)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        del HOME.apply  # pyright: ignore[reportAttributeAccessIssue]


def _context(args: tuple) -> SimpleNamespace:
    """What a forward asks of its context."""
    asked = ("save_for_backward", "save_for_forward", "mark_dirty", "mark_non_differentiable", "set_materialize_grads")
    needs = tuple(isinstance(value, Tensor) and value.requires_grad for value in args)
    return SimpleNamespace(**dict.fromkeys(asked, lambda *_: None), needs_input_grad=needs)
