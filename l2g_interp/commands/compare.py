"""``l2g-interp compare``."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from l2g_core.console import PATH, overwrite_option, writable_file


@cloup.command()
@click.argument("sets", nargs=-1, required=True, metavar="A B [C]...")
@click.option("--names", help="Names of the sets, comma-separated.  [default: target or folder]")
@click.option("--title", default="Motifs compared", show_default=True)
@click.option("--tsv", type=PATH, help="TSV file to write: the evidence as a table.  [default: --output with .tsv]")
@click.option("--output", type=PATH, default=Path("compare.html"), show_default=True, help="HTML file to write.")
@overwrite_option
def compare(
    sets: tuple[str, ...], names: str | None, title: str, tsv: Path | None, output: Path, overwrite: bool
) -> None:  # fmt: skip
    """Compare the motifs of runs or targets: those that they share, and those that only one has.

    Each set is a run folder (all its targets together) or FOLDER:TARGET.

    \b
        l2g-interp compare results:dev results:hk --output compare.html
        l2g-interp compare l2g:dev deepstarr:dev --names L2G,DeepSTARR
    """
    from l2g_core.runs.identity import Identity, claim
    from l2g_interp.compare import Pair, compare_motifs, pairs, read_sets, write_comparison
    from l2g_interp.records.tables import write_table
    from l2g_interp.run_folder import command, motifs_sha256

    table = writable_file(tsv or writable_file(output).with_suffix(".tsv"))
    found = read_sets(sets, names.split(",") if names else [])
    content = {one.name: {"motifs": motifs_sha256({one.name: list(one.patterns)}),
                          "names": [name for name, _ in one.called()]} for one in found}  # fmt: skip
    identity = Identity("l2g-interp compare", {"sets": content, "title": title})
    with claim(output, identity, [output, table], overwrite=overwrite) as claimed:
        if not claimed.finished:
            compared = compare_motifs(found)
            write_table(table, pairs(compared), Pair)
            write_comparison(output, compared, title=title, command=command())
    click.echo(f"{output}\n{table}")
