"""Layers that the architectures of ``zoo_papers`` are made of, each written from its paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Fn(nn.Module):
    """A function as a module."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class Add(nn.Sequential):
    """``x + f(x)``"""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore
        return x + super().forward(x)


class Parts(nn.Module):
    """Named layers, and a function of them and the input."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def mean(x: Tensor) -> Tensor:
    return x.mean(-1)


def turned() -> nn.Module:
    """Channels last, or first again."""
    return Fn(lambda x: x.transpose(1, 2))


def conv(before: int, after: int, width: int, dilation: int = 1, **more: Any) -> nn.Conv1d:
    return nn.Conv1d(before, after, width, padding=dilation * (width // 2), dilation=dilation, **more)


class SoftmaxPool(nn.Module):
    """Enformer's attention pooling of two neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.logits = nn.Conv1d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pairs, scores = (t.unflatten(-1, (-1, 2)) for t in (x, self.logits(x)))
        return (pairs * scores.softmax(-1)).sum(-1)


class RelativeAttention(nn.Module):
    """Multi-head attention with relative positions: content and position biases, the positions' scores shifted."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=i == 3) for i in range(4))
        self.position = nn.Linear(6, width, bias=False)
        self.content_bias, self.position_bias = (nn.Parameter(torch.randn(heads, 1, width // heads)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        batch, n, _ = x.shape
        q, k, v = (f(x).view(batch, n, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        q = q * q.shape[-1] ** -0.5
        distance = torch.arange(1 - n, n, device=x.device, dtype=x.dtype)
        decay = torch.exp(-distance.abs()[:, None] / 2.0 ** torch.arange(1, 4, device=x.device))
        features = torch.cat([decay, distance.sign()[:, None] * decay], 1)
        keys = self.position(features).view(2 * n - 1, self.heads, -1).transpose(0, 1)
        shifted = F.pad((q + self.position_bias) @ keys.mT, (1, 0)).flatten(-2)[..., n:]
        relative = shifted.view(batch, self.heads, n, 2 * n - 1)[..., :n]
        weights = ((q + self.content_bias) @ k.mT + relative).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(width, 8), nn.SiLU(), nn.Linear(8, width), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean(-1))[..., None]


class LongConvolution(nn.Module):
    """Hyena's operator: a filter as long as the sequence, out of a small network of the position, by FFT; gated."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.short = nn.Conv1d(3 * width, 3 * width, 3, padding=2, groups=3 * width)
        self.filter = nn.Sequential(nn.Linear(5, 16), Fn(torch.sin), nn.Linear(16, width))

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        gate, other, value = self.short(self.into(x).mT)[..., :n].chunk(3, 1)
        t = torch.linspace(0, 1, n, device=x.device, dtype=x.dtype)[:, None]
        angles = 2 * math.pi * t * torch.tensor([1.0, 2.0], device=x.device, dtype=x.dtype)
        kernel = self.filter(torch.cat([t, angles.sin(), angles.cos()], 1)).T * torch.exp(-4 * t).T
        value = value * other
        spectrum = torch.fft.rfft(value, 2 * n) * torch.fft.rfft(kernel, 2 * n)
        return self.out((torch.fft.irfft(spectrum, 2 * n)[..., :n] * gate).mT)


class SelectiveScan(nn.Module):
    """Mamba's layer, the recurrence written out over the tokens."""

    def __init__(self, width: int, states: int = 4) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.short, self.step = nn.Conv1d(width, width, 4, padding=3, groups=width), nn.Linear(width, width)
        self.b, self.c = nn.Linear(width, states, bias=False), nn.Linear(width, states, bias=False)
        self.log_a = nn.Parameter(torch.arange(1.0, states + 1).log().expand(width, states).clone())

    def forward(self, x: Tensor) -> Tensor:
        u, gate = self.into(x).chunk(2, -1)
        u = F.silu(self.short(u.mT)[..., : x.shape[1]].mT)
        step, b, c = F.softplus(self.step(u)), self.b(u), self.c(u)
        decay = torch.exp(step[..., None] * -self.log_a.exp())
        taken = (step * u)[..., None] * b[:, :, None]
        state, outputs = torch.zeros_like(taken[:, 0]), []
        for t in range(x.shape[1]):
            state = decay[:, t] * state + taken[:, t]
            outputs.append((state * c[:, t, None]).sum(-1))
        return self.out(torch.stack(outputs, 1) * F.silu(gate))


class LinearAttention(nn.Module):
    """Katharopoulos' attention: a feature map in place of the softmax, linear in the number of tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k = F.elu(self.q(x)) + 1, F.elu(self.k(x)) + 1
        state = torch.einsum("bnd,bne->bde", k, self.v(x))
        total = torch.einsum("bnd,bd->bn", q, k.sum(1))
        return torch.einsum("bnd,bde->bne", q, state) / total[..., None]


class Experts(nn.Module):
    """A mixture of experts: each token goes to the best of four, as far as its gate is open."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(width, 4), nn.ModuleList(nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        share, best = self.gate(x).softmax(-1).max(-1, keepdim=True)
        outputs = torch.stack([expert(x) for expert in self.experts], -2)
        return share * outputs.gather(-2, best[..., None].expand(*best.shape, x.shape[-1])).squeeze(-2)


def mlp(width: int) -> nn.Module:
    return Add(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def tokens(*layers: nn.Module, width: int = 16) -> nn.Module:
    """Tokens of 4 bp, the layers, the mean over the tokens."""
    first = nn.Conv1d(4, width, 4, stride=4), turned()
    return nn.Sequential(*first, *layers, nn.LayerNorm(width), Fn(lambda h: h.mean(1)), nn.Linear(width, 2))
