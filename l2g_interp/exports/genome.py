"""Contributions and seqlets on the genome: bigWig and BED, which IGV and the UCSC browser open.

Attributions have coordinates when they were made from ``--bed`` and ``--genome``. A sequence of the minus
strand runs against the genome: its first base is the last of its interval.
"""

from __future__ import annotations

import csv
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from l2g_core.dna import Interval, chromosome_sizes, open_text
from l2g_core.errors import InputError, missing_extra
from l2g_core.runs.files import atomic_write
from l2g_interp.exports.names import Ranked, identifier, label, one_word
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.motifs.naming import ranked_matches
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.tables import DIGITS
from l2g_interp.records.types import Hit, Match, Overview, Pattern, check_targets

log = logging.getLogger(__name__)
BLOCK = 512  # rows of attributions in memory at a time
COLORS = {"+": "26,95,180", "-": "198,40,40"}  # of seqlets that raise and that lower the prediction
HIT_COLUMNS = (
    "chrom",
    "start",
    "end",
    "name",
    "score",
    "strand",
    "similarity",
    "contribution",
    "seqlet",
    "id",
    "motif",
)
NO_COORDINATES = "attribute intervals of a genome ('l2g-interp attribute --bed ... --genome ...') to have them"


def write_bigwig(attributions: str | Path, target: str, path: str | Path, sizes: dict[str, int]) -> None:
    """Write the contribution of every base to one target as a bigWig.

    Where sequences overlap, a base gets the mean of their contributions; the number of such bases is logged. Padding
    is left out. Memory: the sequences of one chromosome, one number per base.

    Parameters
    ----------
    attributions
        Path of an ``attributions.h5`` with coordinates.
    target
        One of its targets.
    path
        The bigWig to write.
    sizes
        Length of every chromosome (bp), see `chrom_sizes`.

    Raises
    ------
    InputError
        No such target, no coordinates, a sequence beyond its chromosome, or pyBigWig is not installed.
    """
    overview = read_overview(attributions)
    check_targets([target], list(overview.by_target), str(attributions))
    places = coordinates_of(overview, attributions)
    _check_places(places, sizes, attributions)
    chroms = np.array([place.chrom for place in places])
    overlapping = 0
    with atomic_write(path) as unfinished:
        file = _bigwig(unfinished)
        file.addHeader(list(sizes.items()))
        for chrom in [chrom for chrom in sizes if chrom in set(chroms)]:
            rows = np.flatnonzero(chroms == chrom)
            positions, values, counts = _by_base(attributions, target, rows, places, overview.lengths)
            overlapping += int((counts > 1).sum())
            for start, run in _runs(positions, values):
                file.addEntries(chrom, start, values=run, span=1, step=1)
        file.close()
    if overlapping:
        log.info("%s: %d bases lie in several sequences and have the mean of their contributions", path, overlapping)


def write_seqlets_bed(
    patterns: Iterable[Pattern], matches: Iterable[Match], attributions: str | Path, path: str | Path
) -> int:
    """Write the seqlets of patterns as BED9, sorted: thick is the trimmed motif, blue raises, red lowers.

    Where the attributions have no coordinates, the first column is the id of the sequence and positions are relative to
    it. The name column has the pattern's own name and what it is called, in ASCII. The strand is the pattern's.

    Parameters
    ----------
    patterns, matches
        The patterns to write, and the matches that name them.
    attributions
        Path of the ``attributions.h5`` in which they were found.
    path
        The BED file to write.

    Returns
    -------
    int
        Seqlets written; those that lie in padding are left out.

    Raises
    ------
    InputError
        The attributions cannot be read.
    """
    overview = read_overview(attributions)
    if overview.coordinates is None:
        log.warning("%s: no genome coordinates, so the BED is in those of the sequences; %s", path, NO_COORDINATES)
    places = overview.coordinates or [
        Interval(one_word(name), 0, int(n)) for name, n in zip(overview.ids, overview.lengths, strict=True)
    ]
    ranked = ranked_matches(matches)
    rows = sorted(row for pattern in patterns for row in _bed_rows(pattern, ranked, places, overview.lengths))
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines("\t".join(map(str, row)) + "\n" for row in rows)
    return len(rows)


def write_hits_bed(hits: Iterable[Hit], coordinates: Sequence[Interval] | None, path: str | Path) -> None:
    """Write hits as BED6 with further columns (`HIT_COLUMNS`), sorted; the score is the similarity times 1000.

    ``name`` is the target and the pattern; ``motif``, the last column, what people call it, ``.`` where it has no name.

    Parameters
    ----------
    hits
        As `call_hits` found them.
    coordinates
        Where each attributed sequence lies on the genome; None if unknown: then chrom is the sequence's id.
    path
        The BED file to write.
    """
    with growing_hits_bed(coordinates, path) as add:
        add(hits)


