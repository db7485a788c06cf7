"""How to tune."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TuneOptions:
    """How to tune.

    ``max_epochs``: of the fine-tuning in a trial that is never stopped; the experiment's own when None.
    ``grace_epochs``: none is stopped before; when None the warm-up, for until then the learning rate is not yet what
    is tried. ``reduction``: one in so many goes on at each decision.
    ``gpus_per_trial``: when None one if there is one, else none.
    """

    trials: int = 10
    max_epochs: int | None = None
    grace_epochs: int | None = None
    reduction: int = 2
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
