"""What every source of data returns: sequences, labels and splits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32

from l2g_core.dna import Sequences, reverse_complement


@dataclass(frozen=True)
class Labelled:
    """Sequences with labels and splits.

    ``labels`` has one column per target, NaN where a value was not measured; ``splits`` holds ``train``, ``val`` or
    ``test`` per row; ``split_source`` says whether the validation split is the source's or was drawn. ``task``,
    ``metric`` and ``classes`` (names of the classes 0, 1, ...) are those of a data set known by name; a plain table
    has none.
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

    def split(self, name: str) -> Labelled:
        """The rows of one split."""
        return self.subset([row for row, split in enumerate(self.splits) if split == name])

    def subset(self, rows: list[int]) -> Labelled:
        """These rows, in this order."""
        splits = [self.splits[row] for row in rows]
        return replace(self, data=self.data.subset(rows), labels=self.labels[rows], splits=splits)

    def __len__(self) -> int:
        return len(self.data)


def either_strand(sequence: str) -> str:
    """A key that a sequence shares with its reverse complement."""
    return min(sequence, reverse_complement(sequence))


def seen_in_training(data: Labelled) -> Bool[np.ndarray, " n"]:
    """Which validation and test rows are also training rows, on either strand: they inflate scores (leakage)."""
    learned = {either_strand(s) for s, split in zip(data.data.sequences, data.splits, strict=True) if split == "train"}
    rows = zip(data.data.sequences, data.splits, strict=True)
    return np.array([split != "train" and either_strand(s) in learned for s, split in rows], dtype=bool)
