"""Options that the commands of ``l2g`` share. Imports nothing slow: ``l2g --help`` reads this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import cloup

from l2g_core.console import PATH, overwrite_option, resume_option, together
from l2g_core.model.config import Task

if TYPE_CHECKING:
    from l2g_core.datasets import Labelled


data_options = together(
    click.argument("table", type=PATH),
    cloup.option_group(
        "Data",
        cloup.option(
            "--data-dir",
            type=PATH,
            help="If TABLE is a data set's name: the folder or file that has it.  [default: the cache]",
        ),
        cloup.option(
            "--targets",
            help="Columns to learn, comma-separated.  [default: all with numbers but ids, places and splits]",
        ),
        cloup.option(
            "--task",
            type=click.Choice(get_args(Task)),
            help="What to learn.  [default: the data set's; classification if in words; else regression]",
        ),
    ),
)
width_option = cloup.option(
    "--embedder-width", type=click.IntRange(1), help="Channels of the embedder.  [default: its family's own]"
)
backbone_option = cloup.option(
    "--backbone",
    default="roberta-base",
    show_default=True,
    help="Language model: a name, a Hugging Face id or a folder; 'minilm' works offline.",
)
dropout_option = cloup.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.05, show_default=True)
layers_option = cloup.option(
    "--layers", type=click.IntRange(1), help="Keep only this many of the language model's layers, from the first."
)
weights_option = cloup.option(
    "--weights", type=click.Choice(["pretrained", "random"]), default="pretrained", show_default=True
)
tokens_option = cloup.option(
    "--tokens", type=click.IntRange(1), default=512, show_default=True, help="At most this many tokens per sequence."
)
seed_option = cloup.option("--seed", type=click.IntRange(0), default=0, show_default=True)


def output_options(help_text: str) -> Callable:
    """``--output`` and what to do if it exists already."""
    return cloup.option_group(
        "Output",
        cloup.option("--output", required=True, type=PATH, help=help_text),
        resume_option,
        overwrite_option,
    )


def open_labelled(table: Path, given: dict[str, Any]) -> Labelled:
    """Open what was asked for and say what is learned; puts the task (and the data set's metric) into ``given``."""
    from l2g_core.datasets import open_dataset
    from l2g_core.datasets.labelled import tell_what_is_learned

    targets = [name.strip() for name in given["targets"].split(",")] if given["targets"] else None
    data = open_dataset(str(table), data_dir=given["data_dir"], targets=targets, seed=given["seed"])
    given["task"] = given["task"] or data.task or "regression"
    if given["task"] == data.task:
        given["metric"] = given.get("metric") or data.metric
    tell_what_is_learned(data, given["task"])
    return data


def print_scores(metrics: dict[str, Any], kmers: dict[str, dict[str, float | None]]) -> None:
    """Print validation and test scores, a line per target: split, target, metric, score, and what 6-mers reach."""
    for split in ("val", "test"):
        for target, score in metrics.get(split, {}).items():
            print_score(split, target, metrics["metric"], score, kmers)


def print_score(
    split: str, target: str, metric: str, score: float | None, kmers: dict[str, dict[str, float | None]]
) -> None:
    """Print one score, with that of the baseline of the same rows (`l2g_core.evaluation.kmers`) where there is one."""
    from l2g_core.evaluation.kmers import BASELINE

    beside = f"\t{BASELINE} {_in_digits(kmers[split][target])}" if split in kmers else ""
    click.echo(f"{split}\t{target}\t{metric}\t{_in_digits(score)}{beside}")


def _in_digits(score: float | None) -> str:
    return "undefined" if score is None else f"{score:.4f}"
