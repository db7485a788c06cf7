"""Before the first trial: check resources and data, run stage 1 once, and set up a folder for every trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from l2g_core.datasets import DATASETS
from l2g_core.errors import InputError
from l2g_core.experiments.resolve import Experiment
from l2g_core.experiments.write import as_toml
from l2g_core.finetune.start import SEARCHED
from l2g_core.runs.files import atomic_write, read_json
from l2g_core.runs.identity import Identity
from l2g_core.tune.options import TuneOptions
from l2g_core.tune.records import EXPERIMENT, RECORD, Trial, read_trial, trial_folder, write_trial
from l2g_core.tune.space import draw, space_of, with_settings

SUMMARY, BEST = "tune.json", "best.toml"


def check_resources(options: TuneOptions, cpus: int) -> None:
    """Refuse to ask for more CPUs or GPUs than there are: trials would wait forever.

    Raises
    ------
    InputError
        A trial needs more than this machine has.
    """
    import torch

    if options.cpus_per_trial > cpus:
        raise InputError(f"--cpus-per-trial {options.cpus_per_trial}: only {cpus} CPUs are available; ask for fewer")
    if (options.gpus_per_trial or 0) > (found := torch.cuda.device_count()):
        raise InputError(f"--gpus-per-trial {options.gpus_per_trial:g}: this machine has {found} GPUs; ask for fewer")


def prepared(experiment: Experiment, options: TuneOptions) -> Experiment:
    """The experiment with ``max_epochs``, a warm-up of the same share of them, and the absolute path of a table."""
    settings: dict[str, Any] = {}
    before = experiment.sections["finetune"]
    if options.max_epochs is not None and options.max_epochs != before["epochs"]:
        warmup = before["warmup_epochs"] * options.max_epochs / before["epochs"]
        settings = {"finetune.epochs": options.max_epochs, "finetune.warmup_epochs": warmup}
    if (name := experiment.sections["data"]["name"]) not in DATASETS:
        settings["data.name"] = str(Path(name).absolute())
    return with_settings(experiment, settings)


def checked(experiment: Experiment) -> tuple[int, str]:
    """The longest sequence (bp) and the SHA-256 of the data.

    Raises
    ------
    InputError
        Data or settings would fail in every trial.
    """
    from l2g_core.evaluation.labels import check_labels, check_metric, output_names

    data, task = experiment.open_data(), experiment.sections["model"]["task"]
    check_labels(data, task, len(output_names(data, task)))
    check_metric(experiment.sections["finetune"]["metric"], task)
    return data.data.longest, data.sha256


def identity_of(experiment: Experiment, options: TuneOptions, sha256: str) -> Identity:
    """What the trials depend on; neither their number nor the machine counts."""
    sections = {name: dict(values) for name, values in experiment.sections.items()}
    sections["data"] |= {"data_dir": None, "name": Path(sections["data"]["name"]).name, "sha256": sha256}
    asha = {"grace_epochs": options.grace_epochs, "reduction": options.reduction}
    return Identity("l2g tune", {**sections, "tune": asha})


def all_over(folder: Path, trials: int) -> bool:
    """Whether all of the first ``trials`` trials have run to their end."""
    return all((trial_folder(folder, n) / RECORD).is_file() and read_trial(folder, n).outcome for n in range(trials))


def searched(experiment: Experiment, folder: Path, resume: bool, overwrite: bool, shown: bool) -> Experiment:
    """Run stage 1 once, because no tuned setting affects it; returns the experiment with what it found as settings."""
    from l2g_core.experiments.stages import search_only
    from l2g_core.search.result import SEARCH

    place = search_only(experiment, folder, resume=resume, overwrite=overwrite, shown=shown)
    found = read_json(place / SEARCH, "l2g search")
    settings = {f"model.{key}": found[key] for key in SEARCHED if found.get(key) is not None}
    return with_settings(experiment, {**settings, "stages.search": False})


def lay_out(experiment: Experiment, folder: Path, trials: int, longest: int) -> None:
    """Create a folder for every trial, with its experiment and record; existing ones stay, failed ones are reset."""
    space = space_of(experiment, longest)
    seed = experiment.sections["finetune"]["seed"]
    for number in range(trials):
        place = trial_folder(folder, number)
        place.mkdir(parents=True, exist_ok=True)
        settings = draw(space, experiment, seed, number)
        if not (place / RECORD).is_file():
            write_given(with_settings(experiment, settings), place / EXPERIMENT, f"trial {number}")
            write_trial(folder, Trial(number, settings))
        elif (before := read_trial(folder, number)).outcome == "failed":
            write_trial(folder, replace(before, outcome=None, error=None))


def write_given(experiment: Experiment, path: Path, note: str) -> None:
    """Write only the given settings as TOML, so that defaults are resolved as for the experiment that it came from."""
    about = f"{experiment.about} ({note})" if experiment.about else note
    with atomic_write(path) as unfinished:
        unfinished.write_text(as_toml(replace(experiment, about=about, sections=experiment.given)), encoding="utf-8")
