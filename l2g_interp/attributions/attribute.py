"""Run an attribution method over sequences, in parts whose results do not depend on where they are cut."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int8

from l2g_core.errors import InputError
from l2g_interp.attributions import load_method
from l2g_interp.attributions.adaptive import until_stable
from l2g_interp.attributions.references.source import References
from l2g_interp.attributions.result import MethodResult, joined
from l2g_interp.attributions.targets import choose_targets
from l2g_interp.records.growing_file import StoredRows
from l2g_interp.records.types import Attributions, TargetAttributions, adds_up, sums_missed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from l2g_interp.attributions.adapt import Extra

log = logging.getLogger(__name__)
PART = 8  # sequences explained and stored together with 100 references; with fewer references more sequences
MOST_PARTS = 16  # of these together
ROWS = {"cpu": 800, "cuda": 8192}  # pairs of sequence and reference that keep a device busy
PART_BYTES = 2**26  # of the references of a part, or of its results


def attribute(
    model: nn.Module | Sequence[nn.Module],
    one_hot: Int8[np.ndarray, "n 4 length"] | Tensor,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    extra: Extra | None = None,
    targets: Sequence[int] | Sequence[str] | None = None,
    n_references: int = 100,
    references: np.ndarray | Tensor | None = None,
    seed: int = 0,
    stability: float | None = None,
    control_variate: bool = False,
    method: str = "deep_lift_shap",
    batch_size: int | None = None,
    device: str | None = None,
    on_missing: str = "raise",
    ids: Sequence[str] | None = None,
    progress: bool = False,
) -> Attributions:
    """Contribution of every base to each target, against dinucleotide-shuffled references (paper, appendix A.8).

    Parameters
    ----------
    model
        Any torch module from one-hot ``(batch, 4, length)`` to ``(batch, targets)``, or the folds of one, whose mean
        is explained, with the spread between them. It is left as it was, in training mode or not; one in half
        precision is explained as a copy in float32, with a warning.
    one_hot
        ``(n, 4, length)``, rows ACGT; all-zero columns are N or padding.
    output
        Of a model that returns other than ``(batch, targets)`` or ``(batch,)``: ``counts``, ``profile``, a name or an
        index, with a reduction where it has positions (``human:mean``), several separated by commas; or a function of
        what the model returns (see `l2g_interp.attributions.outputs`).
    layout
        ``channels-last`` for a model that takes ``(batch, length, 4)``.
    extra
        Inputs after the sequences that all share: tensors ``(1, ...)``, in order or by name.
    targets
        Which outputs: indices, names if the model has ``targets``, patterns (``H3K*``), ``all``, or differences of two
        (``dev-hk``). All by default.
    n_references, references, seed
        How many shuffles of each sequence to compare with, drawn from ``seed`` and the sequence; or the references
        themselves, ``(n, references, 4, length)``.
    stability
        Take fewer of them for a sequence whose contributions are expected to correlate as much as this (from 0 to 1)
        with those from a fresh draw, for each target; ``n_references`` of the result says how many.
    control_variate
        Take out the noise of which bases the drawn shuffles happen to have at each position. It does not bias, and is
        worth some more references for nothing; sums then hold in expectation (`deep_lift_shap`).
    method
        A name in ``METHODS``.
    batch_size
        Rows per forward pass; chosen to fit the memory when None.
    device
        Where to run, such as ``cpu`` or ``cuda``; by default where the model is. The model is moved there.
    on_missing
        What ``deep_lift_shap`` does about a torch function that it has no rule for: ``raise``, or ``warn``, treat it
        as linear and name it in ``provenance["unruled"]``.
    ids
        A name for each sequence; by default ``sequence_0``, ``sequence_1``, ...
    progress
        Show a progress bar.

    Returns
    -------
    Attributions
        For each target, contributions ``(n, 4, length)`` in the units of the model's output, with the prediction,
        the completeness error and the standard errors (see `TargetAttributions`).

    Raises
    ------
    InputError
        No such method or target, or a shape that does not fit.
    UnsupportedFunction
        The model calls a function without a rule, and ``on_missing`` is ``raise``.

    Warns
    -----
    UserWarning
        The contributions by ``deep_lift_shap`` do not add up.
    """
    from l2g_core.console import progress as bar
    from l2g_interp.attributions.folds import one_network, over_folds

    codes = as_int8(one_hot)
    compared = References(n_references, seed, references, stability, control_variate)
    with one_network(model, codes, device, output=output, layout=layout, extra=extra) as adapted:
        chosen = choose_targets(adapted.network, targets, adapted.targets)

        def explain(network: nn.Module) -> Iterator[MethodResult]:
            return attribute_in_parts(
                network, codes, chosen.columns, compared, method, batch_size, on_missing, part=part
            )

        part = part_size(chosen.network, compared, codes.shape[2], len(chosen.columns))
        n_parts, parts = -(-len(codes) // part), over_folds(chosen.network, explain, codes)
        result = joined(list(bar(parts, "attributing (parts of sequences)", n_parts, progress)))
    ids = list(ids) if ids is not None else [f"sequence_{i}" for i in range(len(codes))]
    provenance = {"method": method, **compared.provenance(), "unruled": list(result.unruled), **adapted.noted}
    found = as_attributions(result, codes, ids, chosen.names, provenance)
    missed = sums_missed({name: vars(values) for name, values in found.by_target.items()})
    if missed and method == "deep_lift_shap":
        warnings.warn(missed, stacklevel=2)
    return found


def attribute_in_parts(
    module: nn.Module,
    one_hot: Int8[np.ndarray, "n 4 length"] | StoredRows,
    targets: Sequence[int],
    references: References,
    method: str = "deep_lift_shap",
    batch_size: int | None = None,
    on_missing: str = "raise",
    start: int = 0,
    part: int = PART,
) -> Iterator[MethodResult]:
    """Explain the rows from ``start`` on, ``part`` at a time; resuming at any part gives the same result."""
    references.check(one_hot, method)
    explain = _Explained(module, targets, method, batch_size, on_missing)
    for first in range(start, len(one_hot), part):
        rows = slice(first, min(first + part, len(one_hot)))
        x = one_hot[rows]
        compared = references.of(x, rows)
        expected = references.expected(x) if references.control_variate else None
        if references.stability is None:
            yield explain(x, compared, expected)
            continue

        def some(chosen: np.ndarray, of_each: slice, x=x, compared=compared, expected=expected) -> MethodResult:
            return explain(x[chosen], compared[chosen, of_each], None if expected is None else expected[chosen])

        yield until_stable(some, x, compared.shape[1], references.stability)


def part_size(network: nn.Module, references: References, length: int, n_targets: int) -> int:
    """How many sequences of ``length`` bp to explain together: enough for the device, and few enough for the memory.

    It depends on nothing that may change from one run of the same work to the next, but for the kind of device.
    """
    from l2g_interp.attributions.statistics import device_and_dtype

    n, device = references.provenance()["n_references"], device_and_dtype(network)[0].type
    by_rows = PART * max(1, min(MOST_PARTS, ROWS.get(device, ROWS["cuda"]) // (PART * n)))
    return max(1, min(by_rows, PART_BYTES // (4 * length * n), PART_BYTES // (20 * length * n_targets)))


class _Explained:
    """A method applied to a model, with what was found out about the model so far."""

    def __init__(
        self, module: nn.Module, targets: Sequence[int], method: str, batch_size: int | None, on_missing: str
    ) -> None:
        import torch

        run = load_method(method)
        if on_missing not in ("raise", "warn"):
            raise InputError(f"on_missing={on_missing!r}: choose raise or warn")
        if on_missing != "raise":
            if method != "deep_lift_shap":
                raise InputError(f"on_missing={on_missing!r} is for deep_lift_shap; {method} has no rules to miss")
            run = partial(run, on_missing=on_missing)
        self.run, self.module, self.targets = run, module, targets
        self.batch_size, self.again, self.promises_sums = batch_size, on_missing == "raise", method == "deep_lift_shap"
        self.device = next((p.device for p in module.parameters()), torch.device("cpu"))

    def __call__(self, one_hot: np.ndarray, references: np.ndarray, expected: np.ndarray | None) -> MethodResult:
        """The result for some sequences, their predictions compared with the model's own."""
        import torch

        x, compared = (torch.from_numpy(array).to(self.device) for array in (one_hot, references))
        known = {} if expected is None else {"expected": torch.from_numpy(expected).to(self.device)}
        run = partial(self.run, self.module, x, compared, self.targets, **known)
        result = run(batch_size=self.batch_size)
        if not self.promises_sums:
            return result
        plain = _plain_predictions(self.module, x, self.targets)
        result = _held_against(plain, result)
        if self.again and self.batch_size != 1 and not _sums_hold(result):
            alone = _held_against(plain, run(batch_size=1))
            self.again = _sums_hold(alone)
            if self.again:  # it folds its batch: the rows of one pass were compared with the wrong ones
                log.warning(
                    "the model mixes the rows of a batch, so it is given one reference at a time, which is slow"
                )
                result, self.batch_size = alone, 1
        return result


