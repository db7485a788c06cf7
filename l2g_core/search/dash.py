"""Which (kernel, dilation) for each convolution: DASH (Shen et al. 2022, arXiv:2204.07554), single-level.

Weights and logits descend together, on the same batches of the training split, by SGD. There is no second, inner
problem, no pruning and no schedule of the temperature: fresh Gumbel noise at temperature 1 in every step keeps the
mix from settling early, and the highest logit of each layer wins at the end.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from l2g_core.console import progress
from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import embedder_class
from l2g_core.runs.state import restore_state, seeded_epoch, store_state
from l2g_core.search.mixed import MixedConv, mix
from l2g_core.search.network import TaskNetwork, build
from l2g_core.search.options import SearchOptions
from l2g_core.search.space import SPACES, space_for, support
from l2g_core.search.training import Task, batches, batches_per_epoch, descend, in_words, score

log = logging.getLogger(__name__)


def mixed_network(embedder: str, config: L2GConfig, options: SearchOptions) -> tuple[TaskNetwork, list[MixedConv]]:
    """An embedder family with every convolution mixed, and those convolutions in order."""
    family = embedder_class(embedder)
    model = build(config, embedder, [(1, 1)] * family.N_CONVOLUTIONS, options.seed)
    space = SPACES[options.space or space_for(config.sequence_length)]
    return model, mix(model.embedder, space.candidates, options.temperature)


@dataclass(frozen=True)
class Run:
    """What one search works with, and how many batches it takes an epoch."""

    task: Task
    model: TaskNetwork
    mixed: Sequence[MixedConv]
    optimizer: torch.optim.Optimizer
    options: SearchOptions
    device: str

    @property
    def batches(self) -> int:
        return batches_per_epoch(self.task, self.options, self.options.fraction)


def dash(
    task: Task,
    model: TaskNetwork,
    mixed: Sequence[MixedConv],
    options: SearchOptions,
    device: str,
    state: Path,
    identity: Mapping[str, Any],
    shown: bool = True,
) -> list[dict[str, Any]]:
    """Search; returns the trajectory, one record per epoch, and leaves the final logits in ``mixed``.

    ``state`` is written after every epoch. Where it is there already the search goes on from it, and ends as an
    unbroken one does.

    Raises
    ------
    InputError
        The loss is no finite number any more; or ``state`` is of another run.
    """
    run = Run(task, model.to(device), mixed, make_optimizer(model, mixed, options), options, device)
    facts = restore_state(state, {"model": model}, run.optimizer, identity)
    trajectory: list[dict[str, Any]] = facts["trajectory"] if facts else []
    first, last = len(trajectory) * run.batches, options.epochs * run.batches
    bar = progress(range(first, last), "searching (batches)", last, shown, first)
    for epoch in range(len(trajectory), options.epochs):
        trajectory.append(search_epoch(run, epoch, bar))
        store_state(state, {"model": model}, run.optimizer, {"trajectory": trajectory}, identity)
    return trajectory


def search_epoch(run: Run, epoch: int, bar: Iterator[int]) -> dict[str, Any]:
    """Train on the epoch's batches and record where the search stands; depends on state, seed and epoch alone."""
    generator = seeded_epoch(run.options.seed, epoch)
    set_learning_rates(run.optimizer, epoch, run.options)
    run.model.train()
    begun = time.monotonic()
    losses = [
        search_step(run.model, run.mixed, x, y, run.optimizer, run.options, run.device)
        for (x, y), _ in zip(batches(run.task, run.options, generator, run.batches), bar, strict=False)
    ]  # the bar goes on to the next epoch's batches
    rate = min(run.batches * run.options.batch_size, len(run.task.train)) / (time.monotonic() - begun)
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise InputError(f"the loss of the search is no number any more in epoch {epoch + 1}; lower --lr")
    entry = {"epoch": epoch + 1, "loss": loss, **standing(run.model, run.mixed, run.task, run.options)}
    log.info(
        "search epoch %d/%d: loss %.4f, validation %s %s, %.0f sequences/s, leading: %s",
        epoch + 1, run.options.epochs, loss, run.task.metric, in_words(entry["score"]), rate,
        " ".join("{}x{}".format(*layer.best()) for layer in run.mixed),
    )  # fmt: skip
    return entry


def make_optimizer(model: nn.Module, mixed: Sequence[MixedConv], options: SearchOptions) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum over the weights and, at a rate of their own, the logits."""
    logits = [layer.logits for layer in mixed]
    ours = set(map(id, logits))
    weights = [p for p in model.parameters() if id(p) not in ours and p.requires_grad]
    groups = [(weights, options.learning_rate), (logits, options.logit_learning_rate)]
    return torch.optim.SGD(
        [{"params": params, "lr": rate, "peak": rate} for params, rate in groups],
        momentum=options.momentum,
        nesterov=options.momentum > 0,
        weight_decay=options.weight_decay,
        fused=True,
    )


def set_learning_rates(optimizer: torch.optim.Optimizer, epoch: int, options: SearchOptions) -> None:
    """The peak rates, times ``decay`` for every share of ``decay_at`` that has passed."""
    passed = sum(epoch >= share * options.epochs for share in options.decay_at)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * options.decay**passed


def search_step(
    model: TaskNetwork,
    mixed: Sequence[MixedConv],
    x: Tensor,
    y: Tensor,
    optimizer: torch.optim.Optimizer,
    options: SearchOptions,
    device: str,
) -> Tensor:
    """One step of weights and logits; returns the loss."""
    loss = descend(model, x, y, optimizer, device)
    for layer in mixed:
        shape_logit_gradient(layer, options)
    nn.utils.clip_grad_norm_(model.parameters(), options.clip)
    optimizer.step()
    return loss


@torch.no_grad()
def shape_logit_gradient(layer: MixedConv, options: SearchOptions) -> None:
    """Bring the gradient of a layer's logits to its norm, then add the price of each candidate's support."""
    gradient = layer.logits.grad
    assert gradient is not None
    gradient *= options.logit_gradient / gradient.norm().clamp(min=torch.finfo(gradient.dtype).tiny)
    supports = [support(operator) for operator in layer.candidates]
    gradient += options.support_cost * torch.tensor(supports, dtype=gradient.dtype, device=gradient.device)


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Within it, batch norms in evaluation go by the batch at hand; what they have learned is as before afterwards.

    Each pass through a mixed network draws a mix of its own: means over many mixes fit none of them.
    """
    norms = [(m, m.running_mean, m.running_var) for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    for norm, *_ in norms:
        norm.running_mean = norm.running_var = None
    try:
        yield
    finally:
        for norm, mean, variance in norms:
            norm.running_mean, norm.running_var = mean, variance


@torch.no_grad()
def standing(model: TaskNetwork, mixed: Sequence[MixedConv], task: Task, options: SearchOptions) -> dict[str, Any]:
    """Where the search stands: the score, and per layer the leader, its probability and the entropy (nats)."""
    probabilities = [layer.logits.softmax(dim=0).cpu() for layer in mixed]
    with batch_statistics(model):
        reached = score(model, task, options)
    return {
        "score": reached,
        "leaders": [list(layer.best()) for layer in mixed],
        "probabilities": [float(p.max()) for p in probabilities],
        "entropies": [float(torch.special.entr(p).sum()) for p in probabilities],
    }
