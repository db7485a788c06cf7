"""Functions next to and on their singularities: the secant is exact and finite for any pair of numbers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from l2g_interp.attributions.deeplift.calls import Tape
from l2g_interp.attributions.deeplift.engine import Engine
from l2g_interp.attributions.deeplift.handlers import handler_of
from l2g_interp.attributions.deeplift.layout import Layout

INF = torch.inf
STEPS = [0.0, 1e-20, 1e-12, 1e-9, 3e-8, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 0.03, 0.3]


def contributions(f, x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    """``(x - r) * multiplier`` of a function that treats every number of a row ``(1, n)`` alike."""
    tape = Tape(x.dtype)
    leaves = [t.clone().requires_grad_() for t in (x, r)]
    of_x, of_r = (leaf.clone() for leaf in leaves)  # not leaves, which would count as parameters
    with Engine(handler_of, tape, None, "raise"):
        f(of_x)
    with Engine(handler_of, tape, Layout(1, 1), "raise"):
        out = f(of_r)
    (multiplier,) = torch.autograd.grad(out.sum(), leaves[1])
    assert multiplier.isfinite().all()
    return (x - r) * multiplier


def pairs_of(numbers: list[float], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Every number beside every other one, and beside its neighbours in this dtype."""
    t = torch.tensor(numbers, dtype=dtype)
    x, r = torch.meshgrid(t, t, indexing="ij")
    x, r = [x.flatten(), t, t], [r.flatten(), t * (1 + 2 * torch.finfo(dtype).eps), t * (1 + 2e-4)]
    low, high = min(numbers), max(numbers)
    return torch.cat(x)[None], torch.cat(r).clamp(low, high)[None]


ABOVE_ZERO = [*STEPS, 0.9, 1.0, 1.1, 7.0, 300.0, 1e6]
POSITIVE = ABOVE_ZERO[1:]
IN_ONE = [*STEPS, *(1 - s for s in STEPS if s), 1.0]
BOTH = [*(-n for n in IN_ONE), *IN_ONE]
CASES = {  # a function, and numbers to and from which it is followed; what is singular is among the numbers
    "log2": (lambda h: torch.log2(h + 1e-9), ABOVE_ZERO),
    "log10": (lambda h: torch.log10(h + 1e-7), ABOVE_ZERO),
    "log": (torch.log, POSITIVE),
    "log1p": (torch.log1p, [-1 + s for s in STEPS[5:]] + ABOVE_ZERO),
    "special log1p": (torch.special.log1p, [-1 + s for s in STEPS[5:]] + ABOVE_ZERO),
    "expm1": (torch.expm1, [*BOTH, 40.0, -40.0]),
    "exp2": (torch.exp2, [*BOTH, 60.0, -60.0]),
    "logit": (torch.logit, [n for n in IN_ONE if 0 < n < 1 - 1e-7]),
    "logit with eps": (lambda h: torch.logit(h, eps=1e-6), IN_ONE),
    "special logit": (lambda h: torch.special.logit(h, 1e-3), IN_ONE),
    "third root": (lambda h: h ** (1 / 3), ABOVE_ZERO),
    "power 0.9": (lambda h: torch.pow(h, 0.9), ABOVE_ZERO),
    "power 1.5": (lambda h: torch.float_power(h, 1.5), ABOVE_ZERO),
    "powers of a tensor": (lambda h: h.unsqueeze(-1) ** torch.tensor([0.2, 0.7, 1.0, 2.5], dtype=h.dtype), ABOVE_ZERO),
    "power 5": (lambda h: h**5, [*BOTH, 20.0, -20.0]),
    "power -0.7": (lambda h: h**-0.7, [n for n in POSITIVE if n > 1e-19]),
    "power -2": (lambda h: h**-2, [n for n in BOTH if abs(n) > 1e-8]),
    "base of a half": (lambda h: 0.5**h, [*BOTH, 30.0, -30.0]),
    "base of nothing": (lambda h: torch.pow(torch.tensor(0.0, dtype=h.dtype), h), POSITIVE),
    "sqrt": (torch.sqrt, ABOVE_ZERO),
    "rsqrt": (torch.rsqrt, [n for n in POSITIVE if n > 1e-13]),
    "reciprocal": (torch.reciprocal, [n for n in BOTH if abs(n) > 1e-13]),
    "asin": (torch.asin, BOTH),
    "acos": (torch.acos, BOTH),
    "arccos": (torch.arccos, BOTH),
    "atanh": (torch.atanh, [n for n in BOTH if abs(n) < 1 - 1e-7]),
    "acosh": (torch.acosh, [1 + s for s in ABOVE_ZERO]),
    "erfinv": (torch.erfinv, [n for n in BOTH if abs(n) < 1 - 1e-7]),
    "ndtri": (torch.special.ndtri, [n for n in IN_ONE if 1e-19 < n < 1 - 1e-7]),
    "lgamma": (torch.lgamma, [n for n in POSITIVE if n > 1e-19]),
    "lgamma below 0": (torch.lgamma, [-0.5, -0.999, -1.001, -1.5, -2.00001, -1.99999]),
    "digamma": (torch.digamma, [n for n in POSITIVE if n > 1e-10]),
    "tan": (torch.tan, [1.57, 1.5707, -1.57, *BOTH]),
    "sin of much": (torch.sin, [1000.0, 1000.1, 1003.0, 12345.0, 12345.01, 1.0]),
    "sinc": (torch.sinc, BOTH),
    "sigmoid": (torch.sigmoid, [*BOTH, 80.0, -80.0, -30.0]),
    "log of sigmoid": (lambda h: torch.log(torch.sigmoid(h)), [*BOTH, 80.0, -80.0, -80.001, -30.0]),
    "softplus": (F.softplus, [*BOTH, 80.0, -80.0]),
    "erfc": (torch.erfc, [*BOTH, 3.0, 5.0, 5.001, -3.0]),
    "entropy": (torch.special.entr, ABOVE_ZERO[:-3]),
    "square of abs": (lambda h: h.abs() ** 2, BOTH),
    "quotient": (lambda h: h / (h.square() + 1e-6).sqrt(), BOTH),
    "quotient of nothing": (lambda h: h / h.abs().clamp(min=1e-12), BOTH),
}  # fmt: skip
ON_ONE_SIDE = {  # what is infinite in between is finite in the end
    "clamped log": (lambda h: torch.log(h).clamp(min=-100), ABOVE_ZERO),
    "clamped log10": (lambda h: torch.log10(h).clamp(min=-20), ABOVE_ZERO),
    "clamped log1p": (lambda h: torch.log1p(h).clamp(min=-20), [-1.0, *ABOVE_ZERO]),
    "maximum of log2": (lambda h: torch.maximum(torch.log2(h), torch.tensor(-30.0, dtype=h.dtype)), ABOVE_ZERO),
    "exponential of a log": (lambda h: torch.exp(torch.log(h)), ABOVE_ZERO[:-3]),
    "tanh of a logit": (lambda h: torch.tanh(torch.logit(h)), IN_ONE),
    "tanh of erfinv": (lambda h: torch.tanh(torch.erfinv(h)), BOTH),
    "tanh of atanh": (lambda h: torch.tanh(torch.atanh(h)), BOTH),
    "sigmoid of ndtri": (lambda h: torch.sigmoid(torch.special.ndtri(h)), IN_ONE),
    "one over infinity": (lambda h: 1 / (1 + torch.exp(h)), [*BOTH, 100.0, 800.0, -100.0]),
    "reciprocal of a reciprocal": (lambda h: 1 / (1 + torch.reciprocal(h)), ABOVE_ZERO),
    "root of a reciprocal": (lambda h: torch.atan(torch.rsqrt(h)), ABOVE_ZERO),
    "negative power": (lambda h: torch.tanh(h**-0.3), ABOVE_ZERO),
    "lgamma": (lambda h: torch.clamp(torch.lgamma(h), max=9), ABOVE_ZERO[:-2]),
    "masked sigmoid": (lambda h: torch.sigmoid(h.masked_fill(h.detach() * 0 == 0, -INF)) + h, BOTH),
    "minimum": (lambda h: torch.fmin(-torch.log(h), torch.tensor(9.0, dtype=h.dtype)), ABOVE_ZERO),
}


