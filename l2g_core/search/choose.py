"""Choosing the embedder family: each is trained for one epoch, the best on validation wins (paper, section 2.4.1)."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch

from l2g_core.console import progress
from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import EMBEDDERS, embedder_class
from l2g_core.runs.files import read_json, write_json
from l2g_core.runs.identity import Identity, refuse_other
from l2g_core.runs.state import seeded_epoch
from l2g_core.search.network import build
from l2g_core.search.options import SearchOptions
from l2g_core.search.training import Task, descend, score, shift_of
from l2g_core.training.loop import drawn_batches, in_words, number_of_batches

log = logging.getLogger(__name__)
Scores = dict[str, float | None]


def choose(
    task: Task,
    config: L2GConfig,
    options: SearchOptions,
    device: str,
    state: Path,
    identity: Identity,
    shown: bool = True,
) -> Scores:
    """The validation score of every family after one epoch; None if it is undefined.

    Families start from the same seed and see the same batches. Those that need longer sequences are left out.

    Parameters
    ----------
    state
        JSON file with the scores so far, for a run that is resumed.

    Raises
    ------
    InputError
        No family has a score; or ``state`` is of other work.
    """
    scores = _known(state, identity)
    for name in EMBEDDERS:
        if name in scores:
            continue
        family = embedder_class(name)
        if config.sequence_length < family.shortest:
            log.warning("%s: left out, because it needs sequences of %d bp or more", name, family.shortest)
            continue
        begun = time.monotonic()
        value = one_epoch(name, task, config, options, device, shown)
        rate = len(task.train) / (time.monotonic() - begun)
        log.info("%s after one epoch: validation %s %s, %.0f sequences/s", name, task.metric, in_words(value), rate)
        scores[name] = value
        write_json(state, {"identity": identity.as_json(), "scores": scores})
    if all(value is None for value in scores.values()):
        raise InputError(
            f"{task.source}: no embedder has a validation score ({task.metric}) after an epoch; "
            "give more rows, or choose one with --embedder"
        )
    return scores


def best_of(scores: Scores) -> str:
    """The family with the highest score; of equal ones the first."""
    known = {name: value for name, value in scores.items() if value is not None}
    return max(known, key=lambda name: known[name])


def one_epoch(
    embedder: str, task: Task, config: L2GConfig, options: SearchOptions, device: str, shown: bool = True
) -> float | None:
    """Train a family with its default operators on every batch once; return its validation score."""
    model = build(config, embedder, seed=options.seed).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), options.choice_learning_rate, options.momentum, weight_decay=options.weight_decay
    )
    generator = seeded_epoch(options.seed, 0)
    model.train()
    n = number_of_batches(len(task.train), options.batch_size)
    drawn = drawn_batches(task.train, options.batch_size, task.length, device, generator, shift_of(options))
    y = torch.from_numpy(task.train.labels)
    for x, rows in progress(drawn, f"{embedder}, one epoch (batches)", n, shown):
        descend(model, x, y[rows], optimizer, device)
        optimizer.step()
    return score(model, task, options)


def _known(state: Path, identity: Identity) -> Scores:
    """The scores that an interrupted search stored; empty if there are none."""
    if not state.exists():
        return {}
    stored = read_json(state, "l2g search")
    refuse_other(state, stored.get("identity", {}), identity)
    return stored["scores"]
