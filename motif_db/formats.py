"""Motif files in MEME, JASPAR and TRANSFAC format, plain or gzipped, recognised by their content.

Formats: https://meme-suite.org/meme/doc/meme-format.html, https://jaspar.elixir.no/docs,
http://gene-regulation.com/pub/databases/transfac/doc/matrix1SM.html.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motif_db.motif import Motif, MotifError

GZIP_MAGIC = b"\x1f\x8b"
TOLERANCE = 0.01  # how far the sum of probabilities may be from 1; more is a mistake, not rounding
SUFFIXES = re.compile(r"\.(gz|meme|txt|jaspar|pfm|transfac|tf|dat)$", re.IGNORECASE)

Matrix = Float[np.ndarray, "width 4"]
Named = tuple[str, str, Matrix]  # id, name, rows that are still counts or unchecked probabilities


def read_motifs(path: str | Path, database: str | None = None) -> list[Motif]:
    """Read every motif of a file; labels are still empty.

    Parameters
    ----------
    path
        A MEME, JASPAR or TRANSFAC file, plain or gzipped whatever its suffix.
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
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{source}: not a text file ({error.reason}); give MEME, JASPAR or TRANSFAC"
        raise MotifError(message) from error
    if re.search(r"^(MEME version|MOTIF\b)", text, re.MULTILINE):
        records, is_counts = list(_meme(text, source)), False
    elif text.lstrip().startswith(">"):
        records, is_counts = list(_jaspar(text, source)), True
    elif re.search(r"^P[0O]\s", text, re.MULTILINE):
        records, is_counts = list(_transfac(text, source)), True
    else:
        raise MotifError(f"{source}: neither MEME, JASPAR nor TRANSFAC; give a motif file in one of these")
    if not records:
        raise MotifError(f"{source}: no motif in the file; it may be cut off")
    repeated = [name for name, count in Counter(record[0] for record in records).items() if count > 1]
    if repeated:
        raise MotifError(f"{source}: two motifs have the id {repeated[0]!r}; give every motif its own id")
    return [Motif(i, n, database, checked_ppm(m, f"{source}: motif {i!r}", is_counts)) for i, n, m in records]


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
    sums = rows.sum(axis=1)
    wrong = np.flatnonzero(sums <= 0 if is_counts else np.abs(sums - 1) > TOLERANCE)
    if len(wrong):
        wanted = "more than 0" if is_counts else "1"
        raise MotifError(f"{where}: position {wrong[0] + 1} sums to {sums[wrong[0]]:.4g}, not {wanted}; correct it")
    return np.ascontiguousarray((rows / sums[:, None]).T)


def read_unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked if gzipped. Raises MotifError if it cannot be read."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except FileNotFoundError as error:
        raise MotifError(f"{path}: no such motif file; check the path") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise MotifError(f"{path}: not a complete gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise MotifError(f"{path}: cannot be read ({error.strerror}); give a readable motif file") from error


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _meme(text: str, source: str) -> Iterator[Named]:
    """Biopython's reader drops the second name and rounds to counts; memelite's keeps one of two with the same id."""
    header, *blocks = re.split(r"^MOTIF\b", text, flags=re.MULTILINE)
    alphabet = re.search(r"^ALPHABET\s*(?:=\s*(\S*)|(.*))", header, re.MULTILINE)
    if alphabet and not (alphabet[1] == "ACGT" or re.search(r"\bDNA\b", alphabet[2] or "")):
        found = (alphabet[1] or alphabet[2] or "").strip()
        raise MotifError(f"{source}: the alphabet is {found!r}, not ACGT; give DNA motifs")
    for number, block in enumerate(blocks, start=1):
        yield _meme_motif(block, number, source)


def _meme_motif(block: str, number: int, source: str) -> Named:
    first, *lines = block.splitlines()
    # MEME's own output continues after the names: "MOTIF ACGTG MEME-1<TAB>width = 5 ..."
    names = re.split(r"\s+width\s*=", first)[0].split(None, 1)
    if not names:
        raise MotifError(f"{source}: motif {number} has no id after 'MOTIF'; give it one")
    identifier, name = names[0], "".join(names[1:]).strip()
    start = next((i for i, line in enumerate(lines) if line.startswith("letter-probability matrix")), None)
    if start is None:
        raise MotifError(f"{source}: motif {identifier!r} has no letter-probability matrix; add it")
    rows: list[list[float]] = []
    for line in lines[start + 1 :]:
        numbers = _numbers(line)
        if not numbers:  # a blank line before the first row is allowed, anything else ends the matrix
            if rows or line.strip():
                break
            continue
        if len(numbers) != 4:
            raise MotifError(
                f"{source}: motif {identifier!r}: position {len(rows) + 1} has {len(numbers)} values, not 4 (ACGT)"
            )
        rows.append(numbers)
    width = re.search(r"\bw\s*=\s*(\d+)", lines[start])
    if width and int(width[1]) != len(rows):
        raise MotifError(
            f"{source}: motif {identifier!r} has {len(rows)} rows and says w= {width[1]}; is the file cut off?"
        )
    return identifier, name, np.array(rows, dtype=np.float64).reshape(-1, 4)


def _jaspar(text: str, source: str) -> Iterator[Named]:
    """Biopython's reader cuts names at a space and does not report bad rows, so it is not used."""
    blocks = re.split(r"^>", text.lstrip(), flags=re.MULTILINE)[1:]
    for number, block in enumerate(blocks, start=1):
        header, *lines = [*block.splitlines(), ""]
        words = header.split(None, 1)
        if not words:
            raise MotifError(f"{source}: motif {number} has no id after '>'; give it one")
        rows = [_numbers(re.sub(r"[\[\]]|^\s*[ACGT]\b", " ", line)) for line in lines if line.strip()]
        if len(rows) != 4 or None in rows or len({len(row or []) for row in rows}) != 1:
            raise MotifError(
                f"{source}: motif {words[0]!r} is not 4 rows with the same number of counts, in the order ACGT"
            )
        name = words[1].strip() if len(words) > 1 else ""
        yield words[0], name, np.array(rows, dtype=np.float64).T.reshape(-1, 4)


def _transfac(text: str, source: str) -> Iterator[Named]:
    from Bio.motifs import transfac

    try:
        record = transfac.read(io.StringIO(text), strict=False)
    except (ValueError, IndexError, KeyError, UnboundLocalError) as error:
        message = " ".join(str(error).split())
        raise MotifError(f"{source}: not a well-formed TRANSFAC file ({message})") from error
    for number, motif in enumerate(record, start=1):
        identifier = motif.get("AC") or motif.get("ID") or motif.get("NA")
        if not identifier:
            raise MotifError(f"{source}: motif {number} has neither AC, ID nor NA; give it one")
        name = next((motif[key] for key in ("NA", "ID") if motif.get(key) not in {None, identifier}), "")
        yield identifier, name, np.array([motif.counts[base] for base in "ACGT"], dtype=np.float64).T.reshape(-1, 4)
