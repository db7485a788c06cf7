"""A file that survives ``kill -9``: complete records are kept, a truncated one is cut off, and work continues there.

Layout: a header line of JSON (the identity of the work, and the first row), then records: the range of rows, the length
of the payload, a CRC-32, and the payload, an npz archive. Records whose rows do not follow one another are refused.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2g_core.errors import InputError
from l2g_core.faults import naming
from l2g_core.runs.identity import Identity, refuse_other

_RECORD = struct.Struct("<QQQI")  # first row, row after the last, bytes of payload, CRC-32


class _Record(NamedTuple):
    """One record; ``end`` is its end in the file (bytes from the start)."""

    rows: range
    end: int
    payload: bytes


class Journal:
    """Append-only store of dictionaries of arrays: consecutive rows of one piece of work.

    Parameters
    ----------
    path
        The file; `start` creates it.
    identity
        The work that it belongs to.
    first
        The row that its records begin with: those before are elsewhere. A journal that begins with another row is of
        rows that are elsewhere by now; `start` empties it.
    """

    def __init__(self, path: Path, identity: Identity, first: int = 0):
        self.path, self.identity, self.first = path, identity, first

    def start(self, resume: bool) -> int:
        """Prepare for appending, and cut off a truncated last record.

        Parameters
        ----------
        resume
            Continue an earlier run if there is one.

        Returns
        -------
        The row to continue with: after those that an earlier run left, if it did.

        Raises
        ------
        InputError
            There is an unfinished run and ``resume`` is False; or it is other work; or its rows do not follow one
            another.
        """
        if not self.path.exists():
            self._begin()
            return self.first
        if not resume:
            raise InputError(f"{self.path}: an unfinished run; add --resume to continue it, or delete the file")
        with self.path.open("rb") as file:
            header = file.readline()
        if not header.endswith(b"\n"):  # killed while writing the very first line
            self._begin()
            return self.first
        then = json.loads(header)
        refuse_other(self.path, then, self.identity)
        if then.get("first", 0) != self.first:
            self._begin()
            return self.first
        end, stop = len(header), self.first
        for record in self._scan():
            end, stop = record.end, record.rows.stop
        os.truncate(self.path, end)
        return stop

    def begin_again(self, first: int) -> None:
        """Empty it: rows before ``first`` are elsewhere now."""
        self.first = first
        self._begin()

    def holds_work(self) -> bool:
        """Whether there is a complete record, which deleting the file would lose."""
        return self.path.exists() and next(self._scan(), None) is not None

    def append(self, rows: range, arrays: Mapping[str, np.ndarray]) -> None:
        """Append one record and flush it to disk (fsync).

        Parameters
        ----------
        rows
            The consecutive rows that the record is about; they follow those of the record before.
        arrays
            Results by name, with one entry per row; no objects.
        """
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        payload = buffer.getvalue()
        with naming(self.path), self.path.open("ab") as file:
            file.write(_RECORD.pack(rows.start, rows.stop, len(payload), _checksum(rows, payload)) + payload)
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> Iterator[dict[str, np.ndarray]]:
        """The arrays of each complete record, as given to `append`, in the order of their rows.

        Raises
        ------
        InputError
            A record's rows do not follow those before it.
        """
        for record in self._scan():
            with np.load(io.BytesIO(record.payload), allow_pickle=False) as archive:
                yield dict(archive)

    def _begin(self) -> None:
        with naming(self.path):
            self.path.write_bytes(self._header())

    def _header(self) -> bytes:
        return json.dumps({**self.identity.as_json(), "first": self.first}).encode() + b"\n"

    def _scan(self) -> Iterator[_Record]:
        """Complete records, up to the first one that is truncated or damaged."""
        expected = self.first
        with self.path.open("rb") as file:
            file.readline()
            while len(head := file.read(_RECORD.size)) == _RECORD.size:
                start, stop, size, checksum = _RECORD.unpack(head)
                payload = file.read(size)
                if len(payload) < size or _checksum(range(start, stop), payload) != checksum:
                    return
                if start != expected or stop <= start:
                    raise InputError(
                        f"{self.path}: has rows {start} to {stop} where row {expected} comes next; two processes "
                        "wrote it: --overwrite starts again"
                    )
                expected = stop
                yield _Record(range(start, stop), file.tell(), payload)


def _checksum(rows: range, payload: bytes) -> int:
    """CRC-32 of a record: its row numbers and its content."""
    return zlib.crc32(payload, zlib.crc32(struct.pack("<QQ", rows.start, rows.stop)))
