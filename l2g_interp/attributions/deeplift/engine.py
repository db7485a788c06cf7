"""The tape: runs a model's own ``forward`` and routes every torch function that is not linear to its rule.

Recording
    The examples run once, exactly as without the engine. The inputs and outputs of each non-linear function that
    depends on the input are kept: the tape.
Replaying
    References run in chunks. The same functions are called in the same order; each rule compares its inputs with the
    tape's, returns the plain value, and puts the DeepLIFT multiplier where autograd expects the derivative. So one
    ``torch.autograd.grad`` yields multipliers.

Nothing is attached to the model: parameters are replaced by their ``detach``, so no gradient of them is ever computed,
and a tensor depends on the input if and only if it requires a gradient. What is explained is what the model computes,
not how it is trained: ``torch.no_grad``, ``inference_mode``, ``detach`` and checkpointing change no value, so they are
not obeyed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from l2g_interp.attributions.deeplift.autograd import is_ordinary, ordinary
from l2g_interp.attributions.deeplift.calls import (
    LATER,
    Recorded,
    Tape,
    any_of,
    differs,
    equal,
    is_discrete,
    is_integer,
    kept,
    maker,
    mark,
    out_of_place,
    split_in_place,
    varies,
    written,
)
from l2g_interp.attributions.deeplift.layout import Layout, LayoutError
from l2g_interp.attributions.deeplift.refusals import (
    BRANCH,
    NUMBER,
    RULE,
    STEP,
    UnsupportedFunction,
    failure,
    is_of_the_machine,
    name_of,
    refusal,
    refuse_or_warn,
)
from l2g_interp.attributions.deeplift.witness import Witness, functorch_is_on


@dataclass(frozen=True)
class Handler:
    """How to run a call. ``ignores_values``: it asks for shapes, dtypes and the like, never for the values."""

    run: Callable[[Engine, Callable, tuple, dict, bool], Any]
    ignores_values: bool = False


class Engine(TorchFunctionMode):
    """Intercepts torch functions. ``layout`` is None while recording, and only then may there be a ``witness``."""

    def __init__(
        self,
        handler_of: Callable[[Callable], Handler],
        tape: Tape,
        layout: Layout | None,
        on_missing: Literal["raise", "warn"],
        witness: Witness | None = None,
    ) -> None:
        super().__init__()
        self.handler_of = handler_of
        self.tape, self.layout, self.on_missing, self.witness = tape, layout, on_missing, witness
        self.position = 0
        self.constants: dict[int, tuple[Tensor, Tensor]] = {}  # what stands in for a tensor of the model
        self.rewritten: set[int] = set()  # which of them are copies to write into

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is _SET_GRAD:
            return func(*args, **kwargs)
        if self.witness is None and is_ordinary():
            return self._intercepted(func, args, kwargs)
        with ordinary(), self._watched(func, args, kwargs):
            return self._intercepted(func, args, kwargs)

    def _intercepted(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        everything = (*args, *kwargs.values())
        if not (any_of(varies, everything) or any_of(is_discrete, everything) or self.rewritten):
            return func(*args, **kwargs)
        self._spare(func, args, kwargs)
        args, kwargs = tree_map(self._stand_in, (args, kwargs))  # parameters count as constants
        everything = (*args, *kwargs.values())
        if not any_of(varies, everything):
            if any_of(is_discrete, everything) and not self.handler_of(func).ignores_values:
                return self.discrete(func, args, kwargs)
            return func(*args, **kwargs)
        if any_of(differs, everything):
            self.missing(func, f"uses what {maker(everything)} made, which differs for a reference", STEP)
        args, kwargs, in_place = split_in_place(func, args, kwargs)
        output = self._handled(func, args, kwargs, in_place)
        if self.layout is None:
            self._measure(output)
        return output

    def _handled(self, func: Callable, args: tuple, kwargs: dict[str, Any], in_place: bool) -> Any:
        try:
            return self.handler_of(func).run(self, func, args, kwargs, in_place)
        except (UnsupportedFunction, LayoutError):
            raise
        except Exception as error:
            if is_of_the_machine(error):
                raise
            if self.groups_rows():  # it may be that the rule met another order of rows
                raise LayoutError(failure(name_of(func), error)) from error
            raise UnsupportedFunction(failure(name_of(func), error)) from error

    def groups_rows(self) -> bool:
        """Whether several references are compared with each row of the tape, so that the order of rows counts."""
        return self.layout is not None and self.layout.references > 1

    def rule(self, rule: Callable, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
        """Record a call, or compute it by its rule."""
        plain = out_of_place(func) if in_place else func
        if self.layout is None:
            before = tree_map(kept, (args, kwargs))
            output = plain(*args, **kwargs)
            self.tape.calls.append(Recorded(func, before[0], before[1], tree_map(kept, output)))
        else:
            recorded = self.next(func)
            if self.groups_rows():
                pairs = zip(tree_leaves((recorded.args, recorded.kwargs)), tree_leaves((args, kwargs)), strict=True)
                for example, reference in pairs:
                    if varies(reference):
                        self.layout.batch_dim(example, reference)
            output = rule(self.layout, plain, recorded, args, kwargs)
        return args[0].copy_(output) if in_place else output

    def discrete(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Integers and booleans derived from the input: masks, lengths, comparisons.

        They may differ between a sequence and its references as long as what is finally computed from them, such as a
        mask, is the same for both; using one that differs for numbers or decisions is refused.
        """
        output = func(*args, **kwargs)
        changed = written(func, args, kwargs)
        values = tree_leaves(output if changed is None or changed is output else (output, changed))
        self._compared(func, (args, kwargs), values, changed)
        return output

    def followed(self, func: Callable, args: tuple, kwargs: dict[str, Any], output: Any) -> Any:
        """The output of a linear function; what of it carries no gradient, such as integers, counts as discrete."""
        if varies(output):
            return output
        changed = written(func, args, kwargs)
        leaves = [leaf for leaf in tree_leaves((output, changed)) if leaf is not None and not varies(leaf)]
        if leaves:
            self._compared(func, (args, kwargs), leaves, changed)
        return output

    def _compared(self, func: Callable, given: tuple, values: list[Any], changed: Tensor | None) -> None:
        """Record values that carry no gradient, or compare them with the example's; ``changed`` was written into."""
        if self.layout is None:
            self.tape.calls.append(Recorded(func, (), {}, [kept(value) for value in values]))
            for value in values:
                mark(value, "same", whole=value is changed)
            if self.witness is not None:
                self.witness.settle(values)
            return
        expected = self.next(func).output
        if len(values) != len(expected):
            self._other_result(func, given, NUMBER)
        for value, other in zip(values, expected, strict=False):
            same = self._same(value, other)
            if not same and not (isinstance(value, Tensor) and is_integer(value) and self._rows_agree(value, other)):
                self._other_result(func, given, STEP if isinstance(value, Tensor) else NUMBER)
            mark(value, "same" if same else maker(given) or name_of(func), whole=value is changed)

    def _other_result(self, func: Callable, given: tuple, advice: str) -> None:
        if self.groups_rows() and advice is NUMBER:
            raise LayoutError(f"{name_of(func)} counts rows of the batch")
        by = maker(given)
        what = f"of what {by} made gives another result" if by else "gives another result"
        self.missing(func, f"{what} for a reference than for its sequence, a hidden step", advice)

    def _same(self, value: Any, expected: Any) -> bool:
        if not isinstance(value, Tensor):
            return bool(np.array_equal(value, expected))
        assert self.layout is not None
        if value.shape != expected.shape:
            if not self.groups_rows():
                return False
            return equal(value, self.layout.beside(expected, value))
        same = equal(value, expected)
        if not same and self.groups_rows():
            raise LayoutError(f"shape {tuple(value.shape)} whatever the number of rows")
        return same

    def _rows_agree(self, value: Tensor, expected: Tensor) -> bool:
        """Whether the shapes at least are the same: those of what is picked by a mask tell of the sequence, too."""
        return self.groups_rows() or value.shape == expected.shape

    def next(self, func: Callable) -> Recorded:
        """The example's call that corresponds to this one."""
        recorded = self.tape.calls[self.position] if self.position < len(self.tape.calls) else None
        if recorded is None or recorded.func != func:
            other = name_of(recorded.func) if recorded else "nothing more"
            if self.groups_rows():
                raise LayoutError(f"{name_of(func)} in place of {other}")
            why = f"is called for a reference where {other} is called for its sequence"
            raise UnsupportedFunction(refusal(name_of(func), why, BRANCH))
        self.position += 1
        return recorded

    def missing(self, func: Callable, why: str, advice: str = RULE) -> None:
        """Refuse a function, or warn once and treat it as linear (``on_missing``)."""
        name = name_of(func)
        if name not in self.tape.missing:
            refuse_or_warn(refusal(name, why, advice), self.on_missing)
            self.tape.missing.add(name)

    def _spare(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        """Let a copy stand in for a tensor of the model that what depends on the sequence is written into."""
        target = written(func, args, kwargs)
        if target is None:
            return
        if id(target._base) in self.tape.own:
            self.missing(func, "writes into a part of the model's own tensor", "write into a copy of it (clone)")
        if id(target) in self.tape.own and id(target) not in self.rewritten:
            self.constants[id(target)] = (target, target.detach().clone())
            self.rewritten.add(id(target))

    def _stand_in(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.requires_grad and value.is_leaf and id(value) not in self.constants:
            self.constants[id(value)] = (value, value.detach())
        make = getattr(value, LATER, None)
        if make is not None:
            with self:
                made = make()
            setattr(value, LATER, lambda: made)
            return made
        return self.constants[id(value)][1] if id(value) in self.constants else value

    @contextmanager
    def _watched(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> Iterator[None]:
        witness = self.witness
        if witness is None:
            yield
            return
        before = witness.inside, witness.blind, witness.transformed
        if not witness.inside:
            for value in tree_leaves((args, kwargs)):
                witness.check(value)
        blind = self.handler_of(func).ignores_values
        witness.inside, witness.blind, witness.transformed = True, blind, functorch_is_on()
        try:
            yield
        finally:
            witness.inside, witness.blind, witness.transformed = before

    def _measure(self, output: Any) -> None:
        for leaf in tree_leaves(output):
            if varies(leaf) and not hasattr(leaf, LATER):
                size = leaf.numel() * leaf.element_size()
                self.tape.largest = max(self.tape.largest, size)
                self.tape.total += size


_SET_GRAD = torch._C._set_grad_enabled
