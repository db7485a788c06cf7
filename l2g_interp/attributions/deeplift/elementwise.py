"""Functions of one number, y = f(x): the multiplier is the slope of the secant, (f(x) - f(r)) / (x - r).

This is DeepLIFT's Rescale rule (Shrikumar et al. 2017, section 3.5.2).

Where x and r nearly agree the secant is all rounding error, and the derivative is the better slope. The two are blended
without a branch, with d = x - r, D = f(x) - f(r)::

    slope = (d D + e f'(x)) / (d^2 + e)

For d >> sqrt(e) this is the secant; at d = 0 it is the derivative. It misses D by at most ``e |f''| / 2``. With u the
unit roundoff of the dtype and s the distance over which f changes by its own size, ``f'' ~ f / s^2``. So
``e = 2 u s^2`` (``SCALES``) keeps the sum as exact as f itself is rounded, while the noise of the slope stays below
``sqrt(u / 8) f / s``: 9e-5 in float32, near |d| = 3e-4 s only. For piecewise linear functions differences are exact and
e is negligible. Next to a singularity s is the distance to it, and e may be 0: there the two are not blended but
switched, at ``|d| = sqrt(e)`` (``careful``). Functions that cancel have their secants in closed form (see secants).

Infinite numbers (scores that are masked out, the logarithm of 0) have no difference; they count as ``infinity``.

The slopes are computed in the forward pass and kept instead of the input, so each further target costs one product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from l2g_interp.attributions.deeplift.layout import Layout
from l2g_interp.attributions.deeplift.secants import (
    OF_COMPLEX,
    Secant,
    careful,
    closed_secant,
    exponent_secant,
    plain_name,
    power_secant,
)

BLOCK = 65536  # numbers handled at once on a CPU: a handful of such blocks fit in its second-level cache
PIECEWISE_LINEAR = {
    "relu", "relu6", "leaky_relu", "rrelu", "prelu", "hardtanh", "hardsigmoid", "hardshrink", "softshrink", "threshold",
    "abs", "absolute", "clamp", "clamp_min", "clamp_max", "clip", "nan_to_num",
}  # fmt: skip


def _one(x: Tensor) -> Tensor:
    return torch.ones_like(x)


def _from_one(x: Tensor) -> Tensor:
    return 1 - x.abs()


def _from_pole(x: Tensor) -> Tensor:
    """Distance to the nearest of 0, -1, -2, ..."""
    return torch.where(x > 0, x, (x - x.round()).abs())


SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys(["sigmoid", "expit", "tanh", "sin", "cos", "sinc", "sinh", "cosh"], _one),
    **dict.fromkeys(["i0", "i0e", "i1", "i1e", "log_ndtr"], _one),
    **dict.fromkeys(["gelu", "silu", "softplus", "elu", "celu", "selu", "mish"], lambda x: x.clamp(min=1.0)),
    **dict.fromkeys(["erf", "erfc", "erfcx", "ndtr"], lambda x: x.abs().clamp_(min=1.0).reciprocal_()),
    "logsigmoid": lambda x: (-x).clamp_(min=1.0),
}
SINGULAR: dict[str, Callable[[Tensor], Tensor]] = {  # scale: the distance to the singularity
    **dict.fromkeys(["asin", "arcsin", "acos", "arccos", "erfinv"], _from_one),
    **dict.fromkeys(["acosh", "arccosh"], lambda x: x - 1),
    **dict.fromkeys(["lgamma", "digamma", "psi", "gammaln"], _from_pole),
    "tan": lambda x: x.cos().abs_(),
    "ndtri": lambda x: torch.minimum(x, 1 - x),
}
SETTINGS = {"pow": ("exponent",), "float_power": ("exponent",), "logit": ("eps",)}


class Multiply(torch.autograd.Function):
    """Value ``y`` and multiplier ``slope``, both known already."""

    @staticmethod
    def forward(ctx: Any, reference: Tensor, y: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        ctx.complex = reference.is_complex()
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore
        (slope,) = ctx.saved_tensors
        return grad * slope.conj() if ctx.complex else grad * slope, None, None


@dataclass(frozen=True)
class _Plan:
    """How the secant is computed, and the example's side of it: ``x``, ``f(x)`` and what else the secant takes."""

    secant: Secant
    sides: tuple[Tensor, ...]
    shows: bool  # an infinite number makes the slope infinite or NaN, so that it need not be looked for
    infinite: bool = False  # there are some on the example's side


