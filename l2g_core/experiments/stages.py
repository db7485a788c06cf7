"""The three stages of an experiment in one run: architecture search, alignment, fine-tuning.

Each stage has its own folder (``search/``, ``align/``, ``model/``). A stage that is finished and depends on the same
settings, data and predecessors is not repeated.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2g_core.console import announce, writable_folder
from l2g_core.datasets import Labelled
from l2g_core.datasets.labelled import tell_what_is_learned
from l2g_core.experiments.resolve import Experiment
from l2g_core.experiments.write import FILE, write_experiment
from l2g_core.finetune.options import RESULTS
from l2g_core.model.checkpoint import METRICS_FILE
from l2g_core.model.config import L2GConfig
from l2g_core.runs.files import read_json
from l2g_core.runs.identity import Identity, claim
from l2g_core.training.loop import EachEpoch

if TYPE_CHECKING:
    from l2g_core.align.options import TextOptions

log = logging.getLogger(__name__)
FOLDERS = {"search": "search", "align": "align", "finetune": "model"}


@dataclass(frozen=True)
class Context:
    """What every stage needs: the experiment, its data and model, where to write, and how to run."""

    experiment: Experiment
    data: Labelled
    config: L2GConfig
    folder: Path
    device: str | None = None
    resume: bool = False
    overwrite: bool = False
    shown: bool = True
    tensorboard: bool = False
    text_dir: Path | None = None
    each_epoch: EachEpoch | None = None

    def of(self, stage: str) -> Path:
        """The folder of a stage."""
        return self.folder / FOLDERS[stage]


def train(
    experiment: Experiment,
    folder: str | Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
    tensorboard: bool = False,
    text_dir: str | Path | None = None,
    test: bool = True,
    each_epoch: EachEpoch | None = None,
) -> dict[str, Any]:
    """Run the stages of an experiment; ``folder/model`` is the checkpoint.

    Parameters
    ----------
    device
        Such as ``cpu`` or ``cuda:1``; None for the GPU if there is one.
    resume, overwrite
        What to do if ``folder`` holds an unfinished or another experiment (the rule of `l2g_core.runs.identity`).
        A stage whose own settings, data and predecessors are the same is never repeated.
    shown
        Show progress.
    tensorboard
        Write event files of the fine-tuning to ``folder/model/events``.
    text_dir
        The folder of the corpora that stage 2 knows by name.
    test
        Score the test rows at the end; if False, no stage sees them.
    each_epoch
        Called with the history of the fine-tuning so far, after each of its epochs.

    Returns
    -------
    The content of ``model/metrics.json``.

    Raises
    ------
    InputError
        A stage refuses something; or ``folder`` holds an unfinished or another experiment.
    """
    data = experiment.open_data()
    tell_what_is_learned(data, experiment.sections["model"]["task"])
    config = config_of(experiment, data)  # from all rows: the longest sequence may be a test row
    folder = writable_folder(folder)
    text = None if text_dir is None else Path(text_dir)
    rows = data if test else without_test(data)
    context = Context(
        experiment, rows, config, folder, device, resume, overwrite, shown, tensorboard, text, each_epoch
    )  # fmt: skip
    files, begun = [context.of("finetune") / name for name in RESULTS], [folder / FILE]
    identity = identity_of(experiment, rows)
    with claim(folder, identity, files, partial=begun, resume=resume, overwrite=overwrite) as claimed:
        if not claimed.finished:
            write_experiment(experiment, folder)
            stages = [stage for stage in STAGES if stage == "finetune" or experiment.sections["stages"][stage]]
            announce(log, {stage: partial(STAGES[stage], context) for stage in stages}, context.of("finetune"))
        return read_json(context.of("finetune") / METRICS_FILE, "l2g train")


def search_only(
    experiment: Experiment,
    folder: str | Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> Path:
    """Run stage 1 of an experiment unless it was finished before; returns its folder. Test rows are not used."""
    data = experiment.open_data()
    config = config_of(experiment, data)
    context = Context(experiment, without_test(data), config, writable_folder(folder), device, resume, overwrite, shown)
    _search(context)
    return context.of("search")


def without_test(data: Labelled) -> Labelled:
    """All rows but those of the test split."""
    return data.subset([row for row, split in enumerate(data.splits) if split != "test"])


def identity_of(experiment: Experiment, data: Labelled) -> Identity:
    """What an experiment depends on; the content of its data counts, their location does not."""
    content = {name: dict(values) for name, values in experiment.sections.items()}
    content["data"] = {k: v for k, v in content["data"].items() if k not in ("data_dir", "name")}
    return Identity("l2g train", content | {"rows": {"sha256": data.sha256, "splits": data.split_source}})


def config_of(experiment: Experiment, data: Labelled) -> L2GConfig:
    """The architecture for these data, before any stage."""
    from l2g_core.evaluation.labels import output_names

    targets = output_names(data, experiment.sections["model"]["task"])
    return experiment.model_config(targets, data.data.longest)


def _search(context: Context) -> None:
    from l2g_core.search.stage import search

    options = context.experiment.options("search")
    if options.embedder is None and "embedder" in context.experiment.given.get("model", {}):
        options = replace(options, embedder=context.config.embedder)  # the family was given: search only its operators
    search(
        context.data, context.config, context.of("search"), options,
        device=context.device, resume=context.resume, overwrite=context.overwrite, shown=context.shown,
    )  # fmt: skip


def text_options(experiment: Experiment) -> TextOptions:
    """What DNA is compared with in stage 2: the same kind of points as of DNA, unless the experiment sets another."""
    text = experiment.options("text")
    if "points" in experiment.given.get("text", {}):
        return text
    return replace(text, points=experiment.sections["align"]["dna_points"])


def _align(context: Context) -> None:
    from l2g_core.align.stage import align
    from l2g_core.align.text import text_reference
    from l2g_core.search.result import read_search

    options, config = context.experiment.options("align"), context.config
    if context.experiment.sections["stages"]["search"]:
        embedder, operators = read_search(context.of("search"))
        config = replace(config, embedder=embedder, operators=operators)
    reference = text_reference(
        config.backbone,
        text_options(context.experiment),
        pretrained=config.backbone_pretrained,
        folder=context.text_dir,
    )
    align(
        config, context.data, reference, context.of("align"), options,
        device=context.device, resume=context.resume, overwrite=context.overwrite, shown=context.shown,
    )  # fmt: skip


def _finetune(context: Context) -> None:
    import torch

    from l2g_core.finetune.stage import finetune
    from l2g_core.finetune.start import start_model

    stages, options = context.experiment.sections["stages"], context.experiment.options("finetune")
    torch.manual_seed(options.seed)
    model = start_model(
        context.config,
        set(context.experiment.given.get("model", {})),
        search=context.of("search") if stages["search"] else None,
        start=context.of("align") if stages["align"] else None,
    )
    finetune(
        model, context.data, context.of("finetune"), options,
        device=context.device, resume=context.resume, overwrite=context.overwrite, shown=context.shown,
        tensorboard=context.tensorboard, each_epoch=context.each_epoch,
    )  # fmt: skip


STAGES = {"search": _search, "align": _align, "finetune": _finetune}
