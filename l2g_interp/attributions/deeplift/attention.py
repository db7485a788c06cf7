"""Fused attention: keeps only the queries, keys and values and recomputes the probabilities in the backward pass.

``O = P V``, ``P = softmax(S)``, ``S = scale Q K^T + mask``. Two products (each side takes the other's midpoint) and
the softmax rule between them; l are the logarithmic means of P_x and P_r::

    m_V = P_bar^T m      m_P = m V_bar^T      m_S = l (m_P - sum(l m_P) / sum(l))
    m_Q = scale m_S K_bar                     m_K = scale m_S^T Q_bar

Memory: linear in the number of tokens between the passes; one block of rows of S during the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    """What is added to the scores of each example and its references, as finite numbers ``(g or 1, heads or 1, q, k)``.

    ``seen``: 0 for queries that see no key and so return 0; ``free``: 0 for those that weigh all keys alike. None if
    there are no such queries.
    """

    added: Tensor | None = None
    seen: Tensor | None = None
    free: Tensor | None = None

    def part(self, group: slice, heads: slice) -> _Mask:
        def of(t: Tensor | None) -> Tensor | None:
            if t is None:
                return None
            t = t if t.shape[0] == 1 else t[group]
            return t if t.shape[1] == 1 else t[:, heads]

        return _Mask(of(self.added), of(self.seen), of(self.free))


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, y: Tensor, side: _Side, keep: bool) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.side, ctx.kept = side, {} if keep else None
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        saved = ctx.saved_tensors
        out = [torch.empty_like(t) for t in saved]
        for group, rows, heads in _blocks(grad, saved[1], ctx.side.q.shape[0]):
            part = (rows, heads)
            side = ctx.side.part(group, heads)
            reference = [t[part] for t in saved]
            key = (rows.start, heads.start)
            weights = ctx.kept.get(key) if ctx.kept else None
            if weights is None:
                weights = _weights(side, *reference[:2])
                if ctx.kept is not None:
                    ctx.kept[key] = weights
            for whole, piece in zip(out, _multipliers(side, weights, grad[part], reference), strict=True):
                whole[part] = piece
        return (*out, None, None, None)


def _blocks(grad: Tensor, keys: Tensor, groups: int) -> Iterator[tuple[int, slice, slice]]:
    """(group, rows, heads): blocks that each have a bounded number of scores."""
    rows, heads, queries, _ = grad.shape
    scores = (BLOCK_BYTES_GPU if grad.is_cuda else BLOCK_BYTES) // (4 * queries * keys.shape[2])
    some_heads = max(1, min(heads, scores))
    some_rows = max(1, scores // heads)
    each = rows // groups
    for group in range(groups):
        for top in range(group * each, (group + 1) * each, some_rows):
            for head in range(0, heads, some_heads):
                yield group, slice(top, min(top + some_rows, (group + 1) * each)), slice(head, head + some_heads)


@dataclass(frozen=True)
class _Side:
    """The examples' side of the rule."""

    q: Tensor
    k: Tensor
    v: Tensor
    log_p: Tensor
    p: Tensor
    mask: _Mask
    scale: float

    def part(self, group: int, heads: slice) -> _Side:
        where = (slice(group, group + 1), heads)
        mask = self.mask.part(*where)
        return _Side(self.q[where], self.k[where], self.v[where], self.log_p[where], self.p[where], mask, self.scale)


def _side(example: tuple[Tensor, ...], mask: _Mask, scale: float) -> _Side:
    q, k, v = (t.to(torch.promote_types(t.dtype, torch.float32)) for t in example)
    log_p = torch.log_softmax(_scores(q, k, mask, scale), -1)
    return _Side(q, k, v, log_p, log_p.exp(), mask, scale)


def _scores(q: Tensor, k: Tensor, mask: _Mask, scale: float) -> Tensor:
    scores = (q * scale) @ k.mT
    return scores if mask.added is None else scores.add_(mask.added)


