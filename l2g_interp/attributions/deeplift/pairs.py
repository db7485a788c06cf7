"""Functions of two numbers that may both vary: the larger of two, clamps between bounds, quotients, powers, angles.

The plain value is the function's own. ``max(a, b)`` credits a with ``relu``'s secant of ``u = a - b`` and b with the
rest: 0 or 1 unless the order changes between example and reference. A quotient y = a / b is a product y b = a read
backwards, ``Dy = (Da - y_bar Db) / b_bar``, with bars for midpoints: nothing in it is larger than y, however small b
(a norm of 0, kept from 0 by an epsilon). Any other function is changed one number at a time in both orders,
``f(a_x, b_x) - f(a_r, b_x) + f(a_r, b_x) - f(a_r, b_r)`` and the reverse, and the mean of both taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2g_interp.attributions.deeplift.calls import Recorded
from l2g_interp.attributions.deeplift.elementwise import elementwise, exponential_plan, slope_by
from l2g_interp.attributions.deeplift.layout import Layout
from l2g_interp.attributions.deeplift.secants import careful, exponent_secant, infinity, plain_name, power_secant


class _Pair(torch.autograd.Function):
    """Value ``y`` of two things, and the multiplier of each."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, y: Tensor, m_a: Tensor, m_b: Tensor) -> Tensor:
        ctx.save_for_backward(m_a, m_b)
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        m_a, m_b = ctx.saved_tensors
        return grad * m_a.conj(), grad * m_b.conj(), None, None, None


def _operands(layout: Layout, example: Any, args: tuple, kwargs: dict, value: Tensor) -> tuple[Tensor, ...]:
    """``a, b`` in the value's shape, then ``a_x, a_r, b_x, b_r`` in float32 at least, without infinite ones."""
    wide = torch.promote_types(value.dtype, torch.float32)
    large = infinity(wide)
    out, numbers = [], []
    of_example = (*example.args, *example.kwargs.values())
    for x, r in zip(of_example, (*args, *kwargs.values()), strict=True):
        x, r = (t if isinstance(t, Tensor) else torch.tensor(t, dtype=value.dtype, device=value.device) for t in (x, r))
        out.append(r.to(value.dtype).expand_as(value))
        numbers += [layout.beside(x.expand_as(example.output), value).to(wide), out[-1].detach().to(wide)]
    return (*out, *(n.nan_to_num(nan=math.nan, posinf=large, neginf=-large) for n in numbers))


