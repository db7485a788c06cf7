"""How memory, disk and rate go with the number of sequences: 'attribute' and 'predict' on random DNA.

    python benchmarks/scale.py --output runs/scale --sizes 1000,10000,100000

A small CNN (two convolutions, two targets, 249 bp) is explained against 2 references; the DeepSTARR network, with
random weights, predicts. Each command runs in a process of its own, of which the system says how much memory it took
at most. Disk is what lies in its folder at most while it runs, beside the size of the result. Run it again to go on
after an interruption: finished rows are read from ``scale.jsonl``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import torch
from torch import nn

LENGTH = 249
COLUMNS = ("command", "sequences", "peak memory (MB)", "disk at most (MB)", "result (MB)", "sequences a second")


class SmallCNN(nn.Sequential):
    """Two convolutions and the mean over positions; of any length."""

    targets = ("dev", "hk")
    shortest, longest = 20, LENGTH

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(
            nn.Conv1d(4, 32, 9, padding=4), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(32, 32, 5, padding=2), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 2),
        )  # fmt: skip


class LongCNN(SmallCNN):
    """The same for sequences of 50 kb."""

    longest = 50_000


@click.command()
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for data, results and table.")
@click.option("--sizes", default="1000,10000,100000", show_default=True, help="Numbers of sequences.")
@click.option("--commands", default="attribute,predict", show_default=True)
@click.option("--cluster", help="As of 'l2g-interp attribute'.")
@click.option("--keep", is_flag=True, help="Keep results and sequences.")
def main(output: Path, sizes: str, commands: str, cluster: str | None, keep: bool) -> None:
    """Run each command on each number of sequences, and print the table."""
    output.mkdir(parents=True, exist_ok=True)
    store = output / "scale.jsonl"
    rows = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    done = {(row["command"], row["sequences"]) for row in rows}
    for size in map(int, sizes.split(",")):
        for name in commands.split(","):
            label = name if cluster is None else f"{name} --cluster {cluster}"
            if (label, size) not in done:
                rows.append(measured(output, name, label, size, cluster, keep))
                with store.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print_table(rows)


def measured(output: Path, name: str, label: str, size: int, cluster: str | None, keep: bool) -> dict:
    """Run one command, and say what it took."""
    folder = output / f"{name}-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    fasta = output / f"{size}.fa"
    if not fasta.exists():
        write_fasta(fasta, size)
    result = folder / ("a.h5" if name == "attribute" else "p.tsv")
    given = [*arguments(name, output), "--fasta", str(fasta), "--output", str(result), "--device", "cpu"]
    given += [] if cluster is None else ["--cluster", cluster]
    peak, most, seconds = watched(given, folder)
    row = dict(zip(COLUMNS, (label, size, peak, most, result.stat().st_size / 1e6, size / seconds), strict=True))
    if not keep:
        shutil.rmtree(folder)
        fasta.unlink()
    return row


def arguments(name: str, output: Path) -> list[str]:
    if name == "attribute":
        return ["l2g_interp", name, "--model", "scale:SmallCNN", "--references", "2"]
    return ["l2g_core", name, "--model", str(checkpoint(output))]


def checkpoint(output: Path) -> Path:
    """The DeepSTARR network with random weights."""
    from l2g_core.model.deepstarr import DeepSTARR, DeepSTARRConfig

    folder = output / "deepstarr"
    if not folder.exists():
        torch.manual_seed(0)
        DeepSTARR(DeepSTARRConfig(("dev", "hk"))).save_pretrained(folder)
    return folder


def write_fasta(path: Path, n: int, length: int = LENGTH) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for i in range(n):
            file.write(
                b">sequence_%d\n%s\n" % (i, np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, length)].tobytes())
            )


def watched(given: list[str], folder: Path) -> tuple[float, float, float]:
    """Peak memory (MB), most bytes in the folder (MB) and seconds of a command; it must succeed."""
    program, *rest = given
    code = f"from {program}.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])}
    began, most = time.monotonic(), 0
    process = subprocess.Popen([sys.executable, "-c", code, *rest], env=environment)
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        most = max(most, sum(sizes_in(folder)))
        if ended:
            break
        time.sleep(0.1)
    if status:
        raise SystemExit(f"{' '.join(rest)} failed")
    return usage.ru_maxrss / 1e3, most / 1e6, time.monotonic() - began


def sizes_in(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_size
        except FileNotFoundError:  # it was renamed or removed meanwhile
            continue


def print_table(rows: list[dict]) -> None:
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for row in sorted(rows, key=lambda row: (row["command"], row["sequences"])):
        numbers = [f"{row[name]:,.0f}" if row[name] >= 10 else f"{row[name]:.2g}" for name in COLUMNS[1:]]
        print("| " + " | ".join([row["command"], *numbers]) + " |")


if __name__ == "__main__":
    main()