COMPOSED = ("log of sigmoid", "quotient", "quotient of nothing", "entropy")
THROUGH_ZERO = ("sinc", "lgamma", "square of abs")  # where f is 0 between larger values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*CASES, *ON_ONE_SIDE])
def test_numbers_at_a_singularity_add_up(name, dtype):
    f, numbers = (CASES | ON_ONE_SIDE)[name]
    x, r = pairs_of(numbers, dtype)
    fx, fr = f(x), f(r)
    found, wanted = contributions(f, x, r), fx - fr
    found, wanted = (t if t.dim() == 2 else t.sum(-1) for t in (found, wanted))
    size = torch.maximum(fx.abs(), fr.abs())
    size = size if size.dim() == 2 else size.sum(-1)
    assert wanted.isfinite().all()
    eps = torch.finfo(dtype).eps
    wrong = (found - wanted).abs() > 8 * eps * size + 100 * torch.finfo(dtype).tiny
    # what a composition loses in its own forward: the sizes of what lies in between
    between = 3e4 * eps if name in ON_ONE_SIDE or name in COMPOSED else 8 * eps if name in THROUGH_ZERO else 0.0
    wrong &= (found - wanted).abs() > between
    assert not wrong.any(), (x[wrong][:5], r[wrong][:5], found[wrong][:5], wanted[wrong][:5])


def test_the_slope_is_smooth_where_quotient_and_derivative_meet():
    x = torch.full((1, 400), 0.7)
    r = x + torch.logspace(-7, -1, 400)[None]
    for f in (torch.log2, torch.asin, lambda h: h**0.3, torch.tanh, torch.lgamma, torch.logit):
        exact = f(x.double()) - f(r.double())
        slope = contributions(f, x, r) / (x - r)
        torch.testing.assert_close(slope.double(), exact / (x.double() - r.double()), rtol=2e-3, atol=1e-3)
