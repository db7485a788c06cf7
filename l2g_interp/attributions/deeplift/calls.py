"""What is known about a call of a torch function: what it was given, what it made, and what depends on the input."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_any, tree_leaves

MARK = "_l2g_made_from_input"  # set on integer and boolean tensors that were derived from the input
LATER = "_l2g_later"  # set on a tensor that stands in for one that is only computed where it is used


@dataclass(frozen=True)
class Recorded:
    """One call on the example: its arguments as they were, and what came out."""

    func: Callable
    args: tuple
    kwargs: dict[str, Any]
    output: Any
    cache: dict[str, Any] = field(default_factory=dict)  # what a rule derives from the example alone

    def tensor(self, position: int, name: str) -> Tensor:
        return self.args[position] if position < len(self.args) else self.kwargs[name]


@dataclass
class Tape:
    """The example's calls in order, and what was learned about the model while recording them.

    ``dtype``: of the input. ``own``: ids of the model's parameters and buffers.
    """

    dtype: torch.dtype
    own: frozenset[int] = frozenset()
    calls: list[Recorded] = field(default_factory=list)
    largest: int = 0  # bytes of the largest tensor that depends on the input
    total: int = 0  # bytes of all of them
    missing: set[str] = field(default_factory=set)


def varies(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def is_integer(tensor: Tensor) -> bool:
    """Integers or booleans, which carry no gradient."""
    return not (tensor.is_floating_point() or tensor.is_complex())


def mark_of(value: Any) -> str | None:
    """Of an integer or boolean tensor that was derived from the input: ``same``, or which function made it differ."""
    if not isinstance(value, Tensor):
        return None
    whole = value._base
    return getattr(value, MARK, None) or (None if whole is None else getattr(whole, MARK, None))


def is_discrete(value: Any) -> bool:
    """Is it an integer or boolean tensor that was derived from the input?"""
    return mark_of(value) is not None


def differs(value: Any) -> bool:
    return mark_of(value) not in (None, "same")


def maker(values: Any) -> str | None:
    """The function that made the first of these integers differ between a sequence and its references."""
    return next((mark_of(value) for value in tree_leaves(values) if differs(value)), None)


def mark(value: Any, how: str, whole: bool = False) -> None:
    if isinstance(value, Tensor) and is_integer(value):
        setattr(value, MARK, how)
        if whole and value._base is not None:
            setattr(value._base, MARK, how)


def any_of(is_so: Callable[[Any], bool], values: Sequence[Any]) -> bool:
    """Whether it holds for any of the values, or for anything in a list, tuple or dict among them."""
    return any(is_so(v) or (isinstance(v, list | tuple | dict) and tree_any(is_so, v)) for v in values)


def later(stand_in: Tensor, make: Callable[[], Tensor]) -> Tensor:
    """Mark a tensor as a stand-in for one that is computed when it is first used: most models never look at it."""
    setattr(stand_in, LATER, make)
    return stand_in


def equal(first: Tensor, second: Tensor) -> bool:
    return bool(((first == second) | ((first != first) & (second != second))).all())


def kept(value: Any) -> Any:
    """A copy that later in-place changes cannot alter."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.detach().clone() if isinstance(value, Tensor) else value


@lru_cache(maxsize=1024)
def _signature(func: Callable) -> inspect.Signature | None:
    """The signature of a Python function that has an ``inplace`` argument; None for any other."""
    if not inspect.isfunction(func):
        return None
    signature = inspect.signature(func, follow_wrapped=False)
    return signature if "inplace" in signature.parameters else None


@lru_cache(maxsize=4096)
def _writes(func: Callable) -> bool:
    """Whether a method or operator changes its first argument, by its name."""
    name = getattr(func, "__name__", "")
    operator = name.startswith("__i") and name.endswith("__") and name not in ("__invert__", "__index__", "__int__")
    return operator or (name.endswith("_") and not name.endswith("__"))


def written(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Tensor | None:
    """The tensor that a call writes into."""
    if isinstance(kwargs.get("out"), Tensor):
        return kwargs["out"]
    changes = _writes(func) or func is torch.Tensor.__setitem__
    return args[0] if changes and args and isinstance(args[0], Tensor) else None


def split_in_place(func: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict, bool]:
    """The arguments without ``inplace``, and whether the call changes its first argument."""
    signature = _signature(func)
    if signature is None:
        return args, kwargs, _writes(func)
    bound = signature.bind(*args, **kwargs)
    in_place = bool(bound.arguments.pop("inplace", False))
    first, *rest = bound.arguments.items()
    return (first[1],), dict(rest), in_place


def out_of_place(func: Callable) -> Callable:
    """The out-of-place counterpart of an in-place function."""
    name = getattr(func, "__name__", "")
    if name.startswith("__i"):
        return getattr(torch.Tensor, f"__{name[3:]}")
    twin = name.rstrip("_")
    for home in (torch.Tensor, torch, torch.nn.functional):
        if name.endswith("_") and hasattr(home, twin):
            return getattr(home, twin)
    return func
