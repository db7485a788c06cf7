"""What every command that learns from labelled DNA asks about it: which, where, which targets, which task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from l2g_core.datasets import Labelled

TASKS = ("regression", "classification", "multilabel")


def data_options(command: Callable) -> Callable:
    """The argument TABLE, a table or the name of a data set, and the options about it."""
    path = click.Path(path_type=Path)
    for option in reversed(
        (
            click.argument("table", type=path),
            click.option(
                "--data-dir",
                type=path,
                help="Where TABLE is a data set's name: the folder or file that has it.  [default: the cache]",
            ),
            click.option("--targets", help="Columns to learn, comma-separated.  [default: every numeric column]"),
            click.option(
                "--task", type=click.Choice(TASKS), help="What to learn.  [default: the data set's, or regression]"
            ),
        )
    ):
        command = option(command)
    return command


def open_labelled(table: Path, given: dict[str, Any]) -> Labelled:
    """Open what was asked for; fills in the task (and a metric that was not given), which a data set knows."""
    from l2g_core.datasets import open_dataset

    targets = given["targets"].split(",") if given["targets"] else None
    data = open_dataset(str(table), data_dir=given["data_dir"], targets=targets, seed=given["seed"])
    given["task"] = given["task"] or data.task or "regression"
    if given["task"] == data.task:
        given["metric"] = given.get("metric") or data.metric
    return data