def _weights(x: _Side, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithmic means l, their sums over the keys, and P_x + P_r."""
    log_r = _scores(q.to(x.p.dtype), k.to(x.p.dtype), x.mask, x.scale)
    log_r -= log_r.amax(-1, keepdim=True)
    p_r = log_r.exp()
    total = p_r.sum(-1, keepdim=True)
    p_r /= total
    log_ratio = torch.sub(x.log_p, log_r, out=log_r).add_(total.log_())
    means, twice = log_mean_(x.p, p_r, log_ratio)
    return means, means.sum(-1, keepdim=True), twice


def _multipliers(
    x: _Side, weights: tuple[Tensor, Tensor, Tensor], grad: Tensor, reference: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    means, total, twice = weights
    grad = grad.to(x.p.dtype)
    if x.mask.seen is not None:
        grad = grad * x.mask.seen
    q, k, v = (t.to(x.p.dtype) for t in reference)
    half_q, half_k = (q + x.q).mul_(x.scale / 2), (k + x.k).mul_(x.scale / 2)
    half_grad = grad * 0.5
    m_v = twice.mT @ half_grad
    m_p = half_grad @ (v + x.v).mT
    along = torch.linalg.vecdot(means, m_p).unsqueeze(-1).div_(total)
    m_s = m_p.sub_(along).mul_(means)
    if x.mask.free is not None:
        m_s *= x.mask.free
    return m_s @ half_k, m_s.mT @ half_q, m_v


def attention(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``scaled_dot_product_attention`` with queries, keys and values ``(batch, [heads,] tokens, width)``."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    given: dict[str, Any] = dict(zip(names, args, strict=False)) | kwargs
    of_example = dict(zip(names, example.args, strict=False)) | example.kwargs
    if given.get("dropout_p"):
        raise NotImplementedError("attention with dropout; call model.eval() first")
    with torch.no_grad():
        y = func(*args, **kwargs)
    scale = given.get("scale")
    scale = 1 / math.sqrt(given["query"].shape[-1]) if scale is None else scale
    references = _four_dimensional(given)
    if "side" not in example.cache:
        example.cache["side"] = _side(_four_dimensional(of_example), _mask(of_example), scale)
    side = example.cache["side"]
    if side.q.shape[0] != layout.groups:
        raise NotImplementedError(f"attention on queries of shape {tuple(given['query'].shape)}: batch must come first")
    size = 8 * math.prod(references[0].shape[:3]) * references[1].shape[2]
    keep = layout.targets > 1 and size <= (KEPT_BYTES_GPU if y.is_cuda else KEPT_BYTES)
    tall: Any = _Attention.apply(*references, y.view(*references[0].shape[:3], -1), side, keep)
    return tall.view(y.shape)


def _four_dimensional(given: dict[str, Any]) -> tuple[Tensor, ...]:
    """Queries, keys and values with a dimension for the heads, the same number for each."""
    tensors = [given[name] for name in ("query", "key", "value")]
    tensors = [t.unsqueeze(1) if t.dim() == 3 else t for t in tensors]
    heads, rows = tensors[0].shape[1], max(t.shape[0] for t in tensors)
    tensors = [t.expand(rows, -1, -1, -1) for t in tensors]
    return tuple(t if t.shape[1] == heads else t.repeat_interleave(heads // t.shape[1], 1) for t in tensors)


def _mask(given: dict[str, Any]) -> _Mask:
    q, k, mask = given["query"], given["key"], given.get("attn_mask")
    wide = torch.promote_types(q.dtype, torch.float32)
    if given.get("is_causal"):
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
    if mask is None:
        return _Mask()
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=wide, device=mask.device).masked_fill_(~mask, -math.inf)
    mask = mask.to(wide)
    mask = mask.unsqueeze(1) if q.dim() == 3 and mask.dim() == 3 else mask[(None,) * (4 - mask.dim())]
    seen, free = ~(mask == -math.inf).all(-1, keepdim=True), ~masked(mask).all(-1, keepdim=True)
    return _Mask(finite(mask), None if seen.all() else seen.to(wide), None if free.all() else free.to(wide))
