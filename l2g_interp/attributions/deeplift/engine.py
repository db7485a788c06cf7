"""The tape: runs a model's own ``forward`` and routes every torch function that is not linear to its rule.

Recording
    The examples run once, exactly as without the engine. The inputs and outputs of each non-linear function that
    depends on the input are kept: the tape.
Replaying
    References run in chunks. The same functions are called in the same order; each rule compares its inputs with the
    tape's, returns the plain value, and puts the DeepLIFT multiplier where autograd expects the derivative. So one
    ``torch.autograd.grad`` yields multipliers.

Nothing is attached to the model: parameters are replaced by their ``detach``, so no gradient of them is ever computed,
and a tensor depends on the input if and only if it requires a gradient.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_any, tree_flatten, tree_map

from l2g_interp.attributions.deeplift.layout import Layout, LayoutError

MARK = "_l2g_made_from_input"  # set on integer and boolean tensors that were derived from the input


class UnsupportedFunction(NotImplementedError):
    """The model calls a function without a rule on something that depends on the sequence."""


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
    """The example's calls in order, and what was learned about the model while recording them."""

    calls: list[Recorded] = field(default_factory=list)
    largest: int = 0  # bytes of the largest tensor that depends on the input
    total: int = 0  # bytes of all of them
    missing: set[str] = field(default_factory=set)
    checked: bool = False  # for functions that cannot be intercepted


@dataclass(frozen=True)
class Handler:
    """How to run a call. ``ignores_values``: it asks for shapes, dtypes and the like, never for the values."""

    run: Callable[[Engine, Callable, tuple, dict, bool], Any]
    ignores_values: bool = False


