"""``l2g evaluate``: how good a checkpoint is on labelled sequences."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import progress, writable_file

PATH = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, type=PATH, help="Checkpoint folder.")
@click.option("--table", required=True, type=PATH, help="Sequences and labels, as for finetune.")
@click.option("--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True)
@click.option("--metric", help="pcc, mcc, f1, accuracy, auroc, ...  [default: the task's own]")
@click.option("--output", type=PATH, help="JSON to write: the scores and what they mean.")
@click.option("--picture", type=PATH, help="PNG, SVG or PDF to write: predicted beside observed.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Drew the validation split, if the table has none."
)
@click.option("--device", help="cpu, cuda, cuda:1, ...  [default: the GPU if there is one]")
@click.pass_obj
def evaluate(
    shown: bool,
    model: Path,
    table: Path,
    split: str,
    metric: str | None,
    output: Path | None,
    picture: Path | None,
    batch_size: int,
    seed: int,
    device: str | None,
) -> None:
    """Score a model on labelled sequences, and draw predicted beside observed.

    One line per target: split, target, metric, score.
    """
    from l2g_core.checkpoint import load
    from l2g_core.console import out_of_memory_explained
    from l2g_core.datasets import read_table
    from l2g_core.evaluate import evaluate as run
    from l2g_core.files import write_json
    from l2g_core.labels import columns_of
    from l2g_core.picture import draw_evaluation, picture_format
    from l2g_core.predict import default_device

    if picture:
        picture_format(writable_file(picture))
    if output:
        writable_file(output)
    network = load(model)
    data = read_table(table, columns_of(network.targets, network.config.task), seed=seed)
    network.to(device or default_device())
    rows = len(data) if split == "all" else data.splits.count(split)
    with out_of_memory_explained("--batch-size"):
        found = run(
            network, data, split, metric, batch_size,
            track=lambda starts: progress(starts, "predicting (batches)", -(-rows // batch_size), shown),
        )  # fmt: skip
    if output:
        write_json(output, found.as_json())
    if picture:
        draw_evaluation(found, picture)
    for target, score in found.scores.items():
        click.echo(f"{split}\t{target}\t{found.metric}\t{'undefined' if score is None else f'{score:.4f}'}")
