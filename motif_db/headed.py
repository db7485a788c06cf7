"""Motifs under a line ``>id name``: JASPAR, HOMER, HOCOMOCO, which differ in what a row is.

JASPAR has a row for each base, in the order ACGT or with its letter (https://jaspar.elixir.no/docs); HOMER
(``>consensus name threshold``, separated by tabs: http://homer.ucsd.edu/homer/motif/creatingCustomMotifs.html) and
HOCOMOCO (``>AHR_HUMAN.H11MO.0.B``) have a row for each position. Biopython's reader of JASPAR cuts names at a space and
does not report bad rows, so it is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motif_db.lines import Raw, blocks, column_order, four, is_number, numbers, where_in
from motif_db.motif import MotifError

JASPAR_ID = re.compile(r"(MA|UN|CN|FAM|PB|PF|PH|PL|POL|SA|SD)\d{3,6}(\.\d{1,3})?")
HOCOMOCO_ID = re.compile(r"[^\s.]+\.H\d{1,2}[A-Z]*\.\S+")  # AHR_HUMAN.H11MO.0.B, AHR.H12CORE.0.P.B
CONSENSUS = re.compile(r"[ACGTURYSWKMBDHVN]+", re.IGNORECASE)
POSITIONS, BASES = "a row for each position", "a row for each base"
NO_PEAK = 1.5  # sums of HOMER's rows from here on are counts, not probabilities
TOLERANCE = 0.01  # how far frequencies out of weights may be from 1


@dataclass(frozen=True)
class _Block:
    """A motif with its numbers as they stand; ``layout`` is `POSITIONS`, `BASES`, or None where both would do."""

    id: str
    name: str
    table: Float[np.ndarray, "rows columns"]
    layout: str | None
    homer: bool = False


def read_headed(lines: Iterable[str], source: str) -> Iterator[Raw]:
    """The motifs of a JASPAR, HOMER or HOCOMOCO file; ``source`` is its name in errors.

    Four rows of four numbers without letters are read as their id or header says (JASPAR's, HOCOMOCO's, HOMER's), else
    as all other motifs of the file.

    Raises
    ------
    MotifError
        Among others: four rows of four numbers that could be either.
    """
    groups = list(blocks(lines, lambda line: line.startswith(">"), source))[1:]
    found = [_block(group, number, source) for number, group in enumerate(groups, start=1)]
    layouts = {block.layout for block in found} - {None}
    usual = layouts.pop() if len(layouts) == 1 else None
    for block in found:
        yield _raw(block, block.layout or usual, where_in(source, block.id))


def _raw(block: _Block, layout: str | None, where: str) -> Raw:
    if layout is None:
        raise MotifError(
            f"{where} has 4 rows of 4 numbers, which may be bases or positions; put the bases' letters before "
            "the rows ('A [ ... ]'), or give MEME format"
        )
    if layout == BASES:
        return Raw(block.id, block.name, block.table.T.reshape(-1, 4), is_counts=True)
    if (block.table < 0).any():
        return Raw(block.id, block.name, _frequencies(block.table, where), is_counts=False)
    is_counts = not block.homer or bool((block.table.sum(axis=1) > NO_PEAK).all())
    return Raw(block.id, block.name, block.table, is_counts)


def _frequencies(weights: Float[np.ndarray, "width 4"], where: str) -> Float[np.ndarray, "width 4"]:
    """Base frequencies from log-odds weights against a uniform background, as HOCOMOCO's ``.pwm`` has them."""
    for base in (np.e, 2.0):
        with np.errstate(over="ignore"):
            rows = np.power(base, weights) / 4
        if (np.abs(rows.sum(axis=1) - 1) <= TOLERANCE).all():
            return rows
    raise MotifError(
        f"{where} has values that are negative and are not log-odds against equal base frequencies; "
        "give counts or probabilities"
    )


def _block(group: list[str], number: int, source: str) -> _Block:
    header = group[0][1:].strip()
    lines = [line for line in group[1:] if line.strip() and not line.startswith("#")]
    words = header.split(None, 1)
    if not words:
        raise MotifError(f"{source}: motif {number} has no id after '>'; give it one")
    identifier, name = words[0], "".join(words[1:])
    where = where_in(source, identifier)
    if lines and (order := column_order(lines[0].split())) is not None:
        rows = [four(line, where, i) for i, line in enumerate(lines[1:], start=1)]
        return _Block(identifier, name, np.array(rows, dtype=np.float64).reshape(-1, 4)[:, order], POSITIONS)
    if any(_letter(line) for line in lines):
        return _Block(identifier, name, _lettered(lines, where), BASES)
    rows = [numbers(line.replace("[", " ").replace("]", " "), f"{where} is not 4 rows of counts") for line in lines]
    table = _table(rows, where)
    if table.shape[1] == 4 and (names := _homer_names(header, len(table))):
        return _Block(*names, table, POSITIONS, homer=True)
    return _Block(identifier, name, table, _layout(identifier, table.shape))


def _layout(identifier: str, shape: tuple[int, ...]) -> str | None:
    if shape != (4, 4):
        return BASES if shape[0] == 4 else POSITIONS
    if HOCOMOCO_ID.fullmatch(identifier):
        return POSITIONS
    return BASES if JASPAR_ID.fullmatch(identifier) else None


def _table(rows: list[list[float]], where: str) -> Float[np.ndarray, "rows columns"]:
    widths = {len(row) for row in rows}
    if len(widths) != 1 or (len(rows) != 4 and widths != {4}):
        raise MotifError(
            f"{where} is not 4 rows of as many counts (JASPAR), nor rows of 4 (HOMER, HOCOMOCO); is it cut off?"
        )
    return np.array(rows, dtype=np.float64)


def _homer_names(header: str, width: int) -> tuple[str, str] | None:
    """Id and name in a header of HOMER; None if it is none. What stands before the first ``/`` is the factor's name."""
    fields = header.split("\t")
    if not (len(fields) > 2 and is_number(fields[2])):
        fields = header.split()
        consensus = len(fields) > 2 and len(fields[0]) == width and CONSENSUS.fullmatch(fields[0])
        if not (consensus and is_number(fields[2])):
            return None
    identifier = fields[1].strip() or fields[0].strip()
    return identifier, identifier.split("/", 1)[0]


def _letter(line: str) -> str:
    """The letter before the numbers of a row, if there is one."""
    text = line.lstrip()
    return text[0].upper() if text[:1].isalpha() and not text[1:2].isalnum() else ""


def _lettered(lines: list[str], where: str) -> Float[np.ndarray, "4 width"]:
    """The rows by their letters, in whatever order they stand."""
    letters = [_letter(line) for line in lines]
    missing = [base for base in "ACGT" if base not in letters]
    if missing:
        raise MotifError(
            f"{where} is not 4 rows: none is for {', '.join(missing)} (there are {_shown(letters)}); add it"
        )
    if sorted(letters) != list("ACGT"):
        raise MotifError(f"{where} has rows {_shown(letters)}, not one for each of A, C, G and T; correct it")
    rows = {
        letter: numbers(line.lstrip()[1:].strip(" \t\r\n[]|:"), f"{where} is not 4 rows of counts: row {letter}")
        for letter, line in zip(letters, lines, strict=True)
    }
    if len({len(row) for row in rows.values()}) != 1:
        counts = ", ".join(f"{len(rows[base])} for {base}" for base in "ACGT")
        raise MotifError(f"{where} is not 4 rows of as many counts ({counts}); is it cut off?")
    return np.array([rows[base] for base in "ACGT"], dtype=np.float64)


def _shown(letters: list[str]) -> str:
    return " ".join(letter or "without a letter" for letter in letters[:8]) + (" ..." if len(letters) > 8 else "")
