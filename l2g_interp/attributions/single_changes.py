"""Every single change of sequences, for all targets of a model: `mutate`, and what its stage on files is made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int8
from torch import nn

from l2g_core.console import progress as bar
from l2g_interp.attributions.attribute import as_int8
from l2g_interp.attributions.folds import Folds, one_network
from l2g_interp.attributions.mutagenesis import CHECKED, PLAINLY, agreement, mutants_of
from l2g_interp.attributions.targets import Chosen, choose_targets
from l2g_interp.records.mutations import Mutations, TargetMutations
from l2g_interp.records.types import Attributions

if TYPE_CHECKING:
    from torch import Tensor

    from l2g_interp.attributions.adapt import Extra

log = logging.getLogger(__name__)
AGREEMENT = ("pearson", "pearson_low", "pearson_high", "spearman")
REFUSED = "refused"  # among the arrays of a sequence: why it was not computed by windows; empty where it was
Arrays = dict[str, np.ndarray]


def mutate(
    model: nn.Module | Sequence[nn.Module],
    one_hot: Int8[np.ndarray, "n 4 length"] | Tensor,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    extra: Extra | None = None,
    targets: Sequence[int] | Sequence[str] | None = None,
    attributions: Attributions | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    ids: Sequence[str] | None = None,
    progress: bool = False,
) -> Mutations:
    """What every single change of each sequence does to the predictions.

    Parameters
    ----------
    model, one_hot, output, layout, extra, targets, device, ids, progress
        As for `attribute`. The model is put into evaluation mode.
    attributions
        Of these sequences: how far they agree is told.
    batch_size
        Changes per forward pass.

    Returns
    -------
    Mutations
        For each target, differences ``(n, 4, length)`` in the units of the model's output. ``provenance`` says how many
        sequences were computed only where a change has an effect (`l2g_interp.attributions.windows`), and how many by
        plain batches, and why.

    Raises
    ------
    InputError
        Shapes do not fit, the model's output is not ``(batch, targets)``, or there is no such target.
    """
    codes = as_int8(one_hot)
    with one_network(model, codes, device, output=output, layout=layout, extra=extra) as adapted:
        chosen = choose_targets(adapted.network, targets, adapted.targets)
        rows = enumerate(bar(codes, "changing every base (sequences)", len(codes), progress))
        each = [changes_of(chosen, x, contributions_of(attributions, row), batch_size) for row, x in rows]
    arrays = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
    names = list(ids) if ids is not None else [f"sequence_{i}" for i in range(len(codes))]
    lengths = np.full(len(codes), codes.shape[2], dtype=np.int32)
    return as_mutations(
        arrays, names, codes, lengths, chosen.names, provenance={**adapted.noted, **computed(arrays[REFUSED])}
    )


def contributions_of(attributions: Attributions | None, row: int) -> dict[str, np.ndarray]:
    """By target, the contribution of each base ``(length,)`` of a sequence; empty where they are not known."""
    if attributions is None:
        return {}
    return {name: values.contributions[row].sum(0) for name, values in attributions.by_target.items()}


def changes_of(
    chosen: Chosen,
    x: Int8[np.ndarray, "4 length"],
    contributions: Mapping[str, np.ndarray],
    batch_size: int | None = None,
    windows: bool = True,
) -> Arrays:
    """Of one sequence: the arrays of `TargetMutations` ``(1, t, ...)``, and `REFUSED` ``(1,)``."""
    folds = list(chosen.network.folds) if isinstance(chosen.network, Folds) else [chosen.network]
    how = {"batch_size": batch_size, "windows": windows}
    found = [mutants_of(fold, torch.from_numpy(x), chosen.columns, **how) for fold in folds]
    refused = next((mutants.refused for mutants in found if mutants.refused), "")
    if refused and windows:
        log.warning(PLAINLY, refused)
    difference = np.stack([mutants.outputs - mutants.own[:, None, None] for mutants in found])
    own = np.mean([mutants.own for mutants in found], axis=0)
    arrays = {"difference": difference.mean(0)[None], "prediction": own[None], REFUSED: np.array([refused])}
    arrays |= _agreement(contributions, chosen.names, arrays["difference"][0])
    return arrays | ({"fold_spread": difference.std(0, ddof=1)[None]} if len(folds) > 1 else {})


def _agreement(contributions: Mapping[str, np.ndarray], targets: Sequence[str], difference: np.ndarray) -> Arrays:
    found = np.full((len(AGREEMENT), 1, len(targets)), np.nan)
    for t, target in enumerate(targets):
        if target in contributions:
            there = contributions[target]
            agreed = agreement(there, difference[t][:, : len(there)])
            found[:, 0, t] = [getattr(agreed, name) for name in AGREEMENT]
    return dict(zip(AGREEMENT, found, strict=True))


def as_mutations(
    arrays: Arrays,
    ids: list[str],
    one_hot: Int8[np.ndarray, "n 4 length"],
    lengths: np.ndarray,
    targets: Sequence[str],
    coordinates: list | None = None,
    provenance: dict[str, Any] | None = None,
) -> Mutations:
    """The arrays of some sequences ``(n, t, ...)``, by the names of the targets."""
    values = {name: array.astype(np.float32) for name, array in arrays.items() if name != REFUSED}
    by_target = {
        target: TargetMutations(**{name: array[:, t] for name, array in values.items()})
        for t, target in enumerate(targets)
    }
    return Mutations(ids, one_hot, lengths, by_target, coordinates, provenance or {})


def computed(refused: Sequence[str] | np.ndarray) -> dict[str, Any]:
    """How the sequences were computed, for the provenance, from the reason of each."""
    plain = sum(bool(reason) for reason in refused)
    return {
        "computed": f"{len(refused) - plain} sequences by windows, {plain} by plain batches",
        "not_by_windows": sorted({str(reason) for reason in refused} - {""}),
        "checked": f"{CHECKED} changes of each sequence by the plain forward",
    }