def varies(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def is_integer(tensor: Tensor) -> bool:
    """Integers or booleans, which carry no gradient."""
    return not (tensor.is_floating_point() or tensor.is_complex())


def is_discrete(value: Any) -> bool:
    """Is it an integer or boolean tensor that was derived from the input?"""
    return isinstance(value, Tensor) and hasattr(value, MARK)


def differs(value: Any) -> bool:
    return isinstance(value, Tensor) and getattr(value, MARK, "same") == "differs"


def _mark(value: Any, how: str) -> Any:
    if isinstance(value, Tensor) and is_integer(value):
        setattr(value, MARK, how)
    return value


def any_of(is_so: Callable[[Any], bool], values: Sequence[Any]) -> bool:
    """Whether it holds for any of the values, or for anything in a list, tuple or dict among them."""
    return any(is_so(v) or (isinstance(v, list | tuple | dict) and tree_any(is_so, v)) for v in values)


class Engine(TorchFunctionMode):
    """Intercepts torch functions. ``layout`` is None while recording."""

    def __init__(
        self,
        handler_of: Callable[[Callable], Handler],
        tape: Tape,
        layout: Layout | None,
        on_missing: Literal["raise", "warn"],
    ) -> None:
        super().__init__()
        self.handler_of = handler_of
        self.tape, self.layout, self.on_missing = tape, layout, on_missing
        self.position = 0
        self.constants: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        everything = (*args, *kwargs.values())
        if not any_of(varies, everything) and not any_of(is_discrete, everything):
            return func(*args, **kwargs)
        args, kwargs = tree_map(self._constant, (args, kwargs))  # parameters count as constants
        everything = (*args, *kwargs.values())
        if not any_of(varies, everything):
            if any_of(is_discrete, everything) and not self.handler_of(func).ignores_values:
                return self.discrete(func, args, kwargs)
            return func(*args, **kwargs)
        if any_of(differs, everything):
            self.missing(func, "uses a mask or index that differs between a sequence and its references, a hidden step")
        args, kwargs, in_place = split_in_place(func, args, kwargs)
        output = self.handler_of(func).run(self, func, args, kwargs, in_place)
        if self.layout is None:
            self._measure(output)
        return output

    def rule(self, rule: Callable, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
        """Record a call, or compute it by its rule."""
        plain = out_of_place(func) if in_place else func
        if self.layout is None:
            before = tree_map(kept, (args, kwargs))
            output = plain(*args, **kwargs)
            self.tape.calls.append(Recorded(func, before[0], before[1], tree_map(kept, output)))
        else:
            output = rule(self.layout, plain, self.next(func), args, kwargs)
        return args[0].copy_(output) if in_place else output

    def discrete(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Integers and booleans derived from the input: masks, lengths, comparisons.

        They may differ between a sequence and its references as long as what is finally computed from them, such as a
        mask, is the same for both; using one that differs for numbers or decisions is refused.
        """
        output = func(*args, **kwargs)
        if self.layout is None:
            self.tape.calls.append(Recorded(func, (), {}, tree_map(kept, output)))
            return tree_map(lambda leaf: _mark(leaf, "same"), output)
        leaves, expected = tree_flatten(output)[0], tree_flatten(self.next(func).output)[0]
        for leaf, other in zip(leaves, expected, strict=True):
            same = self._same(leaf, other)
            if not same and not (isinstance(leaf, Tensor) and is_integer(leaf)):
                self.missing(func, "gives another result for a reference than for its sequence, a hidden step")
            _mark(leaf, "same" if same else "differs")
        return output

    def _same(self, value: Any, expected: Any) -> bool:
        if not isinstance(value, Tensor):
            return bool(value == expected)
        assert self.layout is not None
        try:
            return bool((self.layout.beside(expected, value) == value).all())
        except LayoutError:
            return False

    def next(self, func: Callable) -> Recorded:
        """The example's call that corresponds to this one."""
        recorded = self.tape.calls[self.position] if self.position < len(self.tape.calls) else None
        if recorded is None or recorded.func != func:
            raise UnsupportedFunction(
                f"the model called {name_of(func)} for a reference where it called "
                f"{name_of(recorded.func) if recorded else 'nothing more'} for the sequence: "
                "its forward depends on the data"
            )
        self.position += 1
        return recorded

    def check_visible(self, func: Callable) -> None:
        """Under ``torch.no_grad`` it cannot be tracked what a tensor depends on."""
        if not torch.is_grad_enabled():
            self.missing(func, "is called under torch.no_grad on something that depends on the sequence")

    def missing(self, func: Callable, why: str) -> None:
        """Refuse a function without a rule, or warn once and treat it as linear (``on_missing``)."""
        name = name_of(func)
        message = (
            f"{name} {why}, so contributions would not add up; add a rule for it in "
            "l2g_interp/attributions/deeplift/rules.py (to ELEMENTWISE if it treats every number alike, "
            "to LINEAR if it is linear)"
        )
        if self.on_missing == "raise":
            raise UnsupportedFunction(message)
        if name not in self.tape.missing:
            self.tape.missing.add(name)
            warnings.warn(message, stacklevel=2)

    def _constant(self, value: Any) -> Any:
        if isinstance(value, Tensor) and value.requires_grad and value.is_leaf:
            if id(value) not in self.constants:
                self.constants[id(value)] = (value, value.detach())
            return self.constants[id(value)][1]
        return value

    def _measure(self, output: Any) -> None:
        for leaf in tree_flatten(output)[0]:
            if varies(leaf):
                size = leaf.numel() * leaf.element_size()
                self.tape.largest = max(self.tape.largest, size)
                self.tape.total += size


def kept(value: Any) -> Any:
    """A copy that later in-place changes cannot alter."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def name_of(func: Callable) -> str:
    name = resolve_name(func) or getattr(func, "__qualname__", repr(func))
    return name if name.startswith("torch") else f"{getattr(func, '__module__', None) or 'torch'}.{name}"


@lru_cache(maxsize=1024)
def _signature(func: Callable) -> inspect.Signature | None:
    """The signature of a Python function that has an ``inplace`` argument; None for any other."""
    if not inspect.isfunction(func):
        return None
    signature = inspect.signature(func, follow_wrapped=False)
    return signature if "inplace" in signature.parameters else None


def split_in_place(func: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict, bool]:
    """The arguments without ``inplace``, and whether the call changes its first argument."""
    signature = _signature(func)
    if signature is None:
        name = getattr(func, "__name__", "")
        operator = name.startswith("__i") and name.endswith("__") and name not in ("__invert__", "__index__", "__int__")
        return args, kwargs, operator or (name.endswith("_") and not name.endswith("__"))
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
