"""The commands that go on after a kill: how to call them with so little data that it takes a second or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from counting_model import ACTIVATOR, PALINDROME

from l2g_interp.demo.made_up import make_planted_sequences

TOML = """
[data]
name = "{table}"
[model]
embedder = "deepsea"
embedder_width = 4
target_tokens = 8
backbone = "minilm"
backbone_layers = 1
[search]
embedder = "deepsea"
epochs = 2
fraction = 0.5
batch_size = 32
[text]
per_tag = 10
[align]
epochs = 3
n_points = 16
[finetune]
epochs = 2
warmup_epochs = 1.0
"""
SMALL = ("--backbone", "minilm", "--embedder-width", 4, "--device", "cpu", "--seed", 3)
RUN = (
    "--model", "counting_model:build", "--targets", "act", "--references", 3, "--batch-size", 64, "--database",
    "core-promoter", "--backgrounds", 10, "--copies", 1, "--tracks", 2, "--seed", 3,
)  # fmt: skip
LONG: dict[str, Callable[[Path], list[object]]] = {
    "l2g-interp run --sensitivity standard": lambda data: [*RUN, "--fasta", data / "few.fa"],
    "l2g-interp run --sensitivity sensitive": lambda data: [*RUN, "--fasta", data / "many.fa"],  # there is a motif
    "l2g search": lambda data: [
        data / "t.tsv", "--embedder", "deepsea", "--epochs", 3, "--fraction", 0.5, "--batch-size", 32, *SMALL,
    ],
    "l2g align": lambda data: [
        data / "t.tsv", "--embedder", "deepsea", "--epochs", 4, "--layers", 1, "--points", 16, "--task-first", 0.5,
        "--tokens", 8, "--dropout", 0.1, *SMALL,
    ],
    "l2g finetune": lambda data: [
        data / "t.tsv", "--embedder", "deepsea", "--epochs", 4, "--layers", 1, "--tokens", 8, *SMALL,
    ],
    "l2g train": lambda data: [data / "t.toml", "--device", "cpu", "--seed", 3],
}  # fmt: skip


def write_small(folder: Path) -> None:
    """What the commands read: a table, an experiment on it, sequences."""
    made = make_planted_sequences(60, 60, seed=0)
    splits = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    rows = zip(made.sequences, made.activities["dev"], splits, strict=True)
    table = folder / "t.tsv"
    table.write_text("sequence\tdev\tsplit\n" + "".join(f"{s}\t{d:.4f}\t{split}\n" for s, d, split in rows))
    (folder / "t.toml").write_text(TOML.format(table=table))
    write_fasta(folder / "few.fa", 12, 60)
    write_fasta(folder / "many.fa", 240, 80)


def write_fasta(path: Path, n: int, length: int) -> None:
    """Random DNA; nine in ten have a site of the counting model's."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(n):
        letters = rng.choice(list("ACGT"), length)
        site = (ACTIVATOR, PALINDROME)[number % 2] if number % 10 else ""
        start = 20 + int(rng.integers(length - 50))
        letters[start : start + len(site)] = list(site)
        lines.append(f">s{number}\n{''.join(letters)}\n")
    path.write_text("".join(lines))
