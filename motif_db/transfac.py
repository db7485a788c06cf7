"""TRANSFAC's format: http://gene-regulation.com/pub/databases/transfac/doc/matrix1SM.html.

Biopython's reader gives a row without numbers, or a motif without a matrix, those of the one before, and leaves out a
last motif that is cut off, so it is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from motif_db.lines import Raw, blocks, column_order, four, where_in
from motif_db.motif import MotifError

HEAD = re.compile(r"P[0O]\s")  # above the matrix: "P0      A      C      G      T"
NAMES = ("AC", "ID", "NA")


def read_transfac(lines: Iterable[str], source: str) -> Iterator[Raw]:
    """The motifs of a TRANSFAC file, line by line; ``source`` is its name in errors. Raises MotifError."""
    number, record = 0, []
    for group in blocks(lines, lambda line: line.startswith("//"), source):
        if _has_motif(record):
            number += 1
            yield _motif(record, number, source)
        record = group
    if _has_motif(record):
        raise MotifError(f"{source}: the last motif does not end with //; is the file cut off?")


def _has_motif(record: list[str]) -> bool:
    """Not so for the file's header (VV), nor for what follows the last motif."""
    return any(line[:2] in NAMES or HEAD.match(line) for line in record)


def _motif(record: list[str], number: int, source: str) -> Raw:
    fields = {line[:2]: line[2:].strip() for line in reversed(record)}
    given = [fields[key] for key in NAMES if fields.get(key)]
    if not given:
        raise MotifError(f"{source}: motif {number} has neither AC, ID nor NA; give it one")
    identifier = given[0]
    name = next((fields[key] for key in ("NA", "ID") if fields.get(key, "") not in {"", identifier}), "")
    where = where_in(f"{source}: not a well-formed TRANSFAC file", identifier)
    start = next((i for i, line in enumerate(record) if HEAD.match(line)), None)
    if start is None:
        raise MotifError(f"{where} has no matrix (a line P0 and rows); add it")
    order = column_order(record[start].split()[1:5])
    if order is None:
        raise MotifError(f"{where}: the matrix does not begin with 'P0 A C G T'; correct it")
    rows = np.array(_rows(record[start + 1 :], where), dtype=np.float64).reshape(-1, 4)
    return Raw(identifier, name, rows[:, order], is_counts=True)


def _rows(lines: list[str], where: str) -> list[list[float]]:
    """Rows are numbered from 1 (or 0) without gaps, and may end with the consensus letter."""
    rows: list[list[float]] = []
    first = None
    for line in lines:
        words = line.split()
        if not words or not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 9):
            break
        first = int(words[0]) if first is None else first
        if first > 1 or int(words[0]) != first + len(rows):
            raise MotifError(f"{where}: row {words[0]} of the matrix is not the {len(rows) + 1}th; is one missing?")
        rows.append(four(" ".join(words[1:5]), where, len(rows) + 1))
    return rows
