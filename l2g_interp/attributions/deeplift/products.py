"""Products of two things that both vary, and other functions of degree two: the gradient at the midpoint.

For a bilinear y = B(a, b), with bars for midpoints between example and reference and D for differences::

    B(a_x, b_x) - B(a_r, b_r) = B(Da, b_bar) + B(a_bar, Db)

so each side takes the other's midpoint: just the ordinary gradient of B, taken at the midpoint. The same holds for
squares, and for any sum of terms of degree one and two, such as ``addcmul`` or ``baddbmm``. A product of d things, such
as an ``einsum`` of three, has a gradient of degree d - 1 along the way from reference to example; its mean there, which
Gauss-Legendre quadrature gives exactly, takes the midpoint's place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from l2g_interp.attributions.deeplift.layout import Layout
from l2g_interp.attributions.deeplift.secants import plain_name

OF_MANY = ("einsum", "chain_matmul")  # of any degree: as many factors as vary


class _Mul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, a_middle: Tensor, b_middle: Tensor) -> Tensor:
        ctx.save_for_backward(a_middle, b_middle)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore
        a, b = ctx.saved_tensors
        return _of(a, grad * b.conj()), _of(b, grad * a.conj()), None, None


class _Matmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, a_middle: Tensor, b_middle: Tensor) -> Tensor:
        ctx.save_for_backward(a_middle, b_middle)
        return a @ b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore
        a, b = ctx.saved_tensors
        return _of(a, grad @ b.mH), _of(b, a.mH @ grad), None, None


def _of(side: Tensor, grad: Tensor) -> Tensor:
    """A gradient as that of one side, which may be broadcast, or real where the other is complex."""
    grad = grad.sum_to_size(side.shape)
    return grad if side.is_complex() or not grad.is_complex() else grad.real


class _Polynomial(torch.autograd.Function):
    """A product of several things; its backward is the mean gradient on the way from reference to example."""

    @staticmethod
    def forward(ctx: Any, call: Callable[..., Tensor], points: list[list[Tensor]], weights: list[float],
                *varying: Tensor) -> Tensor:  # fmt: skip
        ctx.call, ctx.weights = call, weights
        ctx.save_for_backward(*(tensor for point in points for tensor in point))
        return call(*varying).detach()  # not a view of something in here, so that it may be changed in place

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        n = len(ctx.saved_tensors) // len(ctx.weights)
        total: list[Tensor] = []
        with torch.enable_grad():
            for k, weight in enumerate(ctx.weights):
                point = [t.detach().requires_grad_() for t in ctx.saved_tensors[k * n : (k + 1) * n]]
                found = [weight * g for g in torch.autograd.grad(ctx.call(*point), point, grad)]
                total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        return (None, None, None, *total)


def product(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``a * b``, ``a @ b`` and every other function of degree two in what varies."""
    name = plain_name(func)
    if len(args) == 2 and not kwargs and all(isinstance(a, Tensor) and a.requires_grad for a in args):
        function = {"mul": _Mul, "multiply": _Mul, "rmul": _Mul, "imul": _Mul}.get(name)
        if name in ("matmul", "bmm", "mm") and args[0].dim() > 1 and args[1].dim() > 1:
            function = _Matmul
        if function is not None:
            middles = (layout.midpoint(x, r.detach()) for x, r in zip(example.args, args, strict=True))
            return function.apply(*args, *middles)  # pyright: ignore
    return _polynomial(layout, func, example, args, kwargs)


def _polynomial(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    leaves, tree = tree_flatten((args, kwargs))
    of_example, _ = tree_flatten((example.args, example.kwargs))
    where = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]

    def call(*varying: Tensor) -> Tensor:
        filled = list(leaves)
        for i, tensor in zip(where, varying, strict=True):
            filled[i] = tensor
        full_args, full_kwargs = tree_unflatten(filled, tree)
        return func(*full_args, **full_kwargs)

    degree = len(where) if func.__name__ in OF_MANY else 2
    nodes, weights = np.polynomial.legendre.leggauss(-(-degree // 2))  # exact for gradients of degree - 1
    references = [leaves[i].detach() for i in where]
    middles = [layout.midpoint(of_example[i], r) for i, r in zip(where, references, strict=True)]
    points = [
        [m + float(t) * (m - r) for m, r in zip(middles, references, strict=True)] if t else middles for t in nodes
    ]
    return _Polynomial.apply(call, points, (weights / 2).tolist(), *(leaves[i] for i in where))  # pyright: ignore
