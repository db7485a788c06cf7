"""Products of two things that both vary, and other functions of degree two: the gradient at the midpoint.

For a bilinear y = B(a, b), with bars for midpoints between example and reference and D for differences::

    B(a_x, b_x) - B(a_r, b_r) = B(Da, b_bar) + B(a_bar, Db)

so each side takes the other's midpoint: just the ordinary gradient of B, taken at the midpoint. The same holds for
squares, and for any sum of terms of degree one and two, such as ``addcmul`` or ``baddbmm``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from l2g_interp.attributions.deeplift.layout import Layout


class _Mul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, a_middle: Tensor, b_middle: Tensor) -> Tensor:
        ctx.save_for_backward(a_middle, b_middle)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore
        a, b = ctx.saved_tensors
        return (grad * b).sum_to_size(a.shape), (grad * a).sum_to_size(b.shape), None, None


class _Matmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, a_middle: Tensor, b_middle: Tensor) -> Tensor:
        ctx.save_for_backward(a_middle, b_middle)
        return a @ b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore
        a, b = ctx.saved_tensors
        return (grad @ b.mT).sum_to_size(a.shape), (a.mT @ grad).sum_to_size(b.shape), None, None


class _Quadratic(torch.autograd.Function):
    """Any function of degree two; its backward runs the function once more, at the midpoint."""

    @staticmethod
    def forward(ctx: Any, call: Callable[..., Tensor], middles: list[Tensor], *varying: Tensor) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(*middles)
        return call(*varying)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        with torch.enable_grad():
            middles = [m.detach().requires_grad_() for m in ctx.saved_tensors]
            return (None, None, *torch.autograd.grad(ctx.call(*middles), middles, grad))


def product(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``a * b``, ``a @ b`` and every other function of degree two in what varies."""
    name = func.__name__.strip("_")
    if len(args) == 2 and not kwargs and all(isinstance(a, Tensor) and a.requires_grad for a in args):
        function = {"mul": _Mul, "multiply": _Mul, "rmul": _Mul, "imul": _Mul}.get(name)
        if name in ("matmul", "bmm", "mm") and args[0].dim() > 1 and args[1].dim() > 1:
            function = _Matmul
        if function is not None:
            middles = (layout.midpoint(x, r.detach()) for x, r in zip(example.args, args, strict=True))
            return function.apply(*args, *middles)  # pyright: ignore
    return _quadratic(layout, func, example, args, kwargs)


def _quadratic(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    leaves, tree = tree_flatten((args, kwargs))
    of_example, _ = tree_flatten((example.args, example.kwargs))
    where = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]

    def call(*varying: Tensor) -> Tensor:
        filled = list(leaves)
        for i, tensor in zip(where, varying, strict=True):
            filled[i] = tensor
        full_args, full_kwargs = tree_unflatten(filled, tree)
        return func(*full_args, **full_kwargs)

    middles = [layout.midpoint(of_example[i], leaves[i].detach()) for i in where]
    return _Quadratic.apply(call, middles, *(leaves[i] for i in where))  # pyright: ignore
