"""In-silico saturation mutagenesis: what the prediction becomes with each other base, at each position in turn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Num
from scipy.stats import rankdata
from torch import Tensor, nn

from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.statistics import check_inputs, checked_output, device_and_dtype, empty_result, predict
from l2g_interp.attributions.windows import Windows, whole

log = logging.getLogger(__name__)
PLAINLY = "single changes are computed by plain batches, which takes longer: %s"
DEFAULT_ROWS, ROWS_ON_CPU = 256, 64  # of a forward pass; whole sequences on a CPU: what its caches hold
CHECKED = 8  # changes of each sequence that are predicted in both ways
TOLERANCE = 1e-3  # of the largest of their differences from the sequence's own prediction
ROUNDING = 1e-5  # of the prediction
BLOCK, RESAMPLES = 10, 500  # bp that are drawn together, and how often, for the interval of a correlation


@dataclass(frozen=True)
class Mutants:
    """Predictions ``(t, 4, length)`` of all single changes of a sequence; NaN in columns without a base.

    ``own``: of the sequence itself ``(t,)``. ``refused``: why they were not computed by windows; empty where they were.
    """

    outputs: Float64[np.ndarray, "t 4 length"]
    own: Float64[np.ndarray, " t"]
    refused: str = ""


def mutagenesis(
    model: nn.Module,
    one_hot: Num[Tensor, "n 4 length"],
    references: Num[Tensor, "n r 4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
) -> MethodResult:
    """Prediction with each base at each position, minus the mean over the four bases there.

    The references are not used and the contributions need not add up, so the quantities that need references are NaN.
    Columns without a base (N, padding) get 0. Parameters, shapes and errors are those of ``deep_lift_shap``; the
    predictions themselves come from `mutant_predictions`.
    """
    check_inputs(model, one_hot, references)
    result = empty_result(len(one_hot), len(targets), one_hot.shape[-1])
    result.prediction[:] = predict(model, one_hot, targets, 1).cpu().numpy()
    outputs = mutant_predictions(model, one_hot, targets, batch_size=batch_size)
    known = one_hot.bool().any(1).cpu().numpy()[:, None, None]
    result.hypothetical[:] = np.where(known, outputs - outputs.mean(2, keepdims=True), 0)
    return result


def mutant_predictions(
    model: nn.Module, one_hot: Num[Tensor, "n 4 length"], targets: Sequence[int], *, batch_size: int | None = None
) -> Float64[np.ndarray, "n t 4 length"]:
    """What the model predicts for every single change of each sequence.

    Parameters
    ----------
    model
        In evaluation mode, from ``(batch, 4, length)`` to ``(batch, targets)``.
    one_hot
        Sequences, rows ACGT.
    targets
        Columns of the model's output.
    batch_size
        Rows per forward pass.

    Returns
    -------
    numpy.ndarray
        The prediction, in the units of the output, with each base (rows ACGT) at each position. For the base that is
        there it is the prediction for the sequence itself; in columns without a base (N, padding) it is NaN.

    Raises
    ------
    InputError
        The model's output is not ``(batch, targets)`` or lacks a target.
    """
    found = [mutants_of(model, x, targets, batch_size=batch_size) for x in one_hot]
    if refused := next((mutants.refused for mutants in found if mutants.refused), ""):
        log.warning(PLAINLY, refused)
    return (
        np.stack([mutants.outputs for mutants in found]) if found else np.empty((0, len(targets), *one_hot.shape[1:]))
    )


def mutants_of(
    model: nn.Module,
    x: Num[Tensor, "4 length"],
    targets: Sequence[int],
    *,
    batch_size: int | None = None,
    windows: bool = True,
) -> Mutants:
    """The same for one sequence.

    Parameters
    ----------
    windows
        Compute again only what a change affects (`l2g_interp.attributions.windows`). Some changes are predicted by the
        plain forward, too; where that says something else, or fails, all are computed by it.
    """
    device, dtype = device_and_dtype(model)
    x = x.to(device, dtype)
    own = predict(model, x[None], targets, 1)
    outputs = torch.full((len(targets), *x.shape), torch.nan, dtype=torch.float64)
    outputs[:, :, x.any(0).cpu()] = own.T.cpu()[:, :, None]
    changes = ((x == 0) & x.any(0)).T.nonzero()  # position and base, along the sequence
    if not len(changes):
        return Mutants(outputs.numpy(), own[0].cpu().numpy())
    found, refused = (_by_windows(model, x, targets, changes, batch_size) if windows else None), "not asked for"
    if isinstance(found, Tensor):
        few = torch.linspace(0, len(changes) - 1, min(CHECKED, len(changes))).long().unique()
        refused = _differs(found, few, _plainly(model, x, targets, changes[few.to(device)], None), own)
    elif found is not None:
        refused, found = found, None
    if refused:
        found = _plainly(model, x, targets, changes, batch_size)
    assert isinstance(found, Tensor)
    outputs[:, changes[:, 1].cpu(), changes[:, 0].cpu()] = found.T.cpu()
    return Mutants(outputs.numpy(), own[0].cpu().numpy(), refused)


@dataclass(frozen=True)
class Agreement:
    """How far contributions and what is lost by changing a base go together along a sequence.

    ``pearson_low``, ``pearson_high``: ends of a 95 % interval by bootstrap of circular blocks of `BLOCK` bp (Politis
    and Romano 1992), because neighbours are alike.
    """

    pearson: float
    pearson_low: float
    pearson_high: float
    spearman: float


def agreement(
    contributions: Num[np.ndarray, " length"], difference: Num[np.ndarray, "4 length"], seed: int = 0
) -> Agreement:
    """Correlation of the contribution of each base with minus the mean of the three differences that changing it makes.

    ``difference``: 0 for the base that is there; NaN in columns without one, which do not count. All is NaN where
    either side is the same at all positions.
    """
    known = np.isfinite(difference).all(0)
    x, y = contributions[known].astype(np.float64), -difference[:, known].sum(0, dtype=np.float64) / 3
    if len(x) < 3 or not (np.ptp(x) > 0 and np.ptp(y) > 0):
        return Agreement(*[np.nan] * 4)
    starts = np.random.default_rng(seed).integers(len(x), size=(RESAMPLES, -(-len(x) // BLOCK), 1))
    rows = ((starts + np.arange(BLOCK)) % len(x)).reshape(RESAMPLES, -1)[:, : len(x)]
    low, high = np.nanpercentile(_correlation(x[rows], y[rows]), [2.5, 97.5])
    return Agreement(float(_correlation(x, y)), float(low), float(high), float(_correlation(rankdata(x), rankdata(y))))


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's, along the last axis; NaN where one side does not vary."""
    x, y = (each - each.mean(-1, keepdims=True) for each in (x, y))
    norm = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return np.divide((x * y).sum(-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)


def _plainly(
    model: nn.Module, x: Num[Tensor, "4 length"], targets: Sequence[int], changes: Tensor, batch_size: int | None
) -> Float64[Tensor, "rows t"]:
    """The model's own forward of changes ``(rows, 2)``: position and base."""
    found = [torch.empty(0, len(targets), dtype=torch.float64, device=x.device)]
    rows = batch_size or (ROWS_ON_CPU if x.device.type == "cpu" else DEFAULT_ROWS)
    for position, base in (some.T for some in changes.split(rows)):
        mutants, row = x.repeat(len(base), 1, 1), torch.arange(len(base), device=x.device)
        mutants[row, :, position] = 0
        mutants[row, base, position] = 1
        found.append(predict(model, mutants, targets, len(mutants)))
    return torch.cat(found)


def _by_windows(
    model: nn.Module, x: Num[Tensor, "4 length"], targets: Sequence[int], changes: Tensor, batch_size: int | None
) -> Float64[Tensor, "rows t"] | str:
    """The same, or why it cannot be computed from what a change affects."""
    letters = torch.eye(4, dtype=x.dtype, device=x.device)
    found = [torch.empty(0, len(targets), dtype=torch.float64, device=x.device)]
    try:
        for position, base in (some.T for some in changes.split(batch_size or DEFAULT_ROWS)):
            batch = Windows.of(x[None], letters[base][:, :, None], position.cpu())
            with torch.no_grad():
                output = model(batch)
            found.append(checked_output(_plain_tensor(output), len(base), targets)[:, list(targets)].double())
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a model's own code does with a tensor of another class
        return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    return torch.cat(found)


def _plain_tensor(output: object) -> object:
    return whole(output) if isinstance(output, Windows) else output


def _differs(found: Tensor, few: Tensor, plain: Tensor, own: Tensor) -> str:
    """Whether what was found of a few changes is not what the plain forward says, in words; empty if it is."""
    if not found.isfinite().all():
        return "the model passes by the functions that are followed (the result is not finite)"
    largest = (found - own).abs().amax(0)
    error = (found[few.to(found.device)] - plain).abs().amax(0)
    if (error <= TOLERANCE * largest + ROUNDING * own.abs()[0]).all():
        return ""
    return f"changes predicted by windows and by the plain forward differ by {float(error.max()):.2g}"
