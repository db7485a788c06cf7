"""``l2g-interp pairs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import device_option, result, writable_file
from l2g_core.errors import InputError
from l2g_interp.commands.effects import asked_for
from l2g_interp.commands.options import database_option, motif_dir_option, output_options, run_folder_options

SPACINGS = "5,10,20,40"


@cloup.command()
@run_folder_options
@cloup.option_group(
    "Motifs",
    cloup.option(
        "--pattern",
        "patterns",
        multiple=True,
        help="Motif of the run, by name (AP-1), number ('pattern 3') or "
        "target/pattern; repeatable.  [default: those with the most seqlets]",
    ),
    cloup.option("--most", type=click.IntRange(1), default=10, show_default=True, help="How many, without --pattern."),
    cloup.option(
        "--motif",
        "wanted",
        multiple=True,
        help="Motif of a database: id, or a word of a name, such as Trl; "
        "repeatable. Planted instead of the run's, or beside those of --pattern.",
    ),
    database_option,
    motif_dir_option,
)
@cloup.option_group(
    "Planting",
    cloup.option(
        "--spacings",
        default=SPACINGS,
        show_default=True,
        help="Bp between the two, comma-separated; 0-20 is all of these, 0-60:5 every fifth.",
    ),
    cloup.option(
        "--backgrounds",
        type=click.IntRange(10),
        default=20,
        show_default=True,
        help="Shuffled sequences to plant each pair into.",
    ),
    cloup.option(
        "--scale",
        type=click.Choice(["output", "logit", "log"]),
        default="output",
        show_default=True,
        help="Where effects are to add up: the model's output, the logit of a probability, or the log of a count.",
    ),
    cloup.option("--seed", type=int, default=0, show_default=True, help="Seed of backgrounds, places and letters."),
    cloup.option("--batch-size", type=click.IntRange(1), help="Sequences per forward pass.  [default: 256]"),
    device_option,
)
@output_options(
    "Table to write.  [default: pairs.tsv in the run's folder; with --motif planted_pairs.tsv]",
    required=False,
    resumable=True,
)
@click.pass_obj
def pairs(
    shown: bool,
    folder: Path,
    wanted: tuple[str, ...],
    databases: tuple[str, ...],
    motif_dir: Path | None,
    output: Path | None,
    spacings: str,
    **given: Any,
) -> None:
    """Do two motifs work together? Every two are planted side by side, and compared with each alone.

    \b
        l2g-interp pairs --model CKPT --run results
        l2g-interp pairs --model CKPT --run results --pattern AP-1 --pattern GATA --spacings 0-40 \\
            --output results/ap1_gata.tsv
    """  # fmt: skip
    from l2g_interp.effects.pairs import PairOptions
    from l2g_interp.pipeline.pairs import pair_files
    from l2g_interp.run_folder import PAIRS

    motifs = asked_for(wanted, databases, motif_dir)
    table = writable_file(output) if output else folder / (f"planted_{PAIRS}" if motifs else PAIRS)
    options = PairOptions(
        spacings_of(spacings), given["backgrounds"], given["scale"], given["seed"], given["batch_size"]
    )
    chosen = {name: given[name] for name in ("patterns", "most", "device", "other_model", "resume", "overwrite")}
    rows = pair_files(given["model"], folder, table, options, motifs=motifs, shown=shown, **chosen)
    together = sorted((row for row in rows if row.kind != "additive"), key=lambda row: -abs(row.excess))
    more = "the strongest:" if together else "more --backgrounds find weaker interactions"
    click.echo(f"{len(together)} of {len(rows)} arrangements are not additive; {more}")
    for row in together[:10]:
        names = [
            f"{name or key} {strand}"
            for name, key, strand in (
                (row.first_name, row.first, row.first_strand), (row.second_name, row.second, row.second_strand),
            )
        ]  # fmt: skip
        interval = f"{row.excess:+.3f} [{row.excess_low:+.3f}, {row.excess_high:+.3f}]"
        click.echo(f"{row.target}\t{names[0]}\t{row.spacing} bp\t{names[1]}\t{interval}\t{row.kind}")
    result(table, f"l2g-interp report --run {folder} --output {folder / 'report.html'}")


def spacings_of(text: str) -> tuple[int, ...]:
    """The distances that ``--spacings`` lists: numbers, ranges (``0-20``) and ranges with a step (``0-60:5``).

    Raises
    ------
    InputError
        A part of it is neither.
    """
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition(":")
        first, dash, last = span.partition("-")
        try:
            low, high = int(first), int(last) if dash else int(first)
            some = range(low, high + 1, int(step) if step else 1)
        except ValueError as error:
            raise InputError(
                f"--spacings {text}: {part!r} is neither a number of bp nor a range, 0-20 or 0-60:5"
            ) from error
        if low < 0 or not some:
            raise InputError(f"--spacings {text}: {part!r} has no spacing of 0 bp or more")
        found |= set(some)
    return tuple(sorted(found))
