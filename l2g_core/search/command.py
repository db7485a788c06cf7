"""``l2g search``. Imports nothing heavy: ``l2g --help`` reads this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from l2g_core.console import writable_folder


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for search.json.")
@click.option("--targets", help="Columns to learn, comma-separated.  [default: every numeric column]")
@click.option(
    "--task", type=click.Choice(["regression", "classification", "multilabel"]), default="regression", show_default=True
)
@click.option(
    "--embedder", help="Search this family (resnet, unet, deepsea).  [default: the best after one epoch of each]"
)
@click.option("--skip-choice", is_flag=True, help="Search unet, the default family, without trying the others.")
@click.option("--embedder-width", type=click.IntRange(1), help="Channels of the embedder.  [default: its family's own]")
@click.option(
    "--backbone",
    default="roberta-base",
    show_default=True,
    help="The language model that the embedder is for: it gives the width.",
)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.05, show_default=True)
@click.option(
    "--space",
    type=click.Choice(["short", "long"]),
    help="short: kernels 3,5,7,9,11 x dilations 1,3,5,7; long: 3,7,11,15,19 x 1,3,7,15.  [default: short up to 600 bp]",
)
@click.option("--epochs", type=click.IntRange(1), default=80, show_default=True)
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="Share of the training batches in each epoch.",
)
@click.option("--batch-size", type=click.IntRange(2), default=128, show_default=True)
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=0.1, show_default=True, help="Of the weights.")
@click.option(
    "--logit-lr", type=click.FloatRange(0, min_open=True), default=0.05, show_default=True, help="Of the logits."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--device", help="cpu, cuda, cuda:1, ...  [default: the GPU if there is one]")
@click.option("--resume", is_flag=True, help="Go on from the last finished epoch in --output.")
@click.pass_obj
def search(shown: bool, table: Path, output: Path, targets: str | None, task: str, **given: Any) -> None:
    """Find the CNN that reads this DNA best (stage 1 of L2G).

    TABLE is as for l2g finetune. Each embedder family is trained for one epoch, and of the one with the best
    validation score every convolution is searched for its kernel size and dilation. The result is search.json (for
    --search of the later stages) and a picture of the search, search.svg. A finished search with the same settings
    and data is not repeated.
    """
    from l2g_core.datasets import read_table
    from l2g_core.labels import class_names
    from l2g_core.model import L2GConfig
    from l2g_core.search.options import SearchOptions
    from l2g_core.search.stage import search as run

    data = read_table(table, targets.split(",") if targets else None, seed=given["seed"])
    config = L2GConfig(
        targets=class_names(data) if task == "classification" else data.targets,
        sequence_length=data.data.longest,
        task=task,  # type: ignore[arg-type]
        embedder_width=given["embedder_width"],
        backbone=given["backbone"],
        dropout=given["dropout"],
    )
    options = SearchOptions(
        embedder=given["embedder"] or (config.embedder if given["skip_choice"] else None),
        epochs=given["epochs"],
        fraction=given["fraction"],
        space=given["space"],
        batch_size=given["batch_size"],
        learning_rate=given["lr"],
        logit_learning_rate=given["logit_lr"],
        seed=given["seed"],
    )
    folder = writable_folder(output)
    result = run(data, config, folder, options, device=given["device"], resume=given["resume"], shown=shown)
    click.echo(f"embedder\t{result['embedder']}")
    for number, (kernel, dilation) in enumerate(result["operators"] or [], 1):
        click.echo(f"convolution {number}\tkernel {kernel}\tdilation {dilation}")
