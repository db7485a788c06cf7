"""DNA from files: alphabet, one-hot arrays, FASTA, and BED intervals cut from a genome.

Arrays are ``(batch, 4, length)``, channels in the order ACGT; every other IUPAC letter is an all-zero column.
Coordinates are 0-based and half-open, as in BED.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Int8

from l2g_core.errors import InputError
from l2g_core.genome import chromosome_sizes as chromosome_sizes
from l2g_core.genome import open_genome, sizes_of
from l2g_core.intervals import Interval, read_intervals
from l2g_core.intervals import dropped_record as dropped_record
from l2g_core.text import LONGEST_LINE, open_text

ALPHABET = "ACGT"
AMBIGUOUS = "NRYSWKMBDHV"  # IUPAC letters that stand for more than one base
NOT_DNA = re.compile(f"[^{ALPHABET}{AMBIGUOUS}]")
COMPLEMENT = str.maketrans(ALPHABET + AMBIGUOUS, "TGCA" + "NYRSWMKVHDB")

OneHot = Int8[np.ndarray, "batch 4 length"]
ArrayOrTensor = TypeVar("ArrayOrTensor")


@dataclass(frozen=True)
class Sequences:
    """Named sequences in upper case, from one file; ``intervals`` are their coordinates, None if unknown.

    ``dropped``: which intervals of the file have no place in the genome, and why.
    """

    ids: list[str]
    sequences: list[str]
    source: str
    intervals: list[Interval] | None = None
    dropped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shortest(self) -> int:
        """Length of the shortest sequence (bp)."""
        return min(map(len, self.sequences))

    @property
    def longest(self) -> int:
        """Length of the longest sequence (bp)."""
        return max(map(len, self.sequences))

    @property
    def n_ambiguous(self) -> int:
        """How many letters are not A, C, G or T: they become all-zero columns."""
        return sum(len(s) - sum(s.count(base) for base in ALPHABET) for s in self.sequences)

    def subset(self, rows: Iterable[int]) -> Sequences:
        """These rows, in this order."""
        rows = list(rows)
        intervals = [self.intervals[i] for i in rows] if self.intervals else None
        return Sequences([self.ids[i] for i in rows], [self.sequences[i] for i in rows], self.source, intervals)

    def blocks(self, size: int) -> Iterator[Sequences]:
        """All of them in order, ``size`` at a time."""
        return (self.subset(range(start, min(start + size, len(self)))) for start in range(0, len(self), size))


_CODE = np.full(256, len(ALPHABET), dtype=np.uint8)
_CODE[np.frombuffer((ALPHABET + ALPHABET.lower()).encode(), dtype=np.uint8)] = [0, 1, 2, 3, 0, 1, 2, 3]
_COLUMNS = np.vstack([np.eye(4, dtype=np.int8), np.zeros((1, 4), dtype=np.int8)])


def one_hot(sequences: Sequence[str], length: int | None = None) -> OneHot:
    """Encode DNA as int8 ``(batch, 4, length)``, rows ACGT, padded on the right with zeros.

    Parameters
    ----------
    sequences
        DNA in either case. Letters other than A, C, G, T become all-zero columns.
    length
        Columns of the result (bp); the longest sequence when not given.

    Returns
    -------
    numpy.ndarray
        int8, ``(batch, 4, length)``.

    Raises
    ------
    InputError
        A sequence is longer than ``length``.
    """
    longest = max(map(len, sequences), default=0)
    length = longest if length is None else length
    if longest > length:
        raise InputError(f"a sequence of {longest} bp does not fit into {length} bp; raise the length")
    codes = np.full((len(sequences), length), len(ALPHABET), dtype=np.uint8)
    for row, sequence in zip(codes, sequences, strict=True):
        row[: len(sequence)] = _CODE[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)]
    return np.ascontiguousarray(_COLUMNS[codes].transpose(0, 2, 1))


def decode(one_hot: np.ndarray, length: int | None = None) -> str:
    """The letters of one ``(4, columns)`` array; an all-zero column is an N. ``length`` (bp) cuts off padding."""
    letters = np.array(list(ALPHABET + "N"))
    codes = np.where(one_hot.any(axis=0), one_hot.argmax(axis=0), len(ALPHABET))
    return "".join(letters[codes[:length]])


def reverse_complement(sequence: str) -> str:
    """The other strand of an upper-case sequence, IUPAC letters included."""
    return sequence.translate(COMPLEMENT)[::-1]


def read_fasta(path: str | Path) -> Sequences:
    """Read a FASTA file, plain or gzipped. The first word of each header is the id; letters become upper case.

    Raises
    ------
    InputError
        The file is not FASTA or empty, a record has no id, no sequence or letters that are not DNA, or two
        records share an id. The message names file and record.
    """
    return _collect(fasta_records(Path(path)), str(path), None)


def fasta_records(path: Path) -> Iterator[tuple[str, str]]:
    """Id and sequence of each record of a FASTA file, as they stand there; see `read_fasta`."""
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    with open_text(path) as handle:
        first = next((line for line in handle if line.strip()), "")
        if not first:
            raise InputError(f"{path}: the file is empty; a FASTA file has a '>name' line, then the sequence")
        if not first.startswith(">"):
            raise InputError(f"{path}: not FASTA: the first line is {first.strip()[:40]!r}, not '>name'")
        for number, (header, sequence) in enumerate(SimpleFastaParser(_chain(first, handle)), start=1):
            name = (header.split() or [""])[0]
            if not name:
                raise InputError(f"{path}: record {number} has no name after '>'; give it one")
            if len(sequence) > LONGEST_LINE:
                raise InputError(
                    f"{path}: record {name!r} has {len(sequence):,} bp, more than any model reads; "
                    "give a genome as --genome, and its intervals as --bed"
                )
            yield name, sequence


def read_bed(path: str | Path, genome: str | Path, width: int | None = None, on_edge: str = "drop") -> Sequences:
    """Cut the intervals of a BED or narrowPeak file out of a genome; those on ``-`` are reverse-complemented.

    Parameters
    ----------
    path
        BED with 3 or more columns (chrom, start, end, name, score, strand), or narrowPeak: 10 columns, the summit last.
        Plain or gzipped. Intervals without a name of their own are called by their place.
    genome
        FASTA of the genome, plain or bgzipped; its index is made next to it if it is missing.
    width
        Take this many bp around each summit of a narrowPeak, or each interval's centre, instead of the interval.
    on_edge
        ``drop`` intervals that reach beyond their chromosome or lie on none, with a warning, or ``refuse`` them.

    Returns
    -------
    Sequences
        With ``intervals``, which are 0-based and half-open.

    Raises
    ------
    InputError
        An interval is malformed, or none has a place in the genome (with ``refuse``: not all). The message names lines.
    """
    path = Path(path)
    with open_genome(genome) as chromosomes:
        intervals, names, dropped = read_intervals(path, sizes_of(chromosomes), genome, width, on_edge)
        sequences = [cut(chromosomes, interval, genome) for interval in intervals]
    return replace(checked(names, sequences, source=str(path), intervals=intervals), dropped=dropped)


def checked(ids: list[str], sequences: list[str], source: str, intervals: list[Interval] | None = None) -> Sequences:
    """Upper-case the sequences and refuse those that no model can read.

    Raises
    ------
    InputError
        A sequence is empty or has letters that are not DNA, or two records share an id. The message names file
        (``source``) and record.
    """
    return _collect(zip(ids, sequences, strict=True), source, intervals)


def _collect(records: Iterable[tuple[str, str]], source: str, intervals: list[Interval] | None) -> Sequences:
    found: dict[str, str] = {}
    for name, sequence in records:
        if name in found:
            raise called_twice(source, name)
        found[name] = letters_checked(name, sequence, source)
    return Sequences(list(found), list(found.values()), source, intervals)


def called_twice(source: str, name: str) -> InputError:
    """The error to raise where two records share an id."""
    return InputError(f"{source}: two records are called {name!r}; give every record its own id")


def letters_checked(name: str, sequence: str, source: str) -> str:
    """The sequence of a record in upper case.

    Raises
    ------
    InputError
        It is empty or has letters that are not DNA. The message names file (``source``) and record.
    """
    if not sequence:
        raise InputError(f"{source}: record {name!r} has no sequence; remove it or add its sequence")
    upper = sequence.upper()
    if wrong := NOT_DNA.search(upper):
        raise InputError(
            f"{source}: record {name!r} has {wrong.group()!r} at position {wrong.start() + 1}, which is not "
            f"a DNA letter; use {ALPHABET} or the IUPAC letters {AMBIGUOUS}"
        )
    return upper


def check_lengths(data: Sequences, shortest: int, longest: int) -> None:
    """Refuse sequences whose length (bp) is outside what a model takes.

    Raises
    ------
    InputError
        A sequence is too short or too long; the message names the first such record and says what to do.
    """
    allowed = f"{shortest} bp" if shortest == longest else f"{shortest} to {longest} bp"
    for name, sequence in zip(data.ids, data.sequences, strict=True):
        if not shortest <= len(sequence) <= longest:
            raise InputError(
                f"{data.source}: record {name!r} has {len(sequence)} bp and this model takes {allowed}; "
                "cut or extend it around its centre (with --bed: --width)"
            )


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def cut(chromosomes, interval: Interval, genome: str | Path) -> str:
    """The sequence of an interval, of its own strand, out of an open genome."""
    sequence = str(chromosomes[interval.chrom][interval.start : interval.end])
    if len(sequence) != interval.end - interval.start:
        raise InputError(
            f"{genome}: gives {len(sequence)} bp for {interval}; delete its index (.fai), so that it is made again"
        )
    return reverse_complement(sequence) if interval.strand == "-" else sequence
