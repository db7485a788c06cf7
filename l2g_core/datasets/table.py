"""Any table of sequences and labels: TSV or CSV, plain or gzipped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from l2g_core.dna import Sequences, checked, open_text
from l2g_core.errors import InputError

RESERVED = ("id", "sequence", "split")
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Labelled:
    """Sequences with labels and splits.

    ``labels`` has one column per target, NaN where a value was not measured; ``splits`` holds ``train``, ``val`` or
    ``test`` per row; ``split_source`` says whether the file gave the validation split or it was drawn.
    """

    data: Sequences
    targets: tuple[str, ...]
    labels: Float32[np.ndarray, "n targets"]
    splits: list[str]
    split_source: str
    sha256: str

    def split(self, name: str) -> Labelled:
        """The rows of one split."""
        rows = [i for i, s in enumerate(self.splits) if s == name]
        return Labelled(
            self.data.subset(rows), self.targets, self.labels[rows], [name] * len(rows), self.split_source, self.sha256
        )

    def __len__(self) -> int:
        return len(self.data)


def read_table(path: str | Path, targets: Sequence[str] | None = None, seed: int = 0) -> Labelled:
    """Read a table with a column ``sequence``, optionally ``id`` and ``split``, and one numeric column per target.

    Parameters
    ----------
    path
        TSV, or CSV when the name says so; plain or gzipped, with a header.
    targets
        Columns to learn; by default every other column that is numeric. Blanks mean "not measured".
    seed
        Draws the validation split where the file has none: a tenth of the training rows, balanced over the labels.

    Raises
    ------
    InputError
        A column is missing, a label does not parse, nothing is measured, or a sequence is not DNA.
    """
    path = Path(path)
    frame = _read_frame(path)
    if "sequence" not in frame:
        raise InputError(
            f"{path}: no column 'sequence' (found: {', '.join(frame.columns)}); rename the one that has it"
        )
    chosen = tuple(targets) if targets else _numeric_columns(frame)
    if not chosen:
        raise InputError(
            f"{path}: no numeric column to learn (found: {', '.join(frame.columns)}); name it with --targets"
        )
    labels = np.stack([_labels(frame, name, path) for name in chosen], axis=1)
    ids = list(frame["id"]) if "id" in frame else [f"row{i}" for i in range(1, len(frame) + 1)]
    data = checked(ids, list(frame["sequence"]), source=str(path))
    splits, source = _splits(frame, labels, seed, path)
    return Labelled(data, chosen, labels, splits, source, hashlib.sha256(path.read_bytes()).hexdigest())


def _read_frame(path: Path) -> Any:
    import pandas as pd

    separator = "," if ".csv" in path.suffixes else "\t"
    with open_text(path) as handle:
        try:
            return pd.read_csv(handle, sep=separator, dtype=str, keep_default_na=False)
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise InputError(f"{path}: not a table ({error}); give a TSV or CSV with a header") from error


def _numeric_columns(frame: Any) -> tuple[str, ...]:
    import pandas as pd

    def numeric(column: str) -> bool:
        values = frame[column][frame[column].str.strip() != ""]
        return len(values) > 0 and bool(pd.Series(pd.to_numeric(values, errors="coerce")).notna().all())

    return tuple(c for c in frame.columns if c not in RESERVED and numeric(c))


def _labels(frame: Any, target: str, path: Path) -> Float32[np.ndarray, " n"]:
    if target not in frame:
        raise InputError(f"{path}: no column {target!r} (found: {', '.join(frame.columns)}); check --targets")
    values = np.full(len(frame), np.nan, dtype=np.float32)
    for row, text in enumerate(frame[target]):
        try:
            values[row] = float(text) if text.strip() else np.nan
        except ValueError as error:
            raise InputError(
                f"{path}: line {row + 2}: {target} is {text!r}, which is no number; leave it blank if not measured"
            ) from error
    if np.isnan(values).all():
        raise InputError(f"{path}: column {target!r} has no value at all; name another with --targets")
    return values


def _splits(frame: Any, labels: np.ndarray, seed: int, path: Path) -> tuple[list[str], str]:
    if "split" in frame:
        splits = ["val" if s in {"dev", "valid", "validation"} else s for s in frame["split"].str.lower()]
        unknown = sorted(set(splits) - {"train", "val", "test"})
        if unknown:
            raise InputError(f"{path}: column 'split' has {unknown[0]!r}; it takes train, val and test")
    else:
        splits = ["train"] * len(frame)
    if "train" not in splits:
        raise InputError(f"{path}: no row has split 'train'; mark the rows to learn from")
    if "val" in splits:
        return splits, "the file's own"
    train = np.flatnonzero(np.array(splits) == "train")
    order = train[np.lexsort((np.random.default_rng(seed).random(len(train)), np.nan_to_num(labels[train, 0])))]
    step = round(1 / VALIDATION_SHARE)
    for row in order[step // 2 :: step]:
        splits[row] = "val"
    return splits, f"every {step}th training row in order of {'the first label'}, ties by seed {seed}"