def elementwise(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of any elementwise function; its settings may broadcast to a larger shape."""
    name = plain_name(func)
    value: Tensor = func(args[0].detach(), *args[1:], **kwargs)
    if "plan" not in example.cache:
        example.cache["plan"] = _plan(name, func, example)
    return slope_by(layout, example, args[0], value, lambda: _derivative_of(name, func, example)[0])


def slope_by(layout: Layout, example: Any, varying: Tensor, value: Tensor, derivative: Callable[[], Tensor]) -> Tensor:
    """``value`` with the slope of the example's plan; where that is not finite, of the careful quotient.

    ``derivative`` gives the derivative at the example, which is the slope where example and reference are the same.
    """
    plan: _Plan = example.cache["plan"]
    varying = varying.expand_as(value)
    reference, wide = varying.detach(), plan.sides[0].dtype
    slope = _by_block(layout, plan.secant, plan.sides, (reference, value), wide)
    looked_at = (slope,) if plan.shows else (slope, reference, value)
    if not wide.is_complex and (plan.infinite or not _is_finite(*looked_at)):
        if "derivative" not in example.cache:
            example.cache["derivative"] = derivative()
        same = example.cache["derivative"]
        sides = (*plan.sides[:2], same, torch.zeros_like(same))
        known = torch.isfinite(slope) & torch.isfinite(reference) & torch.isfinite(value)
        known &= layout.beside(torch.isfinite(plan.sides[0]) & torch.isfinite(plan.sides[1]), known)
        slope = slope.where(known, _by_block(layout, careful, sides, (reference, value), wide))
    return Multiply.apply(varying, value, slope)  # pyright: ignore


def _is_finite(*tensors: Tensor) -> bool:
    """Whether all numbers are; may say no where their sum overflows."""
    return all(bool(torch.isfinite(t.sum(dtype=torch.promote_types(t.dtype, torch.float32)))) for t in tensors)


def _plan(name: str, func: Callable, example: Any) -> _Plan:
    x, fx = _sides(example, 0)
    settings = dict(zip(SETTINGS.get(name, ()), example.args[1:], strict=False)) | example.kwargs
    if x.is_complex():
        secant = OF_COMPLEX.get(name) or closed_secant(name, settings)
        if secant is None or name not in (*OF_COMPLEX, "pow"):
            raise NotImplementedError(f"torch.{name} of complex numbers has no rule")
        return _Plan(secant, (x, fx), shows=True)
    secant = closed_secant(name, settings)
    if secant is not None:
        return _closed(secant, x, fx)
    if name in SETTINGS:
        return _closed(power_secant, x, fx, _as_side(settings["exponent"], x))
    derivative, near = _derivative_of(name, func, example)
    if name in SINGULAR:
        return _Plan(careful, (x, fx, derivative, near), shows=True)
    e = torch.full_like(x, torch.finfo(x.dtype).tiny) if name in PIECEWISE_LINEAR else near.square_()
    return _Plan(_blend, (x, fx, derivative * e, e), shows=True)


def _closed(secant: Secant, x: Tensor, fx: Tensor, *more: Tensor) -> _Plan:
    return _Plan(secant, (x, fx, *more), shows=False, infinite=not _is_finite(x, fx))


def exponential_plan(example: Any, position: int, base: Any) -> _Plan:
    """Of ``base ** x``, where x is the argument at ``position``."""
    x, fx = _sides(example, position)
    return _closed(exponent_secant, x, fx, _as_side(base, x))


def _sides(example: Any, position: int) -> tuple[Tensor, Tensor]:
    """An argument of the example in its output's shape, and the output, in float32 at least."""
    x, fx = example.args[position], example.output
    wide = torch.promote_types(torch.promote_types(x.dtype, fx.dtype), torch.float32)
    return x.expand_as(fx).to(wide), fx.to(wide)


def _as_side(number: Any, x: Tensor) -> Tensor:
    """A number or a constant tensor, in x's shape."""
    return torch.as_tensor(number, dtype=x.dtype, device=x.device).expand_as(x).contiguous()


def _derivative_of(name: str, func: Callable, example: Any) -> tuple[Tensor, Tensor]:
    """f'(x) (0 where it is infinite), and the distance within which it is the better slope."""
    x, fx = _sides(example, 0)
    with torch.enable_grad():
        at = example.args[0].detach().expand_as(fx).requires_grad_()
        (slope,) = torch.autograd.grad(func(at, *example.args[1:], **example.kwargs).sum(), at)
    slope = slope.to(x.dtype).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
    scale = (SINGULAR.get(name) or SCALES.get(name) or (lambda x: x.abs().clamp_(min=1.0)))(x)
    scale = scale.nan_to_num_(nan=0.0, posinf=0.0).clamp_(min=0.0)
    return slope, scale.mul_(math.sqrt(torch.finfo(x.dtype).eps))  # eps is twice the unit roundoff


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
    groups = layout.groups if layout.references > 1 else 1  # rows that are paired one by one may be of any number
    rows = (groups, layout.references, -1)
    for group, (rs, frs, out) in enumerate(zip(r.view(rows), fr.view(rows), slope.view(rows), strict=True)):
        sides = [side.view(groups, -1)[group] for side in example]
        width = rs.shape[-1]
        take = max(1, BLOCK // max(width, 1))
        for start in range(0, width, BLOCK):
            part = slice(start, start + BLOCK)
            x, fx, *more = (side[part] for side in sides)
            for top in range(0, layout.references, take):
                some = (slice(top, top + take), part)
                out[some] = secant(x, rs[some].to(wide), fx, frs[some].to(wide), *more)
    return slope
