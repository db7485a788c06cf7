"""Functions rewritten in terms of others that have rules. Each runs with the engine on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def divide(func: Callable, a: Any, b: Any, **kwargs: Any) -> Tensor:
    """a / b = a * (1 / b); linear if b is constant."""
    if func.__name__ == "__rtruediv__" or func.__name__ == "__rdiv__":
        a, b = b, a
    if kwargs.get("rounding_mode") is not None:
        raise NotImplementedError("torch.div with a rounding mode on something that depends on the sequence")
    return a * torch.reciprocal(b) if isinstance(b, Tensor) and b.requires_grad else a * (1 / b)


def log_softmax(func: Callable, input: Tensor, dim: int = -1, *_: Any, dtype: Any = None, **__: Any) -> Tensor:
    """s - logsumexp(s)."""
    scores = input if dtype is None else input.to(dtype)
    return scores - torch.logsumexp(scores, dim, keepdim=True)


def maximum(func: Callable, input: Tensor, other: Tensor) -> Tensor:
    """max(a, b) = b + relu(a - b)."""
    return other + F.relu(input - other)


def minimum(func: Callable, input: Tensor, other: Tensor) -> Tensor:
    """min(a, b) = b - relu(b - a)."""
    return other - F.relu(other - input)


class _NoIndices:
    """Stands in for the indices of maxima, whose use would be a hidden step function."""

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError("the indices of a maximum of something that depends on the sequence have no rule")


def max_(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """max over a dimension, or max of two tensors."""
    other = kwargs.get("other", args[0] if args else None)
    if isinstance(other, Tensor):
        return maximum(func, input, other)
    if not args and "dim" not in kwargs:
        raise NotImplementedError("torch.max over the whole batch mixes sequences; give a dimension")
    return torch.return_types.max((torch.amax(input, *args, **kwargs), _NoIndices()))  # type: ignore[attr-defined]


def min_(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """min(a) = -max(-a)."""
    other = kwargs.get("other", args[0] if args else None)
    if isinstance(other, Tensor):
        return minimum(func, input, other)
    if not args and "dim" not in kwargs:
        raise NotImplementedError("torch.min over the whole batch mixes sequences; give a dimension")
    return torch.return_types.min((-torch.amax(-input, *args, **kwargs), _NoIndices()))  # type: ignore[attr-defined]


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


def std(func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return torch.sqrt(variance(func, input, *args, **kwargs))


def norm(func: Callable, input: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    """Root of the sum of squares."""
    p = _.get("ord", p)
    if p not in (2, 2.0, "fro", None) or dim is None:
        raise NotImplementedError("only Euclidean norms over given dimensions have a rule")
    return torch.sqrt(torch.square(input).sum(dim, keepdim=keepdim))


def normalize(func: Callable, input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_: Any) -> Tensor:
    """input / max(norm, eps)."""
    return input * torch.reciprocal(torch.clamp_min(norm(func, input, p, dim, True), eps))


def softmin(func: Callable, input: Tensor, dim: int = -1, **_: Any) -> Tensor:
    return torch.softmax(-input, dim)


def lerp(func: Callable, input: Tensor, end: Tensor, weight: Any) -> Tensor:
    return input + weight * (end - input)


def addcdiv(func: Callable, input: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return input + value * divide(func, a, b)


def multi_head_attention(func: Callable, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Projections, fused attention, projection: what ``nn.MultiheadAttention`` and torch's encoder layers call.

    Shapes are ``(tokens, batch, width)``. The attention weights are not returned.
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
        padding = _scores_to_add(padding, q)[:, None, None]
        mask = padding if mask is None else mask + padding
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).permute(2, 0, 1, 3).flatten(2)
    return F.linear(out, given["out_proj_weight"], given["out_proj_bias"]), None


def _scores_to_add(mask: Any, like: Tensor) -> Any:
    """A mask as numbers to add to the scores: multi-head attention's boolean masks are True where keys are hidden."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype, device=mask.device).masked_fill(mask, -torch.inf)


COMPOSED: dict[str, Callable] = {
    "div": divide, "divide": divide, "true_divide": divide, "truediv": divide, "log_softmax": log_softmax,
    "maximum": maximum, "minimum": minimum, "fmax": maximum, "fmin": minimum, "max": max_, "min": min_, "amin": amin,
    "glu": glu, "group_norm": group_norm, "instance_norm": instance_norm, "var": variance, "std": std, "norm": norm,
    "vector_norm": norm, "normalize": normalize, "softmin": softmin,
    "multi_head_attention_forward": multi_head_attention, "lerp": lerp, "addcdiv": addcdiv,
}  # fmt: skip
