"""Batches of sequences that differ from one sequence in a window: only what a window changes is computed again.

A change of one base changes a few positions of what a convolution or pooling returns, a few more after the next one,
and everything after the first layer that mixes all positions (Nair et al. 2022, *fastISM*). Here this needs no list of
layers: a batch is a tensor of a class of its own (`Windows`) that is given to the model's own, unmodified forward. A
function in `RULES` is computed for the unchanged sequence, once, and for the windows. Any other function is given the
whole batch, with the windows put in, and goes on as usual.

What passes by torch's functions (a compiled module) finds NaN in the batch, and no plausible number. Whoever uses
this compares some rows with the plain forward all the same (`l2g_interp.attributions.mutagenesis`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_map_only

from l2g_interp.attributions.deeplift.calls import out_of_place, split_in_place, written
from l2g_interp.attributions.deeplift.handlers import ATTRIBUTES_WITHOUT_VALUES
from l2g_interp.attributions.deeplift.rules import BOOKKEEPING, CASTS, ELEMENTWISE, everywhere

MOST = 0.5  # of the length: wider windows do not pay


class Unfit(Exception):
    """The model does something to a batch that windows cannot follow."""


class Windows(Tensor):
    """``(rows, channels, length)``: one sequence in every row, but for a window that is the row's own.

    ``common``: the sequence ``(1, channels, length)``. ``own``: what is in the windows ``(rows, channels, width)``.
    ``start``: where each begins ``(rows,)``, kept on the CPU.
    """

    common: Tensor
    own: Tensor
    start: Tensor

    @staticmethod
    def of(
        common: Float[Tensor, "1 channels length"],
        own: Float[Tensor, "rows channels width"],
        start: Int64[Tensor, " rows"],
    ) -> Windows:
        unseen = common.new_full((1, 1, 1), torch.nan).expand(len(own), *common.shape[1:])
        made = unseen.as_subclass(Windows)
        made.common, made.own, made.start = common, own, start
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Sequence[type], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            if func in BOOKKEEPING or _is_about_shape(func):
                return func(*args, **kwargs)
            if func in RULES and "out" not in kwargs:
                rest, named, in_place = split_in_place(func, args, kwargs)
                output = RULES[func](out_of_place(func) if in_place else func, *rest, **named)
                if output is not NotImplemented:
                    return _put(args[0], output) if in_place else output
            if written(func, args, kwargs) is not None or kwargs.get("inplace"):
                raise Unfit(f"{getattr(func, '__name__', func)} writes into the batch")
            return func(*tree_map_only(Windows, whole, args), **tree_map_only(Windows, whole, kwargs))


def whole(x: Windows) -> Float[Tensor, "rows channels length"]:
    """The batch as a plain tensor."""
    return _stretch(x, torch.zeros_like(x.start), x.common.shape[2])


def _is_about_shape(func: Callable) -> bool:
    if getattr(func, "__name__", "") != "__get__":
        return False
    owner: Any = func.__self__  # pyright: ignore[reportFunctionMemberAccess]
    return getattr(owner, "fget", owner).__name__ in ATTRIBUTES_WITHOUT_VALUES


def _put(target: Windows, output: Windows) -> Windows:
    """The target, changed in place."""
    target.common, target.own, target.start = output.common, output.own, output.start
    return target


def _stretch(x: Windows, start: Tensor, width: int, beyond: float = 0.0) -> Float[Tensor, "rows channels width"]:
    """What each row has from its ``start`` on; ``beyond`` either end of the sequence, that number."""
    length, own_width = x.common.shape[2], x.own.shape[2]
    before, after = max(0, -int(start.min())), max(0, int(start.max()) + width - length)
    common = F.pad(x.common[0], (before, after), value=beyond)
    stretch = common.unfold(1, width, 1).transpose(0, 1)[(start + before).to(common.device)]
    for rows, at in _alike(x.start - start):
        first, last = max(at, 0), min(at + own_width, width)
        if last > first:
            stretch[rows, :, first:last] = x.own[rows, :, first - at : last - at]
    return stretch


def _alike(offset: Int64[Tensor, " rows"]) -> Iterator[tuple[Any, int]]:
    """Rows with the same number, and the number: runs of them where these are few, because slices are fast."""
    values, counts = offset.unique_consecutive(return_counts=True)
    distinct = values.unique().tolist()
    if len(values) > 2 * len(distinct):
        yield from (((offset == value).nonzero()[:, 0], value) for value in distinct)
        return
    stop = 0
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        yield slice(stop, stop + count), value
        stop += count


def _local(
    x: Windows,
    on_sequence: Callable[[Tensor], Tensor],
    on_stretch: Callable[[Tensor], Tensor],
    reach: tuple[int, int, int],
    beyond: float = 0.0,
) -> Any:
    """A function of which each output depends on a stretch of its input; NotImplemented where windows do not pay.

    ``reach``: bp from the first to the last position that one output depends on, bp from one output to the next, and
    the padding on the left.
    """
    span, stride, padding = reach
    common = on_sequence(x.common)
    width, length = (x.own.shape[2] - 1 + span) // stride + 1, common.shape[2]
    if width > length * MOST:
        return NotImplemented
    first = -((span - x.start - padding) // stride)  # rounded up
    start = first.clamp(0, length - width)
    stretch = _stretch(x, start * stride - padding, (width - 1) * stride + span + 1, beyond)
    return Windows.of(common, on_stretch(stretch), start)


def _convolution(
    func: Callable,
    input: Any,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    if not isinstance(input, Windows) or isinstance(weight, Windows):
        return NotImplemented
    stride, dilation = _number(stride), _number(dilation)
    span = (weight.shape[2] - 1) * dilation
    left = {"same": span // 2, "valid": 0}[padding] if isinstance(padding, str) else _number(padding)
    return _local(
        input,
        lambda x: func(x, weight, bias, stride, padding, dilation, groups),
        lambda x: func(x, weight, bias, stride, 0, dilation, groups),
        (span, stride, left),
    )


def _max_pool(
    func: Callable,
    input: Windows,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    if ceil_mode or return_indices:
        return NotImplemented
    size, left, dilation = _number(kernel_size), _number(padding), _number(dilation)
    stride = _number(stride) if stride else size
    return _local(
        input,
        lambda x: F.max_pool1d(x, size, stride, left, dilation),
        lambda x: F.max_pool1d(x, size, stride, 0, dilation),
        ((size - 1) * dilation, stride, left),
        -torch.inf,
    )


def _mean_pool(
    func: Callable,
    input: Windows,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    size, left = _number(kernel_size), _number(padding)
    if ceil_mode or (left and not count_include_pad):
        return NotImplemented
    stride = _number(stride) if stride else size
    return _local(
        input, lambda x: F.avg_pool1d(x, size, stride, left), lambda x: F.avg_pool1d(x, size, stride),
        (size - 1, stride, left),
    )  # fmt: skip


def _number(value: Any) -> int:
    return int(value[0]) if isinstance(value, Sequence) else int(value)


def _each(func: Callable, input: Any, *args: Any, **kwargs: Any) -> Any:
    """A function that treats the numbers at all positions alike, such as an activation."""
    if not isinstance(input, Windows) or not _same_everywhere((args, kwargs)):
        return NotImplemented
    return Windows.of(func(input.common, *args, **kwargs), func(input.own, *args, **kwargs), input.start)


def _same_everywhere(settings: Any) -> bool:
    """No tensor among them has more than one number."""
    found: list[bool] = []
    tree_map_only(
        Tensor, lambda tensor: found.append(not isinstance(tensor, Windows) and tensor.numel() == 1), settings
    )
    return all(found)


def _normalised(
    func: Callable, input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *more: Any,
) -> Any:  # fmt: skip
    """Batch norm with the statistics of the training data; numbers per channel."""
    if training or not isinstance(input, Windows):
        return NotImplemented
    settings = (running_mean, running_var, weight, bias, training, momentum, eps, *more)
    return Windows.of(func(input.common, *settings), func(input.own, *settings), input.start)


def _dropout(func: Callable, input: Windows, p: float = 0.5, training: bool = True, *more: Any) -> Any:
    return NotImplemented if training and p else input


def _combined(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """Sums, products and the like of two batches, or of one with a number (which each channel may have of its own)."""
    batches = [each for each in args if isinstance(each, Windows)]
    if any(isinstance(each, Windows) for each in kwargs.values()) or not all(map(_is_fit, args)):
        return NotImplemented
    if len({each.shape for each in batches}) != 1:
        return NotImplemented
    return _together(
        batches, lambda parts: func(*(next(parts) if isinstance(a, Windows) else a for a in args), **kwargs)
    )


def _is_fit(value: Any) -> bool:
    if not isinstance(value, Tensor) or isinstance(value, Windows) or value.numel() == 1:
        return True
    return value.dim() in (2, 3) and value.shape[-1] == 1 and (value.dim() == 2 or value.shape[0] == 1)


def _joined(func: Callable, tensors: Sequence[Any], dim: int = 0) -> Any:
    """Channels of several batches side by side."""
    fit = all(isinstance(each, Windows) for each in tensors) and dim in (1, -2)
    if not fit or len({(len(each), each.shape[2]) for each in tensors}) != 1:
        return NotImplemented
    return _together(list(tensors), lambda parts: func(list(parts), dim))


def _together(batches: Sequence[Windows], func: Callable[[Any], Tensor]) -> Any:
    """A function of several batches, on windows that hold the windows of all of them."""
    start = torch.stack([each.start for each in batches]).amin(0)
    ends = torch.stack([each.start + each.own.shape[2] for each in batches]).amax(0)
    width, length = int((ends - start).max()), batches[0].common.shape[2]
    if width > length * MOST:
        return NotImplemented
    start = start.clamp(max=length - width)
    own = func(_stretch(each, start, width) for each in batches)
    return Windows.of(func(each.common for each in batches), own, start)


def _flipped(func: Callable, input: Windows, *dims: Any) -> Any:
    turned = {int(dim) % 3 for dim in (dims[0] if isinstance(dims[0], Sequence) else dims)}
    if 0 in turned:
        return NotImplemented
    start = input.common.shape[2] - input.own.shape[2] - input.start if 2 in turned else input.start
    return Windows.of(input.common.flip(*turned), input.own.flip(*turned), start)


RULES: dict[Callable, Callable[..., Any]] = {
    **dict.fromkeys(everywhere(ELEMENTWISE + " neg negative contiguous clone detach double"), _each),
    **dict.fromkeys(CASTS, _each),
    **dict.fromkeys(
        everywhere("add sub subtract rsub mul multiply div divide true_divide truediv maximum minimum"), _combined
    ),
    **dict.fromkeys(everywhere("conv1d"), _convolution),
    **dict.fromkeys(everywhere("max_pool1d"), _max_pool),
    **dict.fromkeys(everywhere("avg_pool1d"), _mean_pool),
    **dict.fromkeys(everywhere("batch_norm"), _normalised),
    **dict.fromkeys(everywhere("dropout dropout1d alpha_dropout feature_alpha_dropout"), _dropout),
    **dict.fromkeys(everywhere("cat concat concatenate"), _joined),
    **dict.fromkeys(everywhere("flip"), _flipped),
}
