"""Intervals of a genome: BED and narrowPeak files, windows around their centres or summits, and what has no place.

Coordinates are 0-based and half-open, as in BED.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.text import open_text

ON_EDGE = ("drop", "refuse")  # what to do about intervals beyond a chromosome's end, or on none
COORDINATE = re.compile(" *[0-9]{1,12} *")
UNNAMED = ("", ".")
LISTED = 5  # how many of those are named
RECORDED = 100  # and in the record of what was done
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Interval:
    """A stretch of a chromosome, 0-based and half-open; ``strand`` is ``+``, ``-`` or ``.``."""

    chrom: str
    start: int
    end: int
    strand: str = "."

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}" + (f"({self.strand})" if self.strand in "+-" else "")

    def part(self, start: int, end: int, strand: str = "+") -> Interval:
        """Where a half-open range of the sequence cut out of this interval lies on the chromosome.

        A sequence on the minus strand runs against the chromosome: its first base is the last of the interval.
        """
        if self.strand == "-":
            return Interval(self.chrom, self.end - end, self.end - start, "+" if strand == "-" else "-")
        return Interval(self.chrom, self.start + start, self.start + end, strand)


def read_intervals(
    path: Path, sizes: Mapping[str, int], genome: str | Path, width: int | None = None, on_edge: str = "drop"
) -> tuple[list[Interval], list[str], tuple[str, ...]]:
    """Intervals of a BED or narrowPeak file, an id for each, which no other has; and which were dropped, and why.

    Parameters
    ----------
    path
        Plain or gzipped.
    sizes
        Length of each chromosome (bp) of ``genome``.
    width
        Take this many bp around the summit (narrowPeak, column 10) or, where there is none, the centre.
    on_edge
        ``drop`` intervals that reach beyond their chromosome or lie on none, with a warning, or ``refuse`` them.

    Raises
    ------
    InputError
        There are no intervals, one is malformed, or none has a place (with ``refuse``: not all). The message names
        file and lines.
    """
    if on_edge not in ON_EDGE:
        raise InputError(f"on_edge is {on_edge!r}; give one of {', '.join(ON_EDGE)}")
    intervals: list[Interval] = []
    names: list[str] = []
    misplaced: list[str] = []
    with open_text(path) as handle:
        peaks = ".narrowpeak" in {suffix.lower() for suffix in path.suffixes}
        for number, line in enumerate(handle, start=1):
            fields = line.rstrip("\n").split("\t") if "\t" in line else line.split()
            if not line.strip() or line.startswith("#") or line.split()[0] in {"track", "browser"}:
                continue
            peaks = peaks or len(fields) == 10
            interval, name = _interval(f"{path}: line {number}", line.strip(), fields, width, peaks)
            if reason := _misplaced(interval, sizes):
                misplaced.append(f"line {number}: {reason}")
            else:
                intervals.append(interval)
                names.append(name)
    if not intervals and not misplaced:
        raise InputError(f"{path}: no intervals; a BED line is chrom<TAB>start<TAB>end")
    if misplaced:
        _tell(path, genome, sizes, misplaced, len(intervals) + len(misplaced), on_edge)
    repeated = [name for name, count in Counter(names).items() if count > 1 and name not in UNNAMED]
    if repeated:
        log.warning(
            "%s: %d names stand for several intervals (%s, …); these are called by their places",
            path, len(repeated), ", ".join(repeated[:LISTED]),
        )  # fmt: skip
    return intervals, unique_names(names, intervals), tuple(misplaced)


def _interval(where: str, line: str, fields: list[str], width: int | None, peaks: bool) -> tuple[Interval, str]:
    if len(fields) < 3 or not (_is_number(fields[1]) and _is_number(fields[2])):
        raise InputError(
            f"{where}: {line[:60]!r} is not an interval; write chrom<TAB>start<TAB>end, and # before a header"
        )
    chrom, start, end = fields[0].strip(), int(fields[1]), int(fields[2])
    if start >= end:
        raise InputError(f"{where}: start {start} is not before end {end}; BED is 0-based and half-open, start < end")
    centre = (start + end) // 2
    if peaks:
        centre = _summit(where, fields, start, end, centre)
    if width is not None:
        start = centre - width // 2
        end = start + width
    strand = fields[5] if len(fields) > 5 and fields[5] in {"+", "-"} else "."
    return Interval(chrom, start, end, strand), fields[3].strip() if len(fields) > 3 else ""


def _summit(where: str, fields: list[str], start: int, end: int, centre: int) -> int:
    text = fields[9].strip() if len(fields) == 10 else ""
    if text == "-1":
        return centre
    if not _is_number(text) or int(text) >= end - start:
        raise InputError(
            f"{where}: {text!r} is not the summit of a narrowPeak (column 10 of 10: bp from the start, below "
            f"{end - start}, or -1); correct it, or keep 6 columns (cut -f1-6) in a .bed file for the centres instead"
        )
    return start + int(text)


def _is_number(text: str) -> bool:
    """Whether a field is a coordinate: up to 12 digits."""
    return COORDINATE.fullmatch(text) is not None


def _misplaced(interval: Interval, sizes: Mapping[str, int]) -> str:
    """Why an interval has no place in the genome; empty if it has."""
    place = f"{interval.chrom}:{interval.start}-{interval.end}"
    if interval.chrom not in sizes:
        return f"no chromosome {interval.chrom[:60]!r}{_hint(interval.chrom, sizes)}"
    if interval.start < 0 or interval.end > sizes[interval.chrom]:
        return f"{place} reaches beyond the chromosome (0-{sizes[interval.chrom]})"
    return ""


def _hint(chrom: str, sizes: Mapping[str, int]) -> str:
    bare = chrom[3:] if chrom.lower().startswith("chr") else chrom
    same = {"M": ("M", "MT"), "MT": ("M", "MT")}.get(bare.upper(), (bare,))
    spellings = (form for other in same for form in (other, f"chr{other}"))
    found = next((name for name in spellings if name in sizes), None)
    found = found or next((name for name in sizes if name.lower() == chrom.lower()), None)
    return f" (the genome calls it {found!r})" if found else ""


def _tell(
    path: Path, genome: str | Path, sizes: Mapping[str, int], misplaced: list[str], n_all: int, on_edge: str
) -> None:
    listed = "; ".join(misplaced[:LISTED]) + ("; …" if len(misplaced) > LISTED else "")
    known = ", ".join(name[:60] for name in islice(sizes, 5)) + (", …" if len(sizes) > 5 else "")
    what = f"{path}: {len(misplaced)} of {n_all} intervals lie outside {genome} (it has {known}): {listed}"
    if on_edge == "refuse" or len(misplaced) == n_all:
        raise InputError(f"{what}. Use the same genome build and naming, or drop or move these intervals")
    log.warning("%s. They are dropped; --on-edge refuse stops instead", what)


def dropped_record(dropped: Sequence[str]) -> dict[str, Any]:
    """What a result's provenance tells of intervals that were dropped; empty if none was."""
    return {"dropped_intervals": {"n": len(dropped), "first": list(dropped[:RECORDED])}} if dropped else {}


def unique_names(names: Iterable[str], intervals: Iterable[Interval]) -> list[str]:
    """An id for each interval: its name, or its place where the name is missing, ``.`` or not its own.

    A place that is there already gets ``_2``, ``_3`` and so on.
    """
    names = list(names)
    counts = Counter(names)
    taken = {name for name, count in counts.items() if count == 1}
    result, seen = [], Counter[str]()
    for name, interval in zip(names, intervals, strict=True):
        if name in UNNAMED or counts[name] > 1:
            place = name = str(interval)
            while name in taken:
                seen[place] += 1
                name = f"{place}_{seen[place] + 1}"
            taken.add(name)
        result.append(name)
    return result
