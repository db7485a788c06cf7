"""Contributions by DeepLIFT, averaged over references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Num
from torch import Tensor, nn

from l2g_interp.attributions.deeplift.engine import Engine, Tape, UnsupportedFunction
from l2g_interp.attributions.deeplift.layout import Layout
from l2g_interp.attributions.deeplift.rules import handler_of
from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.statistics import (
    Sums,
    check_inputs,
    checked_output,
    device_and_dtype,
    empty_result,
    no_sums,
    store,
)

OnMissing = Literal["raise", "warn"]
LARGEST_BYTES = (
    12 * 2**20
)  # of one tensor on a CPU: malloc returns larger blocks to the system: page faults on every reuse
ALL_BYTES = 2**31  # of all tensors of a pass on a CPU
SHARE_OF_GPU = 0.4  # of its free memory; gradients and workspace need the rest


def deep_lift_shap(
    model: nn.Module,
    one_hot: Num[Tensor, "n 4 length"],
    references: Num[Tensor, "n r 4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
    on_missing: OnMissing = "raise",
) -> MethodResult:
    """Exact DeepLIFT contributions of every base to each target, averaged over the references (paper, appendix A.8).

    Parameters
    ----------
    model
        Any torch module in eval mode that maps ``(batch, 4, length)`` to ``(batch, targets)``. It is not changed.
    one_hot
        Sequences to explain, ``(n, 4, length)``.
    references
        What each is compared with, such as its dinucleotide shuffles: ``(n, references, 4, length)``.
    targets
        Columns of the model's output.
    batch_size
        Rows per forward pass; chosen to fit the memory when not given. It changes the result by rounding only.
    on_missing
        What to do about a function without a rule: refuse it, or warn, treat it as linear and name it in the result.

    Returns
    -------
    MethodResult
        Hypothetical contributions ``(n, targets, 4, length)`` in the units of the output, and the statistics.

    Raises
    ------
    InputError
        Shapes do not fit, the model is in training mode, or its output is not ``(batch, targets)``.
    UnsupportedFunction
        The model calls a function that has no rule.
    """
    model = getattr(model, "_orig_mod", model)
    check_inputs(model, one_hot, references)
    _check_visible(model)
    n, r = references.shape[:2]
    result = empty_result(n, len(targets), one_hot.shape[-1])
    device, dtype = device_and_dtype(model)
    rows, start, unruled = batch_size, 0, set[str]()
    while start < n:
        part = slice(start, start + max(1, (rows or 1) // r))
        x = one_hot[part].to(device, dtype)
        with _eager(), torch.enable_grad():
            tape, prediction = _record(model, x, targets, on_missing)
            rows = rows or _fitting_rows(tape, device)
            sums = no_sums(prediction, one_hot.shape[-1])
            for chunk in references[part].split(max(1, rows // len(x)), dim=1):
                _replay(model, tape, x, chunk.to(device, dtype), targets, sums, on_missing)
        store(result, part, sums, x, r)
        unruled |= tape.missing
        start += len(x)
    return replace(result, unruled=tuple(sorted(unruled)))


def _check_visible(model: nn.Module) -> None:
    scripted = [name for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)]
    if scripted:
        raise UnsupportedFunction(
            f"module {scripted[0]!r} is TorchScript, whose functions cannot be intercepted; use the Python module"
        )


def _check_graph(output: Tensor) -> None:
    """Refuse the model's own autograd functions: they bypass the engine, and their backward is not DeepLIFT's."""
    nodes, seen = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        owner = getattr(type(node), "_forward_cls", None)
        if owner is not None and not owner.__module__.startswith(__package__ or ""):
            raise UnsupportedFunction(
                f"the model uses the torch.autograd.Function {owner.__module__}.{owner.__qualname__}, "
                "whose steps cannot be intercepted; write it in torch functions"
            )
        nodes += [following for following, _ in node.next_functions]


@contextmanager
def _eager() -> Iterator[None]:
    """Run compiled parts of the model eagerly, so that their functions can be intercepted."""
    with torch.compiler.set_stance("force_eager"):
        yield


def _record(model: nn.Module, x: Tensor, targets: Sequence[int], on_missing: OnMissing) -> tuple[Tape, Tensor]:
    tape = Tape()
    leaf = x.clone().requires_grad_()
    branch = leaf.clone()  # not a leaf: the model may change it in place, and it is not mistaken for a parameter
    with Engine(handler_of, tape, None, on_missing):
        output = model(branch)
    return tape, checked_output(output, len(x), targets).detach()[:, list(targets)]


def _fitting_rows(tape: Tape, device: torch.device) -> int:
    """Rows per pass: so that single tensors stay small on a CPU, or all of them fit in a GPU's memory."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, int(SHARE_OF_GPU * free / max(tape.total, 1)))
    return max(1, min(LARGEST_BYTES // max(tape.largest, 1), ALL_BYTES // max(tape.total, 1)))


def _replay(
    model: nn.Module,
    tape: Tape,
    x: Tensor,
    references: Tensor,
    targets: Sequence[int],
    sums: Sums,
    on_missing: OnMissing,
) -> None:
    """Run one chunk of references ``(g, r, 4, length)`` against the tape of their sequences."""
    groups, r = references.shape[:2]
    leaf = references.flatten(0, 1).requires_grad_()
    branch = leaf.clone()
    with Engine(handler_of, tape, Layout(groups, r, len(targets)), on_missing):
        output = model(branch)
    output = checked_output(output, groups * r, targets)
    if not tape.checked:
        _check_graph(output)
        tape.checked = True
    prediction = output.detach().view(groups, r, -1)
    for column, target in enumerate(targets):
        more = column < len(targets) - 1
        (multipliers,) = torch.autograd.grad(output[:, target].sum(), leaf, retain_graph=more)
        sums.add(column, x, references, multipliers.view_as(references), prediction[..., target])
