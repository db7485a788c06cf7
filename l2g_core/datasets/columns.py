"""Columns of TSV and CSV files, plain or gzipped: found by any of their usual names; errors name the line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from l2g_core.dna import open_text
from l2g_core.errors import InputError

SEQUENCE = ("sequence", "seq")
SPLIT = ("split", "set", "fold")
IDENTIFIER = ("id", "name", "sequence_id")


def read_frame(path: Path, columns: Sequence[str] | None = None, rows: int | None = None) -> Any:
    """The table as text, all columns or some, all rows or the first ``rows``.

    Raises
    ------
    InputError
        The file is missing, not text, or not a table.
    """
    import pandas as pd

    options: Any = {"usecols": columns, "nrows": rows, "dtype": str, "keep_default_na": False}
    with open_text(path) as handle:
        try:
            return pd.read_csv(handle, sep=separator(path), **options)
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise InputError(f"{path}: not a table ({error}); give a TSV or CSV with a header") from error


def read_header(path: Path) -> list[str]:
    """The names of the columns."""
    return list(read_frame(path, rows=0).columns)


def separator(path: Path) -> str:
    return "," if ".csv" in path.suffixes else "\t"


def find(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The first column that is called one of ``names``, ignoring case."""
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name.lower()] for name in names if name.lower() in lower), None)


def required(columns: Sequence[str], names: Sequence[str], path: Path) -> str:
    """As `find`, but there has to be one.

    Raises
    ------
    InputError
        There is none; the message lists the columns and suggests one.
    """
    if (found := find(columns, names)) is not None:
        return found
    near = [close for name in names for close in difflib.get_close_matches(name, columns, 1)]
    meant = f"; did you mean {near[0]!r}?" if near else "; rename the one that has it"
    raise InputError(f"{path}: no column {names[0]!r} (found: {', '.join(columns)}){meant}")


def is_number(text: str) -> bool:
    """Whether `numbers` can read it; ``nan`` is one."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(texts: Sequence[str], name: str, path: Path) -> Float32[np.ndarray, " n"]:
    """The values of one column, NaN where blank.

    Raises
    ------
    InputError
        A value is not a finite number (the message names file, line and value), or all are blank.
    """
    values = np.full(len(texts), np.nan, dtype=np.float32)
    for row, text in enumerate(texts):
        try:
            values[row] = float(text) if text.strip() else np.nan
        except ValueError as error:
            raise InputError(
                f"{path}: line {row + 2}: {name} is {text!r}, which is not a number; leave it blank if not measured, "
                "or choose the columns to learn with --targets"
            ) from error
        if np.isinf(values[row]):
            raise InputError(f"{path}: line {row + 2}: {name} is {text!r}, which is not finite; leave it blank")
    if np.isnan(values).all():
        raise InputError(f"{path}: column {name!r} has no value at all; choose another with --targets")
    return values


def integers(texts: Sequence[str], name: str, path: Path) -> list[int]:
    """The integers of one column; float32 could not tell positions beyond 16 million bp apart.

    Raises
    ------
    InputError
        A value is not an integer; the message names file, line and value.
    """
    values = []
    for row, text in enumerate(texts):
        try:
            values.append(int(text))
        except ValueError as error:
            raise InputError(f"{path}: line {row + 2}: {name} is {text!r}; it takes a whole number") from error
    return values


def class_indices(
    texts: Sequence[str], classes: Sequence[str], where: Callable[[int], str]
) -> Float32[np.ndarray, "n one"]:
    """Each row's class, given by name or number, as its index in ``classes``.

    It never depends on the order of rows, files or folders. ``where(row)`` is the place of a row, for errors.

    Raises
    ------
    InputError
        A class is not known, or all rows are of one class.
    """
    index = {str(number): number for number in range(len(classes))}
    index |= {name: number for number, name in enumerate(classes)}
    labels = np.empty((len(texts), 1), dtype=np.float32)
    for row, text in enumerate(texts):
        if (number := index.get(text.strip())) is None:
            raise InputError(
                f"{where(row)}: class {text!r} is not one of {', '.join(classes)}; correct it or leave the row out"
            )
        labels[row] = number
    if len(labels) == 0 or (labels == labels[0]).all():
        what = f"every row is of class {texts[0]!r}" if len(texts) else "there are no rows"
        raise InputError(f"{where(0)}: {what}; give at least two classes to tell apart")
    return labels


def unique(names: Sequence[str]) -> list[str]:
    """The same names, with a number appended to those that repeat."""
    counts: dict[str, int] = {}
    result = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return result
