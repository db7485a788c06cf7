"""How a call that depends on the input is run, for each of the tables in `rules`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from l2g_interp.attributions.deeplift import rules
from l2g_interp.attributions.deeplift.calls import any_of, varies
from l2g_interp.attributions.deeplift.elementwise import elementwise
from l2g_interp.attributions.deeplift.engine import Engine, Handler
from l2g_interp.attributions.deeplift.products import product
from l2g_interp.attributions.deeplift.refusals import GRADIENT, TRAINING, UNSEEN, WEIGHTS
from l2g_interp.attributions.deeplift.witness import functorch_is_on

ATTRIBUTES_WITHOUT_VALUES = {
    "shape", "ndim", "device", "dtype", "layout", "is_cuda", "is_cpu", "is_mps", "is_meta", "is_sparse", "is_quantized",
    "requires_grad", "grad_fn", "is_leaf", "names", "is_nested", "itemsize", "nbytes", "_version", "is_xpu",
    "is_mkldnn", "_base", "output_nr", "retains_grad",
}  # fmt: skip
LINEAR_ATTRIBUTES = {"T", "mT", "H", "mH", "real", "imag"}
ABOUT_GRADIENTS = ("requires_grad", "grad")
GRADIENTS = {torch.autograd.grad, torch.autograd.backward, torch.Tensor.backward}


def handler_of(func: Callable) -> Handler:
    """How to handle a call that depends on the input."""
    accessor = getattr(func, "__name__", "")
    if accessor == "__get__":
        return Handler(_attribute, _attribute_name(func) in ATTRIBUTES_WITHOUT_VALUES)
    if func is torch.Tensor.register_hook or (accessor == "__set__" and _attribute_name(func) in ABOUT_GRADIENTS):
        return Handler(_gradients_left_alone)
    for table, handler in HANDLERS:
        if func in table:
            return handler
    return Handler(_unknown)


def _plain(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    return func(*args, **kwargs)


def _linear(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    if "dropout" in func.__name__:
        return _dropout(engine, func, args, kwargs, in_place)
    output = func(*args, **kwargs)
    if func in rules.CASTS and engine.tape.dtype == args[0].dtype == torch.float64 and varies(output):
        return args[0]  # a model in double precision stays there: rounding in the middle would not add up
    return engine.followed(func, args, kwargs, output)


def _dropout(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    training = kwargs.get("training", args[2] if len(args) > 2 else True)
    if training and kwargs.get("p", args[1] if len(args) > 1 else 0.5) > 0:
        engine.missing(func, "is in training mode", TRAINING)
    return func(*args, **kwargs, **({"inplace": True} if in_place else {}))


def _copied(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    """``detach`` and the like: the same values, and what is explained are values."""
    if func not in rules.FROM_DATA:
        shares = func is not torch.Tensor.__deepcopy__
        return args[0] if in_place else args[0].view_as(args[0]) if shares else args[0].clone()
    like, *rest = args if func is torch.Tensor.new_tensor else (None, *args)
    data = rest[0] if rest else kwargs["data"]
    if not any_of(varies, (data,)):
        return func(*args, **kwargs)
    values = _stacked(data)
    dtype, device = (
        kwargs.get(name) or getattr(like, name, None) or getattr(values, name) for name in ("dtype", "device")
    )
    return engine.followed(func, args, kwargs, values.to(device, dtype, copy=True))


def _stacked(data: Any) -> Tensor:
    """Numbers and tensors in lists as one tensor."""
    if isinstance(data, Tensor):
        return data
    parts = [_stacked(part) if isinstance(part, Tensor | list | tuple) else torch.tensor(part) for part in data]
    dtype = parts[0].dtype
    for part in parts:
        dtype = torch.promote_types(dtype, part.dtype)
    return torch.stack([part.to(dtype) for part in parts])


def _ruled(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    rule = rules.RULES[func]
    if rule is product and varying_count(args, kwargs) < 2:
        return func(*args, **kwargs)  # linear: the other argument is constant
    if rule is elementwise and not varies(args[0] if args else kwargs.get("input")):
        engine.missing(func, "has settings that depend on the sequence")
        return func(*args, **kwargs)
    if rule is elementwise and any_of(varies, (*args[1:], *kwargs.values())):
        engine.missing(func, "has settings that depend on the sequence")
        return func(*args, **kwargs)
    if not args:  # rules expect their input as the first positional argument
        first = next(iter(kwargs))
        args, kwargs = (kwargs[first],), {k: v for k, v in kwargs.items() if k != first}
    if engine.tape.dtype == torch.float64:
        kwargs = {k: v for k, v in kwargs.items() if k != "dtype"}
    return engine.rule(rule, func, args, kwargs, in_place)


def varying_count(args: tuple, kwargs: dict) -> int:
    return sum(map(varies, tree_leaves((args, kwargs))))


def _composed(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    with engine:
        value = rules.COMPOSED[func](func, *args, **kwargs)
        return args[0].copy_(value) if in_place else value


def _constant(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    if func in (torch.Tensor.numpy, torch.Tensor.__array__):
        args = (args[0].detach(), *args[1:])
    return engine.discrete(func, args, kwargs)


def _attribute_name(getter: Any) -> str:
    owner = getter.__self__
    return getattr(owner, "fget", owner).__name__  # a Python property, or a C descriptor


def _attribute(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    name = _attribute_name(func)
    if name == "data":
        return args[0].view_as(args[0])
    if name not in ATTRIBUTES_WITHOUT_VALUES | LINEAR_ATTRIBUTES:
        engine.missing(func, f"(the attribute .{name}) hides what depends on the sequence", GRADIENT)
    return func(*args, **kwargs)


def _gradients_left_alone(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    """What a model says about gradients (hooks on them, ``requires_grad = False``) changes no value."""
    return RemovableHandle(OrderedDict()) if func is torch.Tensor.register_hook else None


def _unknown(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    if func in GRADIENTS:
        engine.missing(func, "takes a gradient inside the model", GRADIENT)
    if functorch_is_on():
        engine.missing(func, "runs inside torch.vmap or torch.func", UNSEEN)
    engine.missing(func, "has no rule")
    return engine.followed(func, args, kwargs, func(*args, **kwargs))


def _batch_norm(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    if kwargs.get("training", args[5] if len(args) > 5 else False):
        engine.missing(func, "uses the statistics of the batch", TRAINING)
    return func(*args, **kwargs)


def _weighted(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    if varying_count(args, kwargs) > 1 or not varies(args[0] if args else kwargs.get("input")):
        engine.missing(func, "has weights that depend on the sequence", WEIGHTS)
    return func(*args, **kwargs)


def _written(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    """Writing to places: linear, unless two numbers go to one place; the last one stays, and autograd credits both."""
    if kwargs.get("reduce", "add") != "add":
        engine.missing(func, f"with reduce={kwargs['reduce']!r} is not linear")
    adds = "reduce" in kwargs or kwargs.get("accumulate", len(args) > 3 and args[3] is True)
    if not adds and any_of(varies, (*args[1:], *kwargs.values())):
        places = _places(func, args, kwargs)
        if places is not None and places.unique().numel() < places.numel():
            engine.missing(func, "writes several numbers that depend on the sequence to one place")
    return engine.followed(func, args, kwargs, func(*args, **kwargs))


def _places(func: Callable, args: tuple, kwargs: dict) -> Tensor | None:
    """Numbers of the places written to; None where no index can name one twice."""
    name, whole = func.__name__.strip("_"), args[0]
    where: Any = (*args[1:], *(kwargs[n] for n in ("dim", "index", "indices") if n in kwargs))
    picked = where[0] if isinstance(where[0], tuple | list) else (where[0],)
    if name in ("setitem", "index_put") and not any(
        isinstance(i, list) or (isinstance(i, Tensor) and i.dtype not in (torch.bool, torch.uint8)) for i in picked
    ):
        return None
    numbers = torch.arange(whole.numel(), device=whole.device).view(whole.shape)
    if name == "scatter":
        return numbers.gather(where[0], where[1])
    if name == "index_copy":
        return numbers.index_select(where[0], where[1])
    return numbers[tuple(where[0]) if name == "index_put" else where[0]]


HANDLERS: tuple[tuple[Container[Callable], Handler], ...] = (
    (rules.LINEAR, Handler(_linear)),
    (rules.RULES, Handler(_ruled)),
    (rules.COMPOSED, Handler(_composed)),
    (rules.CONSTANT, Handler(_constant)),
    (rules.BOOKKEEPING, Handler(_plain, ignores_values=True)),
    (rules.COPIES, Handler(_copied)),
    (set(rules.everywhere("batch_norm")), Handler(_batch_norm)),
    (set(rules.everywhere(rules.WEIGHTED)), Handler(_weighted)),
    (set(rules.everywhere("scatter index_copy index_put setitem")), Handler(_written)),
)
