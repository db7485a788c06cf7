"""Layer norm, RMS norm and softmax: composed exactly of means, squares, reciprocal roots, products and exponentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2g_interp.attributions.deeplift.layout import Layout, LayoutError


class _Norm(torch.autograd.Function):
    """Multiplier through ``c * s`` with ``c = h - mean(h)`` (or h) and ``s = (mean(c^2) + eps)^-1/2``.

    Product rule: ``m_c = m s_bar`` and ``m_s = sum(m c_bar)``. Closed secant of the reciprocal root:
    ``Ds = -k/2 Dv``, ``k = s_x^2 s_r^2 / s_bar``. Square: ``Dv = mean(2 c_bar Dc)``. Together
    ``m_c = m s_bar - k c_bar mean(m c_bar)``, and with ``z = c_bar s_x s_r / s_bar^2`` in place of ``c`` that is layer
    norm's own derivative, ``s_bar (m - s_bar^2 z mean(m z))``. Only z and s_bar are kept.
    """

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, y: Tensor, z: Tensor, scale: Tensor, weight: Tensor | None, centred: bool
    ) -> Tensor:
        ctx.save_for_backward(z, scale, weight)
        ctx.centred, ctx.dtype = centred, h.dtype
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        z, scale, weight = ctx.saved_tensors
        grad = grad.to(z.dtype)
        if ctx.centred:
            out = torch.ops.aten.native_layer_norm_backward(
                grad, z, z.shape[-1:], torch.zeros_like(scale), scale, weight, None, [True, False, False]
            )[0]
        else:
            m = grad if weight is None else grad * weight
            along = (m * z).mean(-1, keepdim=True).mul_(scale * scale)
            out = torch.addcmul(m, z, along, value=-1).mul_(scale)
        return out.to(ctx.dtype), None, None, None, None, None


def _moments(h: Tensor, eps: float, centred: bool) -> tuple[Tensor | None, Tensor]:
    """Mean (None if not centred) and reciprocal root of the mean square, over the last dimension."""
    if centred:
        _, mean, scale = torch.native_layer_norm(h, h.shape[-1:], None, None, eps)
        return mean, scale
    return None, (h.square().mean(-1, keepdim=True) + eps).rsqrt()


def norm(
    layout: Layout, example: Any, x: Tensor, h: Tensor, y: Tensor, weight: Tensor | None, eps: float, centred: bool
) -> Tensor:
    """``h`` normalised over its last dimension, whose plain value is ``y``; ``x`` is the example's ``h``."""
    wide = torch.promote_types(h.dtype, torch.float32)
    plain = h.detach().to(wide)
    if "moments" not in example.cache:
        example.cache["moments"] = (x.to(wide), *_moments(x.to(wide), eps, centred))
    x, mean_x, s_x = example.cache["moments"]
    mean_r, s_r = _moments(plain, eps, centred)
    s_x = layout.beside(s_x, s_r)
    s_bar = (s_x + s_r) / 2
    z = plain + layout.beside(x, plain)
    if mean_x is not None and mean_r is not None:
        z -= layout.beside(mean_x, mean_r) + mean_r
    z *= s_x * s_r / (2 * s_bar * s_bar)
    return _Norm.apply(h, y, z, s_bar, None if weight is None else weight.to(wide), centred)  # pyright: ignore


