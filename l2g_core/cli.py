"""The ``l2g`` command: train models on DNA and predict with them. Heavy imports wait until a command needs them."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.align.command import align
from l2g_core.console import Program, device_option, progress, set_up_logging, writable_file, writable_folder
from l2g_core.data_command import datasets, fetch
from l2g_core.evaluate_command import evaluate, export
from l2g_core.experiments.command import experiments
from l2g_core.finetune_command import finetune
from l2g_core.search.command import search
from l2g_core.train_command import train
from l2g_core.tune.command import tune


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


for command in (datasets, fetch, experiments, train, tune, search, align, finetune, evaluate, export):
    main.add_command(command)


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
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Checkpoint folder.")
@click.option("--fasta", required=True, type=click.Path(path_type=Path), help="Sequences, plain or gzipped.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="TSV to write: id, one column per target."
)
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True)
@device_option
@click.pass_obj
def predict(shown: bool, model: Path, fasta: Path, output: Path, batch_size: int, device: str | None) -> None:
    """Predict every target for the sequences of a FASTA file."""
    from l2g_core.checkpoint import load
    from l2g_core.dna import check_lengths, read_fasta
    from l2g_core.files import write_tsv
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
    rows = ((name, *(f"{value:.6g}" for value in row)) for name, row in zip(data.ids, outputs, strict=True))
    write_tsv(output, ("id", *network.targets), rows)
