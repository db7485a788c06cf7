"""Max pooling: the change of a window's maximum goes to one position, the cross-maximum rule of DeepLIFT's authors.

If the example's maximum is the larger one, the change is credited to its position in the example, otherwise to that of
the reference's maximum. There ``|x_p - r_p| >= |y_x - y_r|`` with the same sign, so the multiplier
``(y_x - y_r) / (x_p - r_p)`` lies between 0 and 1. A position whose value is the same in both gets the ordinary
derivative of the example's maximum, as with any other function (and in other implementations): the sum does not depend
on it. Windows may overlap (shares add up), and positions are found in the unmodified inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2g_interp.attributions.deeplift.layout import Layout
from l2g_interp.attributions.deeplift.normalise import last_dimension, within_rows
from l2g_interp.attributions.deeplift.secants import infinity


class _Route(torch.autograd.Function):
    """Send ``grad * share`` to ``position`` of a flat last dimension, and ``grad * unmoved`` to ``at_x``."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, y: Tensor, position: Tensor, share: Tensor, at_x: Tensor, unmoved: Tensor
    ) -> Tensor:
        ctx.save_for_backward(position, share, at_x, unmoved)
        ctx.shape = flat.shape
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        position, share, at_x, unmoved = ctx.saved_tensors
        out = grad.new_zeros(ctx.shape).scatter_add_(-1, position, grad * share)
        return out.scatter_add_(-1, at_x, grad * unmoved), None, None, None, None, None


def routed(layout: Layout, x: Tensor, flat: Tensor, y_x: tuple[Tensor, Tensor], y_r: tuple[Tensor, Tensor]) -> Tensor:
    """Maxima over windows of the last dimension; ``y_x``, ``y_r``: values and positions, of example and reference."""
    r = flat.detach()
    value, at_r = y_r
    value_x = layout.beside(y_x[0], value).expand_as(value)
    at_x = layout.beside(y_x[1], at_r).expand_as(at_r)
    position = torch.where(value_x >= value, at_x, at_r)
    wide_x = layout.beside(x, r).expand_as(r)
    large = infinity(value.dtype)
    of_x, of_r, top_x, top_r = (
        t.nan_to_num(nan=math.nan, posinf=large, neginf=-large)
        for t in (wide_x.gather(-1, position), r.gather(-1, position), value_x, value)
    )
    moved = of_x.sub_(of_r)
    share = top_x.sub_(top_r).div_(moved).masked_fill_(moved == 0, 0.0).to(flat.dtype)
    unmoved = (value_x == r.gather(-1, at_x)).to(flat.dtype)
    return _Route.apply(flat, value, position, share, at_x, unmoved)  # pyright: ignore


def max_pool(dims: int) -> Callable[..., Tensor]:
    """Rule of ``max_pool{dims}d`` and its adaptive form."""

    def rule(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
        from torch.nn import functional as F

        adaptive = "adaptive" in func.__name__
        pool = getattr(F, f"{'adaptive_' if adaptive else ''}max_pool{dims}d_with_indices")
        kwargs = {k: v for k, v in kwargs.items() if k != "return_indices"}
        reference, settings = (args[0], args[1:]) if args else (kwargs.pop("input"), ())
        x = example.tensor(0, "input")
        with torch.no_grad():
            y_r = pool(reference, *settings, **kwargs)
            y_x = pool(x, *settings, **kwargs)
        flat = routed(
            layout,
            x.flatten(-dims),
            reference.flatten(-dims),
            (y_x[0].flatten(-dims), y_x[1].flatten(-dims)),
            (y_r[0].flatten(-dims), y_r[1].flatten(-dims)),
        )
        return flat.view(y_r[0].shape)

    return rule


def amax(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of the maximum over some dimensions; the minimum is minus the maximum of minus the input."""
    reference, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim", ())
    dims = (dim,) if isinstance(dim, int) else tuple(dim) or tuple(range(reference.dim()))
    within_rows(layout, example, reference, dims, func)
    with torch.no_grad():
        shape = func(*args, **kwargs).shape
    x, flat = last_dimension(example.args[0], dims), last_dimension(reference, dims)
    y_x, y_r = x.max(-1, keepdim=True), flat.detach().max(-1, keepdim=True)
    return routed(layout, x, flat, (y_x[0], y_x[1]), (y_r[0], y_r[1])).view(shape)
