"""A second pair of eyes: every kernel that touches the sequence must run inside a function that the engine saw.

Functions are intercepted where Python calls them. TorchScript, ``torch.vmap``, extensions in C++ and the like run
kernels without such a call. The witness stands one floor lower, at torch's dispatcher, follows the memory that was
computed from the sequence, and notes the first kernel on it that runs outside of an intercepted function.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from l2g_interp.attributions.deeplift.refusals import UNSEEN, refusal


class Witness(TorchDispatchMode):
    """Watches one forward pass.

    ``inside``: an intercepted function is running, ``blind``: one that only shapes matter to, ``transformed``: one that
    ``torch.vmap`` or the like has turned into another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[StorageWeakRef | None, bool] = {}  # memory computed from the sequence; True: by compared steps
        self.inside = self.blind = self.transformed = False
        self.unseen: str | None = None
        self.function: str | None = None  # of the model's own that is running

    @contextmanager
    def named(self, function: str) -> Iterator[None]:
        """What is not seen meanwhile is put down to this function."""
        before, self.function = self.function, function
        try:
            yield
        finally:
            self.function = before

    def expect(self, values: list[Any]) -> None:
        """Note numbers that were made from the sequence, and do not depend on it any more."""
        for value in values:
            lost = isinstance(value, Tensor) and value.is_floating_point() and not value.requires_grad
            if lost and self.known.get(_memory(value)) is not True:
                self.note("a function", "computes numbers by steps that cannot be seen")

    def follow(self, source: Tensor) -> None:
        """Everything computed from this tensor is watched."""
        self.known[_memory(source)] = False

    def settle(self, values: list[Any]) -> None:
        """What carries no gradient is compared with the references' later, and so is what is computed from it."""
        for value in values:
            memory = _memory(value)
            if memory in self.known:
                self.known[memory] = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            output = func(*args, **(kwargs or {}))
            given = [] if self.blind else [self.known.get(_memory(leaf)) for leaf in tree_leaves((args, kwargs))]
            if True in given or False in given:
                if self.transformed or functorch_is_on():
                    self.note("torch.vmap or torch.func", "hides what is done with the sequence")
                elif not self.inside:
                    self.note("compiled code", f"runs {func} on the sequence, and no function of it can be intercepted")
                for memory in filter(None, map(_memory, tree_leaves(output))):
                    self.known[memory] = False not in given
        return output

    def check(self, value: Any) -> None:
        """Note a tensor that depends on the sequence, or no longer does, by a step that was not intercepted."""
        if not isinstance(value, Tensor) or functorch_is_on():
            return
        compared = self.known.get(_memory(value))
        follows = value.requires_grad and not value.is_leaf
        if (compared is None and follows) or (compared is False and not follows):
            self.note("a tensor", "was made from the sequence by a step that cannot be seen")

    def note(self, what: str, why: str) -> None:
        """Keep the first line of what was not seen; raising here would be lost in TorchScript."""
        self.unseen = self.unseen or refusal(self.function or what, why, UNSEEN)


def functorch_is_on() -> bool:
    """Whether ``torch.vmap``, ``torch.func.grad`` or the like are running."""
    return torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]


def _memory(value: Any) -> StorageWeakRef | None:
    if not isinstance(value, Tensor) or value.layout is not torch.strided:
        return None
    return StorageWeakRef(value.untyped_storage())
