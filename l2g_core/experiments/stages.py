"""The three stages of an experiment in one go: architecture search, alignment, fine-tuning.

Each stage has a folder of its own (``search/``, ``align/``, ``model/``) with ``stage.json``: what its result depends
on, and the hashes of what it left. A stage that is finished and depends on the same is not repeated.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2g_core.console import writable_folder
from l2g_core.datasets import Labelled
from l2g_core.errors import InputError
from l2g_core.experiments.resolve import Experiment, resolve
from l2g_core.experiments.write import FILE, write_experiment
from l2g_core.finetune.stage import EachEpoch
from l2g_core.model.checkpoint import CONFIG, METRICS_FILE, WEIGHTS
from l2g_core.model.config import L2GConfig
from l2g_core.runs.files import file_sha256, write_json
from l2g_core.runs.identity import differences

if TYPE_CHECKING:
    from l2g_core.align.options import TextOptions

log = logging.getLogger(__name__)
STAGE = "stage.json"
FOLDERS = {"search": "search", "align": "align", "finetune": "model"}
LATER = ("backbone_training", "backbone_layers", "lora_rank", "lora_alpha", "average_strands", "units")
RESULTS = {
    "search": ("search.json",),
    "align": ("align.json", "embedder.safetensors"),
    "finetune": (METRICS_FILE, CONFIG, WEIGHTS),
}


@dataclass(frozen=True)
class Context:
    """What every stage needs: the experiment, its data and model, where to write, and how to run."""

    experiment: Experiment
    data: Labelled
    config: L2GConfig
    folder: Path
    device: str | None = None
    resume: bool = False
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
    shown: bool = True,
    tensorboard: bool = False,
    text_dir: str | Path | None = None,
    test: bool = True,
    each_epoch: EachEpoch | None = None,
) -> dict[str, Any]:
    """Run the stages of an experiment; ``folder/model`` is the checkpoint.

    Parameters
    ----------
    resume
        Go on with a stage that was interrupted. Finished stages are never repeated unless what they depend on has
        changed; without ``resume`` an unfinished one starts afresh.
    text_dir
        Where the corpora that stage 2 knows by name are.
    test
        Score the test rows at the end; otherwise no stage is given them.
    each_epoch
        Called with the history of the fine-tuning so far, after each of its epochs.

    Returns
    -------
    The content of ``model/metrics.json``.

    Raises
    ------
    InputError
        Whatever the stages refuse; or ``resume`` was asked for in the folder of another experiment.
    """
    data = experiment.open_data()
    config = config_of(experiment, data)  # with the test rows: the longest sequence may be one of them
    folder = writable_folder(folder)
    if resume:
        _check_same(experiment, folder)
    write_experiment(experiment, folder)
    text = None if text_dir is None else Path(text_dir)
    rows = data if test else without_test(data)
    context = Context(experiment, rows, config, folder, device, resume, shown, tensorboard, text, each_epoch)
    for stage, run in (("search", _search), ("align", _align)):
        if experiment.sections["stages"][stage]:
            _once(stage, context, run)
    _once("finetune", context, _finetune)
    return json.loads((context.of("finetune") / METRICS_FILE).read_text(encoding="utf-8"))


def search_only(
    experiment: Experiment, folder: str | Path, *, device: str | None = None, resume: bool = False, shown: bool = True
) -> Path:
    """Run stage 1 of an experiment unless it is there already; its folder. Test rows are not read."""
    data = experiment.open_data()
    folder = writable_folder(folder)
    context = Context(experiment, without_test(data), config_of(experiment, data), folder, device, resume, shown)
    _once("search", context, _search)
    return context.of("search")


def without_test(data: Labelled) -> Labelled:
    """All rows but those of the test split."""
    return data.subset([row for row, split in enumerate(data.splits) if split != "test"])


def _check_same(experiment: Experiment, folder: Path) -> None:
    """Refuse to go on with another experiment than the one that was begun; the data may have moved."""
    path = folder / FILE
    if not path.is_file():
        return
    begun = resolve(path).sections
    if different := list(differences(_without_place(begun), _without_place(experiment.sections))):
        raise InputError(
            f"{path}: is another experiment: {', '.join(different)}; use another --output or the same settings, or "
            "leave out --resume to run again what depends on them"
        )


def _without_place(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    content = {name: dict(values) for name, values in sections.items()}
    content["data"].pop("data_dir")
    return json.loads(json.dumps(content))


def config_of(experiment: Experiment, data: Labelled) -> L2GConfig:
    """The architecture for these data, before any stage."""
    from l2g_core.evaluation.labels import output_names

    targets = output_names(data, experiment.sections["model"]["task"])
    return experiment.model_config(targets, data.data.longest)


def _once(stage: str, context: Context, run: Callable[[Context], object]) -> None:
    """Run a stage unless its result is there already."""
    folder = context.of(stage)
    identity = _identity(stage, context)
    if (reason := _unfinished(folder, identity, RESULTS[stage])) is None:
        log.info("%s: finished before, taken as it is", folder)
        return
    log.info("%s: %s", folder, reason)
    folder.mkdir(exist_ok=True)
    run(context)
    left = {name: file_sha256(folder / name) for name in RESULTS[stage]}
    write_json(folder / STAGE, {"identity": identity, "sha256": left})


def _identity(stage: str, context: Context) -> dict[str, Any]:
    """What a stage's result depends on: settings, data, versions, and what the stages before it left.

    How the transformer learns (``LATER``) is nothing to the stages that do not run it.
    """
    sections, order = context.experiment.sections, list(FOLDERS)
    before = [s for s in order[: order.index(stage)] if sections["stages"][s]]
    model = {k: v for k, v in asdict(context.config).items() if stage == "finetune" or k not in LATER}
    content = {
        "config": model,
        "options": {name: sections[name] for name in ((stage, "text") if stage == "align" else (stage,))},
        "data": {"sha256": context.data.sha256, "splits": context.data.split_source},
        "before": {s: json.loads((context.of(s) / STAGE).read_text(encoding="utf-8"))["sha256"] for s in before},
        "versions": {name: version(name) for name in ("l2g-interp", "torch", "transformers")},
    }
    return json.loads(json.dumps(content))


def _unfinished(folder: Path, identity: Mapping[str, Any], results: Sequence[str]) -> str | None:
    """Why a stage has to be run; None where it need not."""
    if not (folder / STAGE).is_file():
        return "to be run"
    stored = json.loads((folder / STAGE).read_text(encoding="utf-8"))
    if different := list(differences(stored["identity"], identity)):
        return f"run again, for {', '.join(different)}"
    spoilt = [n for n in results if not (folder / n).is_file() or file_sha256(folder / n) != stored["sha256"][n]]
    return f"run again, for {spoilt[0]} is not what it left" if spoilt else None


def _search(context: Context) -> None:
    from l2g_core.search.stage import search

    options = context.experiment.options("search")
    if options.embedder is None and "embedder" in context.experiment.given.get("model", {}):
        options = replace(options, embedder=context.config.embedder)  # the family is settled: search its operators
    search(
        context.data, context.config, context.of("search"), options,
        device=context.device, resume=context.resume, shown=context.shown,
    )  # fmt: skip


def text_options(experiment: Experiment) -> TextOptions:
    """What DNA is held against in stage 2: the same kind of points as of DNA, unless another was asked for."""
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
        device=context.device, resume=context.resume, shown=context.shown,
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
        device=context.device, resume=context.resume, shown=context.shown, tensorboard=context.tensorboard,
        each_epoch=context.each_epoch,
    )  # fmt: skip
