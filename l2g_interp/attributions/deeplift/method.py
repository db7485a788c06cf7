"""Contributions by DeepLIFT, averaged over references."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Num
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_interp.attributions.deeplift.calls import Tape
from l2g_interp.attributions.deeplift.encoder import as_in_prediction
from l2g_interp.attributions.deeplift.engine import Engine
from l2g_interp.attributions.deeplift.functions import by_their_forward
from l2g_interp.attributions.deeplift.handlers import handler_of
from l2g_interp.attributions.deeplift.layout import Layout, LayoutError
from l2g_interp.attributions.deeplift.refusals import (
    BRANCH,
    STEP,
    UnsupportedFunction,
    failure,
    is_of_the_machine,
    refusal,
    refuse_or_warn,
)
from l2g_interp.attributions.deeplift.visible import check_graph, check_visible, own_tensors, usable
from l2g_interp.attributions.deeplift.witness import Witness
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

log = logging.getLogger(__name__)
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
    expected: Num[Tensor, "n 4 length"] | None = None,
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
    expected
        How often each base is expected at each position of a reference: the noise of which bases those drawn happen to
        have is taken out (a control variate, see `l2g_interp.attributions.statistics.controlled`). Then the sum of the
        contributions is f(x) - f(reference) in expectation; ``delta`` is that of the pairs, which are exact as before.

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
    check_visible(model)
    with torch.inference_mode(False), torch.enable_grad(), _eager(), as_in_prediction(model := usable(model)):
        run = _Run(model, targets, on_missing, batch_size, control_variate=expected is not None)
        return _explained(run, one_hot, references, expected)


@dataclass
class _Run:
    """A model being explained, and what was found out about it so far.

    ``rows``: how many fit into a pass. ``one_by_one``: its rows are paired with the tape's one by one (see `layout`).
    ``watched``: a forward pass was watched for steps that cannot be seen.
    """

    model: nn.Module
    targets: Sequence[int]
    on_missing: OnMissing
    rows: int | None
    control_variate: bool = False
    one_by_one: bool = False
    watched: bool = False
    unruled: set[str] = field(default_factory=set)


def _explained(run: _Run, one_hot: Tensor, references: Tensor, expected: Tensor | None) -> MethodResult:
    n, r = references.shape[:2]
    result = empty_result(n, len(run.targets), one_hot.shape[-1])
    device, dtype = device_and_dtype(run.model)
    start = 0
    while start < n:
        part = slice(start, start + max(1, (run.rows or 1) // r))
        x = one_hot[part].to(device, dtype, copy=True)
        composition = None if expected is None else expected[part].to(device)
        store(result, part, _sums(run, x, references[part]), x, r, composition)
        start += len(x)
    return replace(result, unruled=tuple(sorted(run.unruled)))


def _sums(run: _Run, x: Tensor, references: Tensor) -> Sums:
    """Over the references ``(g, r, 4, length)`` of a few sequences ``(g, 4, length)``."""
    if not run.one_by_one:
        try:
            return _grouped(run, x, references)
        except LayoutError as error:
            log.debug("the model folds its batch (%s): its rows are paired one by one", error)
            run.one_by_one = True
    try:
        return _one_by_one(run, x, references)
    except LayoutError as error:
        raise UnsupportedFunction(
            f"the model makes a tensor of {error}, of the same number of sequences; {BRANCH}"
        ) from error


def _grouped(run: _Run, x: Tensor, references: Tensor) -> Sums:
    """A tape of one row per sequence, and many references beside each."""
    tape, prediction = _record(run, x)
    run.rows = run.rows or _fitting_rows(tape, x.device)
    sums = no_sums(prediction, x.shape[-1], run.control_variate)
    for chunk in references.split(max(1, run.rows // len(x)), dim=1):
        _replay(run, tape, Layout(len(x), chunk.shape[1], len(run.targets)), x, chunk, sums)
    return sums


def _one_by_one(run: _Run, x: Tensor, references: Tensor) -> Sums:
    """A tape of as many rows of each sequence as references: whatever the model does to the order of its rows."""
    most = max(1, (run.rows or 1) // (2 * len(x)))  # the tape is as large as the pass
    tape, each, sums = None, 0, None
    for chunk in references.tensor_split(-(-references.shape[1] // most), dim=1):
        if tape is None or chunk.shape[1] != each:
            each = chunk.shape[1]
            tape, prediction = _record(run, x.repeat_interleave(each, 0))
            sums = sums or no_sums(prediction[::each], x.shape[-1], run.control_variate)
        assert sums is not None
        _replay(run, tape, Layout(len(x) * each, 1, len(run.targets)), x, chunk, sums)
    assert sums is not None
    return sums


@contextmanager
def _eager() -> Iterator[None]:
    """Run compiled parts of the model eagerly, so that their functions can be intercepted."""
    with torch.compiler.set_stance("force_eager"):
        yield


def _forward(run: _Run, tape: Tape, layout: Layout | None, rows: Tensor, witness: Witness | None = None) -> Tensor:
    """The model's output, with every function intercepted."""
    branch = rows.clone()  # not a leaf: the model may change it in place, and it is not mistaken for a parameter
    if witness is not None:
        witness.follow(branch)
    engine = Engine(handler_of, tape, layout, run.on_missing, witness)
    try:
        with by_their_forward(witness), engine, witness or nullcontext():
            output = run.model(branch)
    except (UnsupportedFunction, LayoutError, InputError):
        raise
    except Exception as error:
        if is_of_the_machine(error):
            raise
        if witness is not None and witness.unseen:
            raise UnsupportedFunction(witness.unseen) from error
        raise UnsupportedFunction(failure("the model's forward", error)) from error
    output = checked_output(output, len(rows), run.targets)
    if not output.is_floating_point():
        raise UnsupportedFunction(refusal("the model", f"returns {output.dtype}", STEP))
    return output


