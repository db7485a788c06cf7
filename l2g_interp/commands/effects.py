"""``l2g-interp validate`` and ``plant``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import result, writable_file
from l2g_core.errors import InputError
from l2g_interp.commands.options import (
    database_option,
    motif_dir_option,
    output_options,
    planting_options,
    run_folder_options,
)


@cloup.command()
@run_folder_options
@planting_options
@click.option(
    "--randomised", is_flag=True, help="Also check that contributions vanish when the weights are randomised."
)
@output_options("Table to write.  [default: validation.tsv in the run's folder]", required=False)
@click.pass_obj
def validate(shown: bool, folder: Path, output: Path | None, **given: Any) -> None:
    """What each motif does by itself: planted into shuffled sequences, compared with a scrambled control."""
    from l2g_interp.run_folder import EFFECTS

    table = writable_file(output) if output else folder / EFFECTS
    plant_motifs(folder, table, given, shown)
    result(table, f"l2g-interp report --run {folder} --output {folder / 'report.html'}")


@cloup.command()
@run_folder_options
@cloup.option_group(
    "Motifs",
    cloup.option(
        "--motif", "wanted", multiple=True, required=True, help="Id, or a word of a name, such as Trl; repeatable."
    ),
    database_option,
    motif_dir_option,
)
@planting_options
@output_options("Table to write.  [default: planted.tsv in the run's folder]", required=False)
@click.pass_obj
def plant(
    shown: bool,
    folder: Path,
    wanted: tuple[str, ...],
    databases: tuple[str, ...],
    motif_dir: Path | None,
    output: Path | None,
    **given: Any,
) -> None:
    """What known motifs do, whether the run found them or not: planted into shuffled sequences, as 'validate' does.

    \b
        l2g-interp plant --model CKPT --run results --motif Trl --motif twi
    """
    from l2g_interp.pipeline.effects import plant_files

    motifs = asked_for(wanted, databases, motif_dir)
    table = writable_file(output) if output else folder / "planted.tsv"
    chosen = {name: given[name] for name in ("device", "other_model", "overwrite")}
    effects = plant_files(
        given["model"], folder, motifs, table, _planting(given), **chosen, shown=shown
    )  # fmt: skip
    fewest = min((e.copies for e in effects), default=0)
    for e in effects:
        if e.copies == fewest:
            interval = f"{e.excess:+.3f} [{e.excess_low:+.3f}, {e.excess_high:+.3f}]"
            click.echo(f"{e.target}\t{e.pattern}\t{interval} beyond the control, with {e.copies} planted")
    click.echo(table)


def asked_for(wanted: tuple[str, ...], databases: tuple[str, ...], motif_dir: Path | None) -> list[Any]:
    """The motifs of databases that ``--motif`` asks for, each once; no database is read if none is asked for."""
    import motif_db
    from motif_db.find import named

    known = [m for name in databases for m in motif_db.load(name, motif_dir=motif_dir)] if wanted else []
    return list({(m.database, m.id): m for name in wanted for m in named(known, name)}.values())


def doses_of(text: str) -> tuple[int, ...]:
    """The numbers of copies that ``--copies`` lists.

    Raises
    ------
    InputError
        They are not different whole numbers of at least 1.
    """
    try:
        doses = tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise InputError(f"--copies {text}: give whole numbers, such as 1,2,3") from error
    if min(doses) < 1 or len(set(doses)) < len(doses):
        raise InputError(f"--copies {text}: give different whole numbers of at least 1, such as 1,2,3")
    return doses


def _planting(given: dict[str, Any]) -> Any:
    from l2g_interp.effects.validate import ValidateOptions

    return ValidateOptions(given["backgrounds"], doses_of(given["copies"]), given["seed"], given["batch_size"])


def plant_motifs(folder: Path, output: Path, given: dict[str, Any], shown: bool) -> None:
    """Validate the motifs of a run, as the options say."""
    from l2g_interp.pipeline.effects import validate_files

    chosen = {name: given.get(name, False) for name in ("other_model", "randomised", "overwrite")}
    validate_files(given["model"], folder, output, _planting(given), device=given["device"], shown=shown, **chosen)
