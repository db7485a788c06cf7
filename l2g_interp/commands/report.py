"""``l2g-interp report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import PATH, writable_file
from l2g_interp.commands.options import output_options, report_options


@cloup.command()
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@report_options
@output_options("HTML file to write.")
def report(folder: Path, output: Path, **given: Any) -> None:
    """Write one HTML file that shows everything and opens offline."""
    write(folder, writable_file(output), given)


def write(folder: Path, output: Path, given: dict[str, Any]) -> None:
    """Write the report, as the options say."""
    from l2g_interp.pipeline.report import report_file

    chosen = {name: given[name] for name in ("observed", "title", "sequences", "overwrite")}
    click.echo(report_file(folder, output, n_tracks=given["tracks"], **chosen))
