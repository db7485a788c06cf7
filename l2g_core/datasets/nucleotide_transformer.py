"""The 18 tasks of the Nucleotide Transformer benchmark in its original version (Dalla-Torre et al. 2023).

Published as ``TASK/train.fna`` and ``TASK/test.fna``; the last field of a header is the class. The owners' revised
version has other data: scores on it are not comparable with the paper's (Tables 3 and 4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from l2g_core.datasets.columns import class_indices, unique
from l2g_core.datasets.entry import Entry, File, assemble, find_table, not_found
from l2g_core.datasets.fasta import read_records
from l2g_core.datasets.labelled import Labelled
from l2g_core.datasets.labelled_table import read_classes

REVISION = (
    "35505196a3ce21d6db1ad42462094ede77108916"  # the commit with the original tasks, before the owners replaced them
)
HUB = "https://huggingface.co/datasets/InstaDeepAI/nucleotide_transformer_downstream_tasks"
SPLITS = ("train", "test")
LAST_FIELD = re.compile(r"[|\s]")


def read(location: Path, entry: Entry, targets: Sequence[str] | None, seed: int) -> Labelled:
    """Read ``train.fna`` and ``test.fna`` from the folder or its subfolder of the task's name; or a table."""
    task = entry.stems[0]
    for folder in (location / task, location):
        if all((folder / f"{split}.fna").is_file() for split in SPLITS):
            return _read_fna(folder, entry, seed)
    if (table := find_table(location, entry.stems)) is not None:
        return read_classes(table, location, entry, seed)
    raise not_found(entry, location, f"{task}/train.fna and test.fna, or {task}.tsv")


def _read_fna(folder: Path, entry: Entry, seed: int) -> Labelled:
    names, sequences, texts, splits = [], [], [], []
    for split in SPLITS:
        for header, sequence in read_records(folder / f"{split}.fna"):
            *name, label = LAST_FIELD.split(header)
            names.append("_".join(name) or split)
            sequences.append(sequence)
            texts.append(label)
            splits.append(split)

    def where(row: int) -> str:
        first_test = splits.index("test") if "test" in splits else len(splits)
        number = row + 1 if row < first_test else row - first_test + 1
        return f"{folder / splits[row] if splits else folder}.fna: record {number}"

    labels = class_indices(texts, entry.classes, where)
    paths = [folder / f"{split}.fna" for split in SPLITS]
    return assemble(entry, paths, folder, (unique(names), sequences, labels), splits, seed)


def _entry(
    task: str,
    title: str,
    metric: str,
    longest: int,
    rows: int,
    n_classes: int = 2,
    *,
    elsewhere: tuple[str, ...] = (),
    label_columns: tuple[str, ...] = ("label",),
) -> Entry:
    """One task; ``elsewhere``: the names of its tables in other collections."""
    return Entry(
        f"nt-{task}",
        title,
        "classification",
        metric,
        longest,
        rows,
        source=HUB,
        licence="not stated by its owners; each task's origin has its own",
        citation="Dalla-Torre et al. 2023, bioRxiv 2023.01.11.523679, with the tasks' own sources",
        read=read,
        classes=tuple(map(str, range(n_classes))),
        files=tuple(File(f"{split}.fna", f"{HUB}/resolve/{REVISION}/{task}/{split}.fna") for split in SPLITS),
        stems=(task, *elsewhere),
        label_columns=label_columns,
    )


HISTONES = {
    "H3": 13_468, "H3K4me1": 28_509, "H3K4me2": 27_614, "H3K4me3": 33_119, "H3K9ac": 25_003, "H3K14ac": 29_743,
    "H3K36me3": 31_392, "H3K79me3": 25_953, "H4": 13_140, "H4ac": 30_685,
}  # fmt: skip

# Metrics: Table 3. (Table 4's caption has F1 for enhancers; the Nucleotide Transformer's own is MCC.)
ENTRIES = (
    *(_entry(mark, f"yeast {mark}", "mcc", 500, rows) for mark, rows in HISTONES.items()),
    _entry("enhancers", "human enhancers", "mcc", 200, 14_968, elsewhere=("enhancers_ienhancer2L",)),
    _entry(
        "enhancers_types",
        "human enhancers: none, weak, strong",
        "mcc",
        200,
        14_968,
        3,
        elsewhere=("enhancers_ienhancer2L",),
        label_columns=("class", "label"),
    ),
    _entry("promoter_all", "human and mouse promoters", "f1", 300, 53_276, elsewhere=("prom_300_all",)),
    _entry("promoter_tata", "promoters with a TATA box", "f1", 300, 5_517, elsewhere=("prom_300_tata",)),
    _entry(
        "promoter_no_tata",
        "promoters without a TATA box",
        "f1",
        300,
        47_759,
        elsewhere=("prom_300_notata",),
    ),
    _entry("splice_sites_all", "splice sites: none, acceptor, donor", "accuracy", 400, 27_000, 3),
    _entry("splice_sites_acceptors", "splice acceptors", "f1", 600, 19_961),
    _entry("splice_sites_donors", "splice donors", "f1", 600, 19_775),
)
