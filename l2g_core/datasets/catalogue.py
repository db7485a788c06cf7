"""The data sets by name, and opening one, or any table."""

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
        raise InputError(f"{location}: is no file; 'table' takes the file itself with --data-dir")
    return read_table(location, targets, seed)


TABLE = Entry(
    "table",
    "any TSV or CSV: sequence, perhaps id and split, a column per value",
    "regression",
    "pcc",
    longest=0,
    rows=0,
    source="yours; naming the file itself does the same",
    licence="yours",
    citation="",
    read=_read_any,
    targets=(),
    by_hand="write it",
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

    Raises
    ------
    InputError
        There is no such data set or file, it is not here, or something in it is wrong; the message names it.
    """
    if (entry := DATASETS.get(str(name_or_path))) is None:
        return _told(_open_file(Path(name_or_path), targets, seed))
    if entry is TABLE and data_dir is None:
        raise InputError("'table' is any file of yours: name the file instead, or give it with --data-dir")
    if entry.targets and (unknown := [name for name in targets or () if name not in entry.targets]):
        raise InputError(f"{entry.name}: no target {unknown[0]!r}; there is {', '.join(entry.targets)}")
    location = Path(data_dir) if data_dir is not None else dataset_folder(entry)
    if not location.exists():
        here = f"{location}: no such folder; " if data_dir is not None else ""
        raise InputError(f"{here}{entry.name} is not here; {entry.how_to_get}")
    return _told(entry.read(location, entry, targets, seed))


def named(name: str) -> Entry:
    """The entry of this name.

    Raises
    ------
    InputError
        There is none; suggests the nearest.
    """
    if name in DATASETS:
        return DATASETS[name]
    raise InputError(f"no data set {name!r}{_suggestion(name)}; 'l2g datasets' lists them")


def _open_file(path: Path, targets: Sequence[str] | None, seed: int) -> Labelled:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the data set and give its folder with --data-dir")
    if not path.exists():
        raise InputError(
            f"{path}: no such file, and no data set of this name{_suggestion(str(path))}; 'l2g datasets' lists them"
        )
    return read_table(path, targets, seed)


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, DATASETS, 1, 0.5)
    return f"; did you mean {near[0]!r}" if near else ""


def _told(data: Labelled) -> Labelled:
    """Say what flatters a score on these data."""
    if n_seen := int(seen_in_training(data).sum()):
        log.warning(
            "%s: %d validation or test rows are also training rows, in one strand or the other: scores on them flatter",
            data.data.source,
            n_seen,
        )
    return data
