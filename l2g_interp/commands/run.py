"""``l2g-interp run``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import announce, writable_folder
from l2g_interp.commands.attribute import explain
from l2g_interp.commands.effects import doses_of, plant_motifs
from l2g_interp.commands.motifs import call, discover
from l2g_interp.commands.options import (
    attribution_options,
    backgrounds_option,
    copies_option,
    hit_options,
    match_options,
    model_options,
    motif_options,
    output_options,
    report_options,
    sequence_options,
)
from l2g_interp.commands.report import write

log = logging.getLogger(__name__)


@cloup.command()
@model_options
@sequence_options
@attribution_options
@motif_options
@match_options
@cloup.option_group(
    "Evidence",
    cloup.option("--no-validate", is_flag=True, help="Do not plant the motifs into shuffled sequences."),
    backgrounds_option,
    copies_option,
)
@hit_options
@report_options
@output_options("Folder to write.", resumable=True)
@click.pass_obj
def run(shown: bool, output: Path, **given: Any) -> None:
    """From a model and sequences to report.html: attribute, motifs, match, validate, hits and report."""
    from l2g_interp import pipeline, run_folder
    from motif_db import load
    from motif_db.expression import read_genes

    databases, motif_dir = given["databases"], given["motif_dir"]
    for name in databases:  # errors in these are reported now, not after the long part
        load(name, motif_dir=motif_dir)
    if given["genes"]:
        read_genes(given["genes"])
    doses_of(given["copies"])
    folder = writable_folder(output)
    attributions, table = folder / run_folder.ATTRIBUTIONS, folder / run_folder.HITS
    overwrite = given["overwrite"]
    stages = {
        "attribute": lambda: explain(attributions, shown, given),
        "motifs": lambda: discover(attributions, folder, given, shown),
        "match": lambda: pipeline.match_files(
            folder, databases, folder / run_folder.MATCHES, motif_dir=motif_dir, n_matches=given["n_matches"],
            genes=given["genes"], overwrite=overwrite,
        ),
        "validate": lambda: plant_motifs(folder, folder / run_folder.EFFECTS, given, shown),
        "hits": lambda: call(folder, table, table.with_suffix(".bed"), given, shown),
        "report": lambda: write(folder, folder / run_folder.REPORT, given),
    }  # fmt: skip
    if given["no_validate"]:
        del stages["validate"]
    announce(log, stages, folder / run_folder.REPORT)
