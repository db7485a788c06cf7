"""Measured values beside predicted ones: a table of the user's."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from l2g_core.dna import open_text
from l2g_core.errors import InputError
from l2g_core.runs.files import from_cell
from l2g_interp.records.attributions_file import read_attributions, read_overview

NOT_MEASURED = frozenset({"", ".", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
log = logging.getLogger(__name__)


def read_observed(path: Path, attributions: Path) -> dict[str, np.ndarray]:
    """Measured values by target in the order of the sequences, from a TSV with a column ``id``.

    NaN where there is no row, or its cell is blank or says NA. An id may have the apostrophe that our tables put before
    what a spreadsheet would take for a formula.

    Raises
    ------
    InputError
        There is no column ``id`` or none named like a target, two rows have the same id, none is of a sequence here, or
        a value is not a number.
    """
    known = read_attributions(attributions, rows=[]).targets
    return measured_values(path, read_overview(attributions).ids, known, attributions.name)


def measured_values(path: Path, ids: Sequence[str], known: Sequence[str], source: str) -> dict[str, np.ndarray]:
    """The same for sequences of any ``source`` and the targets ``known``."""
    columns, rows = _rows(path)
    targets = [target for target in known if target in columns]
    if "id" not in columns or not targets:
        raise InputError(
            f"{path}: needs a column 'id' and one named like a target ({', '.join(known)}); "
            f"it has {', '.join(columns) or 'none'}"
        )
    found = [rows.get(name) for name in ids]
    measured = sum(row is not None for row in found)
    if not measured:
        raise InputError(
            f"{path}: none of its {len(rows)} ids is one of a sequence of {source}, whose first is "
            f"{ids[0] if ids else 'none'!r}; give the table of these sequences"
        )
    if measured < len(ids):
        log.warning("%s: has no row for %d of the %d sequences", path, len(ids) - measured, len(ids))
    return {target: np.array([_value(path, row, target) for row in found]) for target in targets}


def _rows(path: Path) -> tuple[list[str], dict[str, tuple[int, dict[str, str]]]]:
    """The names of the columns; and by id the number of the line, and its cells."""
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    try:
        with open_text(path) as handle:
            reader = csv.reader(handle, delimiter="\t")
            columns = [name.strip() for name in next(reader, [])]
            if repeated := [name for row, name in enumerate(columns) if name and name in columns[:row]]:
                raise InputError(f"{path}: two columns are called {repeated[0][:40]!r}; rename one")
            for cells in reader:
                row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
                name = from_cell(row.get("id", ""))
                if name and name in rows:
                    raise InputError(
                        f"{path}: lines {rows[name][0]} and {reader.line_num} are both about {name[:40]!r}; keep one"
                    )
                if name:
                    rows[name] = (reader.line_num, row)
    except csv.Error as error:
        raise InputError(f"{path}: not a table ({error}); give a TSV with a header") from error
    return columns, rows


def _value(path: Path, found: tuple[int, dict[str, str]] | None, target: str) -> float:
    if found is None:
        return math.nan
    number, row = found
    text = row.get(target, "")
    if text.lower() in NOT_MEASURED:
        return math.nan
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"{path}: line {number}: {target} is {text[:40]!r}, which is not a number; correct it, or leave it blank"
        )
    return value
