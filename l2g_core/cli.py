"""The ``l2g`` command: train models on DNA and predict with them. Heavy imports wait until a command needs them."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.align.command import align
from l2g_core.console import Program, progress, set_up_logging, writable_file, writable_folder
from l2g_core.search.command import search


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="l2g-interp")
@click.option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.pass_context
def main(ctx: click.Context, quiet: bool) -> None:
    """Train Language-to-Genome models on DNA, and predict with them.

    \b
    A first model from a table with columns 'sequence' and one per measured value:
        l2g finetune activity.tsv --output model --backbone minilm
        l2g predict --model model --fasta enhancers.fa --output predictions.tsv
    Then explain it:  l2g-interp run --model model --fasta enhancers.fa --output report
    """
    ctx.obj = not quiet
    set_up_logging(verbose=not quiet)


main.add_command(search)
main.add_command(align)


@main.command("import-deepstarr")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Checkpoint folder to write.")
def import_deepstarr(weights: Path, output: Path) -> None:
    """Turn the published DeepSTARR network into a checkpoint.

    WEIGHTS is deepstarr.model.h5 of Zenodo record 5502060.
    """
    from l2g_core.baselines.deepstarr import import_keras

    model = import_keras(weights)
    model.save_pretrained(writable_folder(output))


@main.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Checkpoint folder to write.")
@click.option("--targets", help="Columns to learn, comma-separated.  [default: every numeric column]")
@click.option(
    "--task", type=click.Choice(["regression", "classification", "multilabel"]), default="regression", show_default=True
)
@click.option("--embedder", type=click.Choice(["resnet", "unet", "deepsea", "orca"]), default="unet", show_default=True)
@click.option("--embedder-width", type=click.IntRange(1), help="Channels of the embedder.  [default: its family's own]")
@click.option(
    "--backbone",
    default="roberta-base",
    show_default=True,
    help="Language model: a name, a Hugging Face id or a folder; 'minilm' works offline.",
)
@click.option("--layers", type=click.IntRange(1), help="Keep only the first layers of the language model.")
@click.option("--weights", type=click.Choice(["pretrained", "random"]), default="pretrained", show_default=True)
@click.option(
    "--backbone-training",
    type=click.Choice(["full", "frozen", "none"]),
    default="full",
    show_default=True,
    help="none: leave the language model out.",
)
@click.option(
    "--tokens", type=click.IntRange(1), default=512, show_default=True, help="At most so many tokens per sequence."
)
@click.option("--epochs", type=click.IntRange(1), default=25, show_default=True)
@click.option("--batch-size", type=click.IntRange(2), default=64, show_default=True)
@click.option("--lr", type=float, default=1e-5, show_default=True, help="Peak learning rate of the language model.")
@click.option("--new-lr", type=float, default=1e-3, show_default=True, help="Peak learning rate of embedder and head.")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.05, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", help="cpu, cuda, cuda:1, ...  [default: the GPU if there is one]")
@click.option("--resume", is_flag=True, help="Go on from the last finished epoch in --output.")
@click.pass_obj
def finetune(shown: bool, table: Path, output: Path, targets: str | None, task: str, **given) -> None:
    """Train a model on a table of sequences and measurements.

    TABLE is TSV or CSV (gzipped or not) with a header: a column 'sequence', one numeric column per target (blank =
    not measured), and optionally 'id' and 'split' (train, val, test). The best epoch on val is kept; test is read
    once, at the end.
    """
    import torch

    from l2g_core.datasets import read_table
    from l2g_core.finetune import FinetuneOptions
    from l2g_core.finetune import finetune as train
    from l2g_core.model import L2G, L2GConfig

    data = read_table(table, targets.split(",") if targets else None, seed=given["seed"])
    names = _class_names(data) if task == "classification" else data.targets
    config = L2GConfig(
        targets=names,
        sequence_length=data.data.longest,
        task=task,  # type: ignore[arg-type]
        embedder=given["embedder"],
        embedder_width=given["embedder_width"],
        target_tokens=given["tokens"],
        backbone=given["backbone"],
        backbone_layers=given["layers"],
        backbone_pretrained=given["weights"] == "pretrained",
        backbone_training=given["backbone_training"],
        dropout=given["dropout"],
    )
    options = FinetuneOptions(
        epochs=given["epochs"],
        batch_size=given["batch_size"],
        learning_rate=given["lr"],
        new_learning_rate=given["new_lr"],
        warmup_epochs=min(5.0, given["epochs"] / 5),
        seed=given["seed"],
    )
    torch.manual_seed(given["seed"])
    folder = writable_folder(output)
    metrics = train(L2G(config), data, folder, options, device=given["device"], resume=given["resume"], shown=shown)
    for split in ("val", "test"):
        for target, score in metrics.get(split, {}).items():
            click.echo(f"{split}\t{target}\t{metrics['metric']}\t{score:.4f}")


def _class_names(data) -> tuple[str, ...]:
    from l2g_core.errors import InputError

    classes = sorted(set(data.labels[:, 0].tolist()))
    if len(classes) < 2 or classes != list(range(len(classes))):
        raise InputError(
            f"{data.data.source}: column {data.targets[0]!r} has the classes {classes[:5]}; "
            "classification takes 0, 1, 2, ... and at least two of them"
        )
    return tuple(f"{data.targets[0]}={int(c)}" for c in classes)


@main.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Checkpoint folder.")
@click.option("--fasta", required=True, type=click.Path(path_type=Path), help="Sequences, plain or gzipped.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="TSV to write: id, one column per target."
)
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True)
@click.option("--device", help="cpu, cuda, cuda:1, ...  [default: the GPU if there is one]")
@click.pass_obj
def predict(shown: bool, model: Path, fasta: Path, output: Path, batch_size: int, device: str | None) -> None:
    """Predict every target for the sequences of a FASTA file."""
    from l2g_core.checkpoint import load
    from l2g_core.dna import check_lengths, read_fasta
    from l2g_core.files import whole
    from l2g_core.predict import default_device
    from l2g_core.predict import predict as run

    data = read_fasta(fasta)
    network = load(model)
    check_lengths(data, network.shortest, network.longest)
    output = writable_file(output)
    network.to(device or default_device())
    n_batches = -(-len(data) // batch_size)
    outputs = run(
        network, data.sequences, network.longest, batch_size,
        track=lambda starts: progress(starts, "predicting (batches)", n_batches, shown),
    )  # fmt: skip
    with whole(output) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        handle.write("\t".join(("id", *network.targets)) + "\n")
        for name, row in zip(data.ids, outputs, strict=True):
            handle.write("\t".join((name, *(f"{value:.6g}" for value in row))) + "\n")
