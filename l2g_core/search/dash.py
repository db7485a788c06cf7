"""Finding a (kernel, dilation) for each convolution: DASH (Shen et al. 2022, arXiv:2204.07554), single-level.

Weights and logits are trained together, on the same batches of the training split, by SGD. There is no bilevel
optimisation, no pruning and no temperature schedule: new Gumbel noise at temperature 1 in every step keeps the mix
from settling early, and the highest logit of each layer wins at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import embedder_class
from l2g_core.runs.identity import Identity
from l2g_core.search.mixed import MixedConv, mix
from l2g_core.search.network import TaskNetwork, build
from l2g_core.search.options import SearchOptions
from l2g_core.search.space import SPACES, space_for, support
from l2g_core.search.training import Task, descend, score, shift_of
from l2g_core.training.loop import EpochLoop, LoopSettings, in_words, number_of_batches


def mixed_network(embedder: str, config: L2GConfig, options: SearchOptions) -> tuple[TaskNetwork, list[MixedConv]]:
    """An embedder family with every convolution replaced by a mixed one, and those convolutions in order."""
    family = embedder_class(embedder)
    model = build(config, embedder, [(1, 1)] * family.N_CONVOLUTIONS, options.seed)
    space = SPACES[options.space or space_for(config.sequence_length)]
    return model, mix(model.embedder, space.candidates, options.temperature)


def dash(
    task: Task,
    model: TaskNetwork,
    mixed: Sequence[MixedConv],
    options: SearchOptions,
    device: str,
    state: Path,
    identity: Identity,
    shown: bool = True,
) -> list[dict[str, Any]]:
    """Search; returns the trajectory, one record per epoch, and leaves the final logits in ``mixed``.

    Parameters
    ----------
    model, mixed
        From `mixed_network`; trained in place.
    state
        The checkpoint, written after every epoch. If it exists, the search resumes from it, with the result of an
        uninterrupted one.

    Raises
    ------
    InputError
        The loss became NaN or infinite; or ``state`` is of other work.
    """
    batches = max(1, round(options.fraction * number_of_batches(len(task.train), options.batch_size)))
    settings = LoopSettings(
        epochs=options.epochs, batch_size=options.batch_size, seed=options.seed, length=task.length,
        max_shift=shift_of(options), device=device, state=state, identity=identity, batches=batches, shown=shown,
    )  # fmt: skip
    searcher = _Searcher(task, model.to(device), mixed, options, settings)
    searcher.restore()
    searcher.run()
    return searcher.history


class _Searcher(EpochLoop):
    """One search; its history is the trajectory."""

    NAME = "searching"
    model: TaskNetwork

    def __init__(
        self, task: Task, model: TaskNetwork, mixed: Sequence[MixedConv], options: SearchOptions, settings: LoopSettings
    ):
        super().__init__(model, make_optimizer(model, mixed, options), task.train, settings)
        self.task, self.mixed, self.options = task, mixed, options
        self.y = torch.from_numpy(task.train.labels)

    def begin(self, epoch: int) -> None:
        set_learning_rates(self.optimizer, epoch, self.options)

    def step(self, x: Float[Tensor, "batch 4 length"], rows: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        return search_step(self.model, self.mixed, x, self.y[rows], self.optimizer, self.options, self.settings.device)

    def conclude(self, epoch: int, losses: list[Tensor]) -> dict[str, Any]:
        loss = float(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise InputError(f"NaN loss: the loss of the search is not finite in epoch {epoch + 1}; lower --lr")
        return {"loss": loss, **standing(self.model, self.mixed, self.task, self.options)}

    def describe(self, row: Mapping[str, Any]) -> str:
        leading = " ".join("{}x{}".format(*operator) for operator in row["leaders"])
        score = in_words(row["score"])
        return f"loss {row['loss']:.4f}, validation {self.task.metric} {score}, leading: {leading}"


def make_optimizer(model: nn.Module, mixed: Sequence[MixedConv], options: SearchOptions) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum over the weights and, with their own learning rate, the logits."""
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
    """The learning rate schedule: peak rates, times ``decay`` for every share of the epochs in ``decay_at`` passed."""
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
    """Scale the gradient of a layer's logits to norm ``logit_gradient``; then add the cost of each support."""
    gradient = layer.logits.grad
    assert gradient is not None
    gradient *= options.logit_gradient / gradient.norm().clamp(min=torch.finfo(gradient.dtype).tiny)
    supports = [support(operator) for operator in layer.candidates]
    gradient += options.support_cost * torch.tensor(supports, dtype=gradient.dtype, device=gradient.device)


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """A context in which batch norms in evaluation mode use the batch's statistics; running ones are kept for later.

    Every pass through a mixed network draws another mix, and means over many mixes fit none of them.
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
    """The state of the search: score, and per layer the leading candidate, its probability and the entropy (nats)."""
    probabilities = [layer.logits.softmax(dim=0).cpu() for layer in mixed]
    with batch_statistics(model):
        reached = score(model, task, options)
    return {
        "score": reached,
        "leaders": [list(layer.best()) for layer in mixed],
        "probabilities": [float(p.max()) for p in probabilities],
        "entropies": [float(torch.special.entr(p).sum()) for p in probabilities],
    }
