"""Functions of one number, y = f(x): the multiplier is the slope of the secant, (f(x) - f(r)) / (x - r).

This is DeepLIFT's Rescale rule (Shrikumar et al. 2017, section 3.5.2).

Where x and r nearly agree the secant is all rounding error, and the derivative is the better slope. The two are blended
without a branch, with d = x - r, D = f(x) - f(r)::

    slope = (d D + e f'(x)) / (d^2 + e)

For d >> sqrt(e) this is the secant; at d = 0 it is the derivative. It misses D by at most ``e |f''| / 2``, so
``e = 2 u s^2`` (u: unit roundoff of the dtype, s = max(1, |x|)) keeps the sum as exact as f itself is rounded, while
the noise of the slope stays below ``sqrt(u / 8)``: 9e-5 in float32, near |d| = 3e-4 only. For piecewise linear
functions differences are exact and e is negligible. A few functions have a closed-form secant without cancellation.

The slopes are computed in the forward pass and kept instead of the input, so each further target costs one product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2g_interp.attributions.deeplift.layout import Layout

BLOCK = 65536  # numbers handled at once on a CPU: a handful of such blocks fit in its second-level cache
Secant = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
PIECEWISE_LINEAR = {
    "relu", "relu6", "leaky_relu", "prelu", "hardtanh", "hardsigmoid", "hardshrink", "softshrink", "threshold", "abs",
    "absolute", "clamp", "clamp_min", "clamp_max", "clip", "nan_to_num",
}  # fmt: skip


class _Multiply(torch.autograd.Function):
    """Value ``y`` and multiplier ``slope``, both known already."""

    @staticmethod
    def forward(ctx: Any, reference: Tensor, y: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None


def square_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """(x^2 - r^2) / (x - r) = x + r."""
    return x + r


def cube_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """(x^3 - r^3) / (x - r) = x^2 + x r + r^2."""
    return x * x + x * r + r * r


def reciprocal_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """(1/x - 1/r) / (x - r) = -1 / (x r)."""
    return -(fx * fr)


def sqrt_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """(sqrt x - sqrt r) / (x - r) = 1 / (sqrt x + sqrt r); 0 where both are 0."""
    return (fx + fr).reciprocal_().nan_to_num_(posinf=0.0)


def rsqrt_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """With s = x^-1/2, t = r^-1/2: (s - t) / (s^-2 - t^-2) = -s^2 t^2 / (s + t)."""
    return -((fx * fr) ** 2).div_(fx + fr)


def exp_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """max(e^x, e^r) (1 - e^-|d|) / |d|, with d = x - r."""
    distance = (x - r).abs_()
    share = torch.expm1(-distance).neg_().div_(distance)
    return torch.maximum(fx, fr) * share.nan_to_num_(nan=1.0)


def log_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """log1p(|d| / min(x, r)) / |d|, with d = x - r."""
    smaller = torch.minimum(x, r)
    relative = (x - r).abs_().div_(smaller)
    return torch.log1p(relative).div_(relative).nan_to_num_(nan=1.0).div_(smaller)


SECANTS: dict[str, Secant] = {
    "square": square_secant,
    "reciprocal": reciprocal_secant,
    "sqrt": sqrt_secant,
    "rsqrt": rsqrt_secant,
    "exp": exp_secant,
    "log": log_secant,
}
POWERS: dict[float, Secant] = {
    2: square_secant,
    3: cube_secant,
    0.5: sqrt_secant,
    -0.5: rsqrt_secant,
    -1: reciprocal_secant,
}


def elementwise(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of any elementwise function."""
    reference, rest = args[0], args[1:]
    value: Tensor = func(reference.detach(), *rest, **kwargs)
    wide = torch.promote_types(reference.dtype, torch.float32)
    if "wide" not in example.cache:
        example.cache["wide"] = (example.args[0].to(wide), example.output.to(wide))
    secant = closed_secant(func, rest, kwargs)
    if secant is not None:
        slope = _by_block(layout, secant, (*example.cache["wide"],), (reference.detach(), value), wide)
        return _Multiply.apply(reference, value, slope)  # pyright: ignore
    if "blend" not in example.cache:
        name = func.__name__.strip("_")
        example.cache["blend"] = _derivative(lambda z: func(z, *example.args[1:], **example.kwargs), example, name)
    sides = (*example.cache["wide"], *example.cache["blend"])
    slope = _by_block(layout, _blend, sides, (reference.detach(), value), wide)
    return _Multiply.apply(reference, value, slope)  # pyright: ignore


def closed_secant(func: Callable, rest: tuple, kwargs: dict) -> Secant | None:
    """The secant in closed form, if the function has one."""
    name = func.__name__.strip("_")
    if name != "pow":
        return SECANTS.get(name)
    exponent = rest[0] if rest else kwargs.get("exponent")
    return POWERS.get(exponent) if isinstance(exponent, int | float) else None


def _derivative(f: Callable[[Tensor], Tensor], example: Any, name: str) -> tuple[Tensor, Tensor]:
    """``e f'(x)`` and ``e`` of the example."""
    x = example.cache["wide"][0]
    with torch.enable_grad():
        at = example.args[0].detach().requires_grad_()
        (slope,) = torch.autograd.grad(f(at).sum(), at)
    if name in PIECEWISE_LINEAR:
        e = torch.full_like(x, 1e-30)
    else:
        e = x.abs().clamp_(min=1.0).square_().mul_(torch.finfo(x.dtype).eps)  # eps is twice the unit roundoff
    return slope.to(e.dtype).nan_to_num_() * e, e


def _blend(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, e_slope: Tensor, e: Tensor) -> Tensor:
    """The blended slope of the module's docstring; ``e_slope`` is ``e f'(x)``."""
    d = x - r
    slope = torch.addcmul(e_slope, d, fx - fr)
    return slope.div_(torch.addcmul(e, d, d))


def _by_block(
    layout: Layout,
    secant: Callable[..., Tensor],
    example: tuple[Tensor, ...],
    reference: tuple[Tensor, Tensor],
    wide: Any,
) -> Tensor:
    """Slopes in the reference's shape; on a CPU, block by block, so that intermediates stay in the cache."""
    r, fr = reference
    dense = r.is_contiguous() and fr.is_contiguous() and all(side.is_contiguous() for side in example)
    if r.is_cuda or not dense or layout.batch_dim(example[0], r) not in (0, None):
        x, fx, *more = (layout.beside(side, r) for side in example)
        return secant(x, r.to(wide), fx, fr.to(wide), *more).to(r.dtype).expand_as(r)
    slope = torch.empty_like(r)
    rows = (layout.groups, layout.references, -1)
    for group, (rs, frs, out) in enumerate(zip(r.view(rows), fr.view(rows), slope.view(rows), strict=True)):
        sides = [side.view(layout.groups, -1)[group] for side in example]
        width = rs.shape[-1]
        take = max(1, BLOCK // max(width, 1))
        for start in range(0, width, BLOCK):
            part = slice(start, start + BLOCK)
            x, fx, *more = (side[part] for side in sides)
            for top in range(0, layout.references, take):
                some = (slice(top, top + take), part)
                out[some] = secant(x, rs[some].to(wide), fx, frs[some].to(wide), *more)
    return slope
