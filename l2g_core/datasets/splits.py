"""Splits: what sources call them, and drawing those that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from l2g_core.datasets.labelled import either_strand
from l2g_core.errors import InputError

STEP = 10  # a drawn split is every tenth group of rows
SPELLINGS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def are_splits(given: Iterable[str]) -> bool:
    """Whether all of them are spellings of train, val and test."""
    return {text.strip().lower() for text in given} <= SPELLINGS.keys()


def named_splits(given: Sequence[str], where: str) -> list[str]:
    """``train``, ``val`` or ``test`` for each of a source's own spellings.

    Raises
    ------
    InputError
        A spelling is not known. ``where`` (file and column) starts the message.
    """
    splits = []
    for text in given:
        if (split := SPELLINGS.get(text.strip().lower())) is None:
            raise InputError(f"{where} has {text!r}; choose from train, val and test")
        splits.append(split)
    return splits


def with_validation(
    splits: list[str], labels: Float32[np.ndarray, "n targets"], sequences: Sequence[str], seed: int
) -> tuple[list[str], str]:
    """These splits, with a tenth of the training rows as ``val`` if there is none; and where ``val`` comes from."""
    if "val" in splits:
        return splits, "the source's own"
    return draw(splits, labels, sequences, seed, {"val": STEP // 2})


def draw(
    splits: list[str],
    labels: Float32[np.ndarray, "n targets"],
    sequences: Sequence[str],
    seed: int,
    offsets: Mapping[str, int],
) -> tuple[list[str], str]:
    """Move training rows to other splits, balanced over the labels; returns the splits and how they were drawn.

    Rows of the same sequence, on either strand, move together. The groups are sorted by their first label (a class, or
    a measured value; not measured counts as 0), ties by ``seed``; of every ten, the one at position ``offsets[split]``
    goes to that split.
    """
    rows_of: dict[str, list[int]] = {}
    for row in (row for row, split in enumerate(splits) if split == "train"):
        rows_of.setdefault(either_strand(sequences[row]), []).append(row)
    groups = list(rows_of.values())
    first = np.nan_to_num(labels[[rows[0] for rows in groups], 0])
    order = np.lexsort((np.random.default_rng(seed).random(len(groups)), first))
    drawn = list(splits)
    for name, offset in offsets.items():
        for group in order[offset::STEP]:
            for row in groups[group]:
                drawn[row] = name
    names = " and ".join(offsets)
    return drawn, f"{names}: every {STEP}th training sequence in order of the first label, ties by seed {seed}"
