"""``l2g-interp motifs``, ``match``, ``hits`` and ``databases``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import PATH, result, writable_file, writable_folder
from l2g_interp.commands.options import hit_options, match_options, motif_options, output_options


@cloup.command()
@click.option("--attributions", required=True, type=PATH, help="attributions.h5 of 'l2g-interp attribute'.")
@motif_options
@output_options("Folder for motifs.TARGET.h5 (TF-MoDISco's own layout).", resumable=True)
@click.pass_obj
def motifs(shown: bool, attributions: Path, output: Path, **given: Any) -> None:
    """Find motifs that recur in the contributions, with TF-MoDISco."""
    discover(attributions, writable_folder(output), given, shown)
    result(output, f"l2g-interp match --motifs {output} --output {output / 'matches.tsv'}")


@cloup.command()
@click.option(
    "--motifs", "folder", required=True, type=PATH, help="Folder of 'l2g-interp motifs', or a TF-MoDISco file."
)
@match_options
@output_options("matches.tsv to write.")
def match(folder: Path, output: Path, **given: Any) -> None:
    """Name the motifs: known factors whose motifs they resemble, by TOMTOM."""
    from l2g_interp.pipeline.motifs import match_files

    match_files(folder, given.pop("databases"), writable_file(output), **given)
    result(output, f"l2g-interp hits --run {folder if folder.is_dir() else 'FOLDER'}")


@cloup.command()
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@hit_options
@output_options(
    "Table to write.  [default: hits.tsv in the run's folder]",
    cloup.option("--bed", type=PATH, help="BED file to write.  [default: hits.bed beside the table]"),
    required=False,
)
@click.pass_obj
def hits(
    shown: bool, folder: Path, bed: Path | None, output: Path | None, **given: Any
) -> None:  # fmt: skip
    """Find where each motif occurs in the explained sequences, and how much of what stands out has a name.

    Writes hits.tsv and hits.bed, explained.tsv (a row per sequence) and unexplained.tsv (the strongest stretches
    without a motif, and what they resemble).
    """
    from l2g_interp.run_folder import HITS

    table = writable_file(output) if output else folder / HITS
    call(folder, table, writable_file(bed) if bed else table.with_suffix(".bed"), given, shown)
    result(table, f"l2g-interp report --run {folder} --output {folder / 'report.html'}")


@click.command()
def databases() -> None:
    """List the motif databases that have names."""
    from motif_db import available

    for entry in available().values():
        click.echo(
            f"{entry.name}\t{entry.count} motifs\t{entry.organism}\t{entry.kind}\t{entry.title}, {entry.licence}"
        )


def discover(attributions: Path, folder: Path, given: dict[str, Any], shown: bool) -> None:
    """Find motifs, as the options say."""
    from l2g_interp.motifs.modisco.discover import options_for
    from l2g_interp.pipeline.motifs import discover_files
    from l2g_interp.records.attributions_file import read_overview

    n = len(read_overview(attributions).ids)
    options = options_for(n, given["sensitivity"], max_seqlets_per_metacluster=given["max_seqlets"])
    discover_files(
        attributions, folder, min_seqlets=given["min_seqlets"], options=options, resume=given["resume"],
        overwrite=given["overwrite"], shown=shown,
    )  # fmt: skip


def call(folder: Path, output: Path, bed: Path, given: dict[str, Any], shown: bool) -> None:
    """Call hits: find where the motifs of a run occur."""
    from l2g_interp.pipeline.hits import hit_files

    chosen = {name: given[name] for name in ("floor", "quantile", "overwrite")}
    hit_files(folder, output, bed, **chosen, shown=shown)
