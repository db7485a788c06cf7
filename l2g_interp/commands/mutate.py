"""``l2g-interp mutate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from l2g_core.console import PATH, result, writable_file
from l2g_core.errors import InputError
from l2g_interp.commands.options import known_model_options, output_options, sequence_options

if TYPE_CHECKING:
    from l2g_core.dna import Sequences


@cloup.command()
@known_model_options
@sequence_options
@cloup.option_group(
    "Which sequences",
    cloup.option("--run", "folder", type=PATH, help="Run folder to take sequences of, instead of a file."),
    cloup.option("--sequence", "sequences", multiple=True, help="Id of a sequence; repeatable.  [default: see below]"),
    cloup.option(
        "--strongest",
        type=click.IntRange(1),
        default=10,
        show_default=True,
        help="With --run, if no --sequence is given: this many with the highest prediction for each target. Of a file, "
        "all sequences are taken.",
    ),
    cloup.option("--other-model", is_flag=True, help="Allow a model other than the run's, with a warning."),
)
@cloup.option_group(
    "Mutagenesis",
    cloup.option("--targets", help="Outputs, as for 'attribute'.  [default: the run's, or all]"),
    cloup.option("--batch-size", type=click.IntRange(1), help="Changes per forward pass.  [default: 256, or 64]"),
    cloup.option(
        "--plain", is_flag=True, help="Compute every change from the start, not only the part of a CNN that it affects."
    ),
)
@output_options(
    "HDF5 file to write; tables of all changes and of the sequences lie beside it.  [default with --run: mutations.h5 "
    "in its folder, where the report finds it]",
    required=False,
    resumable=True,
)
@click.pass_obj
def mutate(shown: bool, folder: Path | None, output: Path | None, **given: Any) -> None:
    """Every base of chosen sequences changed to every other: what it does to the predictions.

    \b
        l2g-interp mutate --run results --sequence chr2L:5000-5249
        l2g-interp mutate --model CKPT --fasta enhancers.fa --output mutations.h5
    """
    from l2g_interp.pipeline.mutate import MutateOptions, ToMutate, mutate_file, of_run
    from l2g_interp.run_folder import MUTATIONS

    if output is None and folder is None:
        raise InputError("give --output, or --run")
    wanted = of_run(folder, given["sequences"], given["strongest"]) if folder else ToMutate(sequences_of(given))
    path = writable_file(output) if output else Path(folder or "") / MUTATIONS
    how = {n: given[n] for n in ("model_output", "layout", "device", "other_model", "resume", "overwrite")}
    targets = tuple(map(str.strip, given["targets"].split(","))) if given["targets"] else None
    options = MutateOptions(targets, given["strands"], not given["plain"], given["batch_size"])
    mutate_file(given["model"], wanted, path, options, **how, shown=shown)
    result(
        path,
        f"l2g-interp report --run {folder} --output {folder / 'report.html'}"
        if folder
        else f"see {path.with_suffix('.tsv')}",
    )


def sequences_of(given: dict[str, Any]) -> Sequences:
    """The sequences of ``--fasta``, or of ``--bed`` and ``--genome``; of these those of ``--sequence``, if any.

    Raises
    ------
    InputError
        Neither is given, or a file or id is wrong.
    """
    from l2g_core.dna import read_bed, read_fasta

    if (given["fasta"] is None) == (given["bed"] is None) or (given["bed"] is None) != (given["genome"] is None):
        raise InputError("give --run, or --fasta, or --bed together with --genome")
    if not given["model"]:
        raise InputError("give --model, because the sequences are those of no run")
    if given["fasta"]:
        data = read_fasta(given["fasta"])
    else:
        data = read_bed(given["bed"], given["genome"], given["width"], given["on_edge"])
    numbers = {name: row for row, name in enumerate(data.ids)}
    if missing := [name for name in given["sequences"] if name not in numbers]:
        raise InputError(f"{data.source}: no sequence {missing[0]!r}; give the id of one that is in it")
    return data.subset(numbers[name] for name in given["sequences"]) if given["sequences"] else data
