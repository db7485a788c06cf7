"""``mutations.h5``: what every single change of a sequence does to the predictions.

``/ids``, ``/length``, ``/sequence/one_hot`` ``(n, 4, length)`` and, if known, ``/coordinates``, as in
``attributions.h5``; for each target ``/targets/<name>/difference`` ``(n, 4, length)`` and the other arrays of
`TargetMutations`. What was done stands in the attribute ``provenance`` (JSON).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Int8

from l2g_core.dna import ALPHABET, Interval, decode
from l2g_core.errors import InputError
from l2g_interp.records.attributions_file import (
    create_results,
    create_sequences,
    fill_results,
    fill_sequences,
    opened,
    read_coordinates,
    target_names,
    write_attributes,
)
from l2g_interp.records.hdf5 import array, atomic_hdf5, attribute, has, member
from l2g_interp.records.tables import write_table
from l2g_interp.records.types import check_targets, safe_name, some_of

MADE_BY = "l2g-interp mutate"


@dataclass(frozen=True)
class TargetMutations:
    """What single changes do to the prediction of one target, in the units of the model's output.

    ``difference``: the prediction with each base (rows ACGT) at each position, less that of the sequence; 0 for the
    base that is there, NaN in columns without one (N, padding). ``pearson`` and ``spearman``: correlation, over the
    positions, of the contribution of the base that is there with what is lost on average when it is changed (minus the
    mean of its three differences), with the ends of a 95 % interval of the first; NaN where contributions are not
    known. ``fold_spread``: the standard deviation of the difference between folds, where the model has some.
    """

    difference: Float32[np.ndarray, "n 4 length"]
    prediction: Float32[np.ndarray, " n"]
    pearson: Float32[np.ndarray, " n"]
    pearson_low: Float32[np.ndarray, " n"]
    pearson_high: Float32[np.ndarray, " n"]
    spearman: Float32[np.ndarray, " n"]
    fold_spread: Float32[np.ndarray, "n 4 length"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: values for name, values in vars(self).items() if values is not None}


@dataclass(frozen=True)
class Mutations:
    """Single changes of ``n`` sequences for one or more targets; ``mutations["dev"]`` is one."""

    ids: list[str]
    one_hot: Int8[np.ndarray, "n 4 length"]
    lengths: Int[np.ndarray, " n"]
    by_target: dict[str, TargetMutations]
    coordinates: list[Interval] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.by_target)

    def __getitem__(self, target: str) -> TargetMutations:
        return self.by_target[target]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class ChangeRow:
    """One change: a row of ``mutations.tsv``; ``position`` counts from 1, as in tables of 'l2g-interp variants'."""

    target: str
    id: str
    position: int
    ref: str
    alt: str
    difference: float
    fold_spread: float = float("nan")


@dataclass(frozen=True)
class MutatedRow:
    """One sequence: a row of ``mutations.sequences.tsv``.

    ``loss`` and ``gain``: the lowest and the highest difference that one change makes, and which change it is
    (``A12G``, counted from 1). ``pearson``, ``spearman``: see `TargetMutations`.
    """

    target: str
    id: str
    prediction: float
    loss: float
    loss_change: str
    gain: float
    gain_change: str
    pearson: float
    pearson_low: float
    pearson_high: float
    spearman: float


def write_mutations(path: str | Path, parts: Iterable[Mutations], n: int) -> None:
    """Write ``mutations.h5`` from consecutive rows, ``n`` in all, atomically; an existing file is replaced."""
    with atomic_hdf5(path) as file:
        start = 0
        for part in parts:
            if not start:
                write_attributes(file, part.targets, part.provenance)
                create_sequences(file, n, part.one_hot.shape[2], part.coordinates is not None)
            rows = slice(start, start + len(part))
            fill_sequences(file, rows, part.ids, part.one_hot, part.lengths, part.coordinates)
            for target in part.targets:
                if not start:
                    create_results(file, target, part[target].arrays(), n)
                fill_results(file, target, part[target].arrays(), rows)
            start = rows.stop


def read_mutations(
    path: str | Path, targets: Sequence[str] | None = None, ids: Sequence[str] | None = None
) -> Mutations:
    """Read ``mutations.h5``, or only some of its targets or sequences.

    Parameters
    ----------
    path
        The HDF5 file, which 'l2g-interp mutate' wrote.
    targets
        Names; all of them by default.
    ids
        Of sequences, in the order wanted; all of them by default.

    Raises
    ------
    InputError
        No such file, not a mutations file, or no such target or sequence in it.
    """
    with opened(path, "mutations", MADE_BY) as file:
        names = target_names(file)
        check_targets(targets or [], names, str(path))
        n, _, length = array(file, "sequence/one_hot", "i", (None, 4, None)).shape
        known = [each.decode() for each in array(file, "ids", "O", (n,))[:]]
        rows = _rows(known, ids, str(path))
        one_hot = _taken(array(file, "sequence/one_hot", "i", (n, 4, length)), rows)
        lengths = _taken(array(file, "length", "iu", (n,)), rows)
        if lengths.size and not (lengths.min() >= 0 and lengths.max() <= length):
            raise ValueError(f"lengths of sequences are not within 0 and {length}")
        by_target = {name: _of_target(file, name, (n, length), rows) for name in targets or names}
        places = read_coordinates(file, n, slice(None)) if has(file, "coordinates") else None
        coordinates = None if places is None else [places[row] for row in rows]
        return Mutations(
            [known[row] for row in rows], one_hot, lengths, by_target, coordinates, attribute(file, "provenance", dict)
        )


def read_mutations_provenance(path: str | Path) -> dict[str, Any]:
    """What was done, with which model; errors as of `read_mutations`."""
    with opened(path, "mutations", MADE_BY) as file:
        return attribute(file, "provenance", dict)


def read_mutated(path: str | Path) -> tuple[list[str], list[str]]:
    """The ids of the sequences, and the targets; errors as of `read_mutations`."""
    with opened(path, "mutations", MADE_BY) as file:
        return [each.decode() for each in array(file, "ids", "O")[:]], target_names(file)


def _rows(known: Sequence[str], wanted: Sequence[str] | None, source: str) -> list[int]:
    if wanted is None:
        return list(range(len(known)))
    numbers = {name: row for row, name in enumerate(known)}
    if missing := [name for name in wanted if name not in numbers]:
        raise InputError(f"{source}: no sequence {missing[0]!r}; it has {some_of(known)}")
    return [numbers[name] for name in wanted]


def _taken(data: Any, rows: list[int]) -> np.ndarray:
    """Some rows of a dataset, of which only these are read; in any order."""
    some, order = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
    return data[some][order] if len(some) < len(data) else data[:][rows]


def _of_target(file, target: str, size: tuple[int, int], rows: list[int]) -> TargetMutations:
    group, (n, length) = member(file, f"targets/{safe_name(target)}"), size
    shapes = {"difference": (n, 4, length), "fold_spread": (n, 4, length)}
    names = [name for name in TargetMutations.__dataclass_fields__ if name != "fold_spread" or has(group, name)]
    return TargetMutations(**{name: _taken(array(group, name, "f", shapes.get(name, (n,))), rows) for name in names})


def write_changes(path: Path, parts: Iterable[Mutations]) -> None:
    """Write ``mutations.tsv``, a row per change, atomically; sequence by sequence."""
    write_table(path, (row for part in parts for row in _change_rows(part)), ChangeRow)


def _change_rows(mutations: Mutations) -> Iterator[ChangeRow]:
    for target in mutations.targets:
        of_target = mutations[target]
        for row, name in enumerate(mutations.ids):
            letters = decode(mutations.one_hot[row], mutations.one_hot.shape[2])
            for position, base in np.argwhere(np.isfinite(of_target.difference[row].T)).tolist():
                if letters[position] != ALPHABET[base]:
                    spread = np.nan if of_target.fold_spread is None else of_target.fold_spread[row, base, position]
                    yield ChangeRow(
                        target, name, position + 1, letters[position], ALPHABET[base],
                        float(of_target.difference[row, base, position]), float(spread),
                    )  # fmt: skip


def mutated_rows(mutations: Mutations) -> list[MutatedRow]:
    """The strongest loss and gain of each sequence, and how well single changes agree with contributions."""
    return [_mutated(mutations, target, row) for target in mutations.targets for row in range(len(mutations))]


def _mutated(mutations: Mutations, target: str, row: int) -> MutatedRow:
    values, letters = mutations[target], decode(mutations.one_hot[row], mutations.one_hot.shape[2])
    found: dict[str, float | str] = {}
    for name, sign in (("loss", -1), ("gain", 1)):
        base, position = strongest_change(sign * changes_only(values.difference[row], mutations.one_hot[row]))
        found[name] = float(values.difference[row, base, position]) if base >= 0 else float("nan")
        found[f"{name}_change"] = f"{letters[position]}{position + 1}{ALPHABET[base]}" if base >= 0 else ""
    for name in ("prediction", "pearson", "pearson_low", "pearson_high", "spearman"):
        found[name] = float(getattr(values, name)[row])
    return MutatedRow(target, mutations.ids[row], **found)  # pyright: ignore[reportArgumentType]


def changes_only(
    difference: Float32[np.ndarray, "4 length"], one_hot: Int8[np.ndarray, "4 length"]
) -> Float32[np.ndarray, "4 length"]:
    """The differences, NaN for the base that is there."""
    return np.where(one_hot == 1, np.float32(np.nan), difference)


def strongest_change(values: Float32[np.ndarray, "4 length"]) -> tuple[int, int]:
    """Base and position of the largest number; (-1, -1) where all are NaN."""
    if not np.isfinite(values).any():
        return -1, -1
    base, position = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return int(base), int(position)
