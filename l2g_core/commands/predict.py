"""``l2g predict``."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from l2g_core.console import (
    PATH,
    cluster_option,
    device_option,
    overwrite_option,
    progress,
    result,
    resume_option,
    workers_option,
    writable_file,
)


@click.command()
@click.option("--model", required=True, type=PATH, help="Checkpoint folder, or its id on the Hugging Face Hub.")
@click.option("--fasta", required=True, type=PATH, help="Sequences, plain or gzipped; any number.")
@click.option("--output", required=True, type=PATH, help="TSV to write: id, and one column per target.")
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True)
@device_option
@cluster_option
@workers_option
@resume_option
@overwrite_option
@click.pass_obj
def predict(
    shown: bool,
    model: Path,
    fasta: Path,
    output: Path,
    batch_size: int,
    device: str | None,
    cluster: str | None,
    workers: int | None,
    resume: bool,
    overwrite: bool,
) -> None:
    """Predict every target for the sequences of a FASTA file.

    \b
    l2g predict --model model --fasta enhancers.fa --output predictions.tsv
    l2g predict --model model --fasta genome_tiles.fa.gz --output predictions.tsv --cluster local
    """
    from l2g_core.evaluation.predict import default_device, predict_batches, predict_on_cluster, telling_gaps
    from l2g_core.model.checkpoint import checkpoint_files, load
    from l2g_core.model.hub import local
    from l2g_core.runs.identity import Identity, claim
    from l2g_core.runs.lines import GrowingTable
    from l2g_core.sequence_files import check_lengths, open_fasta, sha256_of

    data = open_fasta(fasta)
    model = local(model)
    network = load(model)
    check_lengths(data, network.shortest, network.longest)
    output = writable_file(output)
    table = GrowingTable(output)
    identity = Identity("l2g predict", {"model": checkpoint_files(model), "sequences": sha256_of(data)})
    with claim(output, identity, [output], partial=[table.path], resume=resume, overwrite=overwrite) as claimed:
        if not claimed.finished:
            done = table.start(("id", *network.targets), batch_size)
            batches = islice(data.blocks(batch_size), done // batch_size, None)
            if cluster is None:
                found = predict_batches(network.to(device or default_device()), batches, network.longest)
            else:
                found = predict_on_cluster(cluster, workers, model, network, batches, device)
            n_batches = -(-len(data) // batch_size)
            for ids, outputs in progress(
                telling_gaps(found, str(fasta)), "predicting (batches)", n_batches, shown, done // batch_size
            ):
                table.append((name, *(f"{v:.6g}" for v in row)) for name, row in zip(ids, outputs, strict=True))
            table.finish()
    result(output, f"l2g-interp run --model {model} --fasta {fasta} --output report")
