"""Torch functions by name, for random compositions: each with a few choices of its arguments.

A function takes tensors ``(batch, 4, 12)`` and a number ``k`` that picks the choice; what it returns, of any shape that
starts with the batch, is brought back to ``(batch, 4, 12)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS, POSITIONS = 4, 12
SIZE = CHANNELS * POSITIONS
Function = Callable[..., Tensor]


def fitted(y: Tensor) -> Tensor:
    """Numbers of each sequence, repeated or cut to ``(batch, 4, 12)``."""
    flat = y.reshape(len(y), -1)
    if flat.shape[1] < SIZE:
        flat = flat.repeat(1, -(-SIZE // flat.shape[1]))
    return flat[:, :SIZE].reshape(-1, CHANNELS, POSITIONS)


def pick(k: int, *choices: Any) -> Any:
    return choices[k % len(choices)]


def numbers(*shape: int, like: Tensor) -> Tensor:
    """The same numbers each time, between -1 and 1."""
    n = torch.Size(shape).numel()
    return torch.sin(torch.arange(n, dtype=torch.float64) * 1.7).view(shape).to(like.dtype)


def inside(h: Tensor, low: float, high: float) -> Tensor:
    """Mostly between both, touching them."""
    return torch.sigmoid(4 * h) * (high - low) * 1.0 + low


def mask(shape: tuple[int, ...], k: int) -> Tensor:
    """True where something is hidden: some of it, some columns, whole rows."""
    hidden = torch.zeros(shape, dtype=torch.bool)
    if k % 3 == 0:
        hidden[..., shape[-1] - 3 :] = True
    elif k % 3 == 1:
        hidden[..., ::5] = True
    else:
        hidden[..., :1, :] = True
    return hidden


UNARY: dict[str, Function] = {
    "relu": lambda h, k: pick(k, F.relu, torch.relu, lambda t: t.clone().relu_(), nn.ReLU(inplace=True))(h - 0.1),
    "leaky_relu": lambda h, k: F.leaky_relu(h, pick(k, 0.01, 0.3)),
    "elu": lambda h, k: pick(k, F.elu, F.selu, F.celu)(h),
    "gelu": lambda h, k: F.gelu(3 * h, approximate=pick(k, "none", "tanh")),
    "silu": lambda h, k: F.silu(pick(k, 1, 5) * h),
    "mish": lambda h, k: F.mish(h),
    "softplus": lambda h, k: F.softplus(h, beta=pick(k, 1, 10), threshold=20),
    "hardswish": lambda h, k: pick(k, F.hardswish, F.hardsigmoid, F.hardtanh, F.relu6)(4 * h),
    "shrink": lambda h, k: pick(k, F.hardshrink, F.softshrink, F.tanhshrink)(h),
    "threshold": lambda h, k: F.threshold(h, pick(k, 0.1, -0.2), pick(k, 0.0, 0.3)),
    "softsign": lambda h, k: pick(k, F.softsign, F.logsigmoid)(pick(k, 1, 20) * h),
    "sigmoid": lambda h, k: torch.sigmoid(pick(k, 1, 30, -200) * h),
    "tanh": lambda h, k: torch.tanh(pick(k, 1, 20) * h),
    "prelu": lambda h, k: F.prelu(h, numbers(pick(k, 1, 4), like=h)),
    "rrelu": lambda h, k: F.rrelu(h),
    "exp": lambda h, k: pick(k, torch.exp, torch.exp2, torch.expm1)(h.clamp(-20, 3)),
    "exp of much": lambda h, k: torch.exp(-pick(k, 5, 50) * h.square()),
    "log": lambda h, k: pick(k, torch.log, torch.log2, torch.log10)(torch.softmax(pick(k, 1, 8, 40) * h, 1) + 1e-9),
    "log1p": lambda h, k: torch.log1p(pick(k, F.relu(h), inside(h, -0.999999, 1), h.square())),
    "logit": lambda h, k: pick(
        k, torch.logit(torch.sigmoid(10 * h).clamp(1e-6, 1 - 1e-6)), torch.logit(torch.sigmoid(20 * h), eps=1e-5)
    ),
    "sqrt": lambda h, k: torch.sqrt(pick(k, F.relu(h), h.square(), h.abs() * 1e-4)),
    "rsqrt": lambda h, k: torch.rsqrt(pick(k, F.relu(h) + 1e-3, h.square() + 0.1)),
    "reciprocal": lambda h, k: torch.reciprocal(pick(k, h.abs() + 0.1, h.square() + 1e-2)),
    "pow": lambda h, k: torch.pow(
        pick(k, F.relu(h), F.relu(h), h, h, h.abs() + 0.2), pick(k, 1 / 3, 0.9, 3, 4, -1.5)
    ),
    "exponents": lambda h, k: (h.unsqueeze(-1) ** torch.arange(1.0, pick(k, 3, 5))).sum(-1),
    "to the power": lambda h, k: pick(k, 2.0, 0.3) ** h.clamp(-5, 5),
    "square": lambda h, k: pick(k, torch.square, lambda t: t**2, lambda t: t * t)(h),
    "abs": lambda h, k: torch.abs(h - pick(k, 0.0, 0.3)),
    "sin": lambda h, k: pick(k, torch.sin, torch.cos, torch.sinc)(pick(k, 1, 30, 3) * h),
    "asin": lambda h, k: pick(k, torch.asin, torch.acos)(torch.clamp(pick(k, 0.5, 2) * h, -1, 1)),
    "atanh": lambda h, k: pick(k, torch.atanh, torch.erfinv)(torch.tanh(2 * h).clamp(-0.9999, 0.9999)),
    "acosh": lambda h, k: torch.acosh(1 + pick(k, F.relu(h), h.square() * 1e-3)),
    "atan": lambda h, k: pick(k, torch.atan, torch.asinh, torch.sinh, torch.cosh)(h.clamp(-5, 5)),
    "tan": lambda h, k: torch.tan(inside(h, -1.5, 1.5)),
    "erf": lambda h, k: pick(k, torch.erf, torch.erfc)(2 * h),
    "lgamma": lambda h, k: pick(k, torch.lgamma, torch.digamma)(h.abs() + pick(k, 1e-3, 0.05, 2)),
    "i0": lambda h, k: torch.i0(h.clamp(-5, 5)),
    "nan_to_num": lambda h, k: torch.nan_to_num(h),
    "clamp": lambda h, k: torch.clamp(
        h, *pick(k, (-0.3, 0.4), (None, 0.2), (-1e6, 1e6), (-torch.inf, 0.1), (0.0, None))
    ),
    "clamp by a tensor": lambda h, k: torch.clamp(
        pick(k, h, h[:, :1]), numbers(4, 1, like=h), pick(k, None, torch.tensor(torch.inf))
    ),
    "maximum of a constant": lambda h, k: pick(k, torch.maximum, torch.minimum, torch.fmax, torch.fmin)(
        h, pick(k // 4, torch.tensor(0.1), torch.tensor(-1e6), torch.tensor(torch.inf), torch.tensor(-torch.inf)).to(h)
    ).clamp(-1e3, 1e3),
    "entr": lambda h, k: torch.special.entr(torch.softmax(pick(k, 1, 20) * h, pick(k, 1, 2))),
    "softmax": lambda h, k: torch.softmax(pick(k, 1, 10, 100) * h, pick(k, 1, 2)),
    "softmax in double": lambda h, k: F.softmax(h, 2, dtype=torch.float64).to(h.dtype),
    "softmax masked": lambda h, k: torch.softmax(h.masked_fill(mask((4, 12), k), -torch.inf), 2).nan_to_num(0.1),
    "log_softmax": lambda h, k: F.log_softmax(pick(k, 1, 10) * h, pick(k, 1, 2)),
    "softmin": lambda h, k: F.softmin(h, pick(k, 1, 2)),
    "logsumexp": lambda h, k: torch.logsumexp(pick(k, h, h.masked_fill(mask((4, 12), 0), -torch.inf)),
                                              pick(k, 2, (1, 2)), keepdim=True) * h,
    "layer_norm": lambda h, k: F.layer_norm(h, pick(k, (12,), (4, 12)), eps=pick(k, 1e-5, 1e-3)),
    "rms_norm": lambda h, k: F.rms_norm(h, (12,), eps=pick(k, 1e-5, 1e-2)),
    "group_norm": lambda h, k: F.group_norm(h, pick(k, 1, 2, 4), eps=1e-3),
    "instance_norm": lambda h, k: F.instance_norm(h, eps=1e-3),
    "batch_norm": lambda h, k: F.batch_norm(h, numbers(4, like=h), numbers(4, like=h).abs() + 0.5),
    "normalize": lambda h, k: F.normalize(h, pick(k, 2.0, 1.0, 3.0, torch.inf), pick(k, 1, 2)),
    "vector_norm": lambda h, k: torch.linalg.vector_norm(
        h, pick(k, 2, 1, 3, torch.inf, 0.5), pick(k, 1, 2), keepdim=True
    ),
    "matrix_norm": lambda h, k: torch.linalg.matrix_norm(h, pick(k, "fro", 1, torch.inf, -1, 2), keepdim=True) * h,
    "norm": lambda h, k: torch.norm(h, pick(k, 2, 1, "fro"), dim=pick(k, 1, (1, 2)), keepdim=True),
    "var": lambda h, k: pick(k, torch.var, torch.std)(h, pick(k, 1, 2), keepdim=True),
    "mean": lambda h, k: pick(k, torch.mean, torch.sum)(h, pick(k, 1, 2), keepdim=True) + h,
    "amax": lambda h, k: pick(k, torch.amax, torch.amin)(h, pick(k, 1, 2, (1, 2))),
    "max": lambda h, k: pick(k, torch.max, torch.min)(h, pick(k, 1, 2))[0],
    "cumsum": lambda h, k: torch.cumsum(h, pick(k, 1, 2)),
    "diff": lambda h, k: torch.diff(h, dim=2),
    "flip": lambda h, k: pick(k, lambda t: t.flip(2), lambda t: t.roll(3, 2), lambda t: t.mT)(h),
    "reshape": lambda h, k: torch.tanh(h.reshape(pick(k, (-1, 12, 4), (-1, 2, 24), (-1, 48)))),
    "folded": lambda h, k: F.gelu(h.reshape(-1, 12)).view(-1, 4, 12),
    "tokens first": lambda h, k: F.layer_norm(h.permute(2, 0, 1), (4,), eps=1e-2).permute(1, 2, 0),
    "select": lambda h, k: pick(k, h[:, :, ::2], h[:, 1:3], h[:, :, 3], h[..., torch.tensor([0, 5, 5])]),
    "gather": lambda h, k: h.gather(2, (torch.arange(12).expand(h.shape) * pick(k, 5, 7)) % 12),
    "index_select": lambda h, k: torch.index_select(h, 2, torch.tensor([1, 1, 8, 3])),
    "pad": lambda h, k: F.pad(h, (2, 1), mode=pick(k, "constant", "reflect", "circular")),
    "unfold": lambda h, k: h.unfold(2, 4, 2),
    "split": lambda h, k: torch.cat(h.split(pick(k, 5, 4), 2)[::-1], 2),
    "where": lambda h, k: torch.where(mask((4, 12), k), pick(k, 0.3, -1.0), h),
    "masked_fill": lambda h, k: h.masked_fill(mask((4, 12), k), pick(k, 0.2, -1.0)),
    "assignment": lambda h, k: _assigned(h, k),
    "scatter_add": lambda h, k: torch.zeros_like(h).scatter_add(2, (torch.arange(12) % 5).expand(h.shape), h),
    "tril": lambda h, k: pick(k, torch.tril, torch.triu)(h),
    "repeat": lambda h, k: pick(k, h.repeat(1, 1, 2), h.repeat_interleave(2, 2), h.expand(-1, -1, 12)),
    "glu": lambda h, k: F.glu(h, pick(k, 1, 2)),
    "max_pool1d": lambda h, k: F.max_pool1d(h, *pick(k, (2,), (3, 1, 1), (5, 2, 2))),
    "max_pool2d": lambda h, k: F.max_pool2d(h[:, None], 2, pick(k, 1, 2)),
    "avg_pool1d": lambda h, k: F.avg_pool1d(h, pick(k, 2, 3), pick(k, 1, 3)),
    "adaptive_max_pool1d": lambda h, k: F.adaptive_max_pool1d(h, pick(k, 1, 5)),
    "adaptive_avg_pool1d": lambda h, k: F.adaptive_avg_pool1d(h, pick(k, 1, 5)),
    "interpolate": lambda h, k: F.interpolate(h, scale_factor=2, mode=pick(k, "nearest", "linear")),
    "conv1d": lambda h, k: F.conv1d(h, numbers(5, 4, 3, like=h), padding=1, dilation=pick(k, 1, 2)),
    "conv_transpose1d": lambda h, k: F.conv_transpose1d(h, numbers(4, 2, 3, like=h), stride=pick(k, 1, 2)),
    "linear": lambda h, k: F.linear(h, numbers(9, 12, like=h), pick(k, None, numbers(9, like=h))),
    "dropout": lambda h, k: F.dropout(h, 0.5, training=False),
    "rfft": lambda h, k: pick(k, lambda z: z.abs(), lambda z: z.real * z.imag, torch.view_as_real)(torch.fft.rfft(h)),
    "fft convolution": lambda h, k: torch.fft.irfft(
        torch.fft.rfft(h, 24) * torch.fft.rfft(pick(k, numbers(12, like=h), h.tanh()), 24), 24
    ),
    "self-attention": lambda h, k: F.scaled_dot_product_attention(h, h.flip(2), h, is_causal=pick(k, False, True)),
    "heads": lambda h, k: F.scaled_dot_product_attention(
        *[h.unflatten(2, (3, 4)).transpose(1, 2)] * 3, attn_mask=pick(k, None, ~mask((4, 4), 0), ~mask((4, 4), 2))
    ),
    "pair bias": lambda h, k: F.scaled_dot_product_attention(h, h, h, attn_mask=pick(k, 1, 5) * h @ h.mT),
    "attention by hand": lambda h, k: torch.softmax(h @ h.mT / pick(k, 1, 3), -1) @ h,
    "gru": lambda h, k: _recurrent(h, pick(k, nn.GRU, nn.LSTM, nn.RNN), k % 2 == 0),
    "sort": lambda h, k: h.sort(2)[0],
    "cumprod": lambda h, k: h.cumprod(2),
    "round": lambda h, k: h * pick(k, torch.round, torch.floor, torch.sign)(h),
    "step": lambda h, k: h * (h > 0),
}  # fmt: skip
BINARY: dict[str, Function] = {
    "add": lambda a, b, k: pick(k, torch.add, torch.sub)(a, b, alpha=pick(k, 1, 0.5)),
    "mul": lambda a, b, k: pick(k, torch.mul, lambda s, t: s.clone().mul_(t))(a, b),
    "divide": lambda a, b, k: a / pick(k, 1 + b * b, b.abs() + 1e-2, b.abs().sum(2, keepdim=True) + 1e-6),
    "maximum": lambda a, b, k: pick(k, torch.maximum, torch.minimum, torch.fmax, torch.fmin)(a, b),
    "clamp between": lambda a, b, k: torch.clamp(a, b - 0.1, pick(k, None, b + 0.2)),
    "matmul": lambda a, b, k: pick(k, torch.matmul, torch.bmm)(a, b.mT),
    "einsum": lambda a, b, k: torch.einsum(pick(k, "bcl,bdl->bcd", "bcl,bcm->blm"), a, b),
    "einsum of three": lambda a, b, k: torch.einsum("bcl,bdl,bcl->bcd", a, b, a.tanh()),
    "addcmul": lambda a, b, k: torch.addcmul(a, a, b, value=pick(k, 1, -0.5)),
    "addcdiv": lambda a, b, k: torch.addcdiv(a, a, b.square() + 0.1),
    "baddbmm": lambda a, b, k: torch.baddbmm(a @ b.mT, a, b.mT, beta=pick(k, 1, 0.3)),
    "lerp": lambda a, b, k: torch.lerp(a, b, pick(k, 0.3, torch.tensor(0.7).to(a))),
    "cat": lambda a, b, k: torch.cat([a[:, :, :5], b[:, :, 2:9]], 2),
    "stack": lambda a, b, k: torch.stack([a, b], 1).amax(1),
    "where of both": lambda a, b, k: torch.where(mask((4, 12), k), a, b),
    "atan2": lambda a, b, k: pick(k, torch.atan2, torch.hypot)(a, b + 2),
    "logaddexp": lambda a, b, k: pick(k, torch.logaddexp, torch.logaddexp2)(a, b),
    "xlogy": lambda a, b, k: torch.xlogy(a, pick(k, F.relu(b) + 1e-3, b.square() + 1)),
    "power of both": lambda a, b, k: (a.abs() + 0.1) ** b.clamp(-2, 2),
    "cosine": lambda a, b, k: pick(k, F.cosine_similarity, F.pairwise_distance)(a, b),
    "cdist": lambda a, b, k: torch.cdist(a, b, p=pick(k, 2.0, 1.0)),
    "cross-attention": lambda a, b, k: F.scaled_dot_product_attention(a, b, b - a, scale=pick(k, None, 1.5)),
    "gate": lambda a, b, k: a * torch.sigmoid(b) + b * (1 - torch.sigmoid(b)),
    "complex": lambda a, b, k: (torch.complex(a, b) * torch.fft.fft(a)).abs(),
}


def _assigned(h: Tensor, k: int) -> Tensor:
    h = h.clone()
    if k % 2:
        h[:, 1:3] = h[:, :2] * h[:, 2:4]
    else:
        h[:, :, ::3] *= 0.5
    return h


def _recurrent(h: Tensor, kind: Any, both_ways: bool) -> Tensor:
    layer = kind(4, 3, batch_first=True, bidirectional=both_ways).to(h.dtype)
    for p in layer.parameters():
        p.data = numbers(*p.shape, like=h)
    return layer(h.mT[:, :6])[0]


FUNCTIONS = UNARY | BINARY
