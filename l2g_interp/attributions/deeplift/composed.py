"""Functions rewritten in terms of others that have rules. Each runs with the engine on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from l2g_interp.attributions.deeplift.calls import later
from l2g_interp.attributions.deeplift.pairs import quotient


def divide(func: Callable, a: Any, b: Any, **kwargs: Any) -> Tensor:
    """a / b; linear if b is constant."""
    if func.__name__ == "__rtruediv__" or func.__name__ == "__rdiv__":
        a, b = b, a
    if kwargs.get("rounding_mode") is not None:
        raise NotImplementedError("torch.div with a rounding mode on something that depends on the sequence")
    return quotient(a, b) if isinstance(b, Tensor) and b.requires_grad else a * (1 / b)


def log_softmax(func: Callable, input: Tensor, dim: Any = None, *_: Any, dtype: Any = None, **__: Any) -> Tensor:
    """s - logsumexp(s)."""
    scores = input if dtype is None else input.to(dtype)
    dim = dim if dim is not None else 0 if input.dim() in (0, 1, 3) else 1  # torch's own choice, which it warns about
    return scores - torch.logsumexp(scores, dim, keepdim=True)


def max_(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """max over a dimension, with its indices, or max of two tensors."""
    return _extreme(torch.maximum, torch.amax, torch.argmax, torch.return_types.max, input, args, kwargs)  # type: ignore[attr-defined]


def min_(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """min over a dimension, with its indices, or min of two tensors."""
    return _extreme(torch.minimum, torch.amin, torch.argmin, torch.return_types.min, input, args, kwargs)  # type: ignore[attr-defined]


def _extreme(of_two: Callable, value: Callable, index: Callable, pair: Callable, input: Tensor, args: tuple,
             kwargs: dict) -> Any:  # fmt: skip
    other = kwargs.get("other", args[0] if args else None)
    if isinstance(other, Tensor):
        return of_two(input, other)
    if not args and "dim" not in kwargs:
        raise NotImplementedError(f"torch.{of_two.__name__[:3]} over the whole batch mixes sequences; give a dimension")
    return pair((value(input, *args, **kwargs), index(input, *args, **kwargs)))


def amin(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """min(a) = -max(-a)."""
    return -torch.amax(-input, *args, **kwargs)


def glu(func: Callable, input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), the halves of the input."""
    a, b = input.chunk(2, dim)
    return a * torch.sigmoid(b)


