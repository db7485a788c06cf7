"""``l2g search``. Imports nothing slow: ``l2g --help`` reads this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.commands.options import (
    backbone_option,
    data_options,
    dropout_option,
    open_labelled,
    output_options,
    seed_option,
    width_option,
)
from l2g_core.console import device_option, result, writable_folder
from l2g_core.model.embedders import EMBEDDERS
from l2g_core.search.space import SPACES


@cloup.command()
@data_options
@output_options("Folder for search.json.")
@click.option(
    "--embedder",
    type=click.Choice(list(EMBEDDERS)),
    help="Search this family.  [default: the best after training each for one epoch]",
)
@click.option("--skip-choice", is_flag=True, help="Search unet, the default family, without trying the others.")
@width_option
@backbone_option
@dropout_option
@click.option(
    "--space",
    type=click.Choice(list(SPACES)),
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
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    default=0.1,
    show_default=True,
    help="Learning rate of the weights.",
)
@click.option(
    "--logit-lr",
    type=click.FloatRange(0, min_open=True),
    default=0.05,
    show_default=True,
    help="Learning rate of the logits.",
)
@seed_option
@device_option
@click.pass_obj
def search(shown: bool, table: Path, output: Path, **given: Any) -> None:
    """Find the CNN that reads this DNA best: architecture search, stage 1 of L2G.

    TABLE is as for l2g finetune. Each embedder family is trained for one epoch; for the one with the best validation
    score, the kernel size and dilation of every convolution are searched. The result is search.json (for --search of
    the later stages) and a picture of the search, search.svg. A finished search with the same settings and data is
    not repeated.
    """
    from l2g_core.evaluation.labels import output_names
    from l2g_core.model.config import L2GConfig
    from l2g_core.search.options import SearchOptions
    from l2g_core.search.stage import search as run

    data = open_labelled(table, given)
    config = L2GConfig(
        targets=output_names(data, given["task"]),
        sequence_length=data.data.longest,
        task=given["task"],
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
        metric=given.get("metric"),
        seed=given["seed"],
    )
    folder = writable_folder(output)
    found = run(
        data,
        config,
        folder,
        options,
        device=given["device"],
        resume=given["resume"],
        overwrite=given["overwrite"],
        shown=shown,
    )
    click.echo(f"embedder\t{found['embedder']}")
    for number, (kernel, dilation) in enumerate(found["operators"] or [], 1):
        click.echo(f"convolution {number}\tkernel {kernel}\tdilation {dilation}")
    result(output, f"l2g align {table} --output aligned --search {output}")
