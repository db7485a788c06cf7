"""Small files in the layouts in which the data sets are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from l2g_core.datasets import Entry
from l2g_core.dna import reverse_complement

RNG = np.random.default_rng(0)


def dna(length: int) -> str:
    return "".join(RNG.choice(list("ACGT"), length))


def publish(entry: Entry, folder: Path, n: int = 40) -> Path:
    """Write ``n`` rows per split as this data set's source does; returns what --data-dir takes."""
    folder.mkdir(parents=True, exist_ok=True)
    length = min(entry.longest or 50, 50)
    family = entry.name.partition("-")[0]
    return {"deepstarr": _deepstarr, "nt": _fna, "gb": _folders, "dart": _dart, "table": _table}[family](
        entry, folder, n, length
    )


def _deepstarr(entry: Entry, folder: Path, n: int, length: int) -> Path:
    for part in ("Train", "Val", "Test"):
        regions = [dna(length) for _ in range(n // 2)]
        rows = [s for region in regions for s in (region, reverse_complement(region))]
        fasta = "".join(f">chr2L_{i}_{part}\n{s}\n" for i, s in enumerate(rows))
        (folder / f"Sequences_{part}.fa").write_text(fasta)
        values = "".join(f"{RNG.normal():.3f}\tx\t{'' if i == 0 else '1.5'}\n" for i in range(len(rows)))
        text = "Dev_log2_enrichment\tother\tHk_log2_enrichment\n" + values
        (folder / f"Sequences_activity_{part}.txt").write_text(text)
    return folder


def _fna(entry: Entry, folder: Path, n: int, length: int) -> Path:
    task = folder / entry.stems[0]
    task.mkdir()
    for split in ("train", "test"):
        rows = "".join(f">YBL0{i}W_{i}|{i % len(entry.classes)}\n{dna(length)}\n" for i in range(n))
        (task / f"{split}.fna").write_text(rows)
    return folder


def _folders(entry: Entry, folder: Path, n: int, length: int) -> Path:
    for split in ("train", "test"):
        for number in range(n):
            place = folder / split / entry.classes[number % len(entry.classes)]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.txt").write_text(dna(length))
    return folder


def _dart(entry: Entry, folder: Path, n: int, length: int) -> Path:
    chromosomes = ["chr1", "chr6", "chr22"] * n
    rows = [f"{c}\t{entry.classes[i % 5]}\t{dna(length)}" for i, c in enumerate(chromosomes)]
    (folder / f"{entry.stems[0]}.tsv").write_text("chr\tlabel\tsequence\n" + "\n".join(rows) + "\n")
    return folder


def _table(entry: Entry, folder: Path, n: int, length: int) -> Path:
    rows = "".join(f"{dna(length)}\t{i / 7:.3f}\t{('train', 'test')[i % 2]}\n" for i in range(2 * n))
    (folder / "mine.tsv").write_text("sequence\tvalue\tsplit\n" + rows)
    return folder / "mine.tsv"
