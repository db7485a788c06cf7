"""Dinucleotide shuffles per second: ``python benchmarks/shuffles.py``."""

from __future__ import annotations

import statistics
import time

import click
import numpy as np
import torch

from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles


@click.command()
@click.option("--sequences", default=100, show_default=True)
@click.option("--references", default=100, show_default=True, help="Shuffles of each.")
@click.option("--length", default=249, show_default=True)
@click.option("--repeats", default=7, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(sequences: int, references: int, length: int, repeats: int, threads: int) -> None:
    """Print the median time of all the shuffles, after a warm-up."""
    torch.set_num_threads(threads)
    letters = np.random.default_rng(0).integers(4, size=(sequences, length))
    x = np.ascontiguousarray(np.eye(4, dtype=np.int8)[letters].transpose(0, 2, 1))
    dinucleotide_shuffles(x[:2], 2, 0)
    seconds = []
    for seed in range(repeats):
        start = time.perf_counter()
        dinucleotide_shuffles(x, references, seed)
        seconds.append(time.perf_counter() - start)
    print(
        f"{sequences * references:,} shuffles of {length} bp: {statistics.median(seconds):.2f} s, {threads} thread(s)"
    )


if __name__ == "__main__":
    main()
