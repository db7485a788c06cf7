"""The resolved experiment as TOML: everything that was run, in a file that can be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l2g_core.experiments.listing import ABOUT, PAPER
from l2g_core.experiments.resolve import Experiment
from l2g_core.runs.files import atomic_write

FILE = "experiment.toml"


def as_toml(experiment: Experiment) -> str:
    """Every key of every section. TOML has no null: a key that is None is left out, which means None again."""
    import tomli_w

    head: dict[str, Any] = {ABOUT: experiment.about} | ({PAPER: experiment.paper} if experiment.paper else {})
    body = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in experiment.sections.items()
    }
    return tomli_w.dumps(head | body)


def write_experiment(experiment: Experiment, folder: str | Path) -> Path:
    """Write ``experiment.toml`` beside a result."""
    path = Path(folder) / FILE
    with atomic_write(path) as unfinished:
        unfinished.write_text(as_toml(experiment), encoding="utf-8")
    return path