def _record(run: _Run, x: Tensor) -> tuple[Tape, Tensor]:
    tape = Tape(x.dtype, frozenset(map(id, own_tensors(run.model))))
    witness = None if run.watched else Witness()
    output = _forward(run, tape, None, x.clone().requires_grad_(), witness)
    if witness is not None:
        check_graph(output)
        if witness.unseen:
            tape.missing.add("compiled code")
            refuse_or_warn(witness.unseen, run.on_missing)
        run.watched = True
    run.unruled |= tape.missing
    return tape, output.detach()[:, list(run.targets)]


def _fitting_rows(tape: Tape, device: torch.device) -> int:
    """Rows per pass: so that single tensors stay small on a CPU, or all of them fit in a GPU's memory."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, int(SHARE_OF_GPU * free / max(tape.total, 1)))
    return max(1, min(LARGEST_BYTES // max(tape.largest, 1), ALL_BYTES // max(tape.total, 1)))


def _replay(run: _Run, tape: Tape, layout: Layout, x: Tensor, references: Tensor, sums: Sums) -> None:
    """Run one chunk of references ``(g, r, 4, length)`` against the tape of their sequences."""
    groups, r = references.shape[:2]
    references = references.to(x.device, x.dtype, copy=True)
    leaf = references.flatten(0, 1).requires_grad_()
    output = _forward(run, tape, layout, leaf)
    run.unruled |= tape.missing
    prediction = output.detach().view(groups, r, -1)
    for column, target in enumerate(run.targets):
        multipliers = _multipliers(layout, output[:, target], leaf, more=column < len(run.targets) - 1)
        sums.add(column, x, references, multipliers.view_as(references), prediction[..., target])


def _multipliers(layout: Layout, output: Tensor, leaf: Tensor, more: bool) -> Tensor:
    """What one unit of each input is worth to an output ``(rows,)``; nothing where the output is a constant."""
    if not output.requires_grad:
        return torch.zeros_like(leaf)
    try:
        return torch.autograd.grad(output.sum(), leaf, retain_graph=more)[0]
    except RuntimeError as error:
        if is_of_the_machine(error):
            raise
        kind = (
            LayoutError if layout.references > 1 else UnsupportedFunction
        )  # a rule may have met another order of rows
        raise kind(failure("the model's backward pass", error)) from error
