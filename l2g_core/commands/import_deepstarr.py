"""``l2g import-deepstarr``."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import writable_folder


@click.command("import-deepstarr")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Checkpoint folder to write.")
def import_deepstarr(weights: Path, output: Path) -> None:
    """Turn the published DeepSTARR network into a checkpoint.

    WEIGHTS is deepstarr.model.h5 of Zenodo record 5502060.
    """
    from l2g_core.model.deepstarr import import_keras

    model = import_keras(weights)
    model.save_pretrained(writable_folder(output))
