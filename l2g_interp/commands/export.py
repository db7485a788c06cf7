"""``l2g-interp export``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from l2g_core.console import PATH, overwrite_option
from l2g_interp.exports.formats import FORMATS, Request

HELP = """Write results in the file formats of other tools.

\b
{formats}

bigwig needs genome coordinates, and bed uses them: attributions made with --bed and --genome have them.
"""


def formats_in_words() -> str:
    """A line per format: its name, and the first line of its function's docstring."""
    return "\n".join(
        f"{name:11} {(inspect.getdoc(write) or '').partition(chr(10))[0]}" for name, write in FORMATS.items()
    )


@click.command(help=HELP.format(formats=formats_in_words()))
@click.option("--run", type=PATH, help="Folder of 'l2g-interp run'; for every format.")
@click.option("--attributions", type=PATH, help="Only attributions.h5; enough for npz, chrombpnet and bigwig.")
@click.option("--target", help="Only this target.  [default: all, a file each where a file holds one]")
@click.option("--pattern", help="bed, meme, tables, logos: only patterns of this name, as in matches.tsv.")
@click.option("--genome", type=PATH, help="bigwig: genome FASTA, for the sizes of the chromosomes (its .fai).")
@click.option(
    "--chrom-sizes", "sizes", type=PATH, help="bigwig: table of chromosome and length (bp), instead of --genome."
)
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="npz", show_default=True)
@click.option(
    "--output",
    required=True,
    type=PATH,
    help="Folder to write; a file for bed and meme, or FILE.h5, FILE.tsv or FILE.bw of one target.",
)
@overwrite_option
def export(output: Path, overwrite: bool, **given: Any) -> None:
    from l2g_interp.exports.formats import export_files

    for path in export_files(Request(**given), output, overwrite=overwrite):
        click.echo(path)
