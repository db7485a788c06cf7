"""``l2g-interp demo``."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import PATH, overwrite_option, resume_option, writable_folder


@click.command()
@click.option("--output", required=True, type=PATH, help="Folder to write.")
@click.option("--seed", type=int, default=0, show_default=True)
@resume_option
@overwrite_option
@click.pass_obj
def demo(shown: bool, output: Path, seed: int, resume: bool, overwrite: bool) -> None:
    """Run everything on synthetic DNA whose motifs are known, in about five minutes on two cores; it checks itself.

    Plants known fly motifs into random DNA with two activities, trains a small L2G model on them (MiniLM, which
    comes as a Python package), explains it, names the motifs, and says which of the planted ones were recovered.
    """
    from l2g_interp.demo.demo import run_demo

    if not run_demo(writable_folder(output), seed, shown, resume=resume, overwrite=overwrite):
        raise SystemExit(1)
