"""``l2g push``."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from l2g_core.console import PATH, overwrite_option, result, writable_folder

log = logging.getLogger(__name__)


@click.command()
@click.option("--model", required=True, type=PATH, help="Checkpoint folder.")
@click.option("--to", "hub_id", required=True, help="What it will be called on the Hub: organisation/name.")
@click.option("--private", is_flag=True, help="Only your organisation sees it.")
@click.option("--licence", help="Such as mit or cc-by-4.0, for the card.")
@click.option("--baseline", type=PATH, help="Checkpoint trained on the same data, to show its scores beside these.")
@click.option("--output", type=PATH, help="Folder to write what would be published into, instead of publishing it.")
@overwrite_option
def push(
    model: Path,
    hub_id: str,
    private: bool,
    licence: str | None,
    baseline: Path | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Publish a checkpoint on the Hugging Face Hub, with a card.

    The card says what the model predicts and how well, the hash of its data, and how to use and explain it. Log in
    first, with 'hf auth login'. The names of your folders are not published.
    """
    from tempfile import TemporaryDirectory

    from l2g_core.model.checkpoint import checkpoint_files, load
    from l2g_core.model.hub import CARD, FILES, check_name, publish, write_published
    from l2g_core.runs.identity import Identity, claim

    check_name(hub_id)
    load(model)  # a checkpoint that does not open is not published
    if output is None:
        with TemporaryDirectory(prefix="l2g-push-") as folder:
            write_published(model, Path(folder), hub_id, licence, baseline)
            publish(Path(folder), hub_id, private)
        log.info("published %s; anybody explains it with: l2g-interp run --model %s ...", hub_id, hub_id)
        return
    folder, of_baseline = writable_folder(output), checkpoint_files(baseline) if baseline else None
    content = {"model": checkpoint_files(model), "name": hub_id, "licence": licence, "baseline": of_baseline}
    files = [folder / name for name in (*FILES, CARD)]
    with claim(folder, Identity("l2g push", content), files, overwrite=overwrite) as claimed:
        if not claimed.finished:
            write_published(model, folder, hub_id, licence, baseline)
    result(folder, f"l2g push --model {model} --to {hub_id}")
