"""Motif files in MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC format, plain or gzipped, recognised by their content."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motif_db.headed import read_headed
from motif_db.lines import LONGEST_SHOWN, Raw, where_in
from motif_db.meme import read_meme
from motif_db.motif import Motif, MotifError
from motif_db.transfac import read_transfac

GZIP_MAGIC = b"\x1f\x8b"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
BYTE_ORDER_MARK = "\ufeff"
LARGEST = 32 * 2**20  # bytes of a file, unpacked
LONGEST_LINE, MOST_LINES = 1_000_000, 1_000_000  # letters, lines
MOST_MOTIFS = 100_000
TOLERANCE = 0.01 + 1e-9  # how far the sum of probabilities may be from 1: two decimals of four numbers round to that
SUFFIXES = re.compile(r"\.(gz|meme|txt|jaspar|pfm|pcm|pwm|homer|motif|motifs|transfac|tf|dat)$", re.IGNORECASE)
KNOWN = "MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC"


def read_motifs(path: str | Path, database: str | None = None) -> list[Motif]:
    """Read every motif of a file; labels are still empty.

    Parameters
    ----------
    path
        A MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC file, plain or gzipped whatever its suffix.
    database
        What to call the database; the file's name without its suffixes if not given.

    Returns
    -------
    list of Motif
        In the order of the file, as PPMs ``(4, width)``.

    Raises
    ------
    MotifError
        The file is missing, unreadable or in no known format, has no motif, is not about DNA, or has a matrix that is
        empty, negative, not finite or whose probabilities do not sum to 1. The message names file and motif.
    """
    path = Path(path)
    return parse_motifs(read_unpacked(path), str(path), database or database_name(path))


def parse_motifs(content: bytes, source: str, database: str) -> list[Motif]:
    """Parse the unpacked bytes of a motif file; ``source`` is its name in errors, which are those of `read_motifs`."""
    found = list(islice(_recognised(_text(content, source), source), MOST_MOTIFS + 1))
    if not found:
        raise MotifError(f"{source}: no motif in the file; it may be cut off")
    if len(found) > MOST_MOTIFS:
        raise MotifError(f"{source}: more than {MOST_MOTIFS:,} motifs; give those that you need")
    repeated = [name for name, count in Counter(raw.id for raw in found).items() if count > 1]
    if repeated:
        raise MotifError(
            f"{source}: two motifs have the id {repeated[0][:LONGEST_SHOWN]!r}; give every motif its own id"
        )
    return [Motif(r.id, r.name, database, checked_ppm(r.rows, where_in(source, r.id), r.is_counts)) for r in found]


def _text(content: bytes, source: str) -> str:
    """The letters of a file, without byte-order marks, which may stand within a file that was joined from several."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        how = "it is UTF-16; save it as UTF-8" if content.startswith(UTF16) else error.reason
        raise MotifError(f"{source}: not a text file ({how}); give {KNOWN}") from error
    if text.count("\n") + text.count("\r") > 2 * MOST_LINES:  # a line may end with both
        raise MotifError(f"{source}: more than {MOST_LINES:,} lines; give a file of the motifs that you need")
    for line in io.StringIO(text, newline=None):
        if len(line) > LONGEST_LINE:
            raise MotifError(f"{source}: a line of {len(line):,} letters is none of a motif; give {KNOWN}")
    return text.replace(BYTE_ORDER_MARK, "")


def _recognised(text: str, source: str) -> Iterator[Raw]:
    lines = io.StringIO(text, newline=None)
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    lines.seek(0)
    if first.startswith(">"):
        return read_headed(lines, source)
    if re.search(r"^(MEME version|MOTIF\b)", text, re.MULTILINE):
        return read_meme(lines, source)
    if re.search(r"^P[0O][ \t]", text, re.MULTILINE):
        return read_transfac(lines, source)
    raise MotifError(f"{source}: neither MEME, JASPAR nor TRANSFAC, HOMER or HOCOMOCO; give one of these")


def database_name(path: str | Path) -> str:
    """A file's name without ``.gz`` and the suffixes of motif files: ``mine.v2`` of ``mine.v2.meme.gz``."""
    name = Path(path).name
    while (shorter := SUFFIXES.sub("", name)) not in {name, ""}:
        name = shorter
    return name


def checked_ppm(rows: np.ndarray, where: str, is_counts: bool) -> Float[np.ndarray, "4 width"]:
    """Turn ``(width, 4)`` counts or probabilities into a ``(4, width)`` PPM, or refuse them.

    Raises
    ------
    MotifError
        No row; a value that is negative or not finite; probabilities whose sum is further than 0.01 from 1;
        counts that are all zero. The message starts with ``where``.
    """
    if len(rows) == 0:
        raise MotifError(f"{where} has an empty matrix; remove it or give its rows")
    if not np.isfinite(rows).all() or (rows < 0).any():
        row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1) | (rows < 0).any(axis=1))[0])
        raise MotifError(f"{where}: position {row + 1} has a value that is negative or not a number; correct it")
    with np.errstate(over="ignore"):
        sums = rows.sum(axis=1)
    wrong = np.flatnonzero((sums <= 0) | np.isinf(sums) if is_counts else ~(np.abs(sums - 1) <= TOLERANCE))
    if len(wrong):
        wanted = "more than 0 and finite" if is_counts else "1"
        raise MotifError(f"{where}: position {wrong[0] + 1} sums to {sums[wrong[0]]:.4g}, not {wanted}; correct it")
    return np.ascontiguousarray((rows / sums[:, None]).T)


def read_unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked if gzipped. Raises MotifError if it cannot be read."""
    try:
        with path.open("rb") as handle:
            packed = handle.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as handle:
            content = handle.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise MotifError(f"{path}: no such motif file; check the path") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise MotifError(f"{path}: not a complete gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise MotifError(f"{path}: cannot be read ({error.strerror}); give a readable motif file") from error
    if len(content) > LARGEST:
        raise MotifError(f"{path}: more than {LARGEST // 2**20} MB, unpacked; give a file of the motifs that you need")
    return content
