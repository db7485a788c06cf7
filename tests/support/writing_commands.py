"""Every command of both programs that writes: how to call it with small data, and what it can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from click.testing import CliRunner, Result
from evidence_run import evidence_run, write_motifs
from small_training import model as small_model

from l2g_core.cli import main as l2g
from l2g_core.model.deepstarr import CONVOLUTIONS, KERAS_CONVOLUTIONS, KERAS_HEADS
from l2g_interp.cli import main as l2g_interp
from l2g_interp.demo.made_up import make_planted_sequences
from l2g_interp.exports.formats import FOLDERS, FORMATS

PROGRAMS = {"l2g": l2g, "l2g-interp": l2g_interp}
SMALL = ("--backbone", "minilm", "--embedder-width", 4, "--device", "cpu")
TOML = """
[data]
name = "{table}"
[model]
backbone = "minilm"
backbone_training = "none"
embedder = "orca"
embedder_width = 4
target_tokens = 15
[stages]
search = false
align = false
[finetune]
epochs = 1
warmup_epochs = 1.0
"""


@dataclass(frozen=True)
class Case:
    """How to call a command: with its usual data (``one``) or with the other, and which option changes a setting.

    ``output``: the name to write, with a suffix where it is a file. ``resumable``: it has ``--resume``.
    """

    arguments: Callable[[Path], list[object]]  # from the folder with one kind of data
    output: str
    setting: tuple[object, ...] = ()
    resumable: bool = False


def with_run(*more: object) -> Callable[[Path], list[object]]:
    return lambda data: ["--run", data / "run", *more]


COUNTER = ("--model", "counting_model:build")
CASES = {
    "l2g import-deepstarr": Case(lambda data: [data / "weights.h5"], "model"),
    "l2g predict": Case(lambda data: ["--model", data / "model", "--fasta", data / "x.fa"], "p.tsv", (), True),
    "l2g evaluate": Case(
        lambda data: ["--model", data / "model", "--table", data / "t.tsv"], "e.json", ("--split", "val")
    ),
    "l2g export": Case(
        lambda data: ["--model", data / "model", "--table", data / "t.tsv"], "e.tsv", ("--split", "val")
    ),
    "l2g search": Case(
        lambda data: [data / "t.tsv", "--embedder", "deepsea", "--epochs", 1, *SMALL], "out", ("--seed", 1), True
    ),
    "l2g align": Case(
        lambda data: [data / "t.tsv", "--embedder", "orca", "--epochs", 2, "--layers", 1, "--points", 8,
                      "--task-first", 0.5, "--cache", data / "cache", *SMALL],
        "out", ("--seed", 1), True,
    ),
    "l2g finetune": Case(
        lambda data: [data / "t.tsv", "--embedder", "orca", "--epochs", 1, "--backbone-training", "none", *SMALL],
        "out", ("--seed", 1), True,
    ),
    "l2g train": Case(lambda data: [data / "t.toml"], "out", ("--set", "finetune.weight_decay=0.5"), True),
    "l2g tune": Case(
        lambda data: [data / "t.toml", "--trials", 1], "out", ("--set", "finetune.weight_decay=0.5"), True
    ),
    "l2g-interp attribute": Case(
        lambda data: [*COUNTER, "--fasta", data / "x.fa", "--references", 3], "a.h5", ("--seed", 1), True
    ),
    "l2g-interp motifs": Case(
        lambda data: ["--attributions", data / "run" / "attributions.h5"], "out", ("--min-seqlets", 25), True,
    ),
    "l2g-interp match": Case(
        lambda data: ["--motifs", data / "run", "--database", "core-promoter"], "m.tsv", ("--matches", 2)
    ),
    "l2g-interp validate": Case(with_run(*COUNTER, "--backgrounds", 10, "--copies", 1), "v.tsv", ("--seed", 1)),
    "l2g-interp plant": Case(
        with_run(*COUNTER, "--backgrounds", 10, "--motif", "DRE", "--database", "core-promoter"), "p.tsv",
        ("--seed", 1),
    ),
    "l2g-interp hits": Case(with_run(), "h.tsv", ("--quantile", 0.2)),
    "l2g-interp pairs": Case(
        with_run(*COUNTER, "--backgrounds", 10, "--spacings", 5), "p.tsv", ("--seed", 1), True
    ),
    "l2g-interp remove": Case(with_run(*COUNTER, "--draws", 1), "l.tsv", ("--seed", 1), True),
    "l2g-interp variants": Case(
        lambda data: [*COUNTER, "--variants", data / "v.tsv", "--fasta", data / "x.fa", "--random", 5], "out",
        ("--seed", 1), True,
    ),
    "l2g-interp mutate": Case(with_run(*COUNTER, "--strongest", 2), "m.h5", ("--plain",), True),
    "l2g-interp sequence": Case(with_run(*COUNTER, "--sequence", "s0"), "s.html", ("--targets", "rep")),
    "l2g-interp report": Case(with_run("--tracks", 1), "r.html", ("--title", "Another title")),
    "l2g-interp run": Case(
        lambda data: [*COUNTER, "--fasta", data / "x.fa", "--references", 3, "--database", "core-promoter",
                      "--backgrounds", 10, "--copies", 1],
        "out", ("--seed", 1), True,
    ),
    "l2g-interp compare": Case(
        lambda data: [f"{data / 'run'}:act", f"{data / 'run'}:rep"], "c.html", ("--title", "Another title")
    ),
    **{
        f"l2g-interp export --format {kind}": Case(
            with_run("--format", kind), "out" if kind in FOLDERS else "out.x",
        )
        for kind in FORMATS if kind != "bigwig"  # needs coordinates; the same function
    },
}  # fmt: skip


def write_data(top: Path) -> Path:
    """Two folders, ``one`` and ``other``, with everything that a command reads; the same but for its content."""
    for number, name in enumerate(("one", "other")):
        folder = top / name
        folder.mkdir()
        made = make_planted_sequences(60, 60, seed=number)
        rows = zip(made.sequences, made.activities["dev"], ["train"] * 40 + ["val"] * 10 + ["test"] * 10, strict=True)
        table = "".join(f"{s}\t{d:.4f}\t{split}\n" for s, d, split in rows)
        (folder / "t.tsv").write_text("sequence\tdev\tsplit\n" + table)
        (folder / "t.toml").write_text(TOML.format(table=folder / "t.tsv"))
        (folder / "x.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(made.sequences[:12])))
        changes = "".join(
            f"s{i}\t9\t{s[8]}\t{'C' if s[8] == 'A' else 'A'}\n" for i, s in enumerate(made.sequences[:12])
        )
        (folder / "v.tsv").write_text("id\tposition\tref\talt\n" + changes)
        small_model(dropout=0.05 + 0.01 * number).save_pretrained(folder / "model")
        keras_weights(folder / "weights.h5", number)
        (folder / "run").mkdir()
        evidence_run(folder / "run", "--fasta", folder / "run" / "x.fa", "--seed", number)
        write_motifs(folder / "run", leave_out=number)
        invoke("l2g-interp hits", "--run", folder / "run")
    return top


def keras_weights(path: Path, seed: int) -> None:
    """Random weights in the layout of the published DeepSTARR network."""
    rng = np.random.default_rng(seed)
    flat, widths = CONVOLUTIONS[-1][1] * (249 // 2 ** len(CONVOLUTIONS)), [c[1] for c in CONVOLUTIONS]
    shapes = {f"{name}/kernel": (k, a, b) for name, (a, b, k) in zip(KERAS_CONVOLUTIONS, CONVOLUTIONS, strict=True)}
    shapes |= {"Dense_1/kernel": (flat, 256), "Dense_2/kernel": (256, 256)}
    shapes |= {f"{name}/kernel": (256, 1) for name in KERAS_HEADS}
    shapes |= {name.replace("kernel", "bias"): shape[-1:] for name, shape in shapes.items()}
    for number, width in enumerate([*widths, 256, 256], 1):
        for variable in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization_{number}/{variable}"] = (width,)
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            file[f"{name.partition('/')[0]}/{name}:0"] = rng.uniform(0.1, 1.0, shape).astype(np.float32)


def invoke(command: str, *arguments: object) -> Result:
    program, name, *options = command.split()
    return CliRunner().invoke(PROGRAMS[program], [name, *options, *map(str, arguments)])
