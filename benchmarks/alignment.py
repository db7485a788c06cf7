"""What the alignment with text does to DNA, and what it costs: stage 2 with its MMD (alpha 1) and without (alpha 0).

    python benchmarks/alignment.py --experiment deepstarr-small --data-dir FOLDER --output runs/alignment

The same rows, embedder (its family's own operators), epochs and first weights for both, one pair per seed. MMD is
between the tokens of validation DNA and the text, in the epoch that is kept. Test rows are not read. Run it again to go
on after an interruption.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import click
import torch
from stages import experiment_options

from l2g_core.align.stage import align
from l2g_core.align.text import text_reference
from l2g_core.evaluation.evaluate import mean_score
from l2g_core.experiments.resolve import resolve
from l2g_core.experiments.stages import config_of, text_options, without_test

MOMENTS = ("before", "task_only", "after", "text_itself")


@click.command()
@experiment_options
@click.option("--alpha", "alphas", multiple=True, type=float, default=(0.0, 1.0), show_default=True)
@click.option("--seeds", default=3, show_default=True)
def main(
    experiment: str,
    data_dir: Path,
    output: Path,
    alphas: tuple[float, ...],
    seeds: int,
    flags: tuple[str, ...],
    threads: int | None,
) -> None:
    """Print validation score and MMD per alpha: mean and standard deviation over the seeds, and every pair."""
    if threads:
        torch.set_num_threads(threads)
    records: dict[float, list[dict[str, Any]]] = {alpha: [] for alpha in alphas}
    for seed in range(seeds):
        for alpha in alphas:
            folder = output / experiment / f"alpha-{alpha:g}-seed-{seed}"
            settings = (*flags, f"align.alpha={alpha}", f"align.seed={seed}")
            records[alpha].append(aligned(experiment, settings, data_dir, folder))
    print_table(records)


def aligned(experiment: str, flags: tuple[str, ...], data_dir: Path, folder: Path) -> dict[str, Any]:
    found = resolve(experiment, flags, data_dir=str(data_dir))
    data = found.open_data()
    config = config_of(found, data)
    text = text_reference(config.backbone, text_options(found), pretrained=config.backbone_pretrained)
    return align(config, without_test(data), text, folder, found.options("align"), resume=True)


def print_table(records: dict[float, list[dict[str, Any]]]) -> None:
    metric = next(iter(records.values()))[0]["metric"]
    click.echo(f"| alpha | validation {metric} | MMD {' | MMD '.join(MOMENTS)} | {metric} by seed |")
    click.echo("|---" * (len(MOMENTS) + 3) + "|")
    for alpha, of_alpha in records.items():
        scores = [mean_score(record["validation"]) for record in of_alpha]
        known = [score for score in scores if score is not None]
        spread = f"{statistics.mean(known):.3f} ± {statistics.stdev(known) if len(known) > 1 else 0:.3f}"
        distances = [
            " " if moment not in of_alpha[0]["mmd"] else f"{statistics.mean(r['mmd'][moment] for r in of_alpha):.3f}"
            for moment in MOMENTS
        ]
        each = ", ".join("undefined" if score is None else f"{score:.3f}" for score in scores)
        click.echo(f"| {alpha:g} | {spread} | {' | '.join(distances)} | {each} |")


if __name__ == "__main__":
    main()
