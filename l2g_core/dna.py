"""DNA from files: alphabet, one-hot arrays, FASTA, and BED intervals cut from a genome.

Arrays are ``(batch, 4, length)``, channels in the order ACGT; every other IUPAC letter is an all-zero column.
Coordinates are 0-based and half-open, as in BED.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from jaxtyping import Int8

from l2g_core.errors import InputError

ALPHABET = "ACGT"
AMBIGUOUS = "NRYSWKMBDHV"  # IUPAC letters that stand for more than one base
NOT_DNA = re.compile(f"[^{ALPHABET}{AMBIGUOUS}]")
COMPLEMENT = str.maketrans(ALPHABET + AMBIGUOUS, "TGCA" + "NYRSWMKVHDB")

OneHot = Int8[np.ndarray, "batch 4 length"]
ArrayOrTensor = TypeVar("ArrayOrTensor")


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


@dataclass(frozen=True)
class Sequences:
    """Named sequences in upper case, from one file; ``intervals`` are their coordinates, None if unknown."""

    ids: list[str]
    sequences: list[str]
    source: str
    intervals: list[Interval] | None = None

    def __len__(self) -> int:
        return len(self.ids)

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
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    path = Path(path)
    records: list[tuple[str, str]] = []
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
            records.append((name, sequence))
    return checked([name for name, _ in records], [s for _, s in records], source=str(path))


def read_bed(path: str | Path, genome: str | Path, width: int | None = None) -> Sequences:
    """Cut the intervals of a BED file out of an indexed genome FASTA; those on ``-`` are reverse-complemented.

    Parameters
    ----------
    path
        BED with 3 to 6 columns: chrom, start, end, name, score, strand. Plain or gzipped.
    genome
        FASTA of the genome, plain or bgzipped; pyfaidx writes its index next to it.
    width
        Take this many bp around each interval's centre instead of the interval itself.

    Returns
    -------
    Sequences
        With ``intervals``, which are 0-based and half-open.

    Raises
    ------
    InputError
        An interval is malformed, on an unknown chromosome or reaches beyond its end; the message names the line.
    """
    path = Path(path)
    with open_text(path) as handle:
        lines = [(n, line.rstrip("\n")) for n, line in enumerate(handle, start=1)]
    rows = [(n, line) for n, line in lines if line.strip() and not line.startswith(("#", "track", "browser"))]
    if not rows:
        raise InputError(f"{path}: no intervals; a BED line is chrom<TAB>start<TAB>end")
    with open_genome(Path(genome)) as chromosomes:
        parsed = [_bed_interval(f"{path}: line {n}", line, width, chromosomes, genome) for n, line in rows]
        sequences = [_cut(chromosomes, interval) for interval, _ in parsed]
    intervals = [interval for interval, _ in parsed]
    names = [name for _, name in parsed]
    if not all(names) or len(set(names)) < len(names):
        names = [str(interval) for interval in intervals]
    return checked(names, sequences, source=str(path), intervals=intervals)


def chromosome_sizes(genome: str | Path) -> dict[str, int]:
    """Lengths of the chromosomes of a genome FASTA (bp), from its index, which pyfaidx writes if it is missing.

    Raises
    ------
    InputError
        The file is missing or cannot be indexed.
    """
    with open_genome(Path(genome)) as chromosomes:
        return {name: len(chromosomes[name]) for name in chromosomes.keys()}  # noqa: SIM118


def checked(ids: list[str], sequences: list[str], source: str, intervals: list[Interval] | None = None) -> Sequences:
    """Upper-case the sequences and refuse those that no model can read.

    Raises
    ------
    InputError
        A sequence is empty or has letters that are not DNA, or two records share an id. The message names file
        (``source``) and record.
    """
    sequences = [sequence.upper() for sequence in sequences]
    for name, sequence in zip(ids, sequences, strict=True):
        if not sequence:
            raise InputError(f"{source}: record {name!r} has no sequence; remove it or add its sequence")
        if wrong := NOT_DNA.search(sequence):
            raise InputError(
                f"{source}: record {name!r} has {wrong.group()!r} at position {wrong.start() + 1}, which is not "
                f"a DNA letter; use {ALPHABET} or the IUPAC letters {AMBIGUOUS}"
            )
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise InputError(f"{source}: two records are called {repeated[0]!r}; give every record its own id")
    return Sequences(ids, sequences, source, intervals)


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


@contextmanager
def open_text(path: str | Path) -> Iterator[IO[str]]:
    """Open a text file, plain or gzipped (``.gz``, ``.bgz``), for use in a ``with`` statement.

    Raises
    ------
    InputError
        The file is missing, unreadable, truncated or not text, even if that only shows while reading it.
    """
    path = Path(path)
    opener: Callable[..., IO[str]] = gzip.open if path.suffix in {".gz", ".bgz"} else open  # type: ignore[assignment]
    try:
        with opener(path, "rt", encoding="utf-8") as handle:
            yield handle
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a readable file") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path}: not a complete gzip file ({error}); fetch it again or rename it") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error.reason}); give plain or gzipped text") from error


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


@contextmanager
def open_genome(path: Path):
    """Open an indexed genome FASTA with pyfaidx, for use in a ``with`` statement; writes the index if missing.

    Raises
    ------
    InputError
        The file is missing or cannot be indexed.
    """
    from pyfaidx import Fasta, FastaIndexingError, FastaNotFoundError, UnsupportedCompressionFormat

    try:
        genome = Fasta(str(path), as_raw=True, sequence_always_upper=True)
    except (FastaNotFoundError, FileNotFoundError) as error:
        raise InputError(f"{path}: no such genome file; check --genome") from error
    except (FastaIndexingError, UnsupportedCompressionFormat, ImportError) as error:
        raise InputError(f"{path}: cannot be indexed ({error}); give an uncompressed or bgzipped FASTA") from error
    with genome:
        yield genome


def _bed_interval(where: str, line: str, width: int | None, chromosomes, genome: str | Path) -> tuple[Interval, str]:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) < 3 or not (fields[1].isdigit() and fields[2].isdigit()):
        raise InputError(f"{where}: {line[:60]!r} is not an interval; write chrom<TAB>start<TAB>end")
    chrom, start, end = fields[0], int(fields[1]), int(fields[2])
    if start >= end:
        raise InputError(f"{where}: start {start} is not before end {end}; BED is 0-based and half-open, start < end")
    if chrom not in chromosomes:
        raise InputError(
            f"{where}: no chromosome {chrom!r} in {genome} (it has {', '.join(list(chromosomes.keys())[:5])}, "
            "…); use the same genome build and naming"
        )
    if width is not None:
        start = (start + end) // 2 - width // 2
        end = start + width
    size = len(chromosomes[chrom])
    if start < 0 or end > size:
        raise InputError(
            f"{where}: {chrom}:{start}-{end} reaches beyond the chromosome (0-{size}); drop or move the interval"
        )
    strand = fields[5] if len(fields) > 5 and fields[5] in {"+", "-"} else "."
    return Interval(chrom, start, end, strand), fields[3] if len(fields) > 3 else ""


def _cut(chromosomes, interval: Interval) -> str:
    sequence = str(chromosomes[interval.chrom][interval.start : interval.end])
    return reverse_complement(sequence) if interval.strand == "-" else sequence
