"""Text files as people have them: plain or gzipped whatever their name, with or without a byte-order mark.

Memory is bounded: a line longer than `LONGEST_LINE`, or a gzip file that expands more than `MOST_EXPANSION`-fold, is
refused while it is read.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from l2g_core.errors import InputError

LONGEST_LINE = 16 * 2**20  # bytes; a thousand times what the widest tables have, and no model reads so long a sequence
MOST_EXPANSION = 250  # DNA and tables shrink 3 to 30 times; gzip's utmost, a single letter repeated, is 1,032
FREE_EXPANSION = 8 * 2**20  # bytes that a gzip file may expand to whatever its size
BUFFER = 128 * 2**10
GZIP = b"\x1f\x8b"
OTHER_FORMATS = {
    b"BZh": "compressed by bzip2; unpack it with bunzip2",
    b"\xfd7zXZ": "compressed by xz; unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it with unzstd",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save it as text",
    b"\xff\xfe": "not a text file in UTF-8, but perhaps in UTF-16; save it as UTF-8",
    b"\xfe\xff": "not a text file in UTF-8, but perhaps in UTF-16; save it as UTF-8",
    b"\x43\x27\x41\x1a": "2bit, which is not read; convert it: twoBitToFa FILE.2bit FILE.fa",
    b"\x1a\x41\x27\x43": "2bit, which is not read; convert it: twoBitToFa FILE.2bit FILE.fa",
}


@contextmanager
def open_text(path: str | Path) -> Iterator[IO[str]]:
    """Open a text file, plain or gzipped, for use in a ``with`` statement. A byte-order mark is left out.

    Raises
    ------
    InputError
        The file is missing, unreadable, truncated, damaged, not text or too large to be what it says, even if that
        only shows while reading it.
    """
    with open_bytes(path) as handle, io.TextIOWrapper(handle, encoding="utf-8-sig") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: not a text file ({error.reason}: byte 0x{error.object[error.start]:02x}); "
                "give plain or gzipped text in UTF-8"
            ) from error


@contextmanager
def open_bytes(path: str | Path, longest_line: int = LONGEST_LINE) -> Iterator[io.BufferedReader]:
    """As `open_text`, but the bytes, unpacked; ``longest_line`` in bytes."""
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (closed below; errors of opening are not those of reading)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a readable file") from error
    with file:
        start = file.peek(8)
        for magic, what in OTHER_FORMATS.items():
            if start.startswith(magic):
                raise InputError(f"{path}: {what}")
        try:
            yield io.BufferedReader(_Bounded(Path(path), file, start.startswith(GZIP), longest_line), BUFFER)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"{path}: not a complete gzip file ({error}); fetch or compress it again") from error


class _Bounded(io.RawIOBase):
    """The bytes of a file, unpacked; raises `InputError` where they exceed what this module's limits allow."""

    def __init__(self, path: Path, file: io.BufferedReader, gzipped: bool, longest_line: int) -> None:
        self.path, self.file, self.longest_line = path, file, longest_line
        self.source = gzip.GzipFile(fileobj=file, mode="rb") if gzipped else file
        self.line = 0  # bytes since the last end of a line

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.line = 0
        return self.source.seek(offset, whence)

    def tell(self) -> int:
        return self.source.tell()

    def readinto(self, buffer) -> int:
        chunk = self.source.read(len(buffer))
        buffer[: len(chunk)] = chunk
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self.line = len(chunk) - end - 1 if end >= 0 else self.line + len(chunk)
        if self.line > self.longest_line:
            raise InputError(
                f"{self.path}: a line of more than {self.longest_line / 2**20:.0f} MiB; is it the right file? If so, "
                "break its lines (FASTA: fold -w 60)"
            )
        if self.source is not self.file and self.seekable():
            unpacked, packed = self.source.tell(), self.file.tell()
            if unpacked > max(FREE_EXPANSION, MOST_EXPANSION * packed):
                raise InputError(
                    f"{self.path}: expands more than {MOST_EXPANSION}-fold, as no file of sequences or measurements "
                    "does; if you trust it, unpack it with gunzip first"
                )
        return len(chunk)
