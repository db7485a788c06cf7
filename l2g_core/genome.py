"""The genome: an indexed FASTA, plain or bgzipped, read by pyfaidx.

The index (``.fai``) lies next to the genome. It is used if it is newer than the genome and fits it; otherwise it is
made in a temporary folder and, where the genome's can be written, put there, whole.
"""

from __future__ import annotations

import bisect
import logging
import os
import re
import shutil
import stat
import struct
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2g_core.errors import InputError
from l2g_core.text import GZIP, open_bytes

if TYPE_CHECKING:
    from pyfaidx import Fasta, IndexRecord

LONGEST_LINE = 256 * 2**20  # bytes; a chromosome may stand on one line, and human chromosome 1 has 249 million
LONGEST_HEADER = 2**20  # bytes, with the blank lines before it
LINE_ENDS = (b"\n", b"\r")
HEADER = re.compile(rb"[^\x20-\x7e\t]")  # what does not belong into a header
SEQUENCE = re.compile(rb"[^A-Za-z*.-]")  # and into a line of sequence: a blank there would shift all that follows
UNREADABLE = (ValueError, KeyError, IndexError, OSError, EOFError, RuntimeError, struct.error, zlib.error)
log = logging.getLogger(__name__)


@contextmanager
def open_genome(path: str | Path) -> Iterator[Fasta]:
    """Open a genome FASTA with pyfaidx, for use in a ``with`` statement; makes the index if none fits.

    Raises
    ------
    InputError
        The file is missing, damaged, no FASTA or cannot be indexed, or has two chromosomes of one name.
    """
    path = Path(path)
    compressed = _is_bgzipped(path)
    with tempfile.TemporaryDirectory(prefix="l2g-genome-") as scratch:
        # pyfaidx goes by the name: a link has the one that says what the file is
        link = Path(scratch) / ("genome.fa.gz" if compressed else "genome.fa")
        link.symlink_to(path.resolve())
        genome = _open_with_index(path, link) or _index(path, link)
        with genome:
            try:
                yield genome
            except (UnicodeDecodeError, zlib.error, struct.error) as error:
                raise InputError(f"{path}: damaged, or not text ({error}); fetch it again") from error


def chromosome_sizes(genome: str | Path) -> dict[str, int]:
    """Lengths of the chromosomes of a genome FASTA (bp), from its index, which is made if it is missing.

    Raises
    ------
    InputError
        The file is missing or cannot be indexed.
    """
    with open_genome(genome) as chromosomes:
        return sizes_of(chromosomes)


def sizes_of(genome: Fasta) -> dict[str, int]:
    """Lengths of the chromosomes of an open genome (bp), in its order."""
    return {name: len(genome[name]) for name in genome.keys()}  # noqa: SIM118


