"""``attributions.h5``: written atomically, read as much of as is needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from l2g_core.dna import Interval
from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_interp.records.hdf5 import array, atomic_hdf5, attribute, damaged, member
from l2g_interp.records.types import (
    ARRAYS,
    OPTIONAL,
    PER_SEQUENCE,
    Attributions,
    Overview,
    TargetAttributions,
    check_targets,
    safe_name,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Row = TypeVar("Row", bound=DataclassInstance)

UNREADABLE = (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError)  # what HDF5 raises
COORDINATES = {"chrom": "O", "start": "iu", "end": "iu", "strand": "O"}
PER_BASE = ("standard_error", "fold_spread")
CONTROLS = "controls"  # the group with shuffled sequences, laid out like the file


def write_attributions(path: str | Path, attributions: Attributions) -> None:
    """Write ``attributions.h5`` atomically.

    Parameters
    ----------
    path
        The HDF5 file; an existing one is replaced.
    attributions
        What `attribute` returned.
    """
    append_attributions(path, iter([attributions]), len(attributions))


def append_attributions(
    path: str | Path,
    parts: Iterable[Attributions],
    n: int,
    controls: Iterable[Attributions] = (),
    n_controls: int = 0,
) -> None:
    """Write ``attributions.h5`` from parts (consecutive rows), ``n`` rows in all, and its controls in the same way.

    The write is atomic: the file appears under its name only when it is complete. Memory: one part.
    """
    with atomic_hdf5(path) as file:
        _append(file, parts, n)
        if n_controls:
            _append(file.create_group(CONTROLS), controls, n_controls)


def _append(group, parts: Iterable[Attributions], n: int) -> None:
    start = 0
    for part in parts:
        if start == 0:
            _create(group, part, n)
        _fill(group, part, slice(start, start + len(part)))
        start += len(part)
    if start != n:
        raise RuntimeError(f"{group.file.filename}{group.name}: {start} of {n} rows were written")


def read_attributions(
    path: str | Path, targets: Sequence[str] | None = None, rows: Sequence[int] | None = None
) -> Attributions:
    """Read ``attributions.h5``, or only some of its targets or rows.

    Parameters
    ----------
    path
        The HDF5 file.
    targets
        Names; all of them by default.
    rows
        Indices of sequences, in ascending order; all of them by default.

    Returns
    -------
    Attributions
        For each target, contributions ``(n, 4, length)`` in the units of the model's output.

    Raises
    ------
    InputError
        No such file, not an attributions file, or no such target in it.
    """
    take = slice(None) if rows is None else np.asarray(rows, dtype=np.int64)
    with _open(path) as file:
        return _read(file, targets, take, str(path))


def read_controls(path: str | Path, targets: Sequence[str] | None = None) -> Attributions | None:
    """The shuffled sequences that were explained in the same way; None in a file without any.

    Raises
    ------
    InputError
        As `read_attributions`.
    """
    with _open(path) as file:
        return _read(member(file, CONTROLS), targets, slice(None), str(path)) if CONTROLS in file else None


def _read(group, targets: Sequence[str] | None, take: Any, source: str) -> Attributions:
    names = _targets(group)
    check_targets(targets or [], names, source)
    rows = array(group, "sequence/one_hot", "i", (None, 4, None))
    n, _, length = rows.shape
    ids, lengths = array(group, "ids", "O", (n,)), array(group, "length", "iu", (n,))[take]
    if lengths.size and not (lengths.min() >= 0 and lengths.max() <= length):
        raise ValueError(f"lengths of sequences are not within 0 and {length}")
    one_hot = rows[take]
    by_target = {
        name: TargetAttributions(one_hot, **_columns(group, name, (*ARRAYS, *OPTIONAL), (n, length), take))
        for name in targets or names
    }
    coordinates = _read_coordinates(group, n, take) if "coordinates" in group else None
    provenance = attribute(group, "provenance", dict)
    if "targets" in provenance:
        provenance |= {"targets": list(by_target)}
    return Attributions([i.decode() for i in ids[take]], one_hot, lengths, by_target, coordinates, provenance)


def _targets(group) -> list[str]:
    names = attribute(group, "targets", list)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("attribute 'targets': is not a list of different names")
    return names


def _columns(group, target: str, names: Sequence[str], size: tuple[int, int], take: Any) -> dict[str, np.ndarray]:
    """The arrays of a target, of ``size`` sequences and bases; of the `OPTIONAL` ones those that there are."""
    group, (n, length) = member(group, f"targets/{safe_name(target)}"), size
    shapes: dict[str, tuple[int, ...]] = {"hypothetical": (n, 4, length), **dict.fromkeys(PER_BASE, (n, length))}
    return {
        name: array(group, name, "f", shapes.get(name, (n,)))[take]
        for name in names
        if name in group or name not in OPTIONAL
    }


def read_overview(path: str | Path) -> Overview:
    """Read the numbers per sequence of ``attributions.h5``; memory does not grow with their length.

    Raises
    ------
    InputError
        No such file, or not an attributions file.
    """
    with _open(path) as file:
        ids = [i.decode() for i in array(file, "ids", "O")[:]]
        n = len(ids)
        columns = (*PER_SEQUENCE, "prediction_spread", "n_references")
        numbers = {name: _columns(file, name, columns, (n, 0), slice(None)) for name in _targets(file)}
        coordinates = _read_coordinates(file, n, slice(None)) if "coordinates" in file else None
        lengths = array(file, "length", "iu", (n,))[:]
        return Overview(ids, lengths, numbers, attribute(file, "provenance", dict), coordinates)


@contextmanager
def _open(path: str | Path) -> Iterator[Any]:
    """The opened file; problems with it become an InputError."""
    import h5py

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with 'l2g-interp attribute'")
    check_readable(path)
    try:
        with h5py.File(path) as file:
            yield file
    except InputError:
        raise
    except UNREADABLE as error:
        remedy = "make it again with 'l2g-interp attribute'"
        raise damaged(path, error, "a complete attributions file", remedy) from error


def _create(file, part: Attributions, n: int) -> None:
    import h5py

    def dataset(name: str, like: np.ndarray, dtype: Any = None) -> None:
        row_shape = like.shape[1:]
        chunk_rows = max(1, min(n, 2**20 // max(4, int(np.prod(row_shape)) * 4)))
        file.create_dataset(
            name,
            (n, *row_shape),
            dtype or like.dtype,
            chunks=(chunk_rows, *row_shape),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )

    for key, value in part.provenance.items():
        file.attrs[key] = value if isinstance(value, int | float | str) else json.dumps(value)
    file.attrs["targets"] = json.dumps(part.targets)  # after those of the provenance, which may have the same names
    file.attrs["provenance"] = json.dumps(part.provenance)
    dataset("ids", np.empty(0), h5py.string_dtype())
    dataset("length", np.empty(0), np.int32)
    dataset("sequence/one_hot", part.one_hot)
    for target in part.targets:
        for key, values in part[target].arrays().items():
            dataset(f"targets/{safe_name(target)}/{key}", values)
    if part.coordinates is not None:
        for key in COORDINATES:
            kind = np.int64 if key in ("start", "end") else h5py.string_dtype()
            dataset(f"coordinates/{key}", np.empty(0), kind)


def _fill(file, part: Attributions, rows: slice) -> None:
    file["ids"][rows] = part.ids
    file["length"][rows] = part.lengths
    file["sequence/one_hot"][rows] = part.one_hot
    for target in part.targets:
        for key, values in part[target].arrays().items():
            file[f"targets/{safe_name(target)}/{key}"][rows] = values
    if part.coordinates is not None:
        for key in COORDINATES:
            file[f"coordinates/{key}"][rows] = [getattr(interval, key) for interval in part.coordinates]
    file.file.flush()


def _read_coordinates(file, n: int, take) -> list[Interval]:
    columns = [array(file, f"coordinates/{key}", kinds, (n,))[take] for key, kinds in COORDINATES.items()]
    return [Interval(c.decode(), int(s), int(e), strand.decode()) for c, s, e, strand in zip(*columns, strict=True)]
