"""Tables of dataclass rows as TSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_core.runs.files import atomic_write, from_cell, no_formula
from l2g_interp.records.types import Effect, Hit, Match

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Row = TypeVar("Row", bound=DataclassInstance)


OfPattern = TypeVar("OfPattern", Match, Effect, Hit)
DIGITS = 4  # significant ones: more than any of these numbers is good for, and still readable


def write_table(path: str | Path, rows: Iterable[Any], row_type: type) -> None:
    """Write dataclass rows as TSV with a header, atomically; fractional numbers with `DIGITS` significant digits.

    What a spreadsheet would take for a formula gets an apostrophe before it, which `read_table` takes off.
    """
    with growing_table(path, row_type) as add:
        add(rows)


@contextmanager
def growing_table(path: str | Path, row_type: type) -> Iterator[Callable[[Iterable[Any]], None]]:
    """As `write_table`; yields a function that takes rows as they come. The file appears when all are there."""
    names = [f.name for f in fields(row_type)]
    with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(names)
        yield lambda rows: writer.writerows([cell(getattr(row, name)) for name in names] for row in rows)


def cell(value: Any) -> Any:
    """A value as tables show it: ``0.1234`` for 0.123412, ``1.2e-05``, ``nan``; whole numbers unchanged.

    Text is unchanged, too, unless a spreadsheet would take it for a formula.
    """
    if isinstance(value, str):
        return no_formula(value)
    return f"{value:.{DIGITS}g}" if isinstance(value, (float, np.floating)) else value


def read_table(path: str | Path, row_type: type[Row], made_by: str) -> list[Row]:
    """Read dataclass rows that `write_table` wrote; ``made_by`` is the command that makes such a file.

    Columns whose field has a default may be missing, as in files of older versions.

    Raises
    ------
    InputError
        No such file, or a column is missing or does not parse.
    """
    path = Path(path)
    kinds = {f.name: {"int": int, "float": float, "str": from_cell}[str(f.type)] for f in fields(row_type)}
    optional = {f.name for f in fields(row_type) if f.default is not MISSING}
    if not path.exists():
        raise InputError(f"{path}: no such file; make it with '{made_by}'")
    check_readable(path)
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = csv.DictReader(handle, delimiter="\t")
            given = {n: kind for n, kind in kinds.items() if n not in optional or n in (rows.fieldnames or ())}
            return [row_type(**{name: kind(row[name]) for name, kind in given.items()}) for row in _whole(rows)]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a table of '{made_by}' ({said}); make it again") from error


def _whole(rows: csv.DictReader) -> Iterator[dict[str, str]]:
    """The rows; each must have as many cells as the header."""
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"line {rows.line_num} has more or fewer cells than the header")
        yield row


def by_pattern(rows: Iterable[OfPattern]) -> dict[tuple[str, str], list[OfPattern]]:
    """Rows of a table by target and pattern, in the order in which they come."""
    found: dict[tuple[str, str], list[OfPattern]] = {}
    for row in rows:
        found.setdefault((row.target, row.pattern), []).append(row)
    return found
