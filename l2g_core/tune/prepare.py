"""Before the first trial: Ray is there, the data are right, the folder is this tuning's, the trials are laid out."""

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
    """Refuse to ask for more than there is: trials would wait for ever."""
    import torch

    if options.cpus_per_trial > cpus:
        raise InputError(f"--cpus-per-trial {options.cpus_per_trial}: this machine has {cpus} for us; ask for fewer")
    if (options.gpus_per_trial or 0) > (found := torch.cuda.device_count()):
        raise InputError(f"--gpus-per-trial {options.gpus_per_trial:g}: there are {found} GPUs; ask for fewer")


def prepared(experiment: Experiment, options: TuneOptions) -> Experiment:
    """With the epochs that were asked for, the warm-up as large a part of them, and a table's whole path."""
    settings: dict[str, Any] = {}
    before = experiment.sections["finetune"]
    if options.max_epochs is not None and options.max_epochs != before["epochs"]:
        warmup = before["warmup_epochs"] * options.max_epochs / before["epochs"]
        settings = {"finetune.epochs": options.max_epochs, "finetune.warmup_epochs": warmup}
    if (name := experiment.sections["data"]["name"]) not in DATASETS:
        settings["data.name"] = str(Path(name).absolute())
    return with_settings(experiment, settings)


def checked(experiment: Experiment) -> tuple[int, str]:
    """The longest sequence and the hash of the data; refuses here what would fail in every trial."""
    from l2g_core.evaluation.labels import check_labels, check_metric, output_names

    data, task = experiment.open_data(), experiment.sections["model"]["task"]
    check_labels(data, task, len(output_names(data, task)))
    check_metric(experiment.sections["finetune"]["metric"], task)
    return data.data.longest, data.sha256


def identity_of(experiment: Experiment, options: TuneOptions, sha256: str) -> Identity:
    """What the trials depend on, whatever their number and the machine."""
    sections = {name: dict(values) for name, values in experiment.sections.items()}
    sections["data"] |= {"data_dir": None, "name": Path(sections["data"]["name"]).name, "sha256": sha256}
    asha = {"grace_epochs": options.grace_epochs, "reduction": options.reduction}
    return Identity("l2g tune", {**sections, "tune": asha})


def all_over(folder: Path, trials: int) -> bool:
    """Whether all of the first ``trials`` trials have run to their end."""
    return all((trial_folder(folder, n) / RECORD).is_file() and read_trial(folder, n).outcome for n in range(trials))


def searched(experiment: Experiment, folder: Path, resume: bool, overwrite: bool, shown: bool) -> Experiment:
    """Run stage 1, which none of what is tuned is about, once; what it found is given from here on."""
    from l2g_core.experiments.stages import search_only
    from l2g_core.search.result import SEARCH

    place = search_only(experiment, folder, resume=resume, overwrite=overwrite, shown=shown)
    found = read_json(place / SEARCH, "l2g search")
    settings = {f"model.{key}": found[key] for key in SEARCHED if found.get(key) is not None}
    return with_settings(experiment, {**settings, "stages.search": False})


def lay_out(experiment: Experiment, folder: Path, trials: int, longest: int) -> None:
    """A folder for every trial, with its experiment and record; what is there and not failed stays."""
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
    """Only what is given, so that it is resolved as the experiment that it came from."""
    about = f"{experiment.about} ({note})" if experiment.about else note
    with atomic_write(path) as unfinished:
        unfinished.write_text(as_toml(replace(experiment, about=about, sections=experiment.given)), encoding="utf-8")
