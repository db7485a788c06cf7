"""Options that the commands of ``l2g`` share. Imports nothing heavy: ``l2g --help`` reads this file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from l2g_core.console import device_option, together
from l2g_core.model.config import Task

if TYPE_CHECKING:
    from l2g_core.datasets import Labelled

PATH = click.Path(path_type=Path)

data_options = together(
    click.argument("table", type=PATH),
    click.option(
        "--data-dir",
        type=PATH,
        help="Where TABLE is a data set's name: the folder or file that has it.  [default: the cache]",
    ),
    click.option("--targets", help="Columns to learn, comma-separated.  [default: every numeric column]"),
    click.option(
        "--task", type=click.Choice(get_args(Task)), help="What to learn.  [default: the data set's, or regression]"
    ),
)

network_options = together(
    click.option(
        "--embedder-width", type=click.IntRange(1), help="Channels of the embedder.  [default: its family's own]"
    ),
    click.option(
        "--backbone",
        default="roberta-base",
        show_default=True,
        help="Language model: a name, a Hugging Face id or a folder; 'minilm' works offline.",
    ),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.05, show_default=True),
)

token_options = together(
    click.option("--layers", type=click.IntRange(1), help="Keep only the first layers of the language model."),
    click.option("--weights", type=click.Choice(["pretrained", "random"]), default="pretrained", show_default=True),
    click.option(
        "--tokens", type=click.IntRange(1), default=512, show_default=True, help="At most so many tokens per sequence."
    ),
)

run_options = together(
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    device_option,
    click.option("--resume", is_flag=True, help="Go on from the last finished epoch in --output."),
)


def open_labelled(table: Path, given: dict[str, Any]) -> Labelled:
    """Open what was asked for; fills in the task (and a metric that was not given), which a data set knows."""
    from l2g_core.datasets import open_dataset

    targets = given["targets"].split(",") if given["targets"] else None
    data = open_dataset(str(table), data_dir=given["data_dir"], targets=targets, seed=given["seed"])
    given["task"] = given["task"] or data.task or "regression"
    if given["task"] == data.task:
        given["metric"] = given.get("metric") or data.metric
    return data
