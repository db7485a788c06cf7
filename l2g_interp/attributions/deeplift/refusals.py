"""What the engine says where it cannot explain a model: the function's name, where it is called, and what to do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch.overrides import resolve_name

OURS = Path(__file__).parent
TORCH = Path(torch.__file__).parent
BETWEEN = ("contextlib.py", "_decorator.py")  # what stands between a model and torch, or us where shapes are checked
HOMES = {"torch": torch, "torch.nn.functional": torch.nn.functional, "torch.Tensor": torch.Tensor}

RULE = (
    "add a rule from your own file: from l2g_interp.attributions.deeplift import rules; then rules.LINEAR.add({name}) "
    "if it is linear, or rules.RULES[{name}] = rules.elementwise if it treats every number alike"
)
STEP = (
    "nothing can be credited with a step: make it the same for a sequence and its references, or write it as a smooth "
    "function (an activation cut by a mask as torch's own, such as leaky_relu; an embedding of an argmax as a product "
    "of the one-hot with its weights)"
)
NUMBER = "keep it in a tensor, and out of Python's numbers, lists and decisions"
TRAINING = "call model.eval() and leave the training argument to the module"
WEIGHTS = "write it as a product (matmul or einsum) of what varies"
GRADIENT = "write its formula in torch functions"
UNSEEN = (
    "use the plain Python function (for TorchScript set PYTORCH_JIT=0 before torch is imported), and a loop in place "
    "of torch.vmap and torch.func"
)
BRANCH = "the forward depends on the data: write it so that every sequence takes the same steps"


class UnsupportedFunction(NotImplementedError):
    """The model does something with the sequence that cannot be explained exactly."""


def refuse_or_warn(message: str, on_missing: str) -> None:
    """Raise, or warn where the user asked for that."""
    if on_missing == "raise":
        raise UnsupportedFunction(message)
    warnings.warn(message, stacklevel=3)


def refusal(what: str, why: str, advice: str) -> str:
    """One line: what it is and where, why it is refused, and what to do about it."""
    return f"{what} {why}{_where()}, so contributions would not add up; {advice.format(name=what)}"


def failure(what: str, error: Exception) -> str:
    """One line about an error that came up while a function was followed."""
    line = (str(error).strip().splitlines() or [""])[0]
    kind = "" if isinstance(error, NotImplementedError) else f"{type(error).__name__}: "
    return f"{what} cannot be explained as it is called here{_where()}: {kind}{line}"


def is_of_the_machine(error: Exception) -> bool:
    """Whether an error tells about the memory or the device, not about the model."""
    says = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in says or "CUDA error" in says


def name_of(func: Callable) -> str:
    """How a user writes a torch function."""
    if isinstance(func, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        return f"torch.ops.{func}"
    name = resolve_name(func)
    plain = getattr(func, "__name__", "")
    for prefix, home in HOMES.items():
        if name is None and getattr(home, plain, None) is func:
            return f"{prefix}.{plain}"
    name = name or getattr(func, "__qualname__", repr(func))
    return name if name.startswith("torch") else f"{getattr(func, '__module__', None) or 'torch'}.{name}"


def _where() -> str:
    """The line of the model's own code that is being run; empty outside of it."""
    frame, found = sys._getframe(), None
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path == OURS / "method.py":
            return f" ({found})" if found else ""
        if path.parent == OURS:
            found = None  # what lies between functions of ours is not the model's
        elif found is None and path.is_absolute() and not (path.is_relative_to(TORCH) or path.name in BETWEEN):
            found = f"{path.name}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""