@contextmanager
def growing_hits_bed(
    coordinates: Sequence[Interval] | None, path: str | Path
) -> Iterator[Callable[[Iterable[Hit]], None]]:
    """As `write_hits_bed`; yields a function that takes hits as they come. They are sorted on the disk (by SQLite)."""
    columns = ", ".join(f'"{name}"' for name in HIT_COLUMNS)
    with closing(sqlite3.connect("")) as database:
        database.execute(f"CREATE TABLE hits ({columns})")

        def add(hits: Iterable[Hit]) -> None:
            rows = (_hit_row(h, coordinates[h.row] if coordinates else Interval(one_word(h.id), 0, 0)) for h in hits)
            database.executemany(f"INSERT INTO hits VALUES ({', '.join('?' * len(HIT_COLUMNS))})", rows)

        yield add
        rows = database.execute(f"SELECT * FROM hits ORDER BY {columns}")
        with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as handle:
            handle.write("#" + "\t".join(HIT_COLUMNS) + "\n")
            plain = csv.writer(handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
            plain.writerows(rows)


def chrom_sizes(genome: str | Path | None = None, table: str | Path | None = None) -> dict[str, int]:
    """Lengths of chromosomes (bp) from a genome FASTA (its ``.fai``, made if missing) or a table: name, length.

    Raises
    ------
    InputError
        Neither or both are given, or a line of the table is not a name and a length.
    """
    if (genome is None) == (table is None):
        raise InputError("a bigWig needs the sizes of the chromosomes: give --genome (the FASTA) or --chrom-sizes")
    if genome is not None:
        return chromosome_sizes(genome)
    sizes: dict[str, int] = {}
    with open_text(str(table)) as handle:
        for number, line in enumerate(handle, start=1):
            words = line.split()
            if len(words) < 2 or not words[1].isdigit() or int(words[1]) == 0:
                raise InputError(f"{table}: line {number}: {line.strip()[:60]!r} is not name<TAB>length; correct it")
            sizes[words[0]] = int(words[1])
    if not sizes:
        raise InputError(f"{table}: empty; a line is name<TAB>length")
    return sizes


def coordinates_of(overview: Overview, source: str | Path) -> list[Interval]:
    """Where the sequences lie on the genome; refuses attributions without coordinates and says how to get some."""
    if overview.coordinates is None:
        raise InputError(f"{source}: these sequences have no genome coordinates; {NO_COORDINATES}")
    return overview.coordinates


def _check_places(places: Sequence[Interval], sizes: dict[str, int], source: str | Path) -> None:
    for place in places:
        size = sizes.get(place.chrom)
        if size is None:
            known = ", ".join(list(sizes)[:5])
            raise InputError(
                f"{source}: {place} lies on a chromosome without a size (known: {known}, …); use its genome"
            )
        if place.end > size:
            raise InputError(f"{source}: {place} reaches beyond the chromosome (0-{size}); use the genome it came from")


def _by_base(
    source: str | Path, target: str, rows: np.ndarray, places: Sequence[Interval], lengths: np.ndarray
) -> tuple[Int[np.ndarray, " bases"], Float[np.ndarray, " bases"], Int[np.ndarray, " bases"]]:
    """Positions on a chromosome in order, the mean contribution at each, and over how many sequences."""
    positions = np.concatenate([_bases(places[row], int(lengths[row])) for row in rows])
    values = np.concatenate(list(_contributions(source, target, rows, lengths)))
    bases, which, counts = np.unique(positions, return_inverse=True, return_counts=True)
    return bases, np.bincount(which, weights=values, minlength=len(bases)) / counts, counts


def _bases(place: Interval, length: int) -> Int[np.ndarray, " length"]:
    """The position on the genome of every base of the sequence."""
    steps = np.arange(length)
    return place.end - 1 - steps if place.strand == "-" else place.start + steps


def _contributions(
    source: str | Path, target: str, rows: np.ndarray, lengths: np.ndarray
) -> Iterator[Float[np.ndarray, " length"]]:
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        part = read_attributions(source, targets=[target], rows=block.tolist())
        for row, values in zip(block, part[target].contributions.sum(axis=1), strict=True):
            yield values[: int(lengths[row])]


def _runs(positions: np.ndarray, values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Stretches without a gap: their first base and their values."""
    ends = np.flatnonzero(np.diff(positions) > 1) + 1
    for first, run in zip([0, *ends], np.split(values, ends), strict=True):
        yield int(positions[first]), run


def _bigwig(path: Path):
    try:
        import pyBigWig
    except ImportError as error:
        raise missing_extra("bigWig", "pyBigWig", "bigwig") from error
    return pyBigWig.open(str(path), "w")


def _bed_rows(
    pattern: Pattern, ranked: Ranked, places: Sequence[Interval], lengths: np.ndarray
) -> Iterator[tuple[str, int, int, str, int, str, int, int, str]]:
    name = ":".join(filter(None, (identifier(pattern), label(pattern, ranked))))
    seqlets, core = pattern.seqlets, trimmed(pattern).seqlets
    ends = np.stack([seqlets.start, seqlets.end, core.start, core.end], axis=1)
    ends = np.clip(ends, 0, lengths[seqlets.example][:, None])  # TF-MoDISco's seqlets may reach into padding
    for row, reverse, (start, end, *thick) in zip(
        seqlets.example.tolist(), seqlets.is_revcomp.tolist(), ends.tolist(), strict=True
    ):
        if start < end:
            place, core_place = places[row].part(start, end, "-" if reverse else "+"), places[row].part(*thick)
            thick = core_place.start, core_place.end
            yield place.chrom, place.start, place.end, name, 0, place.strand, *thick, COLORS[pattern.sign]


def _hit_row(hit: Hit, sequence: Interval) -> tuple:
    place = sequence.part(hit.start, hit.end, hit.strand)
    name = one_word(f"{hit.target}/{hit.pattern}")
    score = round(1000 * min(max(hit.similarity, 0.0), 1.0))
    numbers = f"{hit.similarity:.4f}", f"{hit.contribution:.{DIGITS}g}", hit.seqlet
    return (
        place.chrom,
        place.start,
        place.end,
        name,
        score,
        place.strand,
        *numbers,
        one_word(hit.id),
        one_word(hit.name) or ".",
    )
