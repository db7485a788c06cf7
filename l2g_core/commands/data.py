"""``l2g datasets`` and ``l2g fetch``. Imports nothing heavy: ``l2g --help`` reads this file."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import PATH

COLUMNS = ("name", "task", "metric", "length", "rows", "here", "source", "licence", "what")


@click.command()
def datasets() -> None:
    """List the data sets that commands take by name, separated by tabs.

    'length' is the longest sequence (bp), 'here' says whether its files were fetched. Commands that take TABLE take
    these names too, with --data-dir for a folder of your own.
    """
    from l2g_core.datasets.catalogue import DATASETS
    from l2g_core.datasets.fetch import is_here

    click.echo("\t".join(COLUMNS))
    for entry in DATASETS.values():
        here = "yes" if is_here(entry) else "fetch" if entry.files else "by hand"
        size = (str(entry.longest or "any"), str(entry.rows or "any"))
        click.echo(
            "\t".join((entry.name, entry.task, entry.metric, *size, here, entry.source, entry.licence, entry.title))
        )


@click.command()
@click.argument("name")
@click.option("--data-dir", type=PATH, help="Folder to put it in.  [default: the cache, where it is found]")
@click.option("--address", help="Take the files from below this address instead of their publisher's.")
@click.pass_obj
def fetch(shown: bool, name: str, data_dir: Path | None, address: str | None) -> None:
    """Fetch the data set NAME; an interrupted download goes on where it broke off.

    SHA256SUMS beside the files records their hashes; files that differ from it are refused, then and later.
    """
    from l2g_core.console import writable_folder
    from l2g_core.datasets.catalogue import named
    from l2g_core.datasets.fetch import fetch as run

    entry = named(name)
    folder = run(entry, writable_folder(data_dir) if data_dir else None, address=address, shown=shown)
    click.echo(f"{name}\t{folder}")
