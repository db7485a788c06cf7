"""What trials leave on disk: a folder each, with the experiment as TOML and a record of its course as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from l2g_core.errors import InputError
from l2g_core.runs.files import read_json, write_json, write_tsv

TRIALS, TABLE = "trials", "trials.tsv"
EXPERIMENT, RECORD, RUN = "trial.toml", "trial.json", "run"
WORST = -1.0  # the score of an epoch whose score is undefined: no metric is lower

Outcome = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """The record of one trial.

    Attributes
    ----------
    settings
        By ``section.key``.
    history
        Epoch and validation score (None if undefined) of every finished epoch.
    outcome
        None while the trial is not over.
    error
        Why it failed.
    """

    number: int
    settings: dict[str, Any]
    history: tuple[dict[str, Any], ...] = ()
    outcome: Outcome | None = None
    error: str | None = None

    @property
    def best(self) -> dict[str, Any] | None:
        """The earliest epoch with the best validation score; None before the first epoch."""
        return max(self.history, key=lambda row: score_of(row), default=None)


def score_of(row: dict[str, Any]) -> float:
    """The validation score of an epoch; ``WORST`` if it is undefined."""
    return WORST if row["score"] is None else float(row["score"])


def trial_folder(folder: Path, number: int) -> Path:
    """The folder of a trial."""
    return folder / TRIALS / f"{number:03d}"


def read_trial(folder: Path, number: int) -> Trial:
    """The record of a trial. Raises InputError if there is none, or it is damaged."""
    path = trial_folder(folder, number) / RECORD
    stored = read_json(path, "l2g tune")
    history = stored.get("history")
    try:
        if not isinstance(history, list) or not all({"epoch", "score"} <= row.keys() for row in history):
            raise ValueError("no history of epochs and scores")
        trial = Trial(**{**stored, "history": tuple(history)})
        if not isinstance(trial.settings, dict) or not all(score_of(row) == score_of(row) for row in history):
            raise ValueError("settings or scores are of another kind")
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not the record of a trial ({said}); run 'l2g tune' with --overwrite") from error
    return trial


def write_trial(folder: Path, trial: Trial) -> None:
    """Store the record of a trial."""
    write_json(trial_folder(folder, trial.number) / RECORD, asdict(trial))


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the best validation score, the first of equal ones; failed trials do not count."""
    scored = [trial for trial in trials if trial.history and trial.outcome != "failed"]
    return max(scored, key=lambda trial: score_of(trial.best or {}), default=None)


def write_table(folder: Path, trials: Sequence[Trial], metric: str) -> None:
    """All trials as TSV: number, how it ended, epochs, best epoch and its validation score, settings, error."""
    keys = list(trials[0].settings)
    rows = []
    for trial in trials:
        best = trial.best or {"epoch": "", "score": None}
        score = "" if best["score"] is None else f"{best['score']:.6f}"
        settings = (f"{trial.settings[key]:g}" for key in keys)
        error = " ".join((trial.error or "").split())
        cells = (
            trial.number,
            trial.outcome or "unfinished",
            len(trial.history),
            best["epoch"],
            score,
            *settings,
            error,
        )
        rows.append(map(str, cells))
    write_tsv(folder / TABLE, ("trial", "outcome", "epochs", "best_epoch", f"val_{metric}", *keys, "error"), rows)
