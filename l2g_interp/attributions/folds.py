"""Folds: networks trained on different parts of the data, whose mean is explained, with the spread between them.

Contributions are linear in the output, so those to the mean of the folds are the mean of the folds' own, exactly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Int8
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_interp.attributions.adapt import Adapted, adapt
from l2g_interp.attributions.result import MethodResult, unruled_in
from l2g_interp.attributions.statistics import stability
from l2g_interp.records.growing_file import StoredRows

LENGTHS = ("longest", "shortest")
AVERAGED = ("hypothetical", "prediction", "reference_prediction", "delta", "standard_error", "n_references")


class Folds(nn.Module):
    """The mean of the outputs of several networks with the same targets."""

    def __init__(self, folds: Sequence[nn.Module]) -> None:
        super().__init__()
        self.folds = nn.ModuleList(folds)
        for name in ("targets", *LENGTHS):
            if hasattr(folds[0], name):
                setattr(self, name, getattr(folds[0], name))

    def forward(self, one_hot: Tensor) -> Tensor:
        return torch.stack([fold(one_hot) for fold in self.folds]).mean(0)


@contextmanager
def one_network(model: Any, one_hot: np.ndarray, device: str | None, **asked: Any) -> Iterator[Adapted]:
    """A module or a list of folds, as people have them, as one network; warns the caller's caller of what was adapted.

    Afterwards every module is in training or evaluation mode, as it was before. What is ``asked``: as for
    `l2g_interp.attributions.adapt.adapt`.

    Raises
    ------
    InputError
        As `adapt` and `mean_of`, or something is not a torch module.
    """
    models = list(model) if isinstance(model, Sequence) else [model]
    for each in models:
        if not hasattr(each, "modules"):
            raise InputError(f"the model is a {type(each).__name__}; give a torch.nn.Module")
    modes = [(module, module.training) for each in models for module in each.modules()]
    try:
        adapted = mean_of([adapt(each, one_hot, device, **asked) for each in models])
        for line in adapted.warnings:
            warnings.warn(line, stacklevel=4)
        yield adapted
    finally:
        for module, training in modes:
            module.training = training


def mean_of(adapted: Sequence[Adapted]) -> Adapted:
    """Several networks as one: the mean of their outputs; one alone as it is.

    Raises
    ------
    InputError
        They have different targets, or take different lengths.
    """
    if not adapted:
        raise InputError("no model; give at least one")
    first = adapted[0]
    if len(adapted) == 1:
        return first
    for i, other in enumerate(adapted[1:], 2):
        for what, here, there in (
            ("targets", first.targets, other.targets),
            *((name, *(getattr(each.network, name, None) for each in (first, other))) for name in LENGTHS),
        ):
            if here != there:
                raise InputError(f"models 1 and {i} are not folds of one: their {what} are {here} and {there}")
    noted = {key: value for each in reversed(adapted) for key, value in each.noted.items()} | {"folds": len(adapted)}
    said = tuple(dict.fromkeys(line for each in adapted for line in each.warnings))
    return Adapted(Folds([each.network for each in adapted]).eval(), first.targets, noted, said)


def each_fold(network: nn.Module, wrapped: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """The network with something around it, or around each of its folds; in evaluation mode."""
    if isinstance(network, Folds):
        return Folds([wrapped(fold) for fold in network.folds]).eval()
    return wrapped(network).eval()


def over_folds(
    network: nn.Module,
    explain: Callable[[nn.Module], Iterator[MethodResult]],
    one_hot: Int8[np.ndarray, "n 4 length"] | StoredRows,
    start: int = 0,
) -> Iterator[MethodResult]:
    """What ``explain`` yields for a network, part by part from row ``start`` on; of folds, their mean and spread."""
    folds = list(network.folds) if isinstance(network, Folds) else [network]
    for parts in zip(*(explain(fold) for fold in folds), strict=True):
        rows = slice(start, start + len(parts[0].prediction))
        yield parts[0] if len(folds) == 1 else averaged(parts, one_hot[rows])
        start = rows.stop


def averaged(folds: Sequence[MethodResult], one_hot: Int8[np.ndarray, "n 4 length"]) -> MethodResult:
    """The mean of the folds' results, with the standard deviations between them.

    ``standard_error`` and ``delta`` are the means of the folds', which the true ones cannot exceed: the folds share
    their references, so that the noise of these does not average out.
    """
    names = [name for name in AVERAGED if name in folds[0].arrays()]
    by_name = {name: np.stack([fold.arrays()[name] for fold in folds]).astype(np.float64) for name in names}
    mean = {name: values.mean(0) for name, values in by_name.items()}
    there = (by_name["hypothetical"] * one_hot[:, None]).sum(3)  # the contribution of the base that is there
    stable = stability(
        torch.from_numpy(there.mean(0)), torch.from_numpy(mean["standard_error"]), torch.from_numpy(one_hot).any(1)
    )
    arrays = mean | {
        "stability": stable.numpy(),
        "fold_spread": there.std(0, ddof=1),
        "prediction_spread": by_name["prediction"].std(0, ddof=1),
    }
    return MethodResult(
        **{name: values.astype(np.float32) for name, values in arrays.items()}, unruled=unruled_in(folds)
    )
