"""DART-Eval task 3: in which of five cell lines is a stretch of 500 bp accessible (Patel et al. 2024; paper, Table 6)?

Read from a local table, because the download needs an account. Splits are by chromosome, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from l2g_core.datasets.columns import SEQUENCE, class_indices, find, integers, read_frame, read_header, required
from l2g_core.datasets.entry import Entry, assemble, find_table, not_found
from l2g_core.datasets.labelled import Labelled
from l2g_core.dna import open_genome
from l2g_core.errors import InputError

CELL_LINES = ("GM12878", "H1ESC", "HEPG2", "IMR90", "K562")
LENGTH = 500
CHROMOSOME, START, END = ("chr", "chrom"), ("input_start", "start"), ("input_end", "end")
VALIDATION, TEST = (6, 21), (5, 10, 14, 18, 20, 22)
SPLIT_OF = {f"chr{name}": "train" for name in (*range(1, 23), "X", "Y")}
SPLIT_OF |= {f"chr{number}": "val" for number in VALIDATION} | {f"chr{number}": "test" for number in TEST}
GENOMES = ("*.fa", "*.fasta", "*.fna", "*.fa.gz", "*.fasta.gz")


def read(location: Path, entry: Entry, targets: Sequence[str] | None, seed: int) -> Labelled:
    """Read the published table, with a column of sequences, or with the genome's FASTA in the same folder."""
    if (table := find_table(location, entry.stems)) is None:
        raise not_found(entry, location, f"{entry.stems[0]}.tsv")
    header = read_header(table)
    columns = [required(header, names, table) for names in (CHROMOSOME, entry.label_columns)]
    sequence = find(header, SEQUENCE)
    places = [sequence] if sequence else [required(header, names, table) for names in (START, END)]
    frame = read_frame(table, [*columns, *places])
    chromosomes, texts = (frame[column].str.strip().tolist() for column in columns)
    labels = class_indices(texts, entry.classes, lambda row: f"{table}: line {row + 2}")
    given = [_split_of(name, f"{table}: line {row}") for row, name in enumerate(chromosomes, start=2)]
    sequences = frame[sequence].tolist() if sequence else _cut(table, frame, chromosomes, places)
    ids = [f"row{i}" for i in range(1, len(frame) + 1)]
    return assemble(entry, [table], location, (ids, sequences, labels), given, seed)


def _split_of(chromosome: str, where: str) -> str:
    if chromosome not in SPLIT_OF:
        raise InputError(f"{where}: chromosome {chromosome!r} is in no split; expected chr1 to chr22, chrX and chrY")
    return SPLIT_OF[chromosome]


def _cut(table: Path, frame: Any, chromosomes: Sequence[str], columns: Sequence[str]) -> list[str]:
    found = [path for pattern in GENOMES for path in sorted(table.parent.glob(pattern))]
    if len(found) != 1:
        raise InputError(
            f"{table}: no column 'sequence', and {len(found)} genomes in its folder; put one FASTA of GRCh38 there"
        )
    starts, ends = (integers(frame[column].tolist(), column, table) for column in columns)
    with open_genome(found[0]) as genome:
        sequences = []
        for row, (name, start, end) in enumerate(zip(chromosomes, starts, ends, strict=True), start=2):
            if name not in genome or not 0 <= start < end <= len(genome[name]):
                raise InputError(f"{table}: line {row}: {name}:{start}-{end} is not in {found[0]}; use GRCh38")
            sequences.append(str(genome[name][start:end]))
    return sequences


ENTRIES = (
    Entry(
        "dart-celltype",
        "DART-Eval task 3: cell-type-specific accessibility",
        "classification",
        "accuracy",
        longest=LENGTH,
        rows=216_746,
        source="https://www.synapse.org/Synapse:syn59522070",
        licence="not stated by its owners",
        citation="Patel et al. 2024, NeurIPS Datasets and Benchmarks (arXiv:2412.05430)",
        read=read,
        classes=CELL_LINES,
        by_hand="get peaks_by_cell_label_unique_dataloader_format.tsv from its source, with an account there",
        stems=("peaks_by_cell_label_unique_dataloader_format", "dart-celltype"),
    ),
)
