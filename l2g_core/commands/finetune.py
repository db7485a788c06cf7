"""``l2g finetune``: stage 3 on a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import cloup

from l2g_core.commands.options import (
    backbone_option,
    data_options,
    dropout_option,
    layers_option,
    open_labelled,
    output_options,
    print_scores,
    seed_option,
    tokens_option,
    weights_option,
    width_option,
)
from l2g_core.console import PATH, device_option, result
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


@cloup.command()
@data_options
@cloup.option_group(
    "Model",
    cloup.option("--search", type=PATH, help="Folder of 'l2g search': take embedder and operators from there."),
    cloup.option("--start", type=PATH, help="Folder of 'l2g align': take the embedder and its weights from there."),
    cloup.option("--embedder", type=click.Choice(list(EMBEDDERS)), default="unet", show_default=True),
    width_option,
    backbone_option,
    layers_option,
    weights_option,
    tokens_option,
    cloup.option(
        "--position-embeddings", is_flag=True, help="Add the language model's position embeddings to the tokens."
    ),
    cloup.option(
        "--backbone-training",
        type=click.Choice(get_args(Training)),
        default="full",
        show_default=True,
        help="full: train all of the language model; lora: low-rank adapters only; frozen: nothing of it; none: leave "
        "it out.",
    ),
    cloup.option("--lora-rank", type=click.IntRange(1), default=8, show_default=True),
    dropout_option,
)
@cloup.option_group(
    "Training",
    cloup.option("--epochs", type=click.IntRange(1), default=25, show_default=True),
    cloup.option("--batch-size", type=click.IntRange(2), default=64, show_default=True),
    cloup.option(
        "--lr",
        type=click.FloatRange(0, min_open=True),
        default=1e-5,
        show_default=True,
        help="Peak learning rate of the language model.",
    ),
    cloup.option(
        "--new-lr",
        type=click.FloatRange(0, min_open=True),
        default=1e-3,
        show_default=True,
        help="Peak learning rate of embedder, adapters and head.",
    ),
    cloup.option(
        "--warmup-epochs",
        type=click.FloatRange(0),
        help="Learning rate schedule: epochs of linear warm-up; then linear decay to 0.  [default: a fifth, at most 5]",
    ),
    cloup.option("--weight-decay", type=click.FloatRange(0), default=1e-5, show_default=True),
    cloup.option(
        "--clip",
        type=click.FloatRange(0),
        default=1.0,
        show_default=True,
        help="Gradient clipping: largest norm; 0 for none.",
    ),
    cloup.option("--augment/--no-augment", default=True, help="Shift by up to 3 bp and reverse-complement at random."),
    cloup.option(
        "--metric", help="Select the best epoch by pcc, mcc, f1, accuracy or auroc.  [default: the task's own]"
    ),
    cloup.option(
        "--patience", type=click.IntRange(1), help="Early stopping: stop after this many epochs without a better score."
    ),
    seed_option,
)
@cloup.option_group(
    "Speed",
    device_option,
    cloup.option(
        "--precision",
        type=click.Choice(get_args(Precision)),
        help="Mixed precision of the training step.  [default: bf16 on a GPU that supports it, fp32 elsewhere]",
    ),
    cloup.option("--compile", is_flag=True, help="Compile the model first (torch.compile)."),
)
@output_options("Checkpoint folder to write.")
@click.option("--tensorboard", is_flag=True, help="Write event files to OUTPUT/events.")
@click.pass_context
def finetune(ctx: click.Context, table: Path, output: Path, **given: Any) -> None:
    """Train a model on a table of sequences and measurements.

    TABLE is TSV or CSV (gzipped or not) with a header: a column 'sequence', one numeric column per target (blank or
    NA = not measured) or one of classes in words, and optionally 'id' and 'split' (train, val, test). The best epoch
    on val is kept; test is read once, at the end.
    """
    import torch

    from l2g_core.evaluation.kmers import kmer_scores
    from l2g_core.evaluation.labels import check_labels
    from l2g_core.finetune.stage import finetune as train
    from l2g_core.finetune.start import start_model

    data = open_labelled(table, given)
    config = _config(data, given)
    check_labels(data, config.task, len(config.targets))  # before a language model is looked for
    torch.manual_seed(given["seed"])
    model = start_model(config, _chosen(ctx), search=given["search"], start=given["start"])
    metrics = train(
        model, data, output, _options(given),
        device=given["device"], resume=given["resume"], overwrite=given["overwrite"], shown=ctx.obj,
        tensorboard=given["tensorboard"],
    )  # fmt: skip
    print_scores(metrics, kmer_scores(data, ("val", "test"), config.task, metrics["metric"]))
    result(output, f"l2g-interp run --model {output} --fasta enhancers.fa --output report")


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
    """The model's settings that were given on the command line."""
    asked = click.core.ParameterSource.COMMANDLINE
    return {field for option, field in SETTINGS.items() if ctx.get_parameter_source(option) is asked}
