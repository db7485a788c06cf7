"""Settings of hyperparameter tuning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TuneOptions:
    """Settings of hyperparameter tuning.

    Attributes
    ----------
    trials
        How many settings to try.
    max_epochs
        Epochs of fine-tuning in a trial that is not stopped early; None for the experiment's own.
    grace_epochs
        No trial is stopped earlier than this. None for the warm-up: until its end the learning rate is not yet the one
        that is tried.
    reduction
        At each decision, one trial in this many continues; the others are stopped.
    cpus_per_trial
        Threads of each trial.
    gpus_per_trial
        GPUs of each trial, or a share of one; None for one GPU if there is any, else none.
    """

    trials: int = 10
    max_epochs: int | None = None
    grace_epochs: int | None = None
    reduction: int = 2
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
