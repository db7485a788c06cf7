"""Any table of sequences and labels: TSV or CSV, plain or gzipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from l2g_core.datasets.columns import (
    IDENTIFIER,
    SEQUENCE,
    SPLIT,
    find,
    is_measured,
    is_number,
    listed,
    not_a_target,
    numbers,
    read_frame,
    required,
)
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.splits import are_splits, named_splits, with_validation
from l2g_core.dna import checked
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256, from_cell

TRUTHS = ("False", "True")
MOST_CLASSES = 100  # that a column may have to be learned without being asked for


class Chosen(NamedTuple):
    """The columns to learn, as what (``numbers``, ``truths`` or ``classes``), and the others with the reason."""

    targets: tuple[str, ...]
    kind: str
    left_out: tuple[str, ...] = ()


def read_table(
    path: str | Path, targets: Sequence[str] | None = None, seed: int = 0, classes: Sequence[str] | None = None
) -> Labelled:
    """Read a table with a column ``sequence``, optionally an id and a split, and one column per target.

    Parameters
    ----------
    path
        TSV, or CSV if the name ends in ``.csv`` or ``.csv.gz``; plain or gzipped, with a header.
    targets
        Columns to learn. By default all in which at least half of the measured values are numbers; if there are none,
        those of True and False, or else the one column of text classes. Columns that by their name are row numbers,
        ids, places or splits are not learned by default. Blanks, ``.``, ``NA`` and ``NaN`` mean "not measured".
    seed
        Draws the validation split if the file has none: a tenth of the training rows, balanced over the labels;
        rows of one sequence, on either strand, stay together.
    classes
        Names of the classes 0, 1, ... of a model; by default the column's own, sorted.

    Returns
    -------
    Labelled
        Sequences, labels ``(n, targets)`` (float32, NaN where not measured) and splits; with ``task`` and ``classes``
        if classes are learned. Rows without an id are called ``row_1``, ``row_2``, ... by their place.

    Raises
    ------
    InputError
        A column is missing, a label does not parse, nothing is measured, ids repeat, or a sequence is not DNA.
    """
    path = Path(path)
    frame = read_frame(path)
    if not len(frame):
        raise InputError(f"{path}: the table has no rows; give a header and a row per sequence")
    header = list(frame.columns)
    sequence, name = required(header, SEQUENCE, path), _ids_column(frame)
    split = _split_column(frame)
    if targets:
        chosen = _named(frame, tuple(dict.fromkeys(required(header, [t], path) for t in targets)), path)
    else:
        chosen = _by_default(frame, (sequence, name, split), path)
    if classes is not None:
        chosen = chosen._replace(kind="classes")
    if chosen.kind == "classes":
        (target,) = chosen.targets
        labels, known = _class_labels(list(frame[target]), target, classes, path)
    else:
        labels = np.stack([numbers(_truths(frame[column]), column, path) for column in chosen.targets], axis=1)
        known = TRUTHS if chosen.kind == "truths" and len(chosen.targets) == 1 else ()
    task = "classification" if known else "multilabel" if chosen.kind == "truths" else None
    data = checked(_ids(frame, name, path), list(frame[sequence]), source=str(path))
    given = named_splits(list(frame[split]), f"{path}: column {split!r}") if split else ["train"] * len(frame)
    splits, source = with_validation(given, labels, data.sequences, seed)
    return Labelled(
        data, chosen.targets, labels, splits, source, file_sha256(path), task, classes=known, left_out=chosen.left_out
    )


def _ids_column(frame: Any) -> str | None:
    """The column of ids, or a first one without a name that can serve: another word or number in every row."""
    first = frame.columns[0]
    serves = (not first or first.startswith("Unnamed: ")) and frame[first].str.strip().is_unique
    return find(list(frame.columns), IDENTIFIER) or (first if serves else None)


def _shown(column: Any, what: str) -> str:
    example = next((text for text in column if is_measured(text) and not is_number(text)), "")
    return f"{what}, such as {example[:20]!r}" if "text" in what else what


def _split_column(frame: Any) -> str | None:
    """The column ``split``, or one like it if it says train, val and test; a ``fold`` may as well have numbers."""
    columns = [column for name in SPLIT if (column := find(list(frame.columns), [name]))]
    return next((c for c in columns if c.lower() == SPLIT[0] or are_splits(frame[c])), None)


def _ids(frame: Any, column: str | None, path: Path) -> list[str]:
    given = [from_cell(text.strip()) for text in frame[column]] if column is not None else [""] * len(frame)
    ids = [text or f"row_{row}" for row, text in enumerate(given, start=1)]
    if broken := [row for row, name in enumerate(ids) if not name.isprintable()]:
        name = ids[broken[0]][:40]
        raise InputError(
            f"{path}: line {broken[0] + 2}: the id {name!r} has characters that cannot be shown; rename it"
        )
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        rows = [str(row + 2) for row, name in enumerate(ids) if name == repeated[0]]
        more = f" (and {len(repeated) - 1} more ids repeat)" if len(repeated) > 1 else ""
        raise InputError(
            f"{path}: lines {listed(rows, 5)} are all called {repeated[0][:40]!r} in column {column!r}{more}; give "
            "every row its own id, or leave it blank"
        )
    return ids


def _kind(texts: Sequence[str]) -> str:
    """``numbers`` even with a typo: that should be an error naming its line, not silently drop the column."""
    filled = [text.strip() for text in texts if is_measured(text)]
    if not filled:
        return "nothing measured"
    share = sum(map(is_number, filled)) / len(filled)
    if share >= 0.1:
        return "numbers" if share >= 0.5 else "numbers and text"
    different = set(filled)
    if {text.capitalize() for text in different} <= set(TRUTHS):
        return "truths"
    return "classes" if 2 <= len(different) <= len(filled) / 2 else "text"


def _named(frame: Any, targets: tuple[str, ...], path: Path) -> Chosen:
    kinds = {_kind(list(frame[target])) for target in targets}
    if "classes" in kinds and len(targets) > 1:
        raise InputError(
            f"{path}: of {listed(targets)}, at least one has classes in words, which are learned one column at a time; "
            "choose that one alone with --targets"
        )
    kind = next(iter(kinds)) if len(kinds) == 1 else "numbers"
    return Chosen(targets, kind if kind in ("truths", "classes") else "numbers")


def _by_default(frame: Any, used: Sequence[str | None], path: Path) -> Chosen:
    kinds: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for column in (c for c in frame.columns if c not in used):
        what = not_a_target(column) or _kind(list(frame[column]))
        if what == "classes" and frame[column].nunique() > MOST_CLASSES:
            what = "text"
        (kinds if what in ("numbers", "truths", "classes") else left_out)[column] = what
    kind = next((k for k in ("numbers", "truths", "classes") if k in kinds.values()), "")
    targets = tuple(column for column in kinds if kinds[column] == kind)
    others = tuple(f"{c} ({_shown(frame[c], w)})" for c, w in {**left_out, **kinds}.items() if c not in targets)
    if not targets or (kind == "classes" and len(targets) > 1):
        why = f"several columns of classes ({listed(targets)})" if targets else "no column to learn by itself"
        found = f"; not learned unless asked for: {listed(others)}" if others else ""
        raise InputError(f"{path}: {why}{found}; choose one with --targets (columns: {listed(list(frame.columns))})")
    return Chosen(targets, kind, others)


def _truths(column: Any) -> list[str]:
    """The texts of a column, as 1 and 0 if they are True and False."""
    texts = list(column)
    if _kind(texts) != "truths":
        return texts
    return [str(TRUTHS.index(text.strip().capitalize())) if is_measured(text) else "" for text in texts]


def _class_labels(
    texts: Sequence[str], column: str, classes: Sequence[str] | None, path: Path
) -> tuple[Float32[np.ndarray, "n one"], tuple[str, ...]]:
    """Each row's class as its index in ``classes`` (NaN where not given), and the classes."""
    filled = {row: text.strip() for row, text in enumerate(texts) if is_measured(text)}
    known = tuple(classes or sorted(set(filled.values())))
    index = {name: number for number, name in enumerate(known)}
    labels = np.full((len(texts), 1), np.nan, dtype=np.float32)
    for row, text in filled.items():
        name = text.capitalize() if known == TRUTHS else text
        if name not in index:
            raise InputError(
                f"{path}: line {row + 2}: {column} is {text[:40]!r}, which is not one of the model's classes "
                f"({listed(known)}); correct it, or leave it blank"
            )
        if "=" in name:
            raise InputError(f"{path}: line {row + 2}: the class {text[:40]!r} has a '='; rename it in all rows")
        labels[row] = index[name]
    return labels, known
