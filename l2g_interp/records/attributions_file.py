"""``attributions.h5``: written atomically, read as much of as is needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from l2g_core.dna import Interval
from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_interp.records.hdf5 import array, atomic_hdf5, attribute, damaged, has, member, open_hdf5
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
    with opened(path) as file:
        return _read(file, targets, take, str(path))


def read_controls(path: str | Path, targets: Sequence[str] | None = None) -> Attributions | None:
    """The shuffled sequences that were explained in the same way; None in a file without any.

    Raises
    ------
    InputError
        As `read_attributions`.
    """
    with opened(path) as file:
        return _read(member(file, CONTROLS), targets, slice(None), str(path)) if has(file, CONTROLS) else None


def _read(group, targets: Sequence[str] | None, take: Any, source: str) -> Attributions:
    names = target_names(group)
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
    coordinates = read_coordinates(group, n, take) if has(group, "coordinates") else None
    provenance = attribute(group, "provenance", dict)
    if "targets" in provenance:
        provenance |= {"targets": list(by_target)}
    return Attributions([i.decode() for i in ids[take]], one_hot, lengths, by_target, coordinates, provenance)


def target_names(group) -> list[str]:
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
        if has(group, name) or name not in OPTIONAL
    }


def read_overview(path: str | Path) -> Overview:
    """Read the numbers per sequence of ``attributions.h5``; memory does not grow with their length.

    Raises
    ------
    InputError
        No such file, or not an attributions file.
    """
    with opened(path) as file:
        ids = [i.decode() for i in array(file, "ids", "O")[:]]
        n, numbers = len(ids), _numbers(file, len(ids))
        coordinates = read_coordinates(file, n, slice(None)) if has(file, "coordinates") else None
        lengths = array(file, "length", "iu", (n,))[:]
        return Overview(ids, lengths, numbers, attribute(file, "provenance", dict), coordinates)


def read_numbers(path: str | Path) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
    """As `read_overview`, without ids and coordinates: the numbers of each target, and the provenance."""
    with opened(path) as file:
        n = len(array(file, "length", "iu"))
        return _numbers(file, n), attribute(file, "provenance", dict)


def _numbers(file, n: int) -> dict[str, dict[str, np.ndarray]]:
    columns = (*PER_SEQUENCE, "prediction_spread", "n_references")
    return {name: _columns(file, name, columns, (n, 0), slice(None)) for name in target_names(file)}


@contextmanager
def opened(path: str | Path, what: str = "attributions", made_by: str = "l2g-interp attribute") -> Iterator[Any]:
    """The opened file; problems with it become an InputError that says ``what`` it is not, and what makes it."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with '{made_by}'")
    check_readable(path)
    try:
        with open_hdf5(path) as file:
            yield file
    except InputError:
        raise
    except UNREADABLE as error:
        raise damaged(path, error, f"a complete {what} file", f"make it again with '{made_by}'") from error


def create_sequences(group, n: int, length: int, coordinates: bool) -> None:
    """Make the datasets of ``n`` sequences of ``length`` columns, still empty."""
    import h5py

    _dataset(group, "ids", (n,), h5py.string_dtype())
    _dataset(group, "length", (n,), np.int32)
    _dataset(group, "sequence/one_hot", (n, 4, length), np.int8)
    for key in COORDINATES if coordinates else ():
        _dataset(group, f"coordinates/{key}", (n,), np.int64 if key in ("start", "end") else h5py.string_dtype())


def fill_sequences(
    group, rows: slice, ids: Sequence[str], one_hot: np.ndarray, lengths: np.ndarray, places: Sequence[Interval] | None
) -> None:
    """Write some rows of what `create_sequences` made."""
    group["ids"][rows], group["length"][rows], group["sequence/one_hot"][rows] = ids, lengths, one_hot
    for key in COORDINATES if places is not None else ():
        group[f"coordinates/{key}"][rows] = [getattr(place, key) for place in places or ()]


def create_results(group, target: str, arrays: Mapping[str, np.ndarray], n: int, chunk: int | None = None) -> None:
    """Make the datasets of a target, ``n`` rows like those of the arrays; ``chunk``: rows that are stored together."""
    for key, values in arrays.items():
        _dataset(group, f"targets/{safe_name(target)}/{key}", (n, *values.shape[1:]), values.dtype, chunk)


def fill_results(group, target: str, arrays: Mapping[str, np.ndarray], rows: slice) -> None:
    """Write some rows of what `create_results` made."""
    for key, values in arrays.items():
        group[f"targets/{safe_name(target)}/{key}"][rows] = values


def write_attributes(group, targets: Sequence[str], provenance: Mapping[str, Any]) -> None:
    """The attributes, without which the file does not count as complete."""
    for key, value in provenance.items():
        group.attrs[key] = value if isinstance(value, int | float | str) else json.dumps(value)
    group.attrs["targets"] = json.dumps(list(targets))  # after the provenance, which may have something of this name
    group.attrs["provenance"] = json.dumps(dict(provenance))


def _dataset(group, name: str, shape: tuple[int, ...], dtype: Any, chunk: int | None = None) -> None:
    rows = chunk or 2**20 // max(4, prod(shape[1:]) * 4)
    group.create_dataset(
        name, shape, dtype, chunks=(max(1, min(shape[0], rows)), *shape[1:]), compression="gzip", compression_opts=1,
        shuffle=True,
    )  # fmt: skip


def _create(file, part: Attributions, n: int) -> None:
    write_attributes(file, part.targets, part.provenance)
    create_sequences(file, n, part.one_hot.shape[2], part.coordinates is not None)
    for target in part.targets:
        create_results(file, target, part[target].arrays(), n)


def _fill(file, part: Attributions, rows: slice) -> None:
    fill_sequences(file, rows, part.ids, part.one_hot, part.lengths, part.coordinates)
    for target in part.targets:
        fill_results(file, target, part[target].arrays(), rows)
    file.file.flush()


def read_coordinates(file, n: int, take) -> list[Interval]:
    columns = [array(file, f"coordinates/{key}", kinds, (n,))[take] for key, kinds in COORDINATES.items()]
    return [Interval(c.decode(), int(s), int(e), strand.decode()) for c, s, e, strand in zip(*columns, strict=True)]
