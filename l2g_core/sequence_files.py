"""Sequences of any number: their file is read in blocks, as often as they are asked for.

A first pass checks every record and counts; it keeps 8 bytes of each (a hash of the id, to find two that are the same).
Of BED intervals, the intervals themselves are kept (about 0.3 kB each), not what is cut out of the genome.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np

from l2g_core import dna
from l2g_core.dna import Interval, Sequences, called_twice, cut, fasta_records, letters_checked, read_fasta
from l2g_core.errors import InputError
from l2g_core.genome import open_genome, sizes_of
from l2g_core.intervals import read_intervals

BLOCK = 1000  # sequences that a pass over a file holds
Record = tuple[str, str, Interval | None]  # id, sequence in upper case, coordinates if known


@dataclass
class Fingerprint:
    """A hash of ids, letters and coordinates, block by block; the same however they are cut into blocks."""

    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, block: Sequences) -> None:
        places = block.intervals or [None] * len(block)
        for name, letters, place in zip(block.ids, block.sequences, places, strict=True):
            self._hash.update(f">{name}\t{'' if place is None else place}\n{letters}\n".encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class SequenceFile:
    """Named sequences in upper case in a file, which `blocks` reads.

    Attributes
    ----------
    source
        The file, for messages.
    n, shortest, longest
        How many there are, and their lengths (bp).
    n_ambiguous
        How many letters are not A, C, G or T.
    sha256
        `Fingerprint` of ids, letters and coordinates.
    first
        The first of them.
    dropped
        Which intervals of a BED file have no place in the genome, and why.
    """

    source: str
    n: int
    shortest: int
    longest: int
    n_ambiguous: int
    sha256: str
    first: Sequences
    records: Callable[[], Iterator[Record]]
    dropped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.n

    def blocks(self, size: int = BLOCK) -> Iterator[Sequences]:
        """All of them in order, ``size`` at a time.

        Raises
        ------
        InputError
            The file has changed since it was opened.
        """
        seen = Fingerprint()
        for block in _blocks(self.records(), size, self.source):
            seen.add(block)
            yield block
        if seen.hexdigest() != self.sha256:
            raise InputError(f"{self.source}: was changed while it was read; start again")


AnySequences = Sequences | SequenceFile


def open_fasta(path: str | Path) -> AnySequences:
    """The sequences of a FASTA file, plain or gzipped, checked as by `l2g_core.dna.read_fasta`.

    What can be read only once (a pipe) is read into memory.

    Raises
    ------
    InputError
        As `l2g_core.dna.read_fasta`.
    """
    path, source = Path(path), str(path)
    if path.exists() and not path.is_file():
        return read_fasta(path)

    def records() -> Iterator[Record]:
        return ((name, letters_checked(name, letters, source), None) for name, letters in fasta_records(path))

    return _looked_through(records, source)


def open_bed(path: str | Path, genome: str | Path, width: int | None = None, on_edge: str = "drop") -> SequenceFile:
    """The sequences of the intervals of a BED or narrowPeak file; see `l2g_core.dna.read_bed`, which holds them all.

    Raises
    ------
    InputError
        As `l2g_core.dna.read_bed`.
    """
    path, source = Path(path), str(path)
    with open_genome(genome) as chromosomes:
        intervals, names, dropped = read_intervals(path, sizes_of(chromosomes), genome, width, on_edge)

    def records() -> Iterator[Record]:
        with open_genome(genome) as chromosomes:
            for name, place in zip(names, intervals, strict=True):
                yield name, letters_checked(name, cut(chromosomes, place, genome), source), place

    return replace(_looked_through(records, source), dropped=dropped)


def first_of(data: AnySequences) -> Sequences:
    """The first sequence."""
    return data.first if isinstance(data, SequenceFile) else data.subset(range(min(1, len(data))))


def sha256_of(data: AnySequences) -> str:
    """The `Fingerprint` of sequences, wherever they are."""
    if isinstance(data, SequenceFile):
        return data.sha256
    seen = Fingerprint()
    seen.add(data)
    return seen.hexdigest()


def check_lengths(data: AnySequences, shortest: int, longest: int) -> None:
    """Refuse sequences whose length (bp) is outside what a model takes; see `l2g_core.dna.check_lengths`."""
    if len(data) and not shortest <= data.shortest <= data.longest <= longest:
        for block in data.blocks(BLOCK):
            dna.check_lengths(block, shortest, longest)


def _looked_through(records: Callable[[], Iterator[Record]], source: str) -> SequenceFile:
    """A first pass: checks and counts.

    Raises
    ------
    InputError
        Two records share an id, or one cannot be read.
    """
    n = n_ambiguous = longest = 0
    shortest, first, seen, hashes = None, None, Fingerprint(), array("Q")
    for block in _blocks(records(), BLOCK, source):
        first = first or block.subset([0])
        n, n_ambiguous = n + len(block), n_ambiguous + block.n_ambiguous
        longest = max(longest, block.longest)
        shortest = block.shortest if shortest is None else min(shortest, block.shortest)
        seen.add(block)
        hashes.extend(map(_short_hash, block.ids))
    if first is None or shortest is None:
        raise InputError(f"{source}: no sequences; give at least one")
    _refuse_twice(hashes, records, source)
    return SequenceFile(source, n, shortest, longest, n_ambiguous, seen.hexdigest(), first, records)


def _blocks(records: Iterator[Record], size: int, source: str) -> Iterator[Sequences]:
    while some := list(islice(records, size)):
        ids, letters, places = zip(*some, strict=True)
        yield Sequences(list(ids), list(letters), source, None if None in places else list(places))


def _short_hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def _refuse_twice(hashes: array[int], records: Callable[[], Iterator[Record]], source: str) -> None:
    """Refuse two records with one id; where hashes are the same, the ids themselves are looked at."""
    values, counts = np.unique(np.frombuffer(hashes, np.uint64), return_counts=True)
    suspect, seen = set(values[counts > 1].tolist()), set[str]()
    for name, _, _ in records() if suspect else ():
        if name in seen:
            raise called_twice(source, name)
        if _short_hash(name) in suspect:
            seen.add(name)