def _plain_predictions(module: nn.Module, x: Tensor, targets: Sequence[int]) -> np.ndarray:
    """What the model's own forward says of the sequences ``(n, targets)``, without anything around it.

    Raises
    ------
    InputError
        It says something else the second time.
    """
    from l2g_interp.attributions.statistics import predict

    first, second = (predict(module, x, targets, len(x)).cpu().numpy() for _ in range(2))
    if not _close(first, second, both_nan=True).all():  # NaN is told of the result
        raise InputError(
            "the model's output is not deterministic: it predicts something else for the same sequence the second "
            "time; switch off its dropout, noise or sampling"
        )
    return first


def _held_against(plain: np.ndarray, result: MethodResult) -> MethodResult:
    """The result with the model's own predictions where the tape's are others, and the difference in ``delta``.

    So a step that computes something else while it is recorded shows in the completeness error.
    """
    if _same(plain, result.prediction) and np.isfinite(result.delta).all():
        return result
    missed = np.nan_to_num(np.abs(plain - result.prediction), nan=np.inf)
    delta = np.nan_to_num(result.delta, nan=np.inf) + np.where(_close(plain, result.prediction), 0.0, missed)
    return replace(result, prediction=plain.astype(np.float32), delta=delta.astype(np.float32))


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(_close(first, second).all())


