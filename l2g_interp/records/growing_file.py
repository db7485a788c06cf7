"""``attributions.h5`` while it is being made: sequences first, then results block by block, in order.

It lies beside the result (``.partial``) and is whole at any moment (`l2g_core.runs.redo`), so that an interrupted run
goes on after the last block. The attribute ``rows_done`` counts the finished rows, sequences and then controls; it is
gone once the attributes of a complete file are there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Int8

from l2g_core.dna import Sequences, one_hot
from l2g_core.runs.files import flush_folder
from l2g_core.runs.redo import changing, recover
from l2g_interp.records.attributions_file import (
    CONTROLS,
    create_results,
    create_sequences,
    fill_results,
    fill_sequences,
    write_attributes,
)
from l2g_interp.records.hdf5 import atomic_hdf5

DONE, UNRULED, PART = "rows_done", "unruled_so_far", "rows_explained_together"
BLOCK_BYTES = 2**20  # of hypothetical contributions to one target: what is written together
SPAN_BYTES = 2**22  # of sequences: what is read together
Shuffle = Callable[[Int8[np.ndarray, "m 4 length"], int], Int8[np.ndarray, "m 4 length"]]


@dataclass(frozen=True)
class Size:
    """How many sequences and controls there are, and of how many columns (bp)."""

    n: int
    n_controls: int
    length: int

    @property
    def rows(self) -> int:
        return self.n + self.n_controls

    def block(self, part: int) -> int:
        """How many rows are written together, a multiple of ``part``."""
        return part * max(1, BLOCK_BYTES // (16 * max(1, self.length) * part))

    @property
    def span(self) -> int:
        """How many sequences are read together."""
        return max(1, SPAN_BYTES // (4 * max(1, self.length)))


class GrowingFile:
    """The file under construction of ``output``, and the log of its changes."""

    def __init__(self, output: Path):
        self.output = output
        self.path, self.log = (output.with_name(output.name + end) for end in (".partial", ".redo"))

    def repaired(self) -> bool:
        """Whether an interrupted run left a file with all sequences, which is whole now."""
        recover(self.path, self.log)
        return self.path.exists()

    def begin(
        self,
        size: Size,
        part: int,
        blocks: Iterable[Sequences],
        control_rows: Int[np.ndarray, " controls"],
        shuffle: Shuffle,
    ) -> None:
        """Write the sequences, padded to one length, and the controls; atomically.

        Parameters
        ----------
        part
            How many rows are explained together, so that a run that goes on does it in the same way.
        control_rows
            The sequences that the controls are shuffles of, in ascending order.
        shuffle
            A shuffle of each of some sequences, given how many were drawn before.
        """
        with atomic_hdf5(self.path) as file:
            start = 0
            for block in blocks:
                if not start:
                    create_sequences(file, size.n, size.length, block.intervals is not None)
                rows = slice(start, start + len(block))
                lengths = np.array([len(s) for s in block.sequences], dtype=np.int32)
                fill_sequences(file, rows, block.ids, one_hot(block.sequences, size.length), lengths, block.intervals)
                start = rows.stop
            if size.n_controls:
                _add_controls(file, size, control_rows, shuffle)
            file.attrs[DONE], file.attrs[UNRULED], file.attrs[PART] = np.int64(0), "[]", np.int64(part)

    @property
    def done(self) -> int:
        """How many rows have results."""
        with _reading(self.path) as file:
            controls = len(file[CONTROLS]["ids"]) if CONTROLS in file else 0
            return int(file.attrs.get(DONE, len(file["ids"]) + controls))

    @property
    def part(self) -> int:
        """How many rows are explained together."""
        with _reading(self.path) as file:
            return int(file.attrs.get(PART, 1))

    @property
    def unruled(self) -> list[str]:
        """Functions without a rule that were treated as linear, in any block."""
        with _reading(self.path) as file:
            return json.loads(str(file.attrs.get(UNRULED, "[]")))

    def append(
        self, size: Size, first: int, chunk: int, targets: Sequence[str], arrays: Mapping[str, np.ndarray],
        unruled: Iterable[str] = (),
    ) -> int:  # fmt: skip
        """Add the results of the next rows, all or nothing; returns how many rows are done.

        Parameters
        ----------
        first
            The row that they begin with.
        chunk
            Rows that are stored together: those of every block but the last.
        arrays
            By name, ``(rows, targets, ...)``.
        """
        stop = first + len(arrays["prediction"])
        with self._changed() as file:
            if file.attrs[DONE] != first:
                raise RuntimeError(f"{self.path}: row {first} was given where row {file.attrs[DONE]} comes next")
            for group, begin, end in _groups(file, size):
                for t, target in enumerate(targets):
                    of_target = {name: values[:, t] for name, values in arrays.items()}
                    if not first:
                        create_results(group, target, of_target, end - begin, chunk)
                    if (a := max(first, begin)) < (b := min(stop, end)):
                        here = {name: values[a - first : b - first] for name, values in of_target.items()}
                        fill_results(group, target, here, slice(a - begin, b - begin))
            file.attrs.modify(DONE, np.int64(stop))
            before = json.loads(file.attrs[UNRULED])
            if set(unruled) - set(before):
                file.attrs[UNRULED] = json.dumps(sorted({*before, *unruled}))
        return stop

    def finish(self, size: Size, targets: Sequence[str], provenance: Mapping[str, Any]) -> None:
        """Write the attributes, and give the file its name."""
        with self._changed() as file:
            for group, begin, _ in _groups(file, size) if DONE in file.attrs else ():
                write_attributes(group, targets, {} if begin else provenance)
            for name in (DONE, UNRULED, PART):
                file.attrs.pop(name, None)
        self.path.replace(self.output)
        flush_folder(self.output.parent)

    @contextmanager
    def _changed(self) -> Iterator[Any]:
        import h5py

        with changing(self.path, self.log) as changes, h5py.File(changes, "r+") as file:
            yield file


class StoredRows:
    """The sequences and controls of a growing file as an array ``(rows, 4, length)`` that is read as it is needed."""

    def __init__(self, growing: GrowingFile, size: Size):
        self.path, self.size = growing.path, size
        self.shape = (size.rows, 4, size.length)
        self.first, self.span = 0, np.empty((0, 4, size.length), np.int8)

    def __len__(self) -> int:
        return self.size.rows

    def __getitem__(self, rows: slice) -> Int8[np.ndarray, "m 4 length"]:
        start, stop, _ = rows.indices(len(self))
        if not self.first <= start <= stop <= self.first + len(self.span):
            self.first, self.span = start, self._read(start, min(len(self), max(stop, start + self.size.span)))
        return self.span[start - self.first : stop - self.first]

    def _read(self, start: int, stop: int) -> np.ndarray:
        with _reading(self.path) as file:
            parts = [
                group["sequence/one_hot"][max(start, begin) - begin : min(stop, end) - begin]
                for group, begin, end in _groups(file, self.size)
                if max(start, begin) < min(stop, end)
            ]
        return np.concatenate(parts) if parts else self.span[:0]


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        yield file


def _groups(file, size: Size) -> list[tuple[Any, int, int]]:
    """The group of the sequences, and that of the controls if there are any, with the rows that each holds."""
    controls = [(file[CONTROLS], size.n, size.rows)] if size.n_controls else []
    return [(file, 0, size.n), *controls]


def _add_controls(file, size: Size, rows: Int[np.ndarray, " controls"], shuffle: Shuffle) -> None:
    group = file.create_group(CONTROLS)
    create_sequences(group, size.n_controls, size.length, coordinates=False)
    for start in range(0, size.n_controls, size.span):
        some, of_each = np.unique(rows[start : start + size.span], return_inverse=True)
        codes, lengths = (file[name][some][of_each] for name in ("sequence/one_hot", "length"))
        ids = [f"shuffled_{i}" for i in range(start, start + len(codes))]
        fill_sequences(group, slice(start, start + len(codes)), ids, shuffle(codes, start), lengths, None)
