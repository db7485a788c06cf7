"""The sections of an experiment, each a dataclass beside the code that it configures; and that of the data."""

from __future__ import annotations

import importlib
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, get_type_hints

import numpy as np

from l2g_core.datasets import Labelled, open_dataset
from l2g_core.errors import InputError

SECTIONS = {
    "data": "l2g_core.experiments.options:DataOptions",
    "model": "l2g_core.model.config:L2GConfig",
    "stages": "l2g_core.experiments.options:StageOptions",
    "search": "l2g_core.search.options:SearchOptions",
    "text": "l2g_core.align.options:TextOptions",
    "align": "l2g_core.align.options:AlignOptions",
    "finetune": "l2g_core.finetune.options:FinetuneOptions",
}


@dataclass(frozen=True)
class DataOptions:
    """What to learn from.

    Attributes
    ----------
    name
        A data set, or the path of a table.
    data_dir
        Its folder; None for where ``l2g fetch`` puts it.
    targets
        The columns to learn; None for all.
    seed
        Draws the splits that the source lacks, and ``rows``.
    rows
        Use at most this many rows of each split, drawn at random.
    sha256
        Refuse data with another hash.
    """

    name: str = ""
    data_dir: str | None = None
    targets: tuple[str, ...] | None = None
    seed: int = 0
    rows: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class StageOptions:
    """Which of the stages before fine-tuning to run: architecture search, alignment."""

    search: bool = True
    align: bool = True


def open_data(options: DataOptions) -> Labelled:
    """Open what an experiment learns from.

    Raises
    ------
    InputError
        As `open_dataset`; or the data do not have the hash that the experiment gives.
    """
    data = open_dataset(options.name, data_dir=options.data_dir, targets=options.targets, seed=options.seed)
    if options.sha256 is not None and data.sha256 != options.sha256.lower():
        raise InputError(
            f"{data.data.source}: has sha256 {data.sha256}, the experiment is for {options.sha256}; use the same "
            "data, or delete sha256 from [data]"
        )
    return data if options.rows is None else at_most(data, options.rows, options.seed)


def at_most(data: Labelled, rows: int, seed: int) -> Labelled:
    """At most ``rows`` rows of each split, drawn at random by ``seed``, in their order; noted in ``split_source``."""
    generator = np.random.default_rng(seed)
    kept: list[int] = []
    for split in ("train", "val", "test"):
        mine = np.flatnonzero(np.array(data.splits) == split)
        kept += sorted(generator.choice(mine, min(rows, len(mine)), replace=False).tolist())
    source = f"{data.split_source}; at most {rows} rows of each split, drawn by seed {seed}"
    return replace(data.subset(sorted(kept)), split_source=source)


def options_class(section: str) -> type:
    """The dataclass of a section."""
    module, _, name = SECTIONS[section].partition(":")
    return getattr(importlib.import_module(module), name)


def settings(section: str) -> dict[str, tuple[Any, Any]]:
    """Each key of a section: its type and its default. Fields without a default are not keys: the data gives them."""
    kind = options_class(section)
    types = get_type_hints(kind)
    return {f.name: (types[f.name], f.default) for f in fields(kind) if f.default is not MISSING}
