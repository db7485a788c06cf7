"""``l2g-interp report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from l2g_core.console import writable_file
from l2g_interp.commands.options import PATH, report_options


@click.command()
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@report_options
@click.option("--output", required=True, type=PATH, help="HTML file to write.")
def report(folder: Path, output: Path, **given: Any) -> None:
    """One HTML file that shows everything and opens offline."""
    write(folder, writable_file(output), given)


def write(folder: Path, output: Path, given: dict[str, Any]) -> None:
    from l2g_interp.report import write_report
    from l2g_interp.run_folder import read_run

    run = read_run(folder, given["observed"])
    write_report(output, run, n_tracks=given["tracks"], title=given["title"], sequences=given["sequences"])
    click.echo(f"{output}")
