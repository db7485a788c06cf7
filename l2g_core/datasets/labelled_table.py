"""Tables of sequences and classes: a form in which several benchmarks are passed around."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from l2g_core.datasets.columns import (
    IDENTIFIER,
    SEQUENCE,
    SPLIT,
    class_indices,
    find,
    read_frame,
    read_header,
    required,
    unique,
)
from l2g_core.datasets.entry import Entry, assemble
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.splits import named_splits


def read_classes(path: Path, root: Path, entry: Entry, seed: int) -> Labelled:
    """Read a table with a sequence, a class and perhaps an id and a split per row.

    Raises
    ------
    InputError
        A column is missing, a class is not one of the data set's, or there is only one.
    """
    header = read_header(path)
    sequence, label = required(header, SEQUENCE, path), required(header, entry.label_columns, path)
    name, split = find(header, IDENTIFIER), find(header, SPLIT)
    frame = read_frame(path, [column for column in (sequence, label, name, split) if column])
    texts = frame[label].str.strip().tolist()
    classes = class_names(texts, entry.classes)
    labels = class_indices(texts, classes, lambda row: f"{path}: line {row + 2}")
    ids = unique(frame[name].tolist()) if name else [f"row{i}" for i in range(1, len(frame) + 1)]
    given = named_splits(frame[split].tolist(), f"{path}: column {split!r}") if split else None
    return assemble(entry, [path], root, (ids, frame[sequence].tolist(), labels), given, seed, classes=classes)


def class_names(texts: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """The classes' names: the known ones, or the table's own, sorted, if it has the same number of others."""
    found = sorted(set(texts))
    numbered = {str(number) for number in range(len(known))}
    return tuple(found) if len(found) == len(known) and not set(found) & (numbered | set(known)) else known
