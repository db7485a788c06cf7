"""What the readers of motif files share: a motif as its file gives it, its lines, and numbers with clear errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motif_db.motif import MotifError

LONGEST = 10_000  # lines of one motif; more is not a motif
LONGEST_SHOWN = 100  # letters of an id in a message
STARTS_LIKE_A_NUMBER = re.compile(r"[-+]?[.,]?\d")


@dataclass(frozen=True)
class Raw:
    """A motif as its file gives it: rows are positions, columns A, C, G, T; ``is_counts`` or else probabilities."""

    id: str
    name: str
    rows: Float[np.ndarray, "width 4"]
    is_counts: bool


def blocks(lines: Iterable[str], starts: Callable[[str], bool], source: str) -> Iterator[list[str]]:
    """Lines in groups, each beginning with one for which ``starts`` holds; the first group is what comes before.

    Raises
    ------
    MotifError
        A group has more than `LONGEST` lines that are not blank.
    """
    group: list[str] = []
    for line in lines:
        if starts(line):
            yield group
            group = []
        elif not line.strip() and group and not group[-1].strip():
            continue  # of many blank lines one is enough
        if len(group) > LONGEST:
            raise MotifError(f"{source}: {group[0].strip()[:60]!r} has more than {LONGEST:,} lines; give a motif file")
        group.append(line)
    yield group


def where_in(source: str, identifier: str) -> str:
    """How errors name a motif: its file and its id, or the beginning of that."""
    shown = identifier if len(identifier) <= LONGEST_SHOWN else f"{identifier[:LONGEST_SHOWN]}..."
    return f"{source}: motif {shown!r}"


def is_number(word: str) -> bool:
    """Whether a word is a number as files have them: '1_0', which Python takes for 10, is none."""
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word and word.isascii()


def numbers(line: str, where: str) -> list[float]:
    """The numbers of a line.

    Raises
    ------
    MotifError
        A word is not a number; the message starts with ``where`` and names a decimal comma as such.
    """
    words = line.split()
    for word in words:
        if not is_number(word):
            comma = "; numbers need a decimal point, and blanks between them" if "," in word else "; correct it"
            raise MotifError(f"{where}: {word[:60]!r} is not a number{comma}")
    return [float(word) for word in words]


def four(line: str, where: str, position: int) -> list[float]:
    """The four numbers of a position, in the order of the file. Raises MotifError as `numbers`, or if not four."""
    row = numbers(line, f"{where}: position {position}")
    if len(row) != 4:
        raise MotifError(f"{where}: position {position} has {len(row)} values, not 4 (ACGT)")
    return row


def column_order(words: Iterable[str]) -> list[int] | None:
    """Where A, C, G and T are among four letters, in any order; None if the words are not these letters."""
    letters = [word.upper() for word in words]
    return [letters.index(base) for base in "ACGT"] if sorted(letters) == list("ACGT") else None
