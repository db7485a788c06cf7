"""``l2g predict``."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import PATH, device_option, overwrite_option, progress, result, writable_file


@click.command()
@click.option("--model", required=True, type=PATH, help="Checkpoint folder, or its id on the Hugging Face Hub.")
@click.option("--fasta", required=True, type=PATH, help="Sequences, plain or gzipped.")
@click.option("--output", required=True, type=PATH, help="TSV to write: id, and one column per target.")
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True)
@device_option
@overwrite_option
@click.pass_obj
def predict(
    shown: bool, model: Path, fasta: Path, output: Path, batch_size: int, device: str | None, overwrite: bool
) -> None:
    """Predict every target for the sequences of a FASTA file."""
    from l2g_core.dna import check_lengths, read_fasta
    from l2g_core.evaluation.predict import default_device
    from l2g_core.evaluation.predict import predict as run
    from l2g_core.model.checkpoint import checkpoint_files, load
    from l2g_core.model.hub import local
    from l2g_core.runs.files import file_sha256, write_tsv
    from l2g_core.runs.identity import Identity, claim

    data = read_fasta(fasta)
    model = local(model)
    network = load(model)
    check_lengths(data, network.shortest, network.longest)
    output = writable_file(output)
    content = {"model": checkpoint_files(model), "sequences": file_sha256(fasta)}
    with claim(output, Identity("l2g predict", content), [output], overwrite=overwrite) as claimed:
        if not claimed.finished:
            network.to(device or default_device())
            n_batches = -(-len(data) // batch_size)
            outputs = run(
                network, data.sequences, network.longest, batch_size,
                track=lambda starts: progress(starts, "predicting (batches)", n_batches, shown),
            )  # fmt: skip
            rows = ((name, *(f"{value:.6g}" for value in row)) for name, row in zip(data.ids, outputs, strict=True))
            write_tsv(output, ("id", *network.targets), rows)
    result(output, f"l2g-interp run --model {model} --fasta {fasta} --output report")
