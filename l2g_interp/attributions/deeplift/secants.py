"""Secants (f(x) - f(r)) / (x - r) in closed form, of functions where the difference quotient would cancel.

Each takes ``x, r, f(x), f(r)`` and further numbers that the function was given, all of one shape. Where a value is
infinite, or both sides lie on a singularity, the result may be anything that is not finite: see ``careful``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

Secant = Callable[..., Tensor]


def plain_name(func: Callable) -> str:
    """The name of a function, whether a method, in place, an operator or in ``torch.special``."""
    return func.__name__.strip("_").removeprefix("special_")


def infinity(dtype: torch.dtype) -> float:
    """What an infinite number counts as in a difference: 1e12 in float32, beside which usual numbers are nothing.

    A function that makes it infinite, ``log(0)``, and one that makes it finite again, ``clamp``, take the same number
    for it, so that their slopes multiply to the right one.
    """
    return torch.finfo(dtype).eps ** -1.75


def careful(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, derivative: Tensor, near: Tensor) -> Tensor:
    """The difference quotient; within ``near`` of x its derivative. Always finite if the function is not NaN."""
    large = infinity(x.dtype)
    x, r, fx, fr = (t.nan_to_num(nan=math.nan, posinf=large, neginf=-large) for t in (x, r, fx, fr))
    d, steepest = x - r, torch.finfo(x.dtype).max * 1e-6  # so that a product with the next slope stays finite
    return torch.where(d.abs() > near, (fx - fr).div_(d), derivative).clamp_(-steepest, steepest)


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


def exp_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, rate: float = 1.0, floor: float = 0.0) -> Tensor:
    """Of ``e^(rate x) - floor``: the larger exponential times (1 - e^-|rate d|) / |d|, with d = x - r."""
    distance = (x - r).abs_().mul_(abs(rate))
    share = torch.expm1(-distance).neg_().div_(distance).nan_to_num_(nan=1.0)
    larger = torch.maximum(fx, fr)
    return (larger + floor if floor else larger).mul_(rate).mul_(share)


def log_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, unit: float = 1.0) -> Tensor:
    """Of ``log(x) / unit``: log1p(|d| / min(x, r)) / |d|, with d = x - r."""
    smaller = torch.minimum(x, r)
    relative = (x - r).abs_().div_(smaller)
    return torch.log1p(relative).div_(relative).nan_to_num_(nan=1.0).div_(smaller * unit if unit != 1 else smaller)


def log1p_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """That of the logarithm, one further."""
    smaller = torch.minimum(x, r).add_(1)
    relative = (x - r).abs_().div_(smaller)
    return torch.log1p(relative).div_(relative).nan_to_num_(nan=1.0).div_(smaller)


def logit_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, eps: float = 0.0) -> Tensor:
    """log x - log(1 - x), of numbers clipped to ``eps .. 1 - eps``."""
    x_in, r_in = x.clamp(eps, 1 - eps), r.clamp(eps, 1 - eps)
    inside = log_secant(x_in, r_in, fx, fr) + log1p_secant(-x_in, -r_in, fx, fr)
    moved = (x_in - r_in).div_(x - r)
    return inside * torch.where(x == r, (x == x_in).to(x.dtype), moved)


def atanh_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """(log(1 + x) - log(1 - x)) / 2."""
    return (log1p_secant(x, r, fx, fr) + log1p_secant(-x, -r, fx, fr)).div_(2)


def power_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, exponent: Tensor) -> Tensor:
    """Of ``x^p``: with b the larger of both in size and ``t = 1 - smaller / b``, b^(p - 1) (1 - (1 - t)^p) / t.

    Where t is above 1/2, or the signs differ, nothing cancels and the difference quotient is as good.
    """
    swap = x.abs() < r.abs()
    larger, power = torch.where(swap, r, x), torch.where(swap, fr, fx)
    t = (larger - torch.where(swap, x, r)).div_(larger)
    near = torch.expm1(torch.log1p(-t).mul_(exponent)).neg_().div_(t)
    near = torch.where(t == 0, exponent, near).mul_(power / larger)
    return torch.where(t < 0.5, near, (fx - fr).div_(x - r))


def exponent_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, base: Tensor) -> Tensor:
    """Of ``base^x``."""
    rate = base.log()
    distance = (x - r).mul_(rate).abs_()
    share = torch.expm1(-distance).neg_().div_(distance).nan_to_num_(nan=1.0)
    return torch.maximum(fx, fr).mul_(rate).mul_(share)


def modulus_secant(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor) -> Tensor:
    """|x| of complex numbers: the real part of conj(x + r) d over |x| + |r|; 0 where both are 0."""
    total = (fx + fr).real
    return torch.where(total == 0, 0, (x + r).conj() / total)


SECANTS: dict[str, Secant] = {
    "square": square_secant,
    "reciprocal": reciprocal_secant,
    "sqrt": sqrt_secant,
    "rsqrt": rsqrt_secant,
    "exp": exp_secant,
    "exp2": partial(exp_secant, rate=math.log(2)),
    "expm1": partial(exp_secant, floor=1.0),
    "log": log_secant,
    "log2": partial(log_secant, unit=math.log(2)),
    "log10": partial(log_secant, unit=math.log(10)),
    "log1p": log1p_secant,
    "atanh": atanh_secant,
    "arctanh": atanh_secant,
    "logit": logit_secant,
}
POWERS: dict[float, Secant] = {
    1: lambda x, r, fx, fr: torch.ones_like(x),
    2: square_secant,
    3: cube_secant,
    0.5: sqrt_secant,
    -0.5: rsqrt_secant,
    -1: reciprocal_secant,
}
OF_COMPLEX: dict[str, Secant] = {
    "square": square_secant,
    "reciprocal": reciprocal_secant,
    "abs": modulus_secant,
    "absolute": modulus_secant,
}


def closed_secant(name: str, settings: dict[str, Any]) -> Secant | None:
    """The secant in closed form, if the function has one that needs no further tensor."""
    if name in ("pow", "float_power"):
        exponent = settings.get("exponent")
        return POWERS.get(exponent) if isinstance(exponent, int | float) else None
    if name == "logit" and settings.get("eps") is not None:
        return partial(logit_secant, eps=settings["eps"])
    return SECANTS.get(name)