def maximum(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``maximum`` and ``minimum`` of two tensors."""
    with torch.no_grad():
        value = func(*args, **kwargs)
    a, b, *numbers = _operands(layout, example, args, kwargs, value)
    share = _share_of_first(*numbers, smaller="min" in func.__name__)
    return _Pair.apply(a, b, value, share.to(value.dtype), (1 - share).to(value.dtype))  # pyright: ignore


def _share_of_first(a_x: Tensor, a_r: Tensor, b_x: Tensor, b_r: Tensor, smaller: bool) -> Tensor:
    large = infinity(a_x.dtype)
    u_x, u_r = ((b - a if smaller else a - b).clamp_(-large, large) for a, b in ((a_x, b_x), (a_r, b_r)))
    d = u_x - u_r
    same = torch.where(u_x == 0, 0.5, (u_x > 0).to(d.dtype))
    return torch.where(d == 0, same, (u_x.clamp(min=0) - u_r.clamp(min=0)).div_(d))


def quotient(a: Any, b: Tensor) -> Tensor:
    """``a / b`` as a function with a rule."""
    if torch.overrides.has_torch_function((a, b)):
        return torch.overrides.handle_torch_function(quotient, (a, b), a, b)
    return torch.true_divide(a, b)


def divide(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``a / b``. Where b changes its sign, of ``a * (1 / b)``, since the midpoint may be 0 there."""
    with torch.no_grad():
        value = func(*args, **kwargs)
    a, b, a_x, a_r, b_x, b_r = _operands(layout, example, args, kwargs, value)
    wide = a_x.dtype
    y = (layout.beside(example.output, value).to(wide) + value.to(wide)) / 2
    middle = (b_x + b_r) / 2
    m_a, m_b = middle.reciprocal(), -y / middle
    if not wide.is_complex and bool(((b_x > 0) != (b_r > 0)).any()):
        turns = (b_x > 0) != (b_r > 0)
        one_x, one_r = b_x.reciprocal(), b_r.reciprocal()
        m_a = torch.where(turns, (one_x + one_r) / 2, m_a)
        m_b = torch.where(turns, -(a_x + a_r) / 2 * one_x * one_r, m_b)
    return _Pair.apply(a, b, value, m_a.to(value.dtype), m_b.to(value.dtype))  # pyright: ignore


def bounds(func: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """``input``, ``min`` and ``max`` of a clamp."""
    names = {"clamp_min": ("input", "min"), "clamp_max": ("input", "max")}
    return dict(zip(names.get(plain_name(func), ("input", "min", "max")), args, strict=False)) | kwargs


def power(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``a ** b``, whichever of both varies."""
    turned = plain_name(func) == "rpow"
    given = (*args, *kwargs.values())
    base, exponent = reversed(given) if turned else given
    varying = [isinstance(t, Tensor) and t.requires_grad for t in (base, exponent)]
    if varying == [True, False]:
        return elementwise(layout, func, example, args, kwargs)
    with torch.no_grad():
        value = func(*args, **kwargs)
    if varying == [False, True]:
        at = 0 if turned else 1
        if "plan" not in example.cache:
            example.cache["plan"] = exponential_plan(example, at, base)
        return slope_by(layout, example, exponent, value, lambda: torch.zeros_like(example.output))
    a, b, *numbers = _operands(layout, example, args, kwargs, value)
    if turned:
        a, b, numbers = b, a, [*numbers[2:], *numbers[:2]]
    slopes = _both_orders(torch.pow, power_secant, exponent_secant, *numbers)
    return _Pair.apply(a, b, value, *(m.to(value.dtype) for m in slopes))  # pyright: ignore


def _both_orders(
    f: Callable, of_a: Callable, of_b: Callable, a_x: Tensor, a_r: Tensor, b_x: Tensor, b_r: Tensor
) -> tuple[Tensor, Tensor]:
    """The multipliers of a and b: means over both orders of changing them."""
    xx, xr, rx, rr = f(a_x, b_x), f(a_x, b_r), f(a_r, b_x), f(a_r, b_r)
    m_a = of_a(a_x, a_r, xx, rx, b_x) + of_a(a_x, a_r, xr, rr, b_r)
    m_b = of_b(b_x, b_r, xx, xr, a_x) + of_b(b_x, b_r, rx, rr, a_r)
    return m_a.div_(2), m_b.div_(2)


def atan2(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of the angle of (b, a), ``atan2(a, b)``."""
    with torch.no_grad():
        value = func(*args, **kwargs)
    a, b, *numbers = _operands(layout, example, args, kwargs, value)

    def secant(sign: int) -> Callable[..., Tensor]:
        def of(x: Tensor, r: Tensor, fx: Tensor, fr: Tensor, other: Tensor) -> Tensor:
            squared = x * x + other * other
            derivative = (sign * other / squared).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
            return careful(x, r, fx, fr, derivative, squared.sqrt_() * math.sqrt(torch.finfo(x.dtype).eps))

        return of

    slopes = _both_orders(torch.atan2, secant(1), secant(-1), *numbers)
    return _Pair.apply(a, b, value, *(m.to(value.dtype) for m in slopes))  # pyright: ignore


def clamp(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of a clamp: of one number, or of the larger, then the smaller of two, where its bounds vary, too."""
    given, of_example = bounds(func, args, kwargs), bounds(func, example.args, example.kwargs)
    limits = [name for name in ("min", "max") if given.get(name) is not None]
    if not any(isinstance(given[name], Tensor) and given[name].requires_grad for name in limits):
        return elementwise(layout, func, example, args, kwargs)
    out, x = given["input"], of_example["input"]
    for name in limits:
        step = torch.maximum if name == "min" else torch.minimum
        limit, of_both = given[name], of_example[name]
        if not isinstance(limit, Tensor):
            limit = of_both = torch.tensor(limit, dtype=out.dtype, device=out.device)
        pair = (x, of_both)
        x = step(*pair)
        out = maximum(layout, step, Recorded(step, pair, {}, x), (out, limit), {})
    return out
