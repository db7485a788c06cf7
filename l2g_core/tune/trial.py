"""One trial: train what its TOML says, telling the validation score of every epoch. Runs in a process of its own."""

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

Tell = Callable[[dict[str, Any]], None]


def run_trial(folder: Path, number: int, tell: Tell, *, device: str | None, text_dir: str | None, threads: int) -> None:
    """Train a trial to its end, or until ``tell`` does not return.

    An earlier run of it is gone on with, and its epochs are told again: the scheduler of a resumed tuning knows what
    that of the killed one knew. Whatever goes wrong goes into the record, with the traceback in ``error.txt``.

    Parameters
    ----------
    tell
        Called with ``{"epoch": n, "score": s}`` after every epoch.
    """
    place = trial_folder(folder, number)
    with lock(place / "trial.lock", place, wait=-1.0):  # a process of a killed tuning may take a moment to end
        history = _History(folder, number, tell)
        if history.trial.outcome is not None:
            history.tell_again()
            return
        import torch  # not needed for those that only tell again

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
            tell({"epoch": 0, "score": WORST})


def in_one_line(error: BaseException) -> str:
    """What went wrong; with the kind of error where it is not one that explains itself."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


class _History:
    """The record of a trial, on disk before it is told."""

    def __init__(self, folder: Path, number: int, tell: Tell):
        self.folder, self.tell = folder, tell
        self.trial = read_trial(folder, number)
        self.told = 0

    def hear(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Keep and tell the epochs that are new."""
        for row in history[self.told :]:
            self.told += 1
            kept = {"epoch": row["epoch"], "score": row["score"]}
            if self.told > len(self.trial.history):
                self.keep(history=(*self.trial.history, kept))
            self.tell({"epoch": kept["epoch"], "score": score_of(kept)})

    def tell_again(self) -> None:
        """Tell what is kept."""
        self.hear(self.trial.history)

    def keep(self, **changes: Any) -> None:
        """Change the record."""
        self.trial = replace(self.trial, **changes)
        write_trial(self.folder, self.trial)
