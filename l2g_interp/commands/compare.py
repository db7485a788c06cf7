"""``l2g-interp compare``."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import writable_file
from l2g_interp.commands.options import PATH


@click.command()
@click.argument("sets", nargs=-1, required=True, metavar="A B [C]...")
@click.option("--names", help="What to call the sets, comma-separated.  [default: target or folder]")
@click.option("--title", default="Motifs compared", show_default=True)
@click.option("--tsv", type=PATH, help="Evidence as a table.  [default: --output with .tsv]")
@click.option("--output", type=PATH, default=Path("compare.html"), show_default=True, help="HTML file to write.")
def compare(sets: tuple[str, ...], names: str | None, title: str, tsv: Path | None, output: Path) -> None:
    """Motifs that runs or targets share, and those that one of them alone has.

    Each set is a run folder (all its targets together) or FOLDER:TARGET.

    \b
        l2g-interp compare results:dev results:hk --output compare.html
        l2g-interp compare l2g:dev deepstarr:dev --names L2G,DeepSTARR
    """
    from l2g_interp.compare import Pair, compare_motifs, pairs, read_sets, write_comparison
    from l2g_interp.records.tables import write_table
    from l2g_interp.run_folder import command

    table = writable_file(tsv or writable_file(output).with_suffix(".tsv"))
    compared = compare_motifs(read_sets(sets, names.split(",") if names else []))
    write_table(table, pairs(compared), Pair)
    click.echo(f"{write_comparison(output, compared, title=title, command=command())}\n{table}")
