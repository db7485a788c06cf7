"""``l2g train``: an experiment from data to checkpoint. Imports nothing slow: ``l2g --help`` reads this file."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from l2g_core.commands.options import output_options, print_scores
from l2g_core.console import PATH, device_option, result


@cloup.command()
@click.argument("experiment")
@cloup.option_group(
    "Experiment",
    cloup.option("--set", "flags", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable."),
    cloup.option(
        "--seed", type=click.IntRange(0), help="Seed of every stage and of drawn splits.  [default: the experiment's]"
    ),
)
@cloup.option_group(
    "Data",
    cloup.option(
        "--data-dir", type=PATH, help="Folder or file that has the data.  [default: where 'l2g fetch' puts it]"
    ),
    cloup.option("--text-dir", type=PATH, help="Where you keep conll2003 or jnlpba."),
)
@output_options("Folder to write: search/, align/, and model/ (the checkpoint).")
@click.option("--tensorboard", is_flag=True, help="Write event files of the fine-tuning to OUTPUT/model/events.")
@device_option
@click.pass_obj
def train(
    shown: bool,
    experiment: str,
    output: Path,
    data_dir: Path | None,
    text_dir: Path | None,
    flags: tuple[str, ...],
    seed: int | None,
    tensorboard: bool,
    device: str | None,
    resume: bool,
    overwrite: bool,
) -> None:
    """Train a model in all three stages, with the settings of EXPERIMENT.

    EXPERIMENT is a name from 'l2g experiments' or a TOML file; OUTPUT/experiment.toml has every setting that was run.
    A stage that is finished is not repeated unless something that it depends on has changed.

    \b
        l2g train deepstarr --output runs/deepstarr --set model.backbone=roberta-large
        l2g-interp run --model runs/deepstarr/model --fasta enhancers.fa --output report
    """
    from l2g_core.evaluation.kmers import kmer_scores
    from l2g_core.experiments.resolve import resolve
    from l2g_core.experiments.stages import train as run

    place = None if data_dir is None else str(data_dir)
    found = resolve(experiment, flags, seed=seed, backbone_seed=seed, data_dir=place)
    metrics = run(
        found, output, device=device, resume=resume, overwrite=overwrite, shown=shown,
        tensorboard=tensorboard, text_dir=text_dir,
    )  # fmt: skip
    task = found.sections["model"]["task"]
    print_scores(metrics, kmer_scores(found.open_data(), ("val", "test"), task, metrics["metric"]))
    result(output / "model", f"l2g-interp run --model {output / 'model'} --fasta enhancers.fa --output report")
