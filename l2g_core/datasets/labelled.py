"""What every source of data returns: sequences, labels and splits."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32

from l2g_core.datasets.columns import listed
from l2g_core.dna import Sequences, reverse_complement

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelled:
    """Sequences with labels and splits.

    ``labels`` has one column per target, NaN where a value was not measured; ``splits`` holds ``train``, ``val`` or
    ``test`` per row; ``split_source`` says whether the validation split is the source's or was drawn. ``task``,
    ``metric`` and ``classes`` (names of the classes 0, 1, ...) are those of a data set known by name; a plain table
    has no metric, and the others only if it has classes in words. ``left_out``: its columns that are not learned, with
    the reason.
    """

    data: Sequences
    targets: tuple[str, ...]
    labels: Float32[np.ndarray, "n targets"]
    splits: list[str]
    split_source: str
    sha256: str
    task: str | None = None
    metric: str | None = None
    classes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def split(self, name: str) -> Labelled:
        """The rows of one split."""
        return self.subset([row for row, split in enumerate(self.splits) if split == name])

    def subset(self, rows: list[int]) -> Labelled:
        """These rows, in this order."""
        splits = [self.splits[row] for row in rows]
        return replace(self, data=self.data.subset(rows), labels=self.labels[rows], splits=splits)

    def __len__(self) -> int:
        return len(self.data)


def tell_what_is_learned(data: Labelled, task: str) -> None:
    """Log the task, the targets with the rows that have a value, the rows per split, and what is not learned."""
    if task == "classification":
        index, counts = np.unique(data.labels[:, 0], return_counts=True)
        measured = [(i, n) for i, n in zip(index, counts, strict=True) if not np.isnan(i)]
        names = [data.classes[int(i)] if data.classes else f"{i:g}" for i, _ in measured]
        shown = listed([f"{name} ({n:,} rows)" for name, (_, n) in zip(names, measured, strict=True)])
        what = f"{listed(data.targets)}: {shown}"
    else:
        counts = (~np.isnan(data.labels)).sum(axis=0)
        what = listed([f"{name} ({n:,} rows)" for name, n in zip(data.targets, counts, strict=True)])
    rows = ", ".join(f"{data.splits.count(split):,} {split}" for split in ("train", "val", "test"))
    log.info("%s: learning (%s) %s, of %s rows: %s", data.data.source, task, what, f"{len(data):,}", rows)
    if data.left_out:
        log.info("%s: not learned: %s; --targets chooses", data.data.source, listed(data.left_out))


def either_strand(sequence: str) -> str:
    """A key that a sequence shares with its reverse complement."""
    return min(sequence, reverse_complement(sequence))


def seen_in_training(data: Labelled) -> Bool[np.ndarray, " n"]:
    """Which validation and test rows are also training rows, on either strand: they inflate scores (leakage)."""
    learned = {either_strand(s) for s, split in zip(data.data.sequences, data.splits, strict=True) if split == "train"}
    rows = zip(data.data.sequences, data.splits, strict=True)
    return np.array([split != "train" and either_strand(s) in learned for s, split in rows], dtype=bool)
