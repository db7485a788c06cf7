"""A table that grows line by line beside its place, and goes on after ``kill -9`` behind its last whole line."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from l2g_core.faults import naming
from l2g_core.runs.files import flush_folder, no_formula

SAVE_EVERY = 1.0  # seconds of work that a killed run loses at most


class GrowingTable:
    """A TSV under construction: its first line is the header. Cells as of `l2g_core.runs.files.write_tsv`."""

    def __init__(self, output: Path):
        self.output, self.path = output, output.with_name(output.name + ".partial")
        self.saved = time.monotonic()

    def start(self, header: Sequence[str], multiple: int) -> int:
        """Prepare for appending; returns how many rows an earlier run left, rounded down to a ``multiple``."""
        with naming(self.path):
            self.path.touch()
            n_lines = _whole_lines(self.path)
            rows = max(0, n_lines - 1) // multiple * multiple
            with self.path.open("r+b") as file:
                for _ in range(rows + 1 if n_lines else 0):
                    file.readline()
                file.truncate(file.tell())
                if not n_lines:
                    file.write(_line(header))
        return rows

    def append(self, rows: Iterable[Sequence[str]]) -> None:
        """Add rows; what is older than a second is on the disk."""
        with naming(self.path), self.path.open("ab") as file:
            file.write(b"".join(map(_line, rows)))
            if time.monotonic() - self.saved >= SAVE_EVERY:
                _flush(file)
                self.saved = time.monotonic()

    def finish(self) -> None:
        """Give the table its name."""
        with naming(self.output):
            with self.path.open("ab") as file:
                _flush(file)
            self.path.replace(self.output)
            flush_folder(self.output.parent)


def _line(cells: Sequence[str]) -> bytes:
    return ("\t".join(map(no_formula, cells)) + "\n").encode()


def _whole_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(2**20), b""))


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