def group_norm(
    func: Callable, input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    """Layer norm of each group of channels, then the channel's scale and shift."""
    flat = input.reshape(input.shape[0], num_groups, -1)
    out = F.layer_norm(flat, flat.shape[-1:], eps=eps).view(input.shape)
    per_channel = (1, -1) + (1,) * (input.dim() - 2)
    out = out if weight is None else out * weight.view(per_channel)
    return out if bias is None else out + bias.view(per_channel)


def instance_norm(
    func: Callable,
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Group norm with one channel per group, or batch norm with running statistics."""
    if not use_input_stats:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    return group_norm(func, input, input.shape[1], weight, bias, eps)


def variance(func: Callable, input: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Tensor:
    """Sum of squares of the centred input, divided by n - correction."""
    unbiased = kwargs.get("unbiased", args[0] if args else True)
    correction = kwargs.get("correction", 1 if unbiased else 0)
    keep = kwargs.get("keepdim", args[1] if len(args) > 1 else False)
    if dim is None or isinstance(dim, bool):
        raise NotImplementedError("a variance over the whole batch mixes sequences; give a dimension")
    centred = input - input.mean(dim, keepdim=True)
    dims = (dim,) if isinstance(dim, int) else dim
    n = 1
    for d in dims:
        n *= input.shape[d]
    return torch.square(centred).sum(dim, keepdim=keep) * (1 / (n - correction))


def with_mean(func: Callable, input: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """``var_mean`` and ``std_mean``."""
    keep = kwargs.get("keepdim", args[1] if len(args) > 1 else False)
    spread = variance if func.__name__ == "var_mean" else std
    return spread(func, input, dim, *args, **kwargs), input.mean(dim, keepdim=keep)


def std(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return torch.sqrt(variance(func, input, *args, **kwargs))


def norm(func: Callable, input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    """``torch.norm``: over several dimensions that of all their numbers, except for the nuclear one."""
    if p == "nuc":
        return matrix_norm(func, input, p, (-2, -1) if dim is None else dim, keepdim)
    return vector_norm(func, input, 2 if p in ("fro", None) else p, dim, keepdim)


def linalg_norm(
    func: Callable, input: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, **_: Any
) -> Tensor:
    """``torch.linalg.norm``: of matrices if it is given two dimensions and an order, else of vectors."""
    dims = tuple(dim) if isinstance(dim, tuple | list) else dim
    if ord is None or (isinstance(dims, int) or (dims is not None and len(dims) == 1)):
        return vector_norm(func, input, 2 if ord is None else ord, dims, keepdim)
    if dims is None and input.dim() == 1:
        return vector_norm(func, input, ord, dims, keepdim)
    return matrix_norm(func, input, ord, (-2, -1) if dims is None else dims, keepdim)


def matrix_norm(
    func: Callable, input: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, **_: Any
) -> Tensor:
    """Frobenius, or the largest or smallest sum of absolute values of a row (inf) or column (1)."""
    rows, columns = (d % input.dim() for d in dim)
    if ord == "fro":
        return vector_norm(func, input, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        raise NotImplementedError(f"the matrix norm of order {ord!r} (singular values) has no rule")
    summed, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = torch.abs(input).sum(summed, keepdim=True)
    out = torch.amax(sums, over, keepdim=True) if ord > 0 else torch.amin(sums, over, keepdim=True)
    return out if keepdim else out.squeeze((rows, columns))


def vector_norm(
    func: Callable, input: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any
) -> Tensor:
    """``sum(|x|^p)^(1/p)`` of all numbers in some dimensions."""
    if dim is None:
        if input.dim() > 1:
            raise NotImplementedError("a norm over the whole batch mixes sequences; give a dimension")
        dim = 0
    if ord == 0:
        raise NotImplementedError("the norm of order 0 counts what is not 0, a step that depends on the sequence")
    if ord == 2:
        if input.is_complex():
            input = torch.abs(input)
        return torch.sqrt(torch.square(input).sum(dim, keepdim=keepdim))
    size = torch.abs(input)
    if ord == 1:
        return size.sum(dim, keepdim=keepdim)
    if abs(ord) == math.inf:
        return torch.amax(size, dim, keepdim=keepdim) if ord > 0 else torch.amin(size, dim, keepdim=keepdim)
    return torch.pow(torch.pow(size, ord).sum(dim, keepdim=keepdim), 1 / ord)


def normalize(func: Callable, input: Tensor, p: Any = 2.0, dim: Any = 1, eps: float = 1e-12, **_: Any) -> Tensor:
    """input / max(norm, eps)."""
    return input / torch.clamp_min(vector_norm(func, input, p, dim, True), eps)


def cosine_similarity(func: Callable, x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The sum of products of both, each divided by its norm."""
    return (normalize(func, x1, 2, dim, eps) * normalize(func, x2, 2, dim, eps)).sum(dim)


def pairwise_distance(
    func: Callable, x1: Tensor, x2: Tensor, p: Any = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The norm of the difference, to which torch adds eps."""
    return vector_norm(func, x1 - x2 + eps, p, -1, keepdim)


def cdist(func: Callable, x1: Tensor, x2: Tensor, p: Any = 2.0, *_: Any, **__: Any) -> Tensor:
    """The norms of all differences between rows."""
    return vector_norm(func, x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def hypot(func: Callable, input: Tensor, other: Tensor) -> Tensor:
    return torch.sqrt(torch.square(input) + torch.square(other))


def logaddexp(func: Callable, input: Tensor, other: Tensor) -> Tensor:
    both = torch.stack(torch.broadcast_tensors(input, other))
    if func.__name__ == "logaddexp2":
        return torch.logsumexp(both * math.log(2), 0) * (1 / math.log(2))
    return torch.logsumexp(both, 0)


def xlogy(func: Callable, input: Any, other: Any) -> Tensor:
    """a log b; 0 where a is 0, whatever b."""
    other = other if isinstance(other, Tensor) else torch.tensor(other, dtype=input.dtype)
    return input * torch.log(torch.clamp_min(other, torch.finfo(other.dtype).tiny))


def entr(func: Callable, input: Tensor) -> Tensor:
    """-p log p."""
    return -xlogy(func, input, input)


def angle(func: Callable, input: Tensor) -> Tensor:
    """Of complex numbers."""
    if not input.is_complex():
        raise NotImplementedError("torch.angle of real numbers is a step (their sign)")
    return torch.atan2(input.imag, input.real)


def polar(func: Callable, abs: Tensor, angle: Tensor) -> Tensor:
    return torch.complex(abs * torch.cos(angle), abs * torch.sin(angle))


def softmin(func: Callable, input: Tensor, dim: Any = None, *_: Any, **kwargs: Any) -> Tensor:
    return F.softmax(-input, dim, dtype=kwargs.get("dtype"))


def lerp(func: Callable, input: Tensor, end: Tensor, weight: Any) -> Tensor:
    return input + weight * (end - input)


def addcdiv(func: Callable, input: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return input + value * divide(func, a, b)


def multi_head_attention(func: Callable, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Projections, fused attention, projection: what ``nn.MultiheadAttention`` and torch's encoder layers call.

    Shapes are ``(tokens, batch, width)``, or ``(tokens, width)``. The attention weights are computed if they are used.
    """
    names = tuple(inspect.signature(func, follow_wrapped=False).parameters)[3:]
    given = dict(zip(names, args, strict=False)) | kwargs
    unusual = [n for n in ("bias_k", "bias_v", "static_k", "static_v") if given.get(n) is not None]
    if unusual or given.get("add_zero_attn") or (given.get("training", True) and given.get("dropout_p")):
        raise NotImplementedError(f"multi-head attention with {', '.join(unusual) or 'added zeros or dropout'}")
    biases = (None,) * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    if given.get("use_separate_proj_weight"):
        weights = [given[f"{n}_proj_weight"] for n in "qkv"]
    else:
        weights = given["in_proj_weight"].chunk(3)
    unbatched = query.dim() == 2
    if unbatched:
        query, key, value = (t.unsqueeze(1) for t in (query, key, value))
    heads, batch = given["num_heads"], query.shape[1]
    q, k, v = (
        F.linear(t, w, b).unflatten(2, (heads, -1)).permute(1, 2, 0, 3)
        for t, w, b in zip((query, key, value), weights, biases, strict=True)
    )
    mask, padding = given.get("attn_mask"), given.get("key_padding_mask")
    if mask is not None and mask.dim() == 3:
        mask = mask.view(batch, heads, *mask.shape[1:])
    mask = _scores_to_add(mask, q)
    if padding is not None:
        padding = _scores_to_add(padding, q).view(batch, 1, 1, -1)
        mask = padding if mask is None else mask + padding
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).permute(2, 0, 1, 3).flatten(2)
    out = F.linear(attended, given["out_proj_weight"], given["out_proj_bias"])
    if not given.get("need_weights", True):
        return out.squeeze(1) if unbatched else out, None

    def attention_weights() -> Tensor:
        scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.mT
        p = torch.softmax(scores if mask is None else scores + mask, -1)
        p = p.mean(1) if given.get("average_attn_weights", True) else p
        return p.squeeze(0) if unbatched else p

    shape = (batch, *(() if given.get("average_attn_weights", True) else (heads,)), q.shape[2], k.shape[2])
    stand_in = out.reshape(-1)[0].expand(shape[1:] if unbatched else shape)
    return out.squeeze(1) if unbatched else out, later(stand_in, attention_weights)


def _scores_to_add(mask: Any, like: Tensor) -> Any:
    """A mask as numbers to add to the scores: multi-head attention's boolean masks are True where keys are hidden."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype, device=mask.device).masked_fill(mask, -torch.inf)


COMPOSED: dict[str, Callable] = {
    "div": divide, "divide": divide, "true_divide": divide, "truediv": divide, "rdiv": divide, "rtruediv": divide,
    "log_softmax": log_softmax, "softmin": softmin, "max": max_, "min": min_, "amin": amin, "glu": glu,
    "group_norm": group_norm, "instance_norm": instance_norm, "var": variance, "std": std, "normalize": normalize,
    "vector_norm": vector_norm, "matrix_norm": matrix_norm, "cosine_similarity": cosine_similarity,
    "pairwise_distance": pairwise_distance, "multi_head_attention_forward": multi_head_attention, "lerp": lerp,
    "addcdiv": addcdiv, "hypot": hypot, "logaddexp": logaddexp, "logaddexp2": logaddexp, "xlogy": xlogy, "entr": entr,
    "angle": angle, "polar": polar, "cdist": cdist, "var_mean": with_mean, "std_mean": with_mean,
}  # fmt: skip
