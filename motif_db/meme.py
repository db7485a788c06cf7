"""MEME's format: https://meme-suite.org/meme/doc/meme-format.html, and the text output of MEME, STREME and DREME.

Biopython's reader drops the second name and rounds to counts; memelite's keeps one of two motifs with the same id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from motif_db.lines import STARTS_LIKE_A_NUMBER, Raw, blocks, four, is_number, where_in
from motif_db.motif import MotifError

BEGINS = re.compile(r"MOTIF\b")
MATRIX = "letter-probability matrix"
# MEME's own output continues after the names: "MOTIF ACGTG MEME-1<TAB>width = 5  sites = ..."
STATISTICS = re.compile(r"\swidth\s*=")
WIDTH = re.compile(r"\bw\s*=\s*(\d{1,9})")


def read_meme(lines: Iterable[str], source: str) -> Iterator[Raw]:
    """The motifs of a MEME file, line by line; ``source`` is its name in errors. Raises MotifError."""
    groups = blocks(lines, lambda line: BEGINS.match(line) is not None, source)
    _check_alphabet(next(groups), source)
    for number, group in enumerate(groups, start=1):
        yield _motif(group, number, source)


def _check_alphabet(header: list[str], source: str) -> None:
    line = next((line for line in header if line.startswith("ALPHABET")), None)
    if line is None:
        return
    found = line.removeprefix("ALPHABET").strip()
    letters = found.removeprefix("=").split()
    plain = found.startswith("=") and letters[:1] == ["ACGT"]
    if not plain and (found.startswith("=") or not re.search(r"\bDNA\b", found)):
        raise MotifError(f"{source}: the alphabet is {found.lstrip('= ')[:60]!r}, not ACGT; give DNA motifs")


def _motif(group: list[str], number: int, source: str) -> Raw:
    names = STATISTICS.split(group[0].removeprefix("MOTIF").rstrip(), maxsplit=1)[0].split(None, 1)
    if not names:
        raise MotifError(f"{source}: motif {number} has no id after 'MOTIF'; give it one")
    identifier, name = names[0], "".join(names[1:]).strip()
    where = where_in(source, identifier)
    start = next((i for i, line in enumerate(group) if line.startswith(MATRIX)), None)
    if start is None:
        raise MotifError(f"{where} has no letter-probability matrix; add it")
    rows = _rows(group[start + 1 :], where)
    width = WIDTH.search(group[start])
    if width and int(width[1]) != len(rows):
        raise MotifError(f"{where} has {len(rows)} rows and says w= {width[1]}; is the file cut off?")
    return Raw(identifier, name, np.array(rows, dtype=np.float64).reshape(-1, 4), is_counts=False)


def _rows(lines: list[str], where: str) -> list[list[float]]:
    """A blank line before the first row is allowed; a later one ends the matrix, as does what is not a number."""
    rows: list[list[float]] = []
    for line in lines:
        first = next(iter(line.split(None, 1)), "")
        if first and (is_number(first) or STARTS_LIKE_A_NUMBER.match(first)):
            rows.append(four(line, where, len(rows) + 1))
        elif first or rows:
            break
    return rows
