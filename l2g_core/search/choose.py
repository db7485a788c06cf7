"""Which embedder family: each with its defaults for one epoch, and the best on validation (paper section 2.4.1)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from l2g_core.console import progress
from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import EMBEDDERS, embedder_class
from l2g_core.runs.files import write_json
from l2g_core.runs.identity import differences
from l2g_core.runs.state import seeded_epoch
from l2g_core.search.network import build
from l2g_core.search.options import SearchOptions
from l2g_core.search.training import Task, batches, batches_per_epoch, descend, in_words, score

log = logging.getLogger(__name__)
Scores = dict[str, float | None]


def choose(
    task: Task,
    config: L2GConfig,
    options: SearchOptions,
    device: str,
    state: Path,
    identity: Mapping[str, Any],
    shown: bool = True,
) -> Scores:
    """The validation score of every family after one epoch; None where it is undefined.

    Families start from the same seed and see the same batches. Those that need longer sequences are left out.
    ``state`` keeps the scores that are known, for a run that goes on.

    Raises
    ------
    InputError
        No family has a score; or ``state`` is of another run.
    """
    scores = _known(state, identity)
    for name in EMBEDDERS:
        if name in scores:
            continue
        family = embedder_class(name)
        if config.sequence_length < family.shortest:
            log.warning("%s: left out, it takes sequences of %d bp or more", name, family.shortest)
            continue
        begun = time.monotonic()
        value = one_epoch(name, task, config, options, device, shown)
        rate = len(task.train) / (time.monotonic() - begun)
        log.info("%s after one epoch: validation %s %s, %.0f sequences/s", name, task.metric, in_words(value), rate)
        scores[name] = value
        write_json(state, {"identity": identity, "scores": scores})
    if all(value is None for value in scores.values()):
        raise InputError(
            f"{task.source}: no embedder has a validation score ({task.metric}) after an epoch; "
            "give more rows, or name one with --embedder"
        )
    return scores


def best_of(scores: Scores) -> str:
    """The family with the highest score, the first of those that are equal."""
    known = {name: value for name, value in scores.items() if value is not None}
    return max(known, key=lambda name: known[name])


def one_epoch(
    embedder: str, task: Task, config: L2GConfig, options: SearchOptions, device: str, shown: bool = True
) -> float | None:
    """Train a family with its default operators on every batch once; its validation score."""
    model = build(config, embedder, seed=options.seed).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), options.choice_learning_rate, options.momentum, weight_decay=options.weight_decay
    )
    generator = seeded_epoch(options.seed, 0)
    n = batches_per_epoch(task, options, 1.0)
    model.train()
    for x, y in progress(batches(task, options, generator, n), f"{embedder}, one epoch (batches)", n, shown):
        descend(model, x, y, optimizer, device)
        optimizer.step()
    return score(model, task, options)


def _known(state: Path, identity: Mapping[str, Any]) -> Scores:
    if not state.exists():
        return {}
    try:
        stored = json.loads(state.read_text(encoding="utf-8"))
        then, scores = stored["identity"], stored["scores"]
    except (ValueError, KeyError) as error:
        raise InputError(f"{state}: not the scores of a search ({error}); remove it to start afresh") from error
    different = list(differences(then, identity))
    if different:
        raise InputError(
            f"{state}: is of a search with other {', '.join(different)}; use another --output, or the same settings"
        )
    return scores
