"""``l2g evaluate`` and ``l2g export``: how good a checkpoint is on labelled sequences, as figures and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from l2g_core.commands.options import PATH
from l2g_core.console import device_option, progress, together, writable_file

if TYPE_CHECKING:
    from l2g_core.evaluation.evaluate import Evaluation

evaluation_options = together(
    click.option("--model", required=True, type=PATH, help="Checkpoint folder."),
    click.option(
        "--table", required=True, type=PATH, help="Sequences and labels, or a data set's name, as for finetune."
    ),
    click.option("--data-dir", type=PATH, help="Where --table names a data set: the folder or file that has it."),
    click.option("--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True),
    click.option("--metric", help="pcc, mcc, f1, accuracy, auroc, ...  [default: the task's own]"),
    click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Drew the validation split, if the table has none.",
    ),
    device_option,
)


@click.command()
@evaluation_options
@click.option("--output", type=PATH, help="JSON to write: the scores and what they mean.")
@click.pass_obj
def evaluate(shown: bool, output: Path | None, **given: Any) -> None:
    """Score a model on labelled sequences.

    One line per target: split, target, metric, score.
    """
    from l2g_core.runs.files import write_json

    if output:
        writable_file(output)
    found = evaluated(shown, **given)
    if output:
        write_json(output, found.as_json())
    for target, score in found.scores.items():
        click.echo(f"{found.split}\t{target}\t{found.metric}\t{'undefined' if score is None else f'{score:.4f}'}")


@click.command()
@evaluation_options
@click.option(
    "--output", required=True, type=PATH, help="File to write: .png, .svg or .pdf draws, .tsv has a row per sequence."
)
@click.pass_obj
def export(shown: bool, output: Path, **given: Any) -> None:
    """Set predictions beside what was observed, as a picture or as a table.

    \b
    Regression: predicted over observed, a panel per target.
    Classification: the confusion matrix.
    Several labels per sequence: ROC curves.
    """
    from l2g_core.evaluation.evaluate import write_predictions
    from l2g_core.evaluation.plots import draw_evaluation, picture_format

    as_table = writable_file(output).suffix.lower() == ".tsv"
    if not as_table:
        picture_format(output)
    found = evaluated(shown, **given)
    (write_predictions if as_table else draw_evaluation)(found, output)


def evaluated(
    shown: bool,
    *,
    model: Path,
    table: Path,
    data_dir: Path | None,
    split: str,
    metric: str | None,
    batch_size: int,
    seed: int,
    device: str | None,
) -> Evaluation:
    from l2g_core.console import out_of_memory_explained
    from l2g_core.datasets import open_dataset
    from l2g_core.evaluation.evaluate import evaluate as run
    from l2g_core.evaluation.labels import columns_of
    from l2g_core.evaluation.predict import default_device
    from l2g_core.model.checkpoint import load

    network = load(model)
    columns = columns_of(network.targets, network.config.task)
    data = open_dataset(str(table), data_dir=data_dir, targets=columns, seed=seed)
    network.to(device or default_device())
    rows = len(data) if split == "all" else data.splits.count(split)
    with out_of_memory_explained("--batch-size"):
        return run(
            network, data, split, metric, batch_size,
            track=lambda starts: progress(starts, "predicting (batches)", -(-rows // batch_size), shown),
        )  # fmt: skip
