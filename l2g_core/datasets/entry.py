"""What is known about a data set: one record each, with the function that reads its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from l2g_core.datasets.fingerprint import data_sha256
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.splits import STEP, draw, with_validation
from l2g_core.dna import checked
from l2g_core.errors import InputError

TABLES = (".tsv", ".tsv.gz", ".txt", ".txt.gz", ".csv", ".csv.gz")


@dataclass(frozen=True)
class File:
    """A file to fetch: its path in the data set's folder, its address, and its sha256 if its publisher states it."""

    path: str
    address: str
    sha256: str = ""


@dataclass(frozen=True)
class Entry:
    """One data set.

    ``metric`` is the paper's, a name in ``METRICS``. ``classes`` names the classes 0, 1, ...; ``targets`` the
    measured values. ``longest`` is the longest sequence (bp), ``rows`` how many there are. ``files`` can be fetched;
    where there are none, ``by_hand`` says how to get them. ``read(location, entry, targets, seed)`` reads a local
    folder or file. ``stems`` are names that a table of it has, ``label_columns`` its column of classes.
    """

    name: str
    title: str
    task: str
    metric: str
    longest: int
    rows: int
    source: str
    licence: str
    citation: str
    read: Callable[[Path, Entry, Sequence[str] | None, int], Labelled]
    targets: tuple[str, ...] = ("label",)
    classes: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    by_hand: str = ""
    stems: tuple[str, ...] = ()
    label_columns: tuple[str, ...] = ("label",)

    @property
    def how_to_get(self) -> str:
        """What to do when the data are missing."""
        fetch = f"run 'l2g fetch {self.name}'" if self.files else self.by_hand
        return f"{fetch}, or give its folder or file with --data-dir"


def find_table(location: Path, stems: Sequence[str]) -> Path | None:
    """The file itself, or the first table in the folder that has one of these names."""
    if location.is_file():
        return location
    candidates = (location / f"{stem}{ending}" for stem in stems for ending in TABLES)
    return next((path for path in candidates if path.is_file()), None)


def not_found(entry: Entry, location: Path, looked_for: str) -> InputError:
    """The error that lists the files that were looked for, and says how to get them."""
    return InputError(f"{location}: no files of {entry.name} found (looked for {looked_for}); {entry.how_to_get}")


def assemble(
    entry: Entry,
    paths: Sequence[Path],
    root: Path,
    rows: tuple[list[str], list[str], Float32[np.ndarray, "n targets"]],
    given: list[str] | None,
    seed: int,
    *,
    targets: Sequence[str] | None = None,
    classes: tuple[str, ...] | None = None,
) -> Labelled:
    """Check what an adapter read and complete its splits.

    Parameters
    ----------
    paths, root
        The files that were read, and the folder (or file) that holds them.
    rows
        Ids, sequences, labels.
    given
        Splits as published; without them both ``val`` and ``test`` are drawn (a tenth each), which ``split_source``
        records.

    Raises
    ------
    InputError
        A sequence is not DNA or longer than this data set's, or a file is not the one recorded in ``SHA256SUMS``.
    """
    ids, sequences, labels = rows
    sha256 = data_sha256(paths, root)
    source = str(paths[0] if len(paths) == 1 else root)
    data = checked(ids, sequences, source=source)
    for name, sequence in zip(data.ids, data.sequences, strict=True):
        if len(sequence) > entry.longest:
            raise InputError(
                f"{source}: record {name!r} has {len(sequence)} bp and {entry.name} has at most {entry.longest}; "
                "cut it, or open the file as a plain table"
            )
    if given is None:
        drawn = draw(["train"] * len(data), labels, data.sequences, seed, {"val": STEP // 2, "test": 0})
    else:
        drawn = with_validation(given, labels, data.sequences, seed)
    names = tuple(targets or entry.targets)
    known = entry.classes if classes is None else classes
    return Labelled(data, names, labels, *drawn, sha256, entry.task, entry.metric, known)