def _close(first: np.ndarray, second: np.ndarray, both_nan: bool = False) -> np.ndarray:
    """Equal, but for rounding; with ``both_nan``, NaN equals NaN."""
    largest = np.abs(first[np.isfinite(first)]).max(initial=0.0)
    return np.isclose(first, second, rtol=1e-3, atol=1e-4 * largest, equal_nan=both_nan)


def _sums_hold(result: MethodResult) -> bool:
    """Whether the contributions to every target add up."""
    return all(adds_up(numbers) for numbers in _by_target(result))


def _by_target(result: MethodResult) -> list[dict[str, np.ndarray]]:
    names = ("delta", "prediction", "reference_prediction")
    return [{name: getattr(result, name)[:, t] for name in names} for t in range(result.prediction.shape[1])]


def as_attributions(
    result: MethodResult,
    one_hot: Int8[np.ndarray, "n 4 length"],
    ids: list[str],
    targets: Sequence[str],
    provenance: dict[str, Any],
    lengths: np.ndarray | None = None,
    coordinates: list | None = None,
) -> Attributions:
    """A method's result, by the names of its targets."""
    by_target = {
        name: TargetAttributions(one_hot, **{key: values[:, t] for key, values in result.arrays().items()})
        for t, name in enumerate(targets)
    }
    lengths = np.full(len(ids), one_hot.shape[2], dtype=np.int32) if lengths is None else lengths
    return Attributions(ids, one_hot, lengths, by_target, coordinates, provenance)


def as_int8(one_hot: Any) -> Int8[np.ndarray, "n 4 length"]:
    """One-hot sequences as an int8 array; refuses another shape, or columns that are not one-hot or all zero."""
    array = np.asarray(one_hot.cpu() if hasattr(one_hot, "cpu") else one_hot)
    if array.ndim != 3 or array.shape[1] != 4:
        raise InputError(f"one_hot has shape {array.shape}; it must be (n, 4, length), rows ACGT")
    codes = array.astype(np.int8)
    if not (np.array_equal(codes, array) and codes.min(initial=0) >= 0 and codes.sum(axis=1).max(initial=0) <= 1):
        raise InputError("one_hot must hold one 1 per column (a base), or none (N or padding)")
    return codes
