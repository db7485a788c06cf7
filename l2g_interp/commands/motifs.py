"""``l2g-interp motifs``, ``match``, ``hits`` and ``databases``."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import writable_file, writable_folder
from l2g_interp.commands.options import PATH, match_options, motif_options, quantile_option


@click.command()
@click.option("--attributions", required=True, type=PATH, help="attributions.h5 of 'l2g-interp attribute'.")
@click.option("--output", required=True, type=PATH, help="Folder for motifs.TARGET.h5 (TF-MoDISco's own layout).")
@motif_options
@click.pass_obj
def motifs(shown: bool, attributions: Path, output: Path, min_seqlets: int, max_seqlets: int) -> None:
    """Motifs that recur in the contributions, by TF-MoDISco."""
    discover(attributions, writable_folder(output), min_seqlets, max_seqlets, shown)


@click.command()
@click.option("--motifs", "folder", required=True, type=PATH, help="Folder of 'l2g-interp motifs'.")
@match_options
@click.option("--output", required=True, type=PATH, help="matches.tsv to write.")
def match(folder: Path, databases: tuple[str, ...], motif_dir: Path | None, n_matches: int, output: Path) -> None:
    """Known factors that the motifs resemble, by TOMTOM."""
    from l2g_interp.pipeline.motifs import match_files

    match_files(folder, databases, writable_file(output), motif_dir=motif_dir, n_matches=n_matches)


@click.command()
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@quantile_option
@click.option("--bed", type=PATH, help="BED file to write.  [default: hits.bed beside the table]")
@click.option("--output", type=PATH, help="Table to write.  [default: hits.tsv in the run's folder]")
@click.pass_obj
def hits(shown: bool, folder: Path, quantile: float, bed: Path | None, output: Path | None) -> None:
    """Where each motif occurs in the explained sequences, as a table and as BED."""
    from l2g_interp.run_folder import HITS

    table = writable_file(output) if output else folder / HITS
    call(folder, table, writable_file(bed) if bed else table.with_suffix(".bed"), quantile, shown)


@click.command()
def databases() -> None:
    """The motif databases that can be asked for by name."""
    from motif_db import available

    for entry in available().values():
        click.echo(
            f"{entry.name}\t{entry.count} motifs\t{entry.organism}\t{entry.kind}\t{entry.title}, {entry.licence}"
        )


def discover(attributions: Path, folder: Path, min_seqlets: int, max_seqlets: int, shown: bool) -> None:
    from l2g_interp.motifs.modisco.discover import ModiscoOptions
    from l2g_interp.pipeline.motifs import discover_files

    options = ModiscoOptions(max_seqlets_per_metacluster=max_seqlets)
    discover_files(attributions, folder, min_seqlets=min_seqlets, options=options, shown=shown)


def call(folder: Path, output: Path, bed: Path, quantile: float, shown: bool) -> None:
    from l2g_interp.pipeline.evidence import hit_files

    hit_files(folder, output, bed, quantile=quantile, shown=shown)
