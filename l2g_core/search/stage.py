"""Stage 1 on files: choose a family, search its operators, write ``search.json`` and a picture (paper, section 2.4.1).

While it runs, the folder holds ``choice.json`` (scores of the families so far) and ``search.safetensors`` (the
checkpoint of the search after its last finished epoch), from which a killed run is resumed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from l2g_core.console import out_of_memory_explained, writable_folder
from l2g_core.datasets import Labelled
from l2g_core.errors import InputError
from l2g_core.evaluation.predict import default_device
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import embedder_class
from l2g_core.runs.files import read_json, write_json
from l2g_core.runs.identity import Identity, claim
from l2g_core.search.choose import Scores, best_of, choose
from l2g_core.search.dash import dash, mixed_network
from l2g_core.search.mixed import MixedConv
from l2g_core.search.options import SearchOptions
from l2g_core.search.picture import draw_trajectory
from l2g_core.search.result import SEARCH
from l2g_core.search.space import SPACES, space_for
from l2g_core.search.training import Task, task_of

log = logging.getLogger(__name__)
CHOICE, STATE, PICTURE = "choice.json", "search.safetensors", "search.svg"


def search(
    data: Labelled,
    config: L2GConfig,
    folder: str | Path,
    options: SearchOptions | None = None,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Find the embedder and its operators for these data (paper, section 2.4.1); a finished search is not repeated.

    Parameters
    ----------
    data
        Rows with splits ``train`` and ``val``; ``test`` is not read.
    config
        The model to be trained. Its embedder and operators are what is searched for; of its backbone only the width
        matters, which is the number of channels of the ResNet family.
    folder
        Where ``search.json`` and ``search.svg`` are written.
    device
        Such as ``cpu`` or ``cuda:1``; None for the GPU if there is one.
    resume, overwrite
        What to do if ``folder`` holds unfinished or other work (the rule of `l2g_core.runs.identity`). A resumed
        search has the result of an uninterrupted one.
    shown
        Show progress.

    Returns
    -------
    The content of ``search.json``: embedder, its ``operators`` as (kernel, dilation in bp), the families' scores, the
    trajectory with a record per epoch, and everything that the search depended on.

    Raises
    ------
    InputError
        The embedder has nothing to search, rows are missing, ``folder`` holds unfinished or other work, the search
        has a NaN loss, or memory runs out.
    """
    options = options or SearchOptions()
    _check(options, config)
    folder, device = writable_folder(folder), device or default_device()
    identity = identity_of(data, config, options)
    result, picture, choice, state = (folder / name for name in (SEARCH, PICTURE, CHOICE, STATE))
    partial = [choice, state]
    with claim(folder, identity, [result, picture], partial=partial, resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_json(result, "l2g search")
        task = task_of(data, config, options)
        with out_of_memory_explained("--batch-size or --embedder-width"):
            scores = None
            if options.embedder is None:
                scores = choose(task, config, options, device, choice, identity, shown)
            embedder = options.embedder or best_of(scores or {})
            layers, trajectory = _operators(embedder, task, config, options, device, state, identity, shown)
        found = _result(embedder, scores, layers, trajectory, task, data, identity)
        _warn_if_undecided(found)
        if trajectory:
            draw_trajectory(found, picture)
        else:  # nothing was searched
            claimed.files.remove(picture)
        write_json(result, found)
        for path in partial:
            path.unlink(missing_ok=True)
        return found


def _check(options: SearchOptions, config: L2GConfig) -> None:
    name = options.embedder
    if name is None:
        return
    family = embedder_class(name)
    if family.N_CONVOLUTIONS == 0:
        raise InputError(f"embedder {name!r} has no convolution to search; train it as it is, or choose another")
    if config.sequence_length < family.shortest:
        raise InputError(
            f"embedder {name!r} needs sequences of {family.shortest} bp or more, and the longest here has "
            f"{config.sequence_length} bp; choose another"
        )


def identity_of(data: Labelled, config: L2GConfig, options: SearchOptions) -> Identity:
    """What a search depends on; parts of the configuration that it searches for or does not use are left out."""
    model = asdict(config)
    fields = ("targets", "sequence_length", "task", "embedder_width", "backbone", "dropout")
    space = options.space or space_for(config.sequence_length)
    content = {
        "options": asdict(options) | {"space": space},
        "config": {name: model[name] for name in fields},
        "data": {"sha256": data.sha256, "validation": data.split_source},
    }
    return Identity("l2g search", content)


def _operators(
    embedder: str,
    task: Task,
    config: L2GConfig,
    options: SearchOptions,
    device: str,
    state: Path,
    identity: Identity,
    shown: bool,
) -> tuple[Sequence[MixedConv], list[dict[str, Any]]]:
    if embedder_class(embedder).N_CONVOLUTIONS == 0:
        log.info("%s has no convolution to search", embedder)
        return [], []
    model, mixed = mixed_network(embedder, config, options)
    of_embedder = Identity(identity.kind, {**identity.content, "embedder": embedder})
    return mixed, dash(task, model, mixed, options, device, state, of_embedder, shown)


def _warn_if_undecided(result: Mapping[str, Any]) -> None:
    """Warn if what was found is little better than chance."""
    if not result["trajectory"]:
        return
    even = 1 / len(result["candidates"])
    leading = result["trajectory"][-1]["probabilities"]
    if undecided := sum(probability < 2 * even for probability in leading):
        log.warning(
            "%d of %d convolutions are undecided: the best of %d candidates has less than twice its even share of "
            "%.0f %% (%.0f %% on average), so the choice is largely chance; search for more epochs, or skip the search",
            undecided, len(leading), len(result["candidates"]), 100 * even, 100 * sum(leading) / len(leading),
        )  # fmt: skip


def _result(
    embedder: str,
    scores: Scores | None,
    layers: Sequence[MixedConv],
    trajectory: list[dict[str, Any]],
    task: Task,
    data: Labelled,
    identity: Identity,
) -> dict[str, Any]:
    space = SPACES[identity.content["options"]["space"]]
    return {
        "embedder": embedder,
        "embedder_width": identity.content["config"]["embedder_width"],
        "operators": [list(layer.best()) for layer in layers] or None,
        "choice": scores,
        "metric": task.metric,
        "candidates": [list(operator) for operator in space.candidates],
        "logits": [[float(v) for v in layer.logits.detach().cpu()] for layer in layers],
        "trajectory": trajectory,
        "seed": identity.content["options"]["seed"],
        **identity.content,
        "source": data.data.source,
        "versions": {name: version(name) for name in ("l2g-interp", "torch")},
    }
