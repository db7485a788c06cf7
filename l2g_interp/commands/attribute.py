"""``l2g-interp attribute``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import result, writable_file
from l2g_core.errors import InputError
from l2g_interp.commands.options import (
    attribution_options,
    cluster_options,
    model_options,
    output_options,
    sequence_options,
)


@cloup.command()
@model_options
@sequence_options
@attribution_options
@cluster_options
@output_options("attributions.h5 to write.", resumable=True)
@click.pass_obj
def attribute(shown: bool, output: Path, **given: Any) -> None:
    """Contribution of every base to each prediction, with a check that they add up (completeness).

    Of any number of sequences: they are read and written in blocks. An interrupted run goes on with --resume.

    \b
    l2g-interp attribute --model model --fasta enhancers.fa --output attributions.h5
    l2g-interp attribute --model model --bed peaks.bed --genome dm6.fa --output attributions.h5 --cluster local
    """
    explain(writable_file(output), shown, given)
    result(output, f"l2g-interp motifs --attributions {output} --output {output.parent}")


def explain(output: Path, shown: bool, given: dict[str, Any]) -> None:
    """Attribute, as the options say."""
    from l2g_core.sequence_files import open_bed, open_fasta
    from l2g_interp.models import open_model
    from l2g_interp.pipeline.attribute import AttributeOptions, attribute_file, check_sums
    from l2g_interp.pipeline.on_cluster import Cluster

    if (given["fasta"] is None) == (given["bed"] is None) or (given["bed"] is None) != (given["genome"] is None):
        raise InputError("give --fasta, or --bed together with --genome")
    if given["fasta"]:
        data = open_fasta(given["fasta"])
    else:
        data = open_bed(given["bed"], given["genome"], given["width"], given["on_edge"])
    if data.n_ambiguous:
        click.echo(f"{data.source}: {data.n_ambiguous} letters other than A, C, G, T become columns of zeros", err=True)
    options = AttributeOptions(
        targets=tuple(map(str.strip, given["targets"].split(","))) if given["targets"] else None,
        n_references=given["references"],
        n_controls=given["controls"],
        **{
            name: given[name]
            for name in ("seed", "stability", "control_variate", "method", "strands", "batch_size", "on_missing")
        },
    )
    adapted = {"output": given["model_output"], "layout": given["layout"]}
    model = open_model(given["model"], data, options.strands, given["device"], **adapted)
    cluster = Cluster(given["cluster"], given["workers"], given["device"]) if given.get("cluster") else None
    attribute_file(
        model, data, output, options, resume=given["resume"], overwrite=given["overwrite"], shown=shown, cluster=cluster
    )  # fmt: skip
    if given["strict"]:
        check_sums(output)
