"""A file that survives ``kill -9``: whole parts are kept, a torn tail is cut off, and the work goes on from there.

Layout: a header line of JSON (what the work is), then records of 8 bytes length, 4 bytes CRC-32 and an npz archive.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.errors import InputError

_RECORD = struct.Struct("<QI")


class Journal:
    """Append-only store of dictionaries of arrays, for one piece of work described by ``identity``."""

    def __init__(self, path: Path, identity: Mapping[str, Any]):
        self.path, self.identity = path, dict(identity)

    def start(self, resume: bool) -> int:
        """Make ready to append; return how many whole records an earlier run left.

        Raises
        ------
        InputError
            There is an unfinished run and it is not to be resumed, or it is another piece of work.
        """
        if not self.path.exists():
            self.path.write_bytes(self._header())
            return 0
        if not resume:
            raise InputError(f"{self.path}: an unfinished run; add --resume to go on with it, or delete the file")
        with self.path.open("rb") as file:
            header = file.readline()
        if not header.endswith(b"\n"):  # killed while writing the very first line
            self.path.write_bytes(self._header())
            return 0
        before = json.loads(header)
        if changed := [key for key in self.identity if before.get(key) != self.identity[key]]:
            details = ", ".join(f"{key} was {before.get(key)!r} and is {self.identity[key]!r}" for key in changed)
            raise InputError(f"{self.path}: an unfinished run of another kind ({details}); use those, or delete it")
        whole = [end for end, _ in self._scan()]
        os.truncate(self.path, whole[-1] if whole else len(header))
        return len(whole)

    def holds_work(self) -> bool:
        """Whether there is a whole record that would be lost."""
        return self.path.exists() and next(self._scan(), None) is not None

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add one record and see it onto the disk."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        payload = buffer.getvalue()
        with self.path.open("ab") as file:
            file.write(_RECORD.pack(len(payload), zlib.crc32(payload)) + payload)
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> Iterator[dict[str, np.ndarray]]:
        """The whole records, in order."""
        for _, payload in self._scan():
            with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
                yield dict(archive)

    def _header(self) -> bytes:
        return json.dumps(self.identity).encode() + b"\n"

    def _scan(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            file.readline()
            while len(head := file.read(_RECORD.size)) == _RECORD.size:
                size, checksum = _RECORD.unpack(head)
                payload = file.read(size)
                if len(payload) < size or zlib.crc32(payload) != checksum:
                    return
                yield file.tell(), payload
