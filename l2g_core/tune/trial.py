"""One trial: train what its TOML says, reporting the validation score of every epoch. Runs in its own process."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.experiments.resolve import resolve
from l2g_core.runs.lock import lock
from l2g_core.tune.records import EXPERIMENT, RUN, WORST, read_trial, score_of, trial_folder, write_trial

Report = Callable[[dict[str, Any]], None]


def run_trial(
    folder: Path, number: int, report: Report, *, device: str | None, text_dir: str | None, threads: int
) -> None:
    """Train a trial to its end, or until ``report`` does not return (Ray ends the process there).

    An interrupted trial is resumed, and its earlier epochs are reported again, so that the scheduler of a resumed
    tuning knows what the killed one knew. Errors are not raised but put into the record, with the traceback in
    ``error.txt``.

    Parameters
    ----------
    folder
        That of the tuning.
    report
        Called with ``{"epoch": n, "score": s}`` after every epoch; with epoch 0 and ``WORST`` after an error.
    threads
        CPU threads of torch.
    """
    place = trial_folder(folder, number)
    with lock(place / "trial.lock", place, wait=-1.0):  # processes of a killed tuning may take a moment to end
        history = _History(folder, number, report)
        if history.trial.outcome is not None:
            history.report_again()
            return
        import torch  # slow to import, and not needed above

        from l2g_core.experiments.stages import train

        torch.set_num_threads(threads)
        try:
            metrics = train(
                resolve(place / EXPERIMENT), place / RUN,
                device=device, resume=True, shown=False, text_dir=text_dir, test=False, each_epoch=history.hear,
            )  # fmt: skip
            history.hear(metrics["history"])
            history.keep(outcome="finished")
            shutil.rmtree(place / RUN)
        except Exception as error:
            (place / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
            history.keep(outcome="failed", error=in_one_line(error))
            report({"epoch": 0, "score": WORST})


def in_one_line(error: BaseException) -> str:
    """The error's message; with its type unless it is an `InputError`, which explains itself."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


class _History:
    """The record of a trial; an epoch is stored on disk before it is reported."""

    def __init__(self, folder: Path, number: int, report: Report):
        self.folder, self.report = folder, report
        self.trial = read_trial(folder, number)
        self.reported = 0

    def hear(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Store and report the epochs that are new."""
        for row in history[self.reported :]:
            self.reported += 1
            kept = {"epoch": row["epoch"], "score": row["score"]}
            if self.reported > len(self.trial.history):
                self.keep(history=(*self.trial.history, kept))
            self.report({"epoch": kept["epoch"], "score": score_of(kept)})

    def report_again(self) -> None:
        """Report the stored epochs again."""
        self.hear(self.trial.history)

    def keep(self, **changes: Any) -> None:
        """Change the record, and store it."""
        self.trial = replace(self.trial, **changes)
        write_trial(self.folder, self.trial)
