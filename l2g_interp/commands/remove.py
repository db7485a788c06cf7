"""``l2g-interp remove``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import device_option, result, writable_file
from l2g_interp.commands.options import output_options, run_folder_options


@cloup.command()
@run_folder_options
@cloup.option_group(
    "Removing",
    cloup.option(
        "--sequences",
        type=click.IntRange(10),
        default=100,
        show_default=True,
        help="Sequences with hits of a motif to take them out of, at most; drawn from all that have some.",
    ),
    cloup.option(
        "--draws",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        help="Draws of background letters for each.",
    ),
    cloup.option("--seed", type=int, default=0, show_default=True, help="Seed of sequences, letters and controls."),
    cloup.option("--batch-size", type=click.IntRange(1), help="Sequences per forward pass.  [default: 256]"),
    device_option,
)
@output_options("Table to write.  [default: removals.tsv in the run's folder]", required=False, resumable=True)
@click.pass_obj
def remove(shown: bool, folder: Path, output: Path | None, **given: Any) -> None:
    """Is each motif needed? Its hits are replaced by background letters; what is lost stands beside a control.

    All named hits at once show how much of the prediction the motifs carry. Needs 'l2g-interp hits' before.

    \b
        l2g-interp remove --model CKPT --run results
    """  # fmt: skip
    from l2g_interp.effects.removals import RemoveOptions
    from l2g_interp.pipeline.removals import remove_files
    from l2g_interp.records.types import ALL_NAMED
    from l2g_interp.run_folder import REMOVALS

    table = writable_file(output) if output else folder / REMOVALS
    options = RemoveOptions(given["sequences"], given["draws"], given["seed"], given["batch_size"])
    chosen = {name: given[name] for name in ("device", "other_model", "resume", "overwrite")}
    rows = remove_files(given["model"], folder, table, options, shown=shown, **chosen)
    for row in rows:
        share = (
            f"\t{100 * row.share:.0f} % of the prediction"
            if row.pattern == ALL_NAMED and row.share == row.share
            else ""
        )
        interval = f"{row.loss:+.3f} [{row.loss_low:+.3f}, {row.loss_high:+.3f}]"
        click.echo(f"{row.target}\t{row.name or row.pattern}\tlost {interval}\t{row.needed}{share}".rstrip())
    result(table, f"l2g-interp report --run {folder} --output {folder / 'report.html'}")
