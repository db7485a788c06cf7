"""Trials on Ray Tune with ASHA. Import it after ``prepare_ray``.

Ray's own checkpoint of a tuning leaves out what the scheduler knows about finished trials, and is a pickle, so it is
not used. Instead, a resumed tuning starts all trials again, and those that were trained before report their epochs
from their records at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import ASHAScheduler

from l2g_core.faults import signals_kept
from l2g_core.runs.cluster import available_cpus
from l2g_core.runs.scratch import scratch_folder
from l2g_core.tune.trial import run_trial

OBJECT_STORE = 100 * 2**20  # bytes: only a few numbers pass between the processes


@dataclass(frozen=True)
class Schedule:
    """ASHA (Li et al. 2020), and the resources of each trial.

    Of the trials that reach ``grace_epochs`` epochs, one in ``reduction`` continues, and so on at each ``reduction``
    times as many epochs. ``cpus`` (threads) and ``gpus`` are for each trial.
    """

    max_epochs: int
    grace_epochs: int
    reduction: int
    cpus: int
    gpus: float


@dataclass(frozen=True)
class Listener:
    """Functions called in the main process after every epoch, and after every trial (with Ray's error, if any)."""

    epoch: Callable[[int, Mapping[str, Any]], None]
    over: Callable[[int, str | None], None]


def run_on_ray(
    folder: Path, numbers: Sequence[int], schedule: Schedule, listener: Listener, text_dir: Path | None
) -> None:
    """Run the trials, as many at once as cores (and GPUs) allow; Ray's processes are stopped at the end."""
    how = {
        "folder": str(folder.absolute()),
        "device": "cuda" if schedule.gpus else "cpu",
        "text_dir": None if text_dir is None else str(text_dir.absolute()),
        "threads": schedule.cpus,
    }
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with signals_kept():
            ray.init(
                address="local", num_cpus=available_cpus(), include_dashboard=False, log_to_driver=False,
                logging_level=logging.ERROR, object_store_memory=OBJECT_STORE,
            )  # fmt: skip
        with scratch_folder("l2g-tune-") as scratch:
            _tuner(how, numbers, schedule, listener, str(scratch)).fit()
    finally:
        ray.shutdown()


def _tuner(
    how: Mapping[str, Any], numbers: Sequence[int], schedule: Schedule, listener: Listener, scratch: str
) -> tune.Tuner:
    scheduler = ASHAScheduler(
        time_attr="epoch",
        max_t=schedule.max_epochs,
        grace_period=schedule.grace_epochs,
        reduction_factor=schedule.reduction,
        stop_last_trials=False,  # a trial that has had all its epochs ends by itself, and is recorded as finished
    )
    return tune.Tuner(
        tune.with_resources(_trainable, {"cpu": schedule.cpus, "gpu": schedule.gpus}),
        param_space={**how, "number": tune.grid_search(list(numbers))},
        tune_config=tune.TuneConfig(metric="score", mode="max", scheduler=scheduler, reuse_actors=False),
        run_config=tune.RunConfig(
            name="ray", storage_path=scratch, verbose=0, callbacks=[_Watch(listener)],
            failure_config=tune.FailureConfig(max_failures=0, fail_fast=False),
        ),
    )  # fmt: skip


def _trainable(config: dict[str, Any]) -> None:
    run_trial(
        Path(config["folder"]), config["number"], tune.report,
        device=config["device"], text_dir=config["text_dir"], threads=config["threads"],
    )  # fmt: skip


class _Watch(tune.Callback):
    """Forwards what happens to the trials to a `Listener`; a class, because Ray requires one."""

    def __init__(self, listener: Listener):
        self.listener = listener

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles callbacks in its checkpoint, which is not used."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **info: Any
    ) -> None:
        self.listener.epoch(trial.config["number"], result)

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        self.listener.over(trial.config["number"], None)

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        lines = str(trial.get_error() or "").strip().splitlines()
        self.listener.over(trial.config["number"], lines[-1] if lines else "no reason given")
