"""``l2g-interp sequence``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import PATH, result, writable_file
from l2g_interp.commands.mutate import sequences_of
from l2g_interp.commands.options import known_model_options, output_options, sequence_options


@cloup.command()
@known_model_options
@sequence_options
@cloup.option_group(
    "Which sequence",
    cloup.option("--run", "folder", type=PATH, help="Run folder: of the sequence, or whose motifs to look for."),
    cloup.option("--sequence", help="Its id in the run, or in --fasta if that has several."),
    cloup.option("--other-model", is_flag=True, help="Allow a model other than the run's, with a warning."),
)
@cloup.option_group(
    "Page",
    cloup.option("--variants", type=PATH, help="Table or folder of 'l2g-interp variants': those that lie in it."),
    cloup.option("--observed", type=PATH, help="TSV with a column 'id' and one of measured values per target."),
    cloup.option("--targets", help="Outputs, as for 'attribute'.  [default: the run's, or all]"),
    cloup.option(
        "--references",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="Shuffles to compare a sequence with that is of no run.",
    ),
    cloup.option("--seed", type=int, default=0, show_default=True, help="Seed of these shuffles."),
    cloup.option("--batch-size", type=click.IntRange(1), help="Changes per forward pass.  [default: 256, or 64]"),
)
@output_options("HTML file to write.")
@click.pass_obj
def sequence(shown: bool, folder: Path | None, output: Path, **given: Any) -> None:
    """One enhancer, one page: its track with sites, what every single change does, the strongest of them, variants.

    \b
        l2g-interp sequence --run results --sequence chr2L:5000-5249 --output enhancer.html
        l2g-interp sequence --model CKPT --fasta new.fa --run results --output new.html
    """  # fmt: skip
    from l2g_interp.pipeline.mutate import MutateOptions
    from l2g_interp.pipeline.sequence import PageOptions, sequence_file

    page = writable_file(output)
    of_file = given["fasta"] or given["bed"] or not folder
    data = sequences_of({**given, "sequences": ()}) if of_file else None
    targets = tuple(map(str.strip, given["targets"].split(","))) if given["targets"] else None
    options = PageOptions(given["variants"], given["observed"], given["references"], given["seed"])
    how = {name: given[name] for name in ("model_output", "layout", "device", "other_model", "overwrite")}
    sequence_file(
        given["model"], page, options, MutateOptions(targets, given["strands"], batch_size=given["batch_size"]),
        run=folder, sequence=given["sequence"], data=data, **how,
    )  # fmt: skip
    result(page, "open it in a browser")
