"""``l2g tune``. Imports nothing slow: ``l2g --help`` reads this file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from l2g_core.console import PATH, overwrite_option, result

if TYPE_CHECKING:
    from l2g_core.experiments.resolve import Experiment


@click.command()
@click.argument("experiment")
@click.option("--output", required=True, type=PATH, help="Folder to write: best.toml, trials.tsv, tune.json, trials/.")
@click.option("--trials", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "--max-epochs", type=click.IntRange(1), help="Epochs of fine-tuning in a trial.  [default: the experiment's]"
)
@click.option(
    "--grace-epochs", type=click.IntRange(1), help="Stop no trial before this many epochs.  [default: the warm-up]"
)
@click.option(
    "--reduction",
    type=click.IntRange(2),
    default=2,
    show_default=True,
    help="At each decision, one trial in this many continues.",
)
@click.option("--cpus-per-trial", type=click.IntRange(1), default=1, show_default=True, help="Threads per trial.")
@click.option(
    "--gpus-per-trial", type=click.FloatRange(0), help="With 0.5, two trials share one.  [default: 1 if there is one]"
)
@click.option("--data-dir", type=PATH, help="Folder or file that has the data.  [default: where 'l2g fetch' puts it]")
@click.option("--text-dir", type=PATH, help="Where you keep conll2003 or jnlpba.")
@click.option("--set", "flags", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
@click.option("--seed", type=click.IntRange(0), help="Seed of draws, stages and splits.  [default: the experiment's]")
@click.option("--resume", is_flag=True, help="Continue an interrupted tuning; with more --trials, add some.")
@overwrite_option
@click.pass_obj
def tune(
    shown: bool,
    experiment: str,
    output: Path,
    trials: int,
    max_epochs: int | None,
    grace_epochs: int | None,
    reduction: int,
    cpus_per_trial: int,
    gpus_per_trial: float | None,
    data_dir: Path | None,
    text_dir: Path | None,
    flags: tuple[str, ...],
    seed: int | None,
    resume: bool,
    overwrite: bool,
) -> None:
    """Find good hyperparameters for EXPERIMENT: learning rates, dropout, weight decay, alpha and tokens.

    EXPERIMENT is a name from 'l2g experiments', a TOML file, or a table. Trials are compared on the validation rows,
    and poor ones are stopped early (ASHA, on Ray Tune); trial 0 has the experiment's own settings. Needs the extra
    [ray]. Then train with the best settings:

    \b
        l2g tune tata-small --output tuned
        l2g train tuned/best.toml --output run
    """
    from l2g_core.runs.cluster import prepare_ray
    from l2g_core.tune.options import TuneOptions
    from l2g_core.tune.stage import tune as run

    prepare_ray()
    place = None if data_dir is None else str(data_dir)
    found = _experiment(experiment, flags, seed=seed, backbone_seed=seed, data_dir=place)
    options = TuneOptions(trials, max_epochs, grace_epochs, reduction, cpus_per_trial, gpus_per_trial)
    best = run(found, output, options, text_dir=text_dir, resume=resume, overwrite=overwrite, shown=shown)["best"]
    for key, value in best["settings"].items():
        click.echo(f"{key}\t{value:g}")
    click.echo(f"val\ttrial {best['trial']}\t{best['metric']}\t{best['score']:.4f}")
    result(output / "best.toml", f"l2g train {output / 'best.toml'} --output run")


def _experiment(experiment: str, flags: tuple[str, ...], **overrides: int | str | None) -> Experiment:
    """The experiment of this name or file; for a table or a data set's name, one on it with default settings."""
    import tomli_w

    from l2g_core.datasets import DATASETS
    from l2g_core.experiments.listing import experiments
    from l2g_core.experiments.resolve import resolve

    table = Path(experiment)
    if experiment in experiments() or table.suffix == ".toml" or not (experiment in DATASETS or table.is_file()):
        return resolve(experiment, flags, **overrides)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{table.stem}.toml"
        path.write_text(tomli_w.dumps({"data": {"name": experiment}}), encoding="utf-8")
        return resolve(path, flags, **overrides)
