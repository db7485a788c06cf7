"""Text in HDF5 files, looked at before the library reads it.

Texts lie in heaps, and arrays and attributes say where. At a damaged heap the library (seen with 2.0.0) goes round in
circles for ever, and an array may name one long text a million times.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

HEAP, SMALLEST_HEAP, LARGEST_HEAP = b"GCOL", 4096, 64 * 2**20  # bytes; each holds many texts, or one
WINDOW = 64 * 2**10  # bytes: the library reads the first 4096 of a heap before it reads the rest
DEFLATE, SHUFFLE = 1, 2  # numbers of filters
TEXT = np.dtype([("length", "<u4"), ("heap", "<u8"), ("object", "<u4")])  # an element of an array of text, as stored


class CheckedBytes:
    """The bytes of a file for HDF5; of what is read, every heap of text is checked before the library sees it."""

    def __init__(self, handle: Any):
        self.handle, self.heaps = handle, set[int]()
        self.read, self.seek, self.tell, self.flush = handle.read, handle.seek, handle.tell, handle.flush

    def readinto(self, buffer: Any) -> int:
        start = self.handle.tell()
        n = self.handle.readinto(buffer)
        self.handle.seek(max(0, start - len(HEAP) + 1))  # one may begin in the bytes before, and end behind
        content = self.handle.read(min(WINDOW, n) + 2 * len(HEAP) - 2)
        found = content.find(HEAP)
        while found >= 0:
            self._check(max(0, start - len(HEAP) + 1) + found)
            found = content.find(HEAP, found + 1)
        self.handle.seek(start + n)
        return n

    def _check(self, place: int) -> None:
        """Refuse a heap whose objects do not follow one another to its end (HDF5 format, III.E; all lengths are 8)."""
        if place in self.heaps:
            return
        self.handle.seek(place)
        signature, size = self.handle.read(8), int.from_bytes(self.handle.read(8), "little")
        if signature[len(HEAP) :] != b"\x01\0\0\0" or size < SMALLEST_HEAP:  # by chance, or the library refuses it
            return
        if size > LARGEST_HEAP:
            raise ValueError(f"a heap of text at byte {place} says that it has {size} bytes")
        content, at = self.handle.read(size - 16), 0
        while len(content) - at >= 16:
            index, length = struct.unpack_from("<H6xQ", content, at)
            taken = length if index == 0 else 16 + -(-length // 8) * 8
            if not 0 < taken <= len(content) - at:
                raise ValueError(f"a heap of text at byte {place} is damaged")
            at += taken
        self.heaps.add(place)


def check_texts(data: Any) -> None:
    """Refuse an array of texts that together are longer than the file: many may lie at one place."""
    most, total = data.file.id.get_filesize(), 0
    for length in _stored_lengths(data):
        total += length
        if total > most:
            raise ValueError(f"{data.name}: claims more than {most} letters, and the file has no more bytes")


def _stored_lengths(data: Any) -> Iterator[int]:
    """The letters (bytes) of its texts, by chunk as they are stored; or one by one where others stored them."""
    plan = data.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    known = data.chunks is not None and filters in ([], [DEFLATE], [SHUFFLE], [SHUFFLE, DEFLATE])
    if not known:
        yield from (len(data[row]) for row in range(len(data)))
        return
    size = prod(data.chunks or ()) * TEXT.itemsize
    for place in (data.id.get_chunk_info(i) for i in range(data.id.get_num_chunks())):
        skipped, content = data.id.read_direct_chunk(place.chunk_offset)
        used = [number for i, number in enumerate(filters) if not skipped >> i & 1]  # HDF5 does not shuffle texts
        if DEFLATE in used:
            try:
                content = zlib.decompressobj().decompress(content, size)
            except zlib.error as error:
                raise ValueError(f"{data.name}: is damaged ({error})") from error
        if SHUFFLE in used:
            content = np.frombuffer(content, np.uint8).reshape(TEXT.itemsize, -1).T.tobytes()
        yield int(np.frombuffer(content, TEXT)["length"].sum(dtype=np.uint64))
