"""Tuning the hyperparameters of an experiment: run the trials, log what happens to them, keep the best."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from l2g_core.console import progress, writable_folder
from l2g_core.errors import InputError
from l2g_core.evaluation.metrics import TASK_METRIC
from l2g_core.experiments.resolve import Experiment
from l2g_core.runs.cluster import available_cpus, prepare_ray
from l2g_core.runs.files import read_json, write_json
from l2g_core.runs.identity import Identity, claim
from l2g_core.tune.options import TuneOptions
from l2g_core.tune.prepare import (
    BEST,
    SUMMARY,
    all_over,
    check_resources,
    checked,
    identity_of,
    lay_out,
    prepared,
    searched,
    write_given,
)
from l2g_core.tune.records import (
    RUN,
    TABLE,
    TRIALS,
    Trial,
    best_trial,
    read_trial,
    score_of,
    trial_folder,
    write_table,
    write_trial,
)
from l2g_core.tune.space import with_settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Run:
    """One tuning: its experiment, folder and settings."""

    experiment: Experiment
    folder: Path
    options: TuneOptions
    metric: str
    shown: bool

    @property
    def max_epochs(self) -> int:
        return self.experiment.sections["finetune"]["epochs"]

    def trials(self) -> list[Trial]:
        return [read_trial(self.folder, number) for number in range(self.options.trials)]


def tune(
    experiment: Experiment,
    folder: str | Path,
    options: TuneOptions | None = None,
    *,
    text_dir: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Try random settings of an experiment, and write the best as ``folder/best.toml``.

    Trials are compared by their best validation score; they see no test rows. Stage 1 runs once, with the experiment's
    own settings; stages 2 and 3 are part of every trial. Draws depend on the experiment's ``finetune`` seed. Which
    trials are stopped early depends on which are faster, unless only one runs at a time.

    Parameters
    ----------
    text_dir
        The folder of the corpora that stage 2 knows by name.
    resume, overwrite
        What to do if ``folder`` holds unfinished or other work (the rule of `l2g_core.runs.identity`). On resuming,
        finished and stopped trials are not run again, failed ones are; with more ``trials`` than before, some are
        added.
    shown
        Show progress.

    Returns
    -------
    The content of ``tune.json``.

    Raises
    ------
    InputError
        Ray is not installed, the data or settings are wrong, ``folder`` holds unfinished or other work, or every trial
        failed.
    """
    prepare_ray()

    options = options or TuneOptions()
    check_resources(options, available_cpus())
    experiment = prepared(experiment, options)
    longest, sha256 = checked(experiment)
    folder = writable_folder(folder)
    identity = identity_of(experiment, options, sha256)
    files, partial = [folder / name for name in (SUMMARY, BEST, TABLE)], [folder / TRIALS]
    with claim(
        folder, identity, files, partial=partial, resume=resume, overwrite=overwrite,
        complete=lambda: all_over(folder, options.trials),
    ) as claimed:  # fmt: skip
        if claimed.finished:
            return read_json(folder / SUMMARY, "l2g tune")
        if experiment.sections["stages"]["search"]:
            experiment = searched(experiment, folder, resume, overwrite, shown)
        model, metric = experiment.sections["model"], experiment.sections["finetune"]["metric"]
        run = _Run(experiment, folder, options, metric or TASK_METRIC[model["task"]], shown)
        lay_out(experiment, folder, options.trials, longest)
        if any(trial.outcome is None for trial in run.trials()):
            _run_trials(run, None if text_dir is None else Path(text_dir))
        return _conclude(run, identity)


def _run_trials(run: _Run, text_dir: Path | None) -> None:
    """Run all trials, and log what happens to those that were not over before."""
    import torch

    from l2g_core.tune import ray_run

    options, warmup = run.options, run.experiment.sections["finetune"]["warmup_epochs"]
    gpus = options.gpus_per_trial
    schedule = ray_run.Schedule(
        max_epochs=run.max_epochs,
        grace_epochs=min(run.max_epochs, options.grace_epochs or max(1, math.ceil(warmup))),
        reduction=options.reduction,
        cpus=options.cpus_per_trial,
        gpus=float(torch.cuda.is_available()) if gpus is None else gpus,
    )
    trials = run.trials()
    known = {trial.number for trial in trials if trial.outcome is not None}
    if known:
        log.info("%d of %d trials finished earlier, left as they are", len(known), len(trials))
    bar = _bar(len(trials), len(known), run.shown)
    next(bar, None)

    def epoch(number: int, result: Mapping[str, Any]) -> None:
        if number not in known and result.get("epoch"):
            log.info("trial %d: epoch %d/%d, validation %s %.4f", number, result["epoch"], run.max_epochs, run.metric,
                     result["score"])  # fmt: skip

    def over(number: int, error: str | None) -> None:
        _note_end(run, number, error, logged=number not in known)
        write_table(run.folder, run.trials(), run.metric)
        if number not in known:
            next(bar, None)

    try:
        ray_run.run_on_ray(run.folder, range(len(trials)), schedule, ray_run.Listener(epoch, over), text_dir)
    finally:
        bar.close()


def _bar(total: int, done: int, shown: bool) -> Generator[int, None, None]:
    """A progress bar: the first `next` shows it, each further one advances it, and `close` ends it."""
    yield from progress(range(total - done), "trials", total, shown, done)


def _note_end(run: _Run, number: int, error: str | None, logged: bool) -> None:
    """Record how a trial ended, if its own process could not, and log it."""
    trial = read_trial(run.folder, number)
    if trial.outcome is None:
        if error is not None:
            trial = replace(trial, outcome="failed", error=f"its process ended: {error}")
        else:
            trial = replace(trial, outcome="finished" if len(trial.history) >= run.max_epochs else "stopped")
        write_trial(run.folder, trial)
    if trial.outcome == "stopped":  # may be gigabytes with a large language model
        shutil.rmtree(trial_folder(run.folder, number) / RUN, ignore_errors=True)
    if logged and trial.outcome == "failed":
        log.warning("trial %d failed: %s", number, trial.error)
    elif logged:
        log.info("trial %d: %s after %d epochs", number, trial.outcome, len(trial.history))


def _conclude(run: _Run, identity: Identity) -> dict[str, Any]:
    """Choose the best trial, and write ``best.toml``, the table and ``tune.json``."""
    trials = run.trials()
    write_table(run.folder, trials, run.metric)
    best = best_trial(trials)
    if best is None or best.best is None:
        raise InputError(f"{run.folder / TABLE}: all {len(trials)} trials failed, the first with: {trials[0].error}")
    for trial in trials:
        shutil.rmtree(trial_folder(run.folder, trial.number) / RUN, ignore_errors=True)
    score = score_of(best.best)
    note = f"trial {best.number} of {len(trials)}, validation {run.metric} {score:.4f}"
    write_given(with_settings(run.experiment, best.settings), run.folder / BEST, f"tuned: {note}")
    outcomes = [trial.outcome for trial in trials]
    record = {
        "best": {"trial": best.number, "metric": run.metric, "score": score, "settings": best.settings},
        "trials": {name: outcomes.count(name) for name in ("finished", "stopped", "failed")},
        "options": asdict(run.options),
        "identity": identity.content,
    }
    write_json(run.folder / SUMMARY, record)
    return record
