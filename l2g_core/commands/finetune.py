"""``l2g finetune``: stage 3 on a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from l2g_core.commands.options import PATH, data_options, network_options, open_labelled, run_options, token_options
from l2g_core.model.config import Training
from l2g_core.model.embedders import EMBEDDERS
from l2g_core.training.options import Precision

if TYPE_CHECKING:
    from l2g_core.datasets import Labelled
    from l2g_core.finetune.options import FinetuneOptions
    from l2g_core.model.config import L2GConfig

SETTINGS = {  # of the model: option -> field of L2GConfig
    "embedder": "embedder",
    "embedder_width": "embedder_width",
    "tokens": "target_tokens",
    "position_embeddings": "position_embeddings",
    "backbone": "backbone",
    "layers": "backbone_layers",
    "backbone_training": "backbone_training",
    "lora_rank": "lora_rank",
    "dropout": "dropout",
    "task": "task",
}
TRAINING = {  # of the training: option -> field of FinetuneOptions
    "epochs": "epochs",
    "batch_size": "batch_size",
    "lr": "learning_rate",
    "new_lr": "new_learning_rate",
    "weight_decay": "weight_decay",
    "clip": "clip",
    "augment": "augment",
    "metric": "metric",
    "patience": "patience",
    "precision": "precision",
    "compile": "compile",
    "seed": "seed",
}


@click.command()
@data_options
@click.option("--output", required=True, type=PATH, help="Checkpoint folder to write.")
@click.option("--search", type=PATH, help="Folder of 'l2g search': embedder and operators from there.")
@click.option("--start", type=PATH, help="Folder of 'l2g align': the embedder with its weights from there.")
@click.option("--embedder", type=click.Choice(list(EMBEDDERS)), default="unet", show_default=True)
@network_options
@token_options
@click.option(
    "--backbone-training",
    type=click.Choice(get_args(Training)),
    default="full",
    show_default=True,
    help="lora: low-rank adapters only; none: leave the language model out.",
)
@click.option("--lora-rank", type=click.IntRange(1), default=8, show_default=True)
@click.option("--position-embeddings", is_flag=True, help="Add the language model's own to the tokens.")
@click.option("--epochs", type=click.IntRange(1), default=25, show_default=True)
@click.option("--batch-size", type=click.IntRange(2), default=64, show_default=True)
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    default=1e-5,
    show_default=True,
    help="Peak learning rate of the language model.",
)
@click.option(
    "--new-lr",
    type=click.FloatRange(0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Peak learning rate of embedder, adapters and head.",
)
@click.option(
    "--warmup-epochs",
    type=click.FloatRange(0),
    help="Epochs until the learning rate is at its peak; then it falls to 0.  [default: a fifth, at most 5]",
)
@click.option("--weight-decay", type=click.FloatRange(0), default=1e-5, show_default=True)
@click.option(
    "--clip", type=click.FloatRange(0), default=1.0, show_default=True, help="Largest norm of the gradients; 0: any."
)
@click.option("--augment/--no-augment", default=True, help="Shift by up to 3 bp and reverse-complement at random.")
@click.option("--metric", help="Choose the epoch by it: pcc, mcc, f1, accuracy, auroc.  [default: the task's own]")
@click.option("--patience", type=click.IntRange(1), help="Stop after so many epochs without a better score.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="Of the training step.  [default: bf16 on a GPU that has it, fp32 elsewhere]",
)
@click.option("--compile", is_flag=True, help="Compile the model first (torch.compile).")
@click.option("--tensorboard", is_flag=True, help="Write event files to OUTPUT/events.")
@run_options
@click.pass_context
def finetune(ctx: click.Context, table: Path, output: Path, **given: Any) -> None:
    """Train a model on a table of sequences and measurements.

    TABLE is TSV or CSV (gzipped or not) with a header: a column 'sequence', one numeric column per target (blank =
    not measured), and optionally 'id' and 'split' (train, val, test). The best epoch on val is kept; test is read
    once, at the end.
    """
    import torch

    from l2g_core.finetune.stage import finetune as train
    from l2g_core.finetune.start import start_model

    data = open_labelled(table, given)
    config = _config(data, given)
    torch.manual_seed(given["seed"])
    model = start_model(config, _chosen(ctx), search=given["search"], start=given["start"])
    metrics = train(
        model, data, output, _options(given),
        device=given["device"], resume=given["resume"], shown=ctx.obj, tensorboard=given["tensorboard"],
    )  # fmt: skip
    for split in ("val", "test"):
        for target, score in metrics.get(split, {}).items():
            shown_score = "undefined" if score is None else f"{score:.4f}"
            click.echo(f"{split}\t{target}\t{metrics['metric']}\t{shown_score}")


def _config(data: Labelled, given: dict[str, Any]) -> L2GConfig:
    from l2g_core.evaluation.labels import output_names
    from l2g_core.model.config import L2GConfig

    return L2GConfig(
        targets=output_names(data, given["task"]),
        sequence_length=data.data.longest,
        backbone_pretrained=given["weights"] == "pretrained",
        backbone_seed=given["seed"],
        lora_alpha=2.0 * given["lora_rank"],
        **{field: given[option] for option, field in SETTINGS.items()},
    )


def _options(given: dict[str, Any]) -> FinetuneOptions:
    from l2g_core.finetune.options import FinetuneOptions

    warmup = given["warmup_epochs"]
    return FinetuneOptions(
        warmup_epochs=min(5.0, given["epochs"] / 5) if warmup is None else warmup,
        **{field: given[option] for option, field in TRAINING.items()},
    )


def _chosen(ctx: click.Context) -> set[str]:
    """The model's settings that were asked for on the command line."""
    asked = click.core.ParameterSource.COMMANDLINE
    return {field for option, field in SETTINGS.items() if ctx.get_parameter_source(option) is asked}
