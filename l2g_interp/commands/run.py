"""``l2g-interp run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from l2g_core.console import writable_folder
from l2g_interp.commands.attribute import explain
from l2g_interp.commands.effects import doses_of, plant_motifs
from l2g_interp.commands.motifs import call, discover
from l2g_interp.commands.options import (
    PATH,
    attribute_options,
    match_options,
    motif_options,
    quantile_option,
    report_options,
    validate_options,
)
from l2g_interp.commands.report import write


@click.command()
@attribute_options
@motif_options
@match_options
@validate_options
@click.option("--no-validate", is_flag=True, help="Do not plant the motifs into shuffled sequences.")
@quantile_option
@report_options
@click.option("--output", required=True, type=PATH, help="Folder to write.")
@click.pass_obj
def run(
    shown: bool, output: Path, databases: tuple[str, ...], motif_dir: Path | None, n_matches: int, **given: Any
) -> None:
    """From a model and sequences to report.html: attribute, motifs, match, validate, hits and report."""
    from l2g_interp import pipeline, run_folder
    from motif_db import load

    for name in databases:  # find out now, not after the long part
        load(name, motif_dir=motif_dir)
    doses_of(given["copies"])
    folder = writable_folder(output)
    attributions = folder / run_folder.ATTRIBUTIONS
    explain(attributions, shown, given)
    discover(attributions, folder, given["min_seqlets"], given["max_seqlets"], shown)
    pipeline.match_files(folder, databases, folder / run_folder.MATCHES, motif_dir=motif_dir, n_matches=n_matches)
    if not given["no_validate"]:
        plant_motifs(folder, folder / run_folder.EFFECTS, given, shown)
    table = folder / run_folder.HITS
    call(folder, table, table.with_suffix(".bed"), given["quantile"], shown)
    write(folder, folder / run_folder.REPORT, given)
