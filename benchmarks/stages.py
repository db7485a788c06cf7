"""What the stages and the text model are worth on real data: one table per experiment.

    python benchmarks/stages.py --experiment deepstarr-small --data-dir FOLDER --output runs/stages

The same rows, splits and seed for all: the experiment as it is; with stage 1 in front of it; with random weights in
place of the pre-trained ones; without a transformer; and the DeepSTARR CNN, trained on the same rows for about as long
as the first took. The epoch with the best validation score is kept, then the test split is read once. Run it again to
go on after an interruption.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from l2g_core.console import together
from l2g_core.datasets import Labelled
from l2g_core.experiments.resolve import Experiment, resolve
from l2g_core.experiments.stages import config_of, train, without_test
from l2g_core.finetune.options import FinetuneOptions
from l2g_core.finetune.stage import finetune
from l2g_core.model.deepstarr import DeepSTARR, DeepSTARRConfig
from l2g_core.runs.files import write_json

EXPERT = FinetuneOptions(batch_size=128, new_learning_rate=2e-3, weight_decay=0.0, warmup_epochs=0.0)
VARIANTS = {  # name: folder, what is set
    "L2G": ("l2g", ("stages.search=false",)),
    "L2G, operators searched": ("searched", ("stages.search=true",)),
    "L2G, random transformer": ("random", ("stages.search=false", "model.backbone_pretrained=false")),
    "L2G, no transformer": ("none", ("stages.search=false", "model.backbone_training=none")),
}
CNN = "DeepSTARR CNN"


experiment_options = together(
    click.option("--experiment", required=True, help="See 'l2g experiments'."),
    click.option("--data-dir", required=True, type=click.Path(exists=True, path_type=Path)),
    click.option("--output", required=True, type=click.Path(path_type=Path)),
    click.option("--set", "flags", multiple=True, metavar="SECTION.KEY=VALUE", help="As for 'l2g train'."),
    click.option("--threads", type=int, help="[default: torch's own]"),
)


@click.command()
@experiment_options
def main(experiment: str, data_dir: Path, output: Path, flags: tuple[str, ...], threads: int | None) -> None:
    """Train all five, and print validation and test scores with the seconds taken."""
    if threads:
        torch.set_num_threads(threads)

    def resolved(*more: str) -> Experiment:
        return resolve(experiment, (*flags, *more), data_dir=str(data_dir))

    rows = {}
    for name, (folder, settings) in VARIANTS.items():
        rows[name] = run(output / experiment / folder, resolved(*settings))
    rows[CNN] = expert(output / experiment / "cnn", resolved(), rows["L2G"]["seconds"])
    print_table(rows)


def run(folder: Path, experiment: Experiment) -> dict[str, Any]:
    return timed(folder, lambda: train(experiment, folder, resume=folder.exists()))


def timed(folder: Path, work: Any) -> dict[str, Any]:
    """Scores and seconds, stored: what is finished is not run again."""
    path = folder / "timed.json"
    if not path.exists():
        start = time.monotonic()
        metrics = work()
        write_json(path, {"seconds": time.monotonic() - start} | {k: metrics[k] for k in ("metric", "val", "test")})
    return json.loads(path.read_text())


def expert(folder: Path, experiment: Experiment, seconds: float) -> dict[str, Any]:
    """The CNN for as many epochs as fit into the seconds, by the time of one."""
    data = experiment.open_data()
    config = config_of(experiment, data)

    def learn(rows: Labelled, place: Path, epochs: int) -> dict[str, Any]:
        torch.manual_seed(0)
        model = DeepSTARR(DeepSTARRConfig(config.targets, config.sequence_length, config.task, ""))
        return finetune(model, rows, place, replace(EXPERT, epochs=epochs))

    def work() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as scratch:
            start = time.monotonic()
            learn(without_test(data), Path(scratch), 1)
            of_one = time.monotonic() - start
        return learn(data, folder, max(1, int(seconds / of_one)))

    folder.mkdir(parents=True, exist_ok=True)
    return timed(folder, work)


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    targets = list(next(iter(rows.values()))["test"])
    click.echo(f"| | {' | '.join(f'{s} {t}' for s in ('validation', 'test') for t in targets)} | seconds |")
    click.echo("|---" * (2 * len(targets) + 2) + "|")
    for name, row in rows.items():
        scores = " | ".join(f"{row[split][t]:.3f}" for split in ("val", "test") for t in targets)
        click.echo(f"| {name} | {scores} | {row['seconds']:.0f} |")


if __name__ == "__main__":
    main()
