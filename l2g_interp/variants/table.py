"""Variants of sequences as a table: columns ``id``, ``position`` (counted from 1), ``ref`` and ``alt``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from l2g_core.dna import open_text
from l2g_core.errors import InputError
from l2g_core.runs.files import from_cell
from l2g_interp.variants.rows import Variant

COLUMNS = ("id", "position", "ref", "alt")


def read_table(path: Path) -> Iterator[Variant]:
    """The rows of a TSV, plain or gzipped, with alleles as in VCF; several in one cell are separated by commas.

    A column ``name`` names the variants.

    Raises
    ------
    InputError
        A column is missing, or a position is not a whole number; the message names the line.
    """
    with open_text(path) as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(missing)}; give a TSV with {', '.join(COLUMNS)}, position counted from 1"
            )
        for number, row in enumerate(rows, 1):
            where = f"{path}: line {number + 1}"
            text = (row["position"] or "").strip()
            if not text.isdecimal():
                raise InputError(f"{where}: position {text!r} is not a whole number; positions count from 1")
            if row["alt"] is None or row["ref"] is None:
                raise InputError(f"{where}: fewer columns than the header; give {', '.join(COLUMNS)}")
            name = from_cell((row.get("name") or "").strip()) or "."
            for alt in row["alt"].split(","):
                yield Variant(from_cell(row["id"]), int(text), name, row["ref"].strip(), alt.strip(), number)
