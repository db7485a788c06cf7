"""Run an attribution method over sequences, in parts whose results do not depend on where they are cut."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int8

from l2g_core.errors import InputError
from l2g_interp.attributions import load_method
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles
from l2g_interp.attributions.result import MethodResult, joined
from l2g_interp.records.types import (
    ARRAYS,
    Attributions,
    TargetAttributions,
    adds_up,
    check_targets,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)
PART = 8  # sequences explained and stored together: the most work that an interrupted run has to repeat


def attribute(
    model: nn.Module,
    one_hot: Int8[np.ndarray, "n 4 length"] | Tensor,
    *,
    targets: Sequence[int] | Sequence[str] | None = None,
    n_references: int = 100,
    references: np.ndarray | Tensor | None = None,
    seed: int = 0,
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
        Any torch module from one-hot ``(batch, 4, length)`` to ``(batch, targets)``; it is left as it was, in training
        mode or not.
    one_hot
        ``(n, 4, length)``, rows ACGT; all-zero columns are N or padding.
    targets
        Which outputs: indices, or names if the model has ``targets``. All by default.
    n_references, references, seed
        How many shuffles of each sequence to compare with, drawn from ``seed`` and the sequence; or the references
        themselves, ``(n, references, 4, length)``.
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
    """
    from l2g_core.console import progress as bar

    codes = as_int8(one_hot)
    compared = References(n_references, seed, references)
    with _modes_restored(model):
        module, names = prepare(model, codes, device)
        chosen = choose_targets(targets, names)
        n_parts = -(-len(codes) // PART)
        parts = attribute_in_parts(module, codes, chosen, compared, method, batch_size, on_missing)
        result = joined(list(bar(parts, "attributing (parts of sequences)", n_parts, progress)))
    ids = list(ids) if ids is not None else [f"sequence_{i}" for i in range(len(codes))]
    provenance = {"method": method, **compared.provenance(), "unruled": list(result.unruled)}
    return as_attributions(result, codes, ids, [names[i] for i in chosen], provenance)


class References:
    """Where the references of a row come from: shuffles drawn from a seed, or an array given by the user."""

    def __init__(self, n: int, seed: int, given: np.ndarray | Tensor | None = None):
        self.n, self.seed = n, seed
        self.given = None if given is None else np.asarray(given.cpu() if hasattr(given, "cpu") else given)  # type: ignore[union-attr]

    def provenance(self) -> dict[str, Any]:
        """How many there are of each sequence, and the seed of shuffles."""
        if self.given is None:
            return {"n_references": self.n, "seed": self.seed}
        return {"n_references": self.given.shape[1], "seed": None, "references": "given"}

    def of(self, one_hot: np.ndarray, rows: slice) -> np.ndarray:
        """``(rows, references, 4, length)``."""
        if self.given is None:
            return dinucleotide_shuffles(one_hot[rows], self.n, self.seed)
        return self.given[rows]

    def check(self, one_hot: np.ndarray) -> None:
        """Refuse a given array whose shape does not fit the sequences."""
        given = self.given
        if given is not None and (
            given.ndim != 4 or given.shape[::2] != (len(one_hot), 4) or given.shape[3] != one_hot.shape[2]
        ):
            raise InputError(
                f"references of shape {given.shape} do not fit sequences of shape {one_hot.shape}; "
                "give (n, references, 4, length)"
            )


def attribute_in_parts(
    module: nn.Module,
    one_hot: Int8[np.ndarray, "n 4 length"],
    targets: Sequence[int],
    references: References,
    method: str = "deep_lift_shap",
    batch_size: int | None = None,
    on_missing: str = "raise",
    start: int = 0,
) -> Iterator[MethodResult]:
    """Explain the rows from ``start`` on, ``PART`` at a time; resuming anywhere gives the same result."""
    import torch

    run = load_method(method)
    if on_missing not in ("raise", "warn"):
        raise InputError(f"on_missing={on_missing!r}: choose raise or warn")
    if on_missing != "raise":
        if method != "deep_lift_shap":
            raise InputError(f"on_missing={on_missing!r} is for deep_lift_shap; {method} has no rules to miss")
        run = partial(run, on_missing=on_missing)
    references.check(one_hot)
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    again = on_missing == "raise"
    for first in range(start, len(one_hot), PART):
        rows = slice(first, min(first + PART, len(one_hot)))
        x = torch.from_numpy(one_hot[rows]).to(device)
        compared = torch.from_numpy(references.of(one_hot, rows)).to(device)
        result = run(module, x, compared, targets, batch_size=batch_size)
        if method == "deep_lift_shap":
            plain = _plain_predictions(module, x, targets)
            result = _held_against(plain, result)
            if again and batch_size != 1 and not _sums_hold(result):
                alone = _held_against(plain, run(module, x, compared, targets, batch_size=1))
                again = _sums_hold(alone)
                if again:  # it folds its batch: the rows of one pass were compared with the wrong ones
                    log.warning(
                        "the model mixes the rows of a batch, so it is given one reference at a time, which is slow"
                    )
                    result, batch_size = alone, 1
        yield result


def _plain_predictions(module: nn.Module, x: Tensor, targets: Sequence[int]) -> np.ndarray:
    """What the model's own forward says of the sequences ``(n, targets)``, without anything around it.

    Raises
    ------
    InputError
        It says something else the second time.
    """
    from l2g_interp.attributions.statistics import predict

    first, second = (predict(module, x, targets, len(x)).cpu().numpy() for _ in range(2))
    if not _same(first, second):
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


def _close(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Equal, but for rounding."""
    return np.isclose(first, second, rtol=1e-3, atol=1e-4 * np.abs(first).max(initial=0.0), equal_nan=False)


def _sums_hold(result: MethodResult) -> bool:
    """Whether the contributions to every target add up."""
    return all(adds_up(numbers) for numbers in _by_target(result))


def _by_target(result: MethodResult) -> list[dict[str, np.ndarray]]:
    names = ("delta", "prediction", "reference_prediction")
    return [{name: getattr(result, name)[:, t] for name in names} for t in range(result.prediction.shape[1])]


def prepare(model: nn.Module, one_hot: np.ndarray, device: str | None = None) -> tuple[nn.Module, tuple[str, ...]]:
    """The model in evaluation mode on its device, and the names of its outputs (``0``, ``1``, ... if it has none)."""
    import torch

    from l2g_interp.attributions.statistics import device_and_dtype

    if device is not None:
        model = model.to(device)
    if len(one_hot) == 0:
        raise InputError("no sequences to attribute; give at least one")
    model = model.eval()
    where, dtype = device_and_dtype(model)
    with torch.inference_mode():
        output = model(torch.from_numpy(one_hot[:1]).to(where, dtype))
    if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 1:
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise InputError(f"the model returns {shape} for one sequence; it must return (batch, targets)")
    return model, _target_names(model, output.shape[1])


def _target_names(model: nn.Module, n: int) -> tuple[str, ...]:
    """The names of the model's ``n`` outputs: its ``targets``, or numbers if it has none."""
    given = getattr(model, "targets", None) or tuple(str(i) for i in range(n))
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise InputError(f"the model's attribute 'targets' is {given!r}; make it a list of names, or leave it out")
    if len(given) != n:
        raise InputError(f"the model names {len(given)} targets and returns {n}; they must agree")
    if len(set(given)) < n:
        raise InputError(f"the model gives two targets one name: {', '.join(given)}; make them different")
    return tuple(given)


@contextmanager
def _modes_restored(model: nn.Module) -> Iterator[None]:
    """Put every module back into training or evaluation mode, as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def choose_targets(wanted: Sequence[int] | Sequence[str] | None, names: Sequence[str]) -> list[int]:
    """Indices of the wanted outputs, given as indices or names."""
    if wanted is None:
        return list(range(len(names)))
    by_name = [names[t] if isinstance(t, int) and 0 <= t < len(names) else str(t) for t in wanted]
    check_targets(by_name, names, "the model")
    return [list(names).index(name) for name in by_name]


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
        name: TargetAttributions(one_hot, **{key: getattr(result, key)[:, t] for key in ARRAYS})
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