def _is_bgzipped(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: not a file that can be indexed; give a FASTA file as --genome")
    except OSError as error:
        raise InputError(f"{path}: no such genome file ({error.strerror}); check --genome") from error
    if path.suffix == ".2bit":
        raise InputError(f"{path}: 2bit, which is not read; convert it: twoBitToFa {path} {path.with_suffix('.fa')}")
    with open_bytes(path), path.open("rb") as packed:  # the first refuses other formats
        start = packed.read(16)
    if start.startswith(GZIP) and start[12:14] != b"BC":
        raise InputError(f"{path}: gzipped, so that it has no index; unpack it, or: gunzip, then bgzip")
    return start.startswith(GZIP)


def _fasta(link: Path, index: Path, build: bool) -> Fasta:
    from pyfaidx import Fasta

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about an old .gzi, which is checked here
        return Fasta(
            str(link), indexname=str(index), gzi_indexname=str(index.with_suffix(".gzi")), build_index=build,
            rebuild=build, as_raw=True, sequence_always_upper=True,
        )  # fmt: skip


def _open_with_index(path: Path, link: Path) -> Fasta | None:
    """The genome with the index that lies next to it; None if there is none, or one that does not fit."""
    indices = [path.with_name(path.name + end) for end in ((".fai", ".gzi") if link.suffix == ".gz" else (".fai",))]
    if not all(index.is_file() for index in indices):
        return None
    reason = "older than the genome"
    if all(index.stat().st_mtime >= path.stat().st_mtime for index in indices):
        try:
            for index in indices:
                shutil.copyfile(index, link.parent / f"genome{index.suffix}")
            genome = _fasta(link, link.parent / "genome.fai", build=False)
        except UNREADABLE as error:
            reason = f"not readable ({error})"
        else:
            if _fits(genome):
                return genome
            genome.close()
            reason = "of another file"
    log.warning("%s: %s; indexing the genome again", indices[0], reason)
    return None


def _fits(genome: Fasta) -> bool:
    """Whether the index has all chromosomes, each from the header with its name to the next one or the file's end."""
    places, end = sorted(genome.faidx.index.items(), key=lambda item: item[1].offset), 0
    try:
        for name, place in places:
            if place.offset - end > LONGEST_HEADER or not _record_fits(genome, name, place):
                return False
            if _bytes_at(genome, end, place.offset - end).strip().count(b"\n"):  # more than the header of this one
                return False
            end = place.bend
        return bool(places) and not _bytes_at(genome, end, 4096).strip()
    except UNREADABLE:  # an offset that is in no block of a bgzipped genome
        return False


def _record_fits(genome: Fasta, name: str, place: IndexRecord) -> bool:
    ending = place.lenb - place.lenc
    if place.offset < 3 or place.rlen < 0 or place.lenc < 0 or not 0 <= ending <= 2:
        return False
    before = _bytes_at(genome, max(0, place.offset - 4096), min(place.offset, 4096))
    header = before.rstrip(b"\r\n").rpartition(b"\n")[2]
    if not before.endswith(b"\n") or header[:1] != b">" or header[1:].split()[:1] != [name.encode()]:
        return False
    if place.rlen and place.lenc:
        last = place.offset + place.rlen - 1 + (place.rlen - 1) // place.lenc * ending
        end = _bytes_at(genome, last, 2)
        if end[:1] in (b"", *LINE_ENDS) or end[1:] not in (b"", *LINE_ENDS):
            return False
    if place.rlen > place.lenc > 0 and _bytes_at(genome, place.offset + place.lenc, 1) not in LINE_ENDS:
        return False
    return _bytes_at(genome, place.bend, 1) in (b"", b">", *LINE_ENDS)


def _bytes_at(genome: Fasta, offset: int, n: int) -> bytes:
    """Up to ``n`` bytes of the FASTA from ``offset``, both unpacked."""
    from Bio import bgzf

    file: Any = genome.faidx.file
    if isinstance(genome.faidx.file, bgzf.BgzfReader):
        blocks = genome.faidx.gzi_index
        block = blocks[bisect.bisect_right(blocks, offset, key=lambda block: block.ustart) - 1]
        file.seek(bgzf.make_virtual_offset(block.cstart, offset - block.ustart))
    else:
        file.seek(offset)
    found: bytes = file.read(n)
    return found


def _index(path: Path, link: Path) -> Fasta:
    from pyfaidx import FastaIndexingError, UnsupportedCompressionFormat

    _check_lines(path)
    index = link.parent / "genome.fai"
    index.unlink(missing_ok=True)
    index.with_suffix(".gzi").unlink(missing_ok=True)
    try:
        genome = _fasta(link, index, build=True)
    except (FastaIndexingError, UnsupportedCompressionFormat, *UNREADABLE) as error:
        reason = str(error).replace(str(link), path.name)
        remedy = "give an uncompressed or bgzipped FASTA whose chromosomes have names and lines of one length"
        if "Duplicate key" in reason:
            reason, remedy = f"two chromosomes are called {reason.split()[-1]}", "remove one of them"
        raise InputError(f"{path}: cannot be indexed ({reason}); {remedy}") from error
    _keep(path, index, (".fai", ".gzi") if link.suffix == ".gz" else (".fai",))
    return genome


def _check_lines(path: Path) -> None:
    """Refuse what pyfaidx would index wrongly or fail at: damage, endless lines, what is no letter in a sequence."""
    with open_bytes(path, LONGEST_LINE) as handle:
        if handle.peek(3)[:3] == b"\xef\xbb\xbf":
            raise InputError(f"{path}: starts with a byte-order mark; take it out: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE")
        for number, line in enumerate(handle, start=1):
            line = line.rstrip(b"\r\n")
            if line.isalpha():  # nearly all of them, and quicker
                continue
            wrong = (HEADER if line[:1] in b">;" else SEQUENCE).search(line)
            if wrong:
                raise InputError(
                    f"{path}: line {number}: byte 0x{wrong.group()[0]:02x} does not belong there; correct the line, or "
                    "fetch the genome again"
                )


def _keep(path: Path, index: Path, endings: tuple[str, ...]) -> None:
    """Put the index next to the genome, whole or not at all."""
    for ending in endings:
        kept = path.with_name(path.name + ending)
        unfinished = kept.with_name(f".{kept.name}.{os.getpid()}")
        try:
            shutil.copyfile(index.with_suffix(ending), unfinished)
            unfinished.replace(kept)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            log.warning("%s: the index cannot be kept (%s), so that it is made again each time", kept, error.strerror)
            return
