"""``l2g-interp attribute``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from l2g_core.console import writable_file
from l2g_core.errors import InputError
from l2g_interp.commands.options import PATH, attribute_options


@click.command()
@attribute_options
@click.option("--output", required=True, type=PATH, help="attributions.h5 to write.")
@click.pass_obj
def attribute(shown: bool, output: Path, **given: Any) -> None:
    """Contribution of every base to each prediction, with the proof that they add up."""
    explain(writable_file(output), shown, given)


def explain(output: Path, shown: bool, given: dict[str, Any]) -> None:
    from l2g_core.dna import read_bed, read_fasta
    from l2g_interp.models import open_model
    from l2g_interp.pipeline.attribute import AttributeOptions, attribute_file
    from l2g_interp.run_folder import record

    if (given["fasta"] is None) == (given["bed"] is None) or (given["bed"] is None) != (given["genome"] is None):
        raise InputError("give --fasta, or --bed together with --genome")
    data = read_fasta(given["fasta"]) if given["fasta"] else read_bed(given["bed"], given["genome"], given["width"])
    if data.n_ambiguous:
        click.echo(f"{data.source}: {data.n_ambiguous} letters other than A, C, G, T become empty columns", err=True)
    targets = tuple(given["targets"].split(",")) if given["targets"] else None
    options = AttributeOptions(
        targets,
        given["references"],
        given["seed"],
        given["method"],
        given["strands"],
        given["batch_size"],
        given["on_missing"],
    )
    model = open_model(given["model"], data, options.strands, given["device"])
    summary = attribute_file(model, data, output, options, resume=given["resume"], shown=shown)
    record(output.parent, "attribute", summary)
