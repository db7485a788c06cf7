"""Any table of sequences and labels: TSV or CSV, plain or gzipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.datasets.columns import IDENTIFIER, SEQUENCE, SPLIT, is_number, numbers, read_frame, required
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.splits import named_splits, with_validation
from l2g_core.dna import checked
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256

RESERVED = (IDENTIFIER[0], SEQUENCE[0], SPLIT[0])


def read_table(path: str | Path, targets: Sequence[str] | None = None, seed: int = 0) -> Labelled:
    """Read a table with a column ``sequence``, optionally ``id`` and ``split``, and one numeric column per target.

    Parameters
    ----------
    path
        TSV, or CSV if the name ends in ``.csv`` or ``.csv.gz``; plain or gzipped, with a header.
    targets
        Columns to learn; by default every other column in which at least half of the non-blank values are numbers.
        Blanks and ``nan`` mean "not measured".
    seed
        Draws the validation split if the file has none: a tenth of the training rows, balanced over the labels;
        rows of one sequence, on either strand, stay together.

    Returns
    -------
    Labelled
        Sequences, labels ``(n, targets)`` (float32, NaN where not measured) and splits.

    Raises
    ------
    InputError
        A column is missing, a label does not parse, nothing is measured, or a sequence is not DNA.
    """
    path = Path(path)
    frame = read_frame(path)
    sequences = list(frame[required(list(frame.columns), RESERVED[1:2], path)])
    chosen = tuple(required(list(frame.columns), [t], path) for t in targets) if targets else _mostly_numbers(frame)
    if not chosen:
        raise InputError(
            f"{path}: no numeric column to learn (found: {', '.join(frame.columns)}); choose one with --targets"
        )
    labels = np.stack([numbers(list(frame[name]), name, path) for name in chosen], axis=1)
    ids = list(frame["id"]) if "id" in frame else [f"row{i}" for i in range(1, len(frame) + 1)]
    data = checked(ids, sequences, source=str(path))
    given = (
        named_splits(frame["split"].tolist(), f"{path}: column 'split'") if "split" in frame else ["train"] * len(frame)
    )
    if "train" not in given:
        raise InputError(f"{path}: no row has split 'train'; mark the rows to learn from")
    splits, source = with_validation(given, labels, data.sequences, seed)
    return Labelled(data, chosen, labels, splits, source, file_sha256(path))


def _mostly_numbers(frame: Any) -> tuple[str, ...]:
    """Columns of numbers, even with a typo: that should be an error naming its line, not silently drop the column."""

    def chosen(column: str) -> bool:
        filled = [text for text in frame[column] if text.strip()]
        return len(filled) > 0 and sum(map(is_number, filled)) >= len(filled) / 2

    return tuple(c for c in frame.columns if c not in RESERVED and chosen(c))
