"""``l2g import-deepstarr``."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import PATH, overwrite_option, result, writable_folder


@click.command("import-deepstarr")
@click.argument("weights", type=PATH)
@click.option("--output", required=True, type=PATH, help="Checkpoint folder to write.")
@overwrite_option
def import_deepstarr(weights: Path, output: Path, overwrite: bool) -> None:
    """Turn the published DeepSTARR network into a checkpoint.

    WEIGHTS is deepstarr.model.h5 of Zenodo record 5502060.
    """
    from l2g_core.model.checkpoint import CONFIG, WEIGHTS
    from l2g_core.model.deepstarr import import_keras
    from l2g_core.runs.files import file_sha256
    from l2g_core.runs.identity import Identity, claim

    model = import_keras(weights)
    folder = writable_folder(output)
    identity = Identity("l2g import-deepstarr", {"weights": file_sha256(weights)})
    with claim(folder, identity, [folder / CONFIG, folder / WEIGHTS], overwrite=overwrite) as claimed:
        if not claimed.finished:
            model.save_pretrained(folder)
    result(folder, f"l2g-interp run --model {folder} --fasta enhancers.fa --output report")
