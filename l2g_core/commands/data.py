"""``l2g datasets`` and ``l2g fetch``. Imports nothing slow: ``l2g --help`` reads this file."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import PATH

COLUMNS = ("name", "task", "metric", "length", "rows", "here", "source", "licence", "what")


@click.command()
def datasets() -> None:
    """List the data sets that have names, as a table separated by tabs.

    'length' is the longest sequence (bp), 'here' says whether its files have been fetched. Wherever a command takes
    TABLE, it takes these names too, with --data-dir for your own folder.
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
@click.option("--data-dir", type=PATH, help="Folder to put it in.  [default: the cache, where commands look for it]")
@click.option("--address", help="Download the files from below this URL instead of the publisher's.")
@click.pass_obj
def fetch(shown: bool, name: str, data_dir: Path | None, address: str | None) -> None:
    """Download the data set NAME; an interrupted download is resumed where it stopped.

    SHA256SUMS beside the files records their hashes; files that differ from it are refused, now and later.
    """
    from l2g_core.console import writable_folder
    from l2g_core.datasets.catalogue import named
    from l2g_core.datasets.fetch import fetch as run

    entry = named(name)
    folder = run(entry, writable_folder(data_dir) if data_dir else None, address=address, shown=shown)
    click.echo(f"{name}\t{folder}")
