"""The eight Genomic Benchmarks (Grešová et al. 2023; paper, Table 2): text files ``SPLIT/CLASS/*.txt``, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from l2g_core.datasets.columns import class_indices, unique
from l2g_core.datasets.entry import Entry, assemble, find_table, not_found
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.labelled_table import read_classes
from l2g_core.dna import open_text
from l2g_core.errors import InputError

SPLITS = ("train", "test")


def read(location: Path, entry: Entry, targets: Sequence[str] | None, seed: int) -> Labelled:
    """Read the folder that the ``genomic_benchmarks`` package writes, or a table.

    A table of only the published test rows is split again, which ``split_source`` records.
    """
    task = entry.stems[0]
    for folder in (location / task, location):
        if all((folder / split).is_dir() for split in SPLITS):
            return _read_folders(folder, entry, seed)
    if (table := find_table(location, entry.stems)) is not None:
        return read_classes(table, location, entry, seed)
    raise not_found(entry, location, f"{task}/train/CLASS/*.txt, or {task}.tsv")


def _read_folders(folder: Path, entry: Entry, seed: int) -> Labelled:
    paths, texts, splits = [], [], []
    for split in SPLITS:
        for kind in sorted(path for path in (folder / split).iterdir() if path.is_dir()):
            if kind.name not in entry.classes:
                raise InputError(f"{kind}: not a class of {entry.name} ({', '.join(entry.classes)}); remove the folder")
            found = sorted(kind.glob("*.txt"))
            paths += found
            texts += [kind.name] * len(found)
            splits += [split] * len(found)
    for split in SPLITS:
        if split not in splits:
            raise InputError(f"{folder / split}: no CLASS/*.txt in it; {entry.how_to_get}")
    labels = class_indices(texts, entry.classes, lambda row: str(paths[row]))
    names = unique([f"{split}_{kind}_{p.stem}" for split, kind, p in zip(splits, texts, paths, strict=True)])
    return assemble(entry, paths, folder, (names, [_sequence(path) for path in paths], labels), splits, seed)


def _sequence(path: Path) -> str:
    with open_text(path) as handle:
        return "".join(handle.read().split())


def _entry(task: str, title: str, longest: int, rows: int, classes: tuple[str, ...]) -> Entry:
    return Entry(
        f"gb-{task}",
        title,
        "classification",
        "accuracy",
        longest,
        rows,
        source="https://github.com/ML-Bioinfo-CEITEC/genomic_benchmarks",
        licence="Apache-2.0",
        citation="Grešová et al. 2023, BMC Genomic Data 24:25 (doi:10.1186/s12863-023-01123-8)",
        read=read,
        classes=classes,
        by_hand=(
            "install the package genomic-benchmarks elsewhere, run genomic_benchmarks.loc2seq."
            f"download_dataset('{task}') there"
        ),
        stems=(task, f"{task}_test"),
    )


BINARY = ("negative", "positive")
ENTRIES = (
    _entry("dummy_mouse_enhancers_ensembl", "mouse enhancers", 4707, 1_210, BINARY),
    _entry(
        "demo_coding_vs_intergenomic_seqs",
        "coding or intergenomic",
        200,
        100_000,
        ("coding_seqs", "intergenomic_seqs"),
    ),
    _entry("demo_human_or_worm", "human or worm", 200, 100_000, ("human", "worm")),
    _entry("human_enhancers_cohn", "human enhancers (Cohn)", 500, 27_791, BINARY),
    _entry("human_enhancers_ensembl", "human enhancers (Ensembl)", 573, 154_842, BINARY),
    _entry("human_ensembl_regulatory", "enhancer, open, promoter", 802, 289_061, ("enhancer", "ocr", "promoter")),
    _entry("human_nontata_promoters", "human promoters without TATA", 251, 36_131, BINARY),
    _entry("human_ocr_ensembl", "human open chromatin", 593, 174_756, BINARY),
)
