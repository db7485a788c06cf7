"""Columns of TSV and CSV files, plain or gzipped: found by any of their usual names; errors name the line."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from l2g_core.dna import open_text
from l2g_core.errors import InputError

SEQUENCE = ("sequence", "seq")
SPLIT = ("split", "set", "fold")
IDENTIFIER = ("id", "name", "sequence_id", "seq_id", "identifier")
FLOAT32_MAX = float(np.finfo(np.float32).max)
SEPARATORS = {"\t": "tab", ",": "','", ";": "';'"}
NOT_MEASURED = frozenset({"", ".", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "NULL", "null", "None"})
DECIMAL_COMMA = re.compile(r"\s*[-+]?(\d*(\.\d{3})*,\d+(e[-+]?\d+)?|\d{1,3}(,\d{3})+(\.\d+)?)\s*", re.IGNORECASE)
NOT_TARGETS = {  # what a column of this name holds, instead of something to learn
    "row numbers": {"", "index", "idx", "row", "rows", "rowid", "rownumber", "rownames", "rowname", "level0"},
    "place": {"contig", "seqname", "seqnames", "pos", "position", "summit", "width", "length"},
    "split": {"set", "dataset", "split", "splits", "subset", "partition", "cv", "fold", "folds", "cvfold", "kfold"},
}
NOT_TARGETS_AT_END = {  # the same, for the last word of a name
    "name": {"id", "ids", "name", "names", "identifier"},
    "place": {"chrom", "chr", "chromosome", "start", "end", "stop", "strand"},
}


def read_frame(path: Path, columns: Sequence[str] | None = None, rows: int | None = None) -> Any:
    """The table as text, all columns or some, all rows or the first ``rows``.

    Raises
    ------
    InputError
        The file is missing, not text, or not a table.
    """
    import pandas as pd

    options: Any = {"usecols": columns, "nrows": rows, "dtype": str, "keep_default_na": False}
    mark = _separator(path)
    with open_text(path) as handle:
        try:
            frame = pd.read_csv(handle, sep=mark, **options).fillna("")
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise InputError(f"{path}: not a table ({str(error).strip()}); give a TSV or CSV with a header") from error
    if frame.index.nlevels > 1:
        raise InputError(f"{path}: the rows have more cells than the header; give every column a name")
    if len(frame) and not isinstance(frame.index, pd.RangeIndex):  # R's row names: its header has no name for them
        frame.insert(0, "", frame.index)
    frame = frame.reset_index(drop=True)
    _no_swallowed_rows(frame, mark, path)
    return frame


def read_header(path: Path) -> list[str]:
    """The names of the columns."""
    return list(read_frame(path, rows=0).columns)


def _no_swallowed_rows(frame: Any, mark: str, path: Path) -> None:
    """A quote that opens a cell and is not closed takes the rows up to the next quote into that cell."""
    for column in frame.columns if mark == "\t" else ():
        rows = frame.index[frame[column].str.contains("\n[^\n]*\t", regex=True)]
        if len(rows):
            start = " ".join(frame[column][rows[0]][:40].split())
            raise InputError(
                f"{path}: a cell of column {column!r} starts with a quote that is not closed ({start!r}); remove the "
                "quote"
            )


def _separator(path: Path) -> str:
    """What stands between cells: as the file's name says or, if the header has none of that, what it has instead."""
    usual = "," if ".csv" in path.suffixes else "\t"
    with open_text(path) as handle:
        header, first = [*islice((line.rstrip("\r\n") for line in handle if line.strip()), 2), "", ""][:2]
    mark = usual if usual in header else max(SEPARATORS, key=header.count)
    if mark not in header:
        if len(header.split()) > 1:
            raise InputError(f"{path}: the header {header[:60]!r} has no tab, ',' or ';'; put tabs between the columns")
        return usual
    names, cells = (next(csv.reader([line], delimiter=mark), []) for line in (header, first))
    extra = len(cells) - len(names)
    if extra > 0 and not cells[-1].strip():
        raise InputError(f"{path}: the rows end in {SEPARATORS[mark]} and the header does not; remove it from the rows")
    if repeated := [name for row, name in enumerate(names) if name.strip() and name in names[:row]]:
        raise InputError(f"{path}: two columns are called {repeated[0]!r}; rename one")
    return mark


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
    joined = [mark for mark in SEPARATORS if any(mark in column for column in columns)]
    if joined:
        meant = f"; if the columns are separated by {SEPARATORS[joined[0]]}, separate them by tabs"
    raise InputError(f"{path}: no column {names[0]!r} (found: {listed(columns)}){meant}")


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names for one line of text: long ones cut, the first ``most`` of many."""
    short = [
        " ".join(name.split()) if len(name) <= 40 else f"{' '.join(name[:40].split())}..." for name in names[:most]
    ]
    return ", ".join(short) + (f" and {len(names) - most} more" if len(names) > most else "")


def not_a_target(column: str) -> str | None:
    """What a column holds according to its name if that is nothing to learn (names, places, splits); None otherwise."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", column)]
    if words[:1] == ["unnamed"] or re.fullmatch(r"\.\.\.\d+", column):  # as pandas and R call a column without a name
        return "row numbers"
    whole, last = "".join(words), "".join(words[-1:])
    found = [what for what, names in NOT_TARGETS.items() if whole in names]
    found += [what for what, names in NOT_TARGETS_AT_END.items() if last in names]
    return found[0] if found else None


def is_measured(text: str) -> bool:
    """Whether a cell says something: it is not blank, ``.``, ``NA``, ``NaN`` or the like."""
    return text.strip() not in NOT_MEASURED


def is_number(text: str) -> bool:
    """Whether it is written as a number, be it with a decimal comma, which `numbers` refuses."""
    return _value(text) is not None or DECIMAL_COMMA.fullmatch(text) is not None


def _value(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python reads 1_2 as 12
    except ValueError:
        return None


def numbers(texts: Sequence[str], name: str, path: Path) -> Float32[np.ndarray, " n"]:
    """The values of one column, NaN where not measured.

    Raises
    ------
    InputError
        A value is not a finite number (the message names file, line and value), or none is measured.
    """
    values = np.full(len(texts), np.nan, dtype=np.float32)
    for row, text in enumerate(texts):
        if not is_measured(text):
            continue
        where, value = f"{path}: line {row + 2}: {name} is {text[:40]!r}", _value(text)
        if value is None and DECIMAL_COMMA.fullmatch(text):
            raise InputError(
                f"{where}; write decimals with a point (1.5) and thousands without a mark, "
                "or choose the columns to learn with --targets"
            )
        if value is None:
            raise InputError(
                f"{where}, which is not a number; leave it blank if not measured, or choose the columns to learn with "
                "--targets"
            )
        if abs(value) > FLOAT32_MAX:
            raise InputError(f"{where}, which is not finite; leave it blank")
        values[row] = value
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
