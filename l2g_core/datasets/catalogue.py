"""The data sets by name, and opening one of them or any table."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path

from l2g_core.datasets import dart_eval, deepstarr, genomic_benchmarks, nucleotide_transformer
from l2g_core.datasets.entry import Entry
from l2g_core.datasets.fetch import dataset_folder
from l2g_core.datasets.labelled import Labelled, seen_in_training
from l2g_core.datasets.table import read_table
from l2g_core.errors import InputError

log = logging.getLogger(__name__)


def _read_any(location: Path, entry: Entry, targets: Sequence[str] | None, seed: int) -> Labelled:
    if not location.is_file():
        raise InputError(f"{location}: is not a file; 'table' takes the file itself with --data-dir")
    return read_table(location, targets, seed)


TABLE = Entry(
    "table",
    "any TSV or CSV: columns sequence, one per target, and optionally id and split",
    "regression",
    "pcc",
    longest=0,
    rows=0,
    source="your own; giving the path of the file does the same",
    licence="yours",
    citation="",
    read=_read_any,
    targets=(),
    by_hand="make one",
)

DATASETS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        *deepstarr.ENTRIES,
        *nucleotide_transformer.ENTRIES,
        *genomic_benchmarks.ENTRIES,
        *dart_eval.ENTRIES,
        TABLE,
    )
}


def open_dataset(
    name_or_path: str | Path,
    *,
    data_dir: str | Path | None = None,
    targets: Sequence[str] | None = None,
    seed: int = 0,
    classes: Sequence[str] | None = None,
) -> Labelled:
    """Open a data set of the catalogue by its name, or a table by its path. Nothing is fetched here.

    Parameters
    ----------
    name_or_path
        A name in ``DATASETS``, or a TSV or CSV as `read_table` takes it.
    data_dir
        The folder (or file) that has the named data set; by default where ``l2g fetch`` puts it.
    targets
        Measured values to learn; all by default.
    seed
        Draws the splits that the source lacks.
    classes
        Of a table: the names of a model's classes 0, 1, ..., as `read_table` takes them.

    Returns
    -------
    Labelled
        Sequences, labels ``(n, targets)`` and splits.

    Raises
    ------
    InputError
        There is no such data set or file, it is missing, or something in it is wrong; the message says what.
    """
    if (entry := DATASETS.get(str(name_or_path))) is None:
        return _warn_of_leakage(_open_file(Path(name_or_path), targets, seed, classes))
    if entry is TABLE and data_dir is None:
        raise InputError("'table' means your own file: give its path instead of 'table', or with --data-dir")
    if entry.targets and (unknown := [name for name in targets or () if name not in entry.targets]):
        raise InputError(f"{entry.name}: no target {unknown[0]!r}; choose from {', '.join(entry.targets)}")
    location = Path(data_dir) if data_dir is not None else dataset_folder(entry)
    if not location.exists():
        here = f"{location}: no such folder; " if data_dir is not None else ""
        raise InputError(f"{here}{entry.name} is not on this machine; {entry.how_to_get}")
    if entry is TABLE and location.is_file():
        return _warn_of_leakage(read_table(location, targets, seed, classes))
    return _warn_of_leakage(entry.read(location, entry, targets, seed))


def named(name: str) -> Entry:
    """The entry of this name.

    Raises
    ------
    InputError
        There is none; the message suggests the nearest name.
    """
    if name in DATASETS:
        return DATASETS[name]
    raise InputError(f"no data set {name!r}{_suggestion(name)}; 'l2g datasets' lists them")


def _open_file(path: Path, targets: Sequence[str] | None, seed: int, classes: Sequence[str] | None) -> Labelled:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of the data set, and the folder with --data-dir")
    if not path.exists():
        raise InputError(
            f"{path}: no such file, and no data set of this name{_suggestion(str(path))}; 'l2g datasets' lists them"
        )
    return read_table(path, targets, seed, classes)


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, DATASETS, 1, 0.5)
    return f"; did you mean {near[0]!r}" if near else ""


def _warn_of_leakage(data: Labelled) -> Labelled:
    """Warn of held-out rows that are also training rows, which inflate scores (data leakage)."""
    if n_seen := int(seen_in_training(data).sum()):
        log.warning(
            "%s: %d validation or test rows are also training rows, on either strand, which inflates scores (leakage)",
            data.data.source,
            n_seen,
        )
    return data
