"""``l2g experiments``. Imports nothing slow: ``l2g --help`` reads this file."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option("--set", "flags", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
def experiments(name: str | None, flags: tuple[str, ...]) -> None:
    """List the experiments of the paper and the small ones; with a NAME (or a TOML file), show one in full.

    The list has name, data set, the paper's score and a description, separated by tabs. For one experiment, every
    setting (hyperparameter) is shown as it would be run: from its file, its data set, and the defaults. Save it, change
    it, run it.
    """
    if name is not None:
        from l2g_core.experiments.resolve import resolve
        from l2g_core.experiments.write import as_toml

        click.echo(as_toml(resolve(name, flags)), nl=False)
        return
    from l2g_core.experiments.listing import ABOUT, PAPER
    from l2g_core.experiments.listing import experiments as known

    click.echo("\t".join(("name", "data", "paper", "about")))
    for title, content in known().items():
        paper = ", ".join(f"{target} {score:g}" for target, score in content.get(PAPER, {}).items())
        click.echo("\t".join((title, content["data"]["name"], paper or "-", content[ABOUT])))
