"""What the one-epoch choice and the search share: rows, gradients, scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from l2g_core.datasets import Labelled
from l2g_core.evaluation.evaluate import mean_score, scores
from l2g_core.evaluation.labels import check_labels, check_metric, labelled_rows
from l2g_core.evaluation.metrics import TASK_METRIC
from l2g_core.model.config import L2GConfig
from l2g_core.search.network import TaskNetwork
from l2g_core.search.options import SearchOptions
from l2g_core.training.loss import task_loss
from l2g_core.training.options import MAX_SHIFT


@dataclass(frozen=True)
class Task:
    """The rows to train on and the rows to score on, padded to ``length`` (bp)."""

    train: Labelled
    validation: Labelled
    length: int
    metric: str

    @property
    def source(self) -> str:
        return self.train.data.source


def task_of(data: Labelled, config: L2GConfig, options: SearchOptions) -> Task:
    """Training and validation rows; the test rows are not read here.

    Raises
    ------
    InputError
        The labels leave nothing to learn or to select by, or do not fit the task.
    """
    check_labels(data, config.task, len(config.targets))
    check_metric(options.metric, config.task)
    train, validation = (labelled_rows(data.split(name), config.task) for name in ("train", "val"))
    return Task(train, validation, config.sequence_length, options.metric or TASK_METRIC[config.task])


def shift_of(options: SearchOptions) -> int | None:
    """The largest shift of the augmentation (bp); None for no augmentation."""
    return MAX_SHIFT if options.augment else None


def score(model: TaskNetwork, task: Task, options: SearchOptions) -> float | None:
    """Mean validation score over the targets; None if undefined (nothing varies, or training diverged to NaN)."""
    if not all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
        return None
    return mean_score(scores(model, task.validation, task.metric, options.batch_size))


def descend(
    model: TaskNetwork, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer, device: str
) -> Float[Tensor, ""]:
    """Compute the gradients of one batch, which stay in the parameters; returns the loss."""
    optimizer.zero_grad(set_to_none=True)
    loss = task_loss(model(x.to(device)), y.to(device), model.config.task)
    loss.backward()
    return loss.detach()
