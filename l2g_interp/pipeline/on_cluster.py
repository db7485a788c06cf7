"""Attribution by workers of a Ray cluster: each opens the model once, and explains blocks of sequences."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2g_core.dna import Sequences, one_hot
from l2g_core.errors import InputError
from l2g_core.runs.cluster import prepare_ray
from l2g_interp.attributions.result import MethodResult
from l2g_interp.records.growing_file import StoredRows

TASK = 4  # parts that a worker is given together


@dataclass(frozen=True)
class Cluster:
    """Which cluster (``local``, ``auto`` or an address), how many workers, and their device; None for the default."""

    address: str
    workers: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Work:
    """What a worker must know.

    Attributes
    ----------
    opened
        What `l2g_interp.models.open_model` was given.
    first
        A sequence that the model takes.
    fingerprint
        Of the model.
    targets
        As they were asked for.
    settings
        Of `l2g_interp.attributions.attribute.attribute_in_parts`.
    """

    opened: dict[str, Any]
    first: Sequences
    fingerprint: str
    targets: Sequence[str] | None
    settings: dict[str, Any]


def explained_on(cluster: Cluster, work: Work, rows: StoredRows, first: int, part: int) -> Iterator[MethodResult]:
    """The results of the rows from ``first`` on, part by part, as one process would have them.

    Raises
    ------
    InputError
        There is no cluster, Ray is not installed, or a worker opens another model.
    """
    prepare_ray("--cluster", "ray", own=cluster.address == "local")
    from l2g_core.runs.ray_blocks import connected, over_workers

    step = TASK * part
    tasks = (np.array(rows[start : start + step]) for start in range(first, len(rows), step))
    with connected(cluster.address, cluster.workers) as n_workers:
        for parts in over_workers(_explainer, (work, cluster.device), tasks, n_workers):
            yield from parts


def _explainer(work: Work, device: str | None) -> Callable[[np.ndarray], list[MethodResult]]:
    """In a worker: what explains a block."""
    from l2g_interp.attributions.attribute import attribute_in_parts
    from l2g_interp.attributions.folds import over_folds
    from l2g_interp.attributions.targets import choose_targets, prepare
    from l2g_interp.models import open_model

    model = open_model(data=work.first, **{**work.opened, "device": device})
    if model.fingerprint != work.fingerprint:
        raise InputError(f"{model.name}: on {platform.node()} it is another model; give a path that all machines share")
    module, names = prepare(model.module, one_hot(work.first.sequences, model.length))
    chosen = choose_targets(module, work.targets, names)

    def explain(codes: np.ndarray) -> list[MethodResult]:
        return list(
            over_folds(
                chosen.network, lambda fold: attribute_in_parts(fold, codes, chosen.columns, **work.settings), codes
            )
        )

    return explain
