"""Fused attention: keeps only the queries, keys and values and recomputes the probabilities in the backward pass.

``O = P V``, ``P = softmax(S)``, ``S = scale Q K^T + B``. Two products (each side takes the other's midpoint) and
the softmax rule between them; l are the logarithmic means of P_x and P_r::

    m_V = P_bar^T m      m_P = m V_bar^T      m_S = l (m_P - sum(l m_P) / sum(l))
    m_Q = scale m_S K_bar                     m_K = scale m_S^T Q_bar                 m_B = m_S

B is a mask, the same for a sequence and its references, or a bias that depends on the sequence.

Memory: linear in the number of tokens between the passes; one block of rows of S during the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from l2g_interp.attributions.deeplift.layout import Layout
from l2g_interp.attributions.deeplift.normalise import finite, log_mean_, masked

BLOCK_BYTES = 2**22  # scores held at once on a CPU, so that they stay in its cache
BLOCK_BYTES_GPU = 2**30
KEPT_BYTES = 2**27  # of probabilities kept from one target to the next, per call of attention
KEPT_BYTES_GPU = 2**30


@dataclass(frozen=True)
class _Mask:
    """What is added to the scores of each row, as finite numbers ``(rows or 1, heads or 1, q or 1, k)``.

    ``seen``: 0 for queries that see no key and so return 0; ``free``: 0 for those that weigh all keys alike. None if
    there are no such queries.
    """

    added: Tensor | None = None
    seen: Tensor | None = None
    free: Tensor | None = None

    def part(self, rows: slice, heads: slice) -> _Mask:
        return _Mask(*(_part(t, rows, heads) for t in (self.added, self.seen, self.free)))


def _part(t: Tensor | None, rows: slice, heads: slice) -> Tensor | None:
    if t is None:
        return None
    t = t if t.shape[0] == 1 else t[rows]
    return t if t.shape[1] == 1 else t[:, heads]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, y: Tensor, side: _Side,
                keep: bool) -> Tensor:  # fmt: skip
        ctx.save_for_backward(q, k, v, bias)
        ctx.side, ctx.kept = side, {} if keep else None
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        *saved, bias = ctx.saved_tensors
        out = [torch.empty_like(t) for t in saved]
        m_b = None if bias is None else torch.zeros_like(bias)
        for rows, heads in _blocks(grad, saved[1], ctx.side.each):
            part = (rows, heads)
            side = ctx.side.part(rows, heads)
            reference = [t[part] for t in saved]
            key = (rows.start, heads.start)
            weights = ctx.kept.get(key) if ctx.kept else None
            if weights is None:
                weights = _weights(side, reference[0], reference[1], _part(bias, rows, heads))
                if ctx.kept is not None:
                    ctx.kept[key] = weights
            *multipliers, m_s = _multipliers(side, weights, grad[part], reference)
            for whole, piece in zip(out, multipliers, strict=True):
                whole[part] = piece
            if m_b is not None:
                where = _part(m_b, rows, heads)
                assert where is not None
                where += m_s.sum_to_size(where.shape)
        return (*out, m_b, None, None, None)


def _blocks(grad: Tensor, keys: Tensor, each: int) -> Iterator[tuple[slice, slice]]:
    """(rows, heads): blocks that each have a bounded number of scores; ``each`` rows belong to one example."""
    rows, heads, queries, _ = grad.shape
    scores = (BLOCK_BYTES_GPU if grad.is_cuda else BLOCK_BYTES) // (4 * queries * keys.shape[2])
    some_heads = max(1, min(heads, scores))
    some_rows = max(1, scores // heads)
    each = rows if each == 1 else each
    for first in range(0, rows, each):
        for top in range(first, first + each, some_rows):
            for head in range(0, heads, some_heads):
                yield slice(top, min(top + some_rows, first + each)), slice(head, head + some_heads)


@dataclass(frozen=True)
class _Side:
    """The examples' side of the rule: a row for ``each`` rows of references."""

    q: Tensor
    k: Tensor
    v: Tensor
    mask: _Mask
    scale: float
    each: int = 1
    log_p: Tensor | None = None
    p: Tensor | None = None

    def part(self, rows: slice, heads: slice) -> _Side:
        if self.each > 1:
            rows = slice(rows.start // self.each, rows.start // self.each + 1)
        q, k, v = (t[rows, heads] for t in (self.q, self.k, self.v))
        mask = self.mask.part(rows, heads)
        if self.log_p is None or self.p is None:
            return _with_probabilities(_Side(q, k, v, mask, self.scale, self.each))
        return _Side(q, k, v, mask, self.scale, self.each, self.log_p[rows, heads], self.p[rows, heads])


def _with_probabilities(side: _Side) -> _Side:
    q, k, v = (t.to(torch.promote_types(t.dtype, torch.float32)) for t in (side.q, side.k, side.v))
    log_p = torch.log_softmax(_scores(q, k, side.mask.added, side.scale), -1)
    return _Side(q, k, v, side.mask, side.scale, side.each, log_p, log_p.exp())


def _scores(q: Tensor, k: Tensor, added: Tensor | None, scale: float) -> Tensor:
    scores = (q * scale) @ k.mT
    return scores if added is None else scores.add_(added)


def _weights(x: _Side, q: Tensor, k: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithmic means l, their sums over the keys, and P_x + P_r."""
    assert x.p is not None
    assert x.log_p is not None
    wide = x.p.dtype
    log_r = _scores(q.to(wide), k.to(wide), x.mask.added if bias is None else finite(bias.to(wide)), x.scale)
    log_r -= log_r.amax(-1, keepdim=True)
    p_r = log_r.exp()
    total = p_r.sum(-1, keepdim=True)
    p_r /= total
    log_ratio = torch.sub(x.log_p, log_r, out=log_r).add_(total.log_())
    means, twice = log_mean_(x.p, p_r, log_ratio)
    return means, means.sum(-1, keepdim=True), twice


def _multipliers(
    x: _Side, weights: tuple[Tensor, Tensor, Tensor], grad: Tensor, reference: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    means, total, twice = weights
    wide = means.dtype
    grad = grad.to(wide)
    if x.mask.seen is not None:
        grad = grad * x.mask.seen
    q, k, v = (t.to(wide) for t in reference)
    half_q, half_k = (q + x.q).mul_(x.scale / 2), (k + x.k).mul_(x.scale / 2)
    half_grad = grad * 0.5
    m_v = twice.mT @ half_grad
    m_p = half_grad @ (v + x.v).mT
    along = torch.linalg.vecdot(means, m_p).unsqueeze(-1).div_(total)
    m_s = m_p.sub_(along).mul_(means)
    if x.mask.free is not None:
        m_s *= x.mask.free
    return m_s @ half_k, m_s.mT @ half_q, m_v, m_s


NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")


def attention(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``scaled_dot_product_attention`` on queries, keys and values ``(batch, .., tokens, width)``."""
    given: dict[str, Any] = dict(zip(NAMES, args, strict=False)) | kwargs
    of_example = dict(zip(NAMES, example.args, strict=False)) | example.kwargs
    if given.get("dropout_p"):
        raise NotImplementedError("attention with dropout; call model.eval() first")
    with torch.no_grad():
        y = func(*args, **kwargs)
    scale = given.get("scale")
    scale = 1 / math.sqrt(given["query"].shape[-1]) if scale is None else scale
    references, bias = _same_batch(given), given.get("attn_mask")
    bias = _bias(bias, references) if isinstance(bias, Tensor) and bias.requires_grad else None
    if "side" not in example.cache:
        example.cache["side"] = _example_side(layout, of_example, references, scale, bias is not None)
    side = example.cache["side"] or _row_by_row(layout, given, of_example, references, scale, bias)
    side = replace(side, each=layout.references) if example.cache["side"] else side
    flat = [_flat(t) for t in references]
    size = 8 * math.prod(flat[0].shape[:3]) * flat[1].shape[2]
    keep = layout.targets > 1 and size <= (KEPT_BYTES_GPU if y.is_cuda else KEPT_BYTES)
    bias = None if bias is None else _flat(bias)
    tall: Any = _Attention.apply(*flat, bias, y.reshape(*flat[0].shape[:3], -1), side, keep)
    return tall.view(y.shape)


def _example_side(layout: Layout, of_example: dict, references: list[Tensor], scale: float,
                  biased: bool) -> _Side | None:  # fmt: skip
    """The examples' side, for all their references; None where the batch is not the first dimension."""
    x = _same_batch(of_example)
    if x[0].shape[0] != layout.groups or layout.batch_dim(x[0], references[0]) not in (0, None):
        return None
    mask = _bias(of_example["attn_mask"], x) if biased else _mask_of(of_example, x)
    q, k, v = (_flat(t) for t in x)
    return _with_probabilities(_Side(q, k, v, _mask(mask, q), scale))


def _row_by_row(layout: Layout, given: dict, of_example: dict, references: list[Tensor], scale: float,
                bias: Tensor | None) -> _Side:  # fmt: skip
    """The example of each row of references, wherever the batch lies."""
    x = _same_batch(of_example)
    if bias is None:
        mask = _mask_of(given, references)
    else:
        mask = layout.beside(_bias(of_example["attn_mask"], x), bias.detach())
    q, k, v = (_flat(layout.beside(t, r).expand_as(r)) for t, r in zip(x, references, strict=True))
    return _Side(q, k, v, _mask(mask, q), scale)


def _same_batch(given: dict[str, Any]) -> list[Tensor]:
    """Queries, keys and values ``(batch, .., tokens, width)`` with the same dimensions before the tokens."""
    tensors = [given[name] for name in ("query", "key", "value")]
    if max(t.dim() for t in tensors) < 3:
        raise NotImplementedError("attention without a batch dimension")
    if given.get("enable_gqa"):
        heads = tensors[0].shape[-3]
        tensors = [t.repeat_interleave(heads // t.shape[-3], -3) for t in tensors]
    before = torch.broadcast_shapes(*(t.shape[:-2] for t in tensors))
    return [t.expand(*before, *t.shape[-2:]) for t in tensors]


def _flat(t: Tensor) -> Tensor:
    """``(batch, heads, tokens, width)``: all dimensions between batch and tokens count as heads."""
    return t.unsqueeze(1) if t.dim() == 3 else t.flatten(1, -3)


def _bias(bias: Tensor, beside: list[Tensor]) -> Tensor:
    """A bias in the shape of the scores; only the heads of ``(batch, heads, q, k)`` may stay alike."""
    q, k, _ = beside
    shape = [*q.shape[:-1], k.shape[-2]]
    bias = bias[(None,) * (q.dim() - bias.dim())]
    if q.dim() == 4:
        shape[1] = bias.shape[1]
    return bias.expand(shape)


def _mask_of(given: dict[str, Any], beside: list[Tensor]) -> Tensor | None:
    """What is added to the scores, in the dtype of the scores; its dimensions may be 1."""
    q, k, _ = beside
    mask, wide = given.get("attn_mask"), torch.promote_types(q.dtype, torch.float32)
    if given.get("is_causal"):
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=wide, device=mask.device).masked_fill_(~mask, -math.inf)
    mask = mask[(None,) * (q.dim() - mask.dim())]
    return mask.expand(mask.shape[0], *q.shape[1:-2], -1, -1) if q.dim() > 4 else mask


def _mask(mask: Tensor | None, q: Tensor) -> _Mask:
    if mask is None:
        return _Mask()
    wide = torch.promote_types(q.dtype, torch.float32)
    mask = _flat(mask.to(wide))
    seen, free = ~(mask == -math.inf).all(-1, keepdim=True), ~masked(mask).all(-1, keepdim=True)
    return _Mask(finite(mask), None if seen.all() else seen.to(wide), None if free.all() else free.to(wide))
