"""``l2g align``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
import cloup

from l2g_core.align.options import DISCREPANCIES, Points
from l2g_core.commands.options import (
    backbone_option,
    data_options,
    dropout_option,
    layers_option,
    open_labelled,
    output_options,
    seed_option,
    tokens_option,
    weights_option,
    width_option,
)
from l2g_core.console import PATH, device_option, result
from l2g_core.model.embedders import EMBEDDERS


@cloup.command()
@data_options
@output_options("Folder to write; give it to 'l2g finetune --start'.")
@click.option("--search", type=PATH, help="Folder of 'l2g search': take embedder and operators from there.")
@click.option("--embedder", type=click.Choice(list(EMBEDDERS)), help="[default: --search's, or unet]")
@width_option
@backbone_option
@dropout_option
@layers_option
@weights_option
@tokens_option
@click.option(
    "--text",
    default="vocabulary",
    show_default=True,
    help="Text to move towards: vocabulary (the language model's own words, no file needed), conll2003, jnlpba, or "
    "a file with one word and its tag (O, B-PER, I-PER) per line and a blank line after each sentence.",
)
@click.option("--text-dir", type=PATH, help="Where you keep conll2003 or jnlpba.")
@click.option("--per-tag", type=click.IntRange(1), default=350, show_default=True, help="Text tokens drawn per tag.")
@click.option(
    "--discrepancy",
    type=click.Choice(list(DISCREPANCIES)),
    default="mmd",
    show_default=True,
    help="How the distance from text is measured: kernels, or optimal transport between labelled sets (slower; "
    "labels as Gaussians or point by point).",
)
@click.option(
    "--dna-points",
    type=click.Choice(get_args(Points)),
    default="tokens",
    show_default=True,
    help="What is compared: single token vectors, or each sequence's mean.",
)
@click.option("--text-points", type=click.Choice(get_args(Points)), help="[default: as --dna-points]")
@click.option(
    "--points", type=click.IntRange(2), default=256, show_default=True, help="Points of each side compared in a step."
)
@click.option("--alpha", type=click.FloatRange(0), default=1.0, show_default=True, help="Weight of the discrepancy.")
@click.option("--beta", type=click.FloatRange(0), default=1.0, show_default=True, help="Weight of the task.")
@click.option("--epochs", type=click.IntRange(1), default=90, show_default=True)
@click.option(
    "--task-first",
    type=click.FloatRange(0, 1),
    default=2 / 3,
    show_default="two thirds",
    help="Share of the epochs that learn the task alone (alpha 0).",
)
@click.option("--batch-size", type=click.IntRange(2), default=64, show_default=True)
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=0.05, show_default=True)
@click.option("--momentum", type=click.FloatRange(0, 1, max_open=True), default=0.9, show_default=True)
@click.option("--cache", type=PATH, help="Where texts are kept.  [default: your user cache]")
@seed_option
@device_option
@click.pass_obj
def align(shown: bool, table: Path, output: Path, **given: Any) -> None:
    """Pre-train an embedder: learn the task, then resemble text (alignment, stage 2 of L2G).

    A language model that has only seen text makes more of DNA whose embeddings lie where those of words do. For the
    first two thirds of the epochs the embedder only learns the task of TABLE (as for l2g finetune); then it also moves
    its token vectors towards the language model's word embeddings, while still learning the task. The transformer is
    not run, so this is cheap.

    \b
        l2g align activity.tsv --output aligned --backbone minilm
        l2g finetune activity.tsv --output model --backbone minilm --start aligned

    Writes embedder.safetensors (of the epochs that align, the one with the lowest validation loss), align.json
    (settings, losses and scores per epoch, the discrepancy before and after) and embeddings.png (DNA and text, before
    and after). The test split is not read.
    """
    from l2g_core.align.options import TextOptions
    from l2g_core.align.stage import align as train
    from l2g_core.align.text import text_reference

    data, config = _task(table, given)
    options = _options(given)
    text = text_reference(
        given["backbone"],
        TextOptions(given["text"], given["per_tag"], given["text_points"] or given["dna_points"], given["seed"]),
        pretrained=config.backbone_pretrained,
        folder=given["text_dir"],
        cache=given["cache"],
    )
    record = train(
        config,
        data,
        text,
        output,
        options,
        device=given["device"],
        resume=given["resume"],
        overwrite=given["overwrite"],
        shown=shown,
    )
    for target, score in record["validation"].items():
        shown_score = "undefined" if score is None else f"{score:.4f}"
        click.echo(f"val\t{target}\t{record['metric']}\t{shown_score}")
    for when, value in record["mmd"].items():
        click.echo(f"mmd\t{when}\t{value:.4f}")
    result(output, f"l2g finetune {table} --output model --start {output}")


def _options(given: dict[str, Any]) -> Any:
    from l2g_core.align.options import AlignOptions

    names = ("alpha", "beta", "epochs", "task_first", "discrepancy", "dna_points", "batch_size", "momentum", "seed")
    return AlignOptions(
        **{name: given[name] for name in names},
        n_points=given["points"],
        learning_rate=given["lr"],
        metric=given.get("metric"),
    )


def _task(table: Path, given: dict[str, Any]) -> tuple[Any, Any]:
    """The data, and the architecture that stage 3 will train on it."""
    from l2g_core.evaluation.labels import output_names
    from l2g_core.model.config import L2GConfig

    data = open_labelled(table, given)
    embedder, operators = searched(given["search"], given["embedder"])
    config = L2GConfig(
        targets=output_names(data, given["task"]),
        sequence_length=data.data.longest,
        task=given["task"],
        embedder=embedder,
        embedder_width=given["embedder_width"],
        operators=operators,
        target_tokens=given["tokens"],
        backbone=given["backbone"],
        backbone_layers=given["layers"],
        backbone_pretrained=given["weights"] == "pretrained",
        backbone_seed=given["seed"],
        dropout=given["dropout"],
    )
    return data, config


def searched(folder: Path | None, embedder: str | None) -> tuple[str, tuple[tuple[int, int], ...] | None]:
    """Embedder and operators that stage 1 found; without its folder, the embedder asked for with default operators.

    Raises
    ------
    InputError
        There is no finished search, or it found an embedder other than the one asked for.
    """
    from l2g_core.errors import InputError
    from l2g_core.search.result import read_search

    if folder is None:
        return embedder or "unet", None
    family, operators = read_search(folder)
    if embedder not in (None, family):
        raise InputError(f"{folder}: the search chose {family!r} and --embedder says {embedder!r}; leave one out")
    return family, operators
