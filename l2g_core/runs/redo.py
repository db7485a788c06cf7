"""A file that changes as a whole or not at all, whatever happens in between: ``kill -9``, a power cut, a full disk.

Changes are collected in memory by page, written to a log beside the file with a checksum, brought to the disk, and only
then made in the file (a redo log). A log that is whole is carried out again, which changes nothing where it was carried
out before; one that is not whole is dropped, and the file is as it was.

Log: pages, each after its place in the file and its length; then the file's size, their number and a CRC-32.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from l2g_core.faults import naming
from l2g_core.runs.files import flush_folder

PAGE = 4096
_HEAD, _END = struct.Struct("<QI"), struct.Struct("<8sQQI")
MAGIC = b"l2g-redo"


@contextmanager
def changing(path: Path, log: Path) -> Iterator[Changes]:
    """Yields an existing file's content to read and write; after the block the changes are made, all of them.

    If the block raises, the file stays as it was.

    Parameters
    ----------
    log
        A file beside it, which exists while changes are being made; `recover` deals with one that was left.

    Raises
    ------
    OSError
        The disk is full, or fails; it names ``path``.
    """
    with naming(path):
        with path.open("rb") as file:
            changes = Changes(file)
            yield changes
            _write(log, changes)
        _carry_out(path, log)


def recover(path: Path, log: Path) -> None:
    """Finish the changes that an interrupted process had decided on, or drop those that it had not."""
    if log.exists():
        with naming(path):
            if path.exists() and _is_whole(log):
                _carry_out(path, log)
            log.unlink(missing_ok=True)


class Changes:
    """A file as it will be: what was written, over what is on the disk. Has what HDF5 asks of a file."""

    def __init__(self, file: IO[bytes]):
        self.file, self.pages = file, dict[int, bytearray]()
        self.size, self.place = os.fstat(file.fileno()).st_size, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.place, os.SEEK_END: self.size}[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        n = max(0, min(len(view), self.size - self.place))
        self.file.seek(self.place)
        there = self.file.readinto(view[:n])  # type: ignore[attr-defined]  (files in binary have it)
        view[there:n] = bytes(n - there)
        for number, inside, at in self._pieces(n):
            if number in self.pages:
                view[at : at + inside.stop - inside.start] = self.pages[number][inside]
        self.place += n
        return n

    def read(self, n: int = -1) -> bytes:
        content = bytearray(max(0, self.size - self.place) if n < 0 else n)
        return bytes(content[: self.readinto(content)])

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        for number, inside, at in self._pieces(len(view)):
            self._page(number)[inside] = view[at : at + inside.stop - inside.start]
        self.place += len(view)
        self.size = max(self.size, self.place)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self.size = self.place if size is None else size
        return self.size

    def flush(self) -> None:
        """Nothing: what was written is made once everything is there."""

    def _pieces(self, n: int) -> Iterator[tuple[int, slice, int]]:
        """Of the next ``n`` bytes: each page's number, the part of it, and where that part is among the ``n``."""
        at = 0
        while at < n:
            number, start = divmod(self.place + at, PAGE)
            stop = min(PAGE, start + n - at)
            yield number, slice(start, stop), at
            at += stop - start

    def _page(self, number: int) -> bytearray:
        if number not in self.pages:
            self.file.seek(number * PAGE)
            self.pages[number] = bytearray(self.file.read(PAGE).ljust(PAGE, b"\0"))
        return self.pages[number]


def _write(log: Path, changes: Changes) -> None:
    checksum = 0
    try:
        with log.open("wb") as file:
            for number in sorted(changes.pages):
                piece = _HEAD.pack(number * PAGE, PAGE) + changes.pages[number]
                checksum = zlib.crc32(piece, checksum)
                file.write(piece)
            file.write(_END.pack(MAGIC, changes.size, len(changes.pages), checksum))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        log.unlink(missing_ok=True)
        raise
    flush_folder(log.parent)


def _is_whole(log: Path) -> bool:
    with log.open("rb") as file:
        size = os.fstat(file.fileno()).st_size - _END.size
        if size < 0:
            return False
        checksum, left = 0, size
        while left:
            piece = file.read(min(left, 2**20))
            checksum, left = zlib.crc32(piece, checksum), left - len(piece)
        magic, _, n, expected = _END.unpack(file.read())
        return magic == MAGIC and checksum == expected and size == n * (_HEAD.size + PAGE)


def _carry_out(path: Path, log: Path) -> None:
    with log.open("rb") as changes, path.open("r+b") as file:
        changes.seek(-_END.size, os.SEEK_END)
        _, size, n, _ = _END.unpack(changes.read())
        changes.seek(0)
        for _ in range(n):
            place, length = _HEAD.unpack(changes.read(_HEAD.size))
            file.seek(place)
            file.write(changes.read(length))
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())
    log.unlink()
