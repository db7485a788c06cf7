"""DeepSTARR: activities of Drosophila enhancers with a developmental and a housekeeping promoter.

From de Almeida et al. 2022 (paper, Table 7). Rows are sequences of 249 bp, each region on both strands. Validation and
test are the first and the second half of chr2R; the published files have that split, a table with coordinates gets it
from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from l2g_core.datasets.columns import (
    IDENTIFIER,
    SEQUENCE,
    SPLIT,
    find,
    integers,
    numbers,
    read_frame,
    read_header,
    required,
    unique,
)
from l2g_core.datasets.entry import Entry, File, assemble, find_table, not_found
from l2g_core.datasets.fasta import read_records
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.splits import named_splits
from l2g_core.errors import InputError

RECORD = "https://zenodo.org/records/5502060/files"
COLUMNS = {"dev": ("dev", "Dev_log2_enrichment"), "hk": ("hk", "Hk_log2_enrichment")}
CHROMOSOME, START = ("chrom", "chr", "chromosome", "seqnames"), ("start",)
HELD_OUT, HALF = "chr2R", 21_146_708 // 2  # half of chr2R in dm3, the genome of DeepSTARR's coordinates
PARTS = {"train": "Train", "val": "Val", "test": "Test"}


def read(location: Path, entry: Entry, targets: Sequence[str] | None, seed: int) -> Labelled:
    """Read ``Sequences_activity_all.txt``, the six files of the Zenodo record, or any table with these columns."""
    chosen = tuple(targets or COLUMNS)
    if (table := find_table(location, entry.stems)) is not None:
        return _read_table(table, location, entry, chosen, seed)
    if all((location / name).is_file() for split in PARTS for name in _pair(split)):
        return _read_pairs(location, entry, chosen, seed)
    raise not_found(entry, location, f"{entry.stems[0]}.txt, {entry.stems[1]}.tsv, Sequences_Train.fa, ...")


def _read_table(path: Path, root: Path, entry: Entry, chosen: Sequence[str], seed: int) -> Labelled:
    header = read_header(path)
    sequence = required(header, SEQUENCE, path)
    measured = [required(header, COLUMNS[name], path) for name in chosen]
    optional = [column for names in (IDENTIFIER, SPLIT, CHROMOSOME, START) if (column := find(header, names))]
    frame = read_frame(path, [sequence, *measured, *optional])
    labels = np.stack([numbers(frame[column].tolist(), column, path) for column in measured], axis=1)
    name, split = find(header, IDENTIFIER), find(header, SPLIT)
    ids = unique(frame[name].tolist()) if name else [f"row{i}" for i in range(1, len(frame) + 1)]
    chromosome, start = find(header, CHROMOSOME), find(header, START)
    given = None
    if split:
        given = named_splits(frame[split].tolist(), f"{path}: column {split!r}")
    elif chromosome and start:
        given = halves(frame[chromosome].tolist(), integers(frame[start].tolist(), start, path))
    return assemble(entry, [path], root, (ids, frame[sequence].tolist(), labels), given, seed, targets=chosen)


def halves(chromosomes: Sequence[str], starts: Sequence[int]) -> list[str]:
    """The published split: chr2R's first half is validation, its second half test; both strands share a split."""
    return [
        "train" if chromosome != HELD_OUT else "val" if start < HALF else "test"
        for chromosome, start in zip(chromosomes, starts, strict=True)
    ]


def _read_pairs(folder: Path, entry: Entry, chosen: Sequence[str], seed: int) -> Labelled:
    ids, sequences, splits, labels = [], [], [], []
    for split in PARTS:
        fasta, activity = (folder / name for name in _pair(split))
        records = list(read_records(fasta))
        header = read_header(activity)
        columns = [required(header, COLUMNS[name], activity) for name in chosen]
        frame = read_frame(activity, columns)
        if len(frame) != len(records):
            raise InputError(
                f"{activity}: {len(frame)} rows for {len(records)} sequences in {fasta.name}; fetch both again"
            )
        ids += [header for header, _ in records]
        sequences += [sequence for _, sequence in records]
        splits += [split] * len(records)
        labels.append(np.stack([numbers(frame[c].tolist(), c, activity) for c in columns], axis=1))
    paths = [folder / name for split in PARTS for name in _pair(split)]
    rows = (unique(ids), sequences, np.concatenate(labels))
    return assemble(entry, paths, folder, rows, splits, seed, targets=chosen)


def _pair(split: str) -> tuple[str, str]:
    return f"Sequences_{PARTS[split]}.fa", f"Sequences_activity_{PARTS[split]}.txt"


ENTRIES = (
    Entry(
        "deepstarr",
        "DeepSTARR enhancer activities, Drosophila S2 cells",
        "regression",
        "pcc",
        longest=249,
        rows=484_052,
        source="https://doi.org/10.5281/zenodo.5502060",
        licence="CC BY 4.0",
        citation="de Almeida et al. 2022, Nature Genetics 54:613 (doi:10.1038/s41588-022-01048-5)",
        read=read,
        targets=tuple(COLUMNS),
        files=tuple(File(name, f"{RECORD}/{name}") for split in PARTS for name in _pair(split)),
        stems=("Sequences_activity_all", "activity"),
    ),
)