def layer_norm(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``layer_norm(input, shape, weight, bias, eps)``."""
    h, shape, weight, _, eps = _bind(args, kwargs, ("input", "normalized_shape", "weight", "bias", "eps"), 1e-5)
    return _over_shape(layout, func, example, args, kwargs, (h, shape, weight, eps), centred=True)


def rms_norm(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``rms_norm(input, shape, weight, eps)``."""
    h, shape, weight, eps = _bind(args, kwargs, ("input", "normalized_shape", "weight", "eps"), None)
    eps = torch.finfo(h.dtype).eps if eps is None else eps
    return _over_shape(layout, func, example, args, kwargs, (h, shape, weight, eps), centred=False)


def _over_shape(
    layout: Layout, func: Callable, example: Any, args: tuple, kwargs: dict, settings: tuple, centred: bool
) -> Tensor:
    h, shape, weight, eps = settings
    with torch.no_grad():
        y = func(*args, **kwargs)
    dims = 1 if isinstance(shape, int) else len(shape)
    flat_weight = None if weight is None else weight.reshape(-1)
    x = example.tensor(0, "input").flatten(-dims)
    return norm(layout, example, x, h.flatten(-dims), y.flatten(-dims), flat_weight, eps, centred).view(h.shape)


def _bind(args: tuple, kwargs: dict, names: tuple[str, ...], last: Any) -> tuple:
    given = dict(zip(names, args, strict=False)) | kwargs
    return tuple(given.get(name, last if name == names[-1] else None) for name in names)


def log_mean_(p_x: Tensor, p_r: Tensor, log_ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithmic mean ``(p_x - p_r) / u`` with ``u = ln p_x - ln p_r``, and ``p_x + p_r``. Overwrites p_r and u.

    Where u is small the difference is all rounding error, and the mean a of both probabilities is more accurate.
    Blended without a branch: ``(u (p_x - p_r) + e a) / (u^2 + e)``. As ``a / l = 1 + u^2 / 12`` for small u, that is
    off by ``e / 12`` in relative terms, so ``e`` is 12 times the unit roundoff.
    """
    e = 6 * torch.finfo(p_r.dtype).eps
    means = p_x - p_r
    total = p_r.add_(p_x)
    means.mul_(log_ratio).add_(total, alpha=e / 2)
    return means.div_(log_ratio.mul_(log_ratio).add_(e)), total


class _Softmax(torch.autograd.Function):
    """``y_j = exp(s_j - L)``, L the log-sum-exp. With the logarithmic means ``l_j`` of y_x and y_r,
    ``Dy_j = l_j (Ds_j - DL)``; the y sum to 1 in both, so ``DL = sum(l Ds) / sum(l)``: exact, row by row. Hence
    ``m_s = l (m - sum(l m) / sum(l))``, the form of softmax's own backward with ``q = l / sum(l)`` in place of y.

    There are other exact rules. Step by step, as exponentials, their sum and its logarithm (tangermeme), the
    weights of ``DL`` are the logarithmic means of the exponentials over that of their sums, which do not sum to 1. Then
    a number added to all scores of a row, which changes nothing, gets credit. Here it gets none: l depends on the
    probabilities alone. The keys' bias in attention is such a number.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, y: Tensor, q: Tensor, total: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(q, total)
        ctx.dim, ctx.dtype = dim, scores.dtype
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:  # pyright: ignore
        q, total = ctx.saved_tensors
        grad = grad.to(q.dtype) * total
        out = torch.ops.aten._softmax_backward_data(grad, q, ctx.dim, q.dtype)
        return out.to(ctx.dtype), None, None, None, None


def finite(scores: Tensor) -> Tensor:
    """Scores with -inf (masked out) replaced by a number so low that its exponential is 0."""
    return scores.clamp(min=torch.finfo(scores.dtype).min / 4)


def masked(scores: Tensor) -> Tensor:
    """Which scores are masked out."""
    return scores < torch.finfo(scores.dtype).min / 16


def softmax(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``softmax(input, dim, dtype=..)``."""
    with torch.no_grad():
        y = func(*args, **kwargs)
    scores, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim")
    if dim is None:  # torch's own choice, which it warns about
        dim = 0 if scores.dim() in (0, 1, 3) else 1
    within_rows(layout, example, scores, (dim,), func)
    wide = torch.promote_types(y.dtype, torch.float32)
    q, total = log_means(layout, example.args[0].to(wide), scores.detach().to(wide), dim)
    return _Softmax.apply(scores, y, q, total, dim)  # pyright: ignore


def within_rows(layout: Layout, example: Any, reference: Tensor, dims: tuple[int, ...], func: Callable) -> None:
    """Refuse a function over the dimension that holds the batch."""
    batch = layout.batch_dim(example.args[0], reference)
    if batch is not None and batch in [d % reference.dim() for d in dims]:
        raise LayoutError(f"{func.__name__} over dimension {batch} mixes the sequences of a batch")


def log_means(layout: Layout, x: Tensor, scores: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """``l / sum(l)`` and ``sum(l)`` of the softmax of example and reference scores over ``dim``.

    A masked score is so low that adding to it changes nothing, so nothing is credited to it, even in a row where all
    are masked and the probabilities are therefore uniform.
    """
    x, scores = finite(layout.beside(x, scores)), finite(scores)
    log_x, log_r = torch.log_softmax(x, dim), torch.log_softmax(scores, dim)
    means, _ = log_mean_(log_x.exp(), log_r.exp(), log_x - log_r)
    total = means.sum(dim, keepdim=True)
    return means.div_(total).masked_fill_(masked(scores), 0.0), total


class _Weighted(torch.autograd.Function):
    """Value ``y``, with ``sum(weights * input)`` over the last dimension as its change."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights)
        return y.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore
        (weights,) = ctx.saved_tensors
        return grad.unsqueeze(-1) * weights, None, None


def logsumexp(layout: Layout, func: Callable[..., Tensor], example: Any, args: tuple, kwargs: dict) -> Tensor:
    """Rule of ``logsumexp(input, dim)``: ``DL = sum(l Ds) / sum(l)``, see softmax."""
    scores, dim = args[0], args[1] if len(args) > 1 else kwargs["dim"]
    dims = (dim,) if isinstance(dim, int) else tuple(dim) or tuple(range(scores.dim()))
    within_rows(layout, example, scores, dims, func)
    with torch.no_grad():
        y = func(*args, **kwargs)
    wide = torch.promote_types(scores.dtype, torch.float32)
    x, last = last_dimension(example.args[0].to(wide), dims), last_dimension(scores, dims)
    weights, _ = log_means(layout, x, last.detach().to(wide), -1)
    return _Weighted.apply(last, y.reshape(last.shape[:-1]), weights).view(y.shape)  # pyright: ignore


def last_dimension(t: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Several dimensions moved to the end, as one."""
    return t.movedim(dims, tuple(range(-len(dims), 0))).flatten(-len(dims))
