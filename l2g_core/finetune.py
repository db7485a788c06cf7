"""Stage 3: supervised training of the whole model (paper section 2.4.3, Table 15)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from l2g_core.augment import MAX_SHIFT, augment
from l2g_core.checkpoint import METRICS as METRICS_FILE
from l2g_core.checkpoint import SequenceModel, load, save
from l2g_core.console import out_of_memory_explained, progress
from l2g_core.datasets import Labelled
from l2g_core.dna import one_hot
from l2g_core.files import write_json
from l2g_core.metrics import METRICS, TASK_METRIC
from l2g_core.predict import default_device, predict
from l2g_core.training_state import restore_state, seeded_epoch, store_state

log = logging.getLogger(__name__)
STATE = "training.safetensors"


@dataclass(frozen=True)
class FinetuneOptions:
    """How to train; the defaults are the paper's (Table 15).

    ``learning_rate`` is the language model's. What starts from nothing here (embedder, projection, head) learns at
    ``new_learning_rate``: without stage 2 the paper's 1e-5 would not move it.
    ``metric``: the score to select by on the validation split; the task's own when None.
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 1e-5
    new_learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_epochs: float = 5.0
    clip: float = 1.0
    max_shift: int = MAX_SHIFT
    augment: bool = True
    metric: str | None = None
    seed: int = 0


def finetune(
    model: SequenceModel,
    data: Labelled,
    folder: str | Path,
    options: FinetuneOptions | None = None,
    *,
    device: str | None = None,
    resume: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Train, keep the epoch with the best validation score in ``folder``, then read the test split once.

    Parameters
    ----------
    model
        Any ``SequenceModel``. Its ``config.task`` decides loss and metric.
    data
        Rows with splits ``train``, ``val`` and perhaps ``test``; NaN labels do not count.
    resume
        Go on from the last finished epoch found in ``folder``; the result is that of an unbroken run.

    Returns
    -------
    The content of ``metrics.json``: history per epoch, best epoch, validation and test scores per target.

    Raises
    ------
    InputError
        ``folder`` holds a run with other options or data; or the device's memory is too small.
    """
    options = options or FinetuneOptions()
    folder = Path(folder)
    device = device or default_device()
    model.to(device)
    trainer = _Trainer(model, data, options, folder, device)
    if resume:
        trainer.restore()
    with out_of_memory_explained("--batch-size"):
        for epoch in progress(
            range(trainer.epoch, options.epochs), "training (epochs)", options.epochs, shown, trainer.epoch
        ):
            trainer.run_epoch(epoch)
    return trainer.finish()


class _Trainer:
    """The state of one training run, as it is stored after every epoch."""

    def __init__(self, model: SequenceModel, data: Labelled, options: FinetuneOptions, folder: Path, device: str):
        self.model, self.options, self.folder, self.device = model, options, folder, device
        self.data = data
        self.train, self.val = data.split("train"), data.split("val")
        self.x = torch.from_numpy(one_hot(self.train.data.sequences, model.longest))
        self.y = torch.from_numpy(self.train.labels)
        self.optimizer = torch.optim.Adam(
            _parameter_groups(model, options), betas=options.betas, weight_decay=options.weight_decay
        )
        self.steps_per_epoch = math.ceil(len(self.train) / options.batch_size)
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.metric = options.metric or TASK_METRIC[model.config.task]
        self.identity = {"options": asdict(options), "config": asdict(model.config), "data": data.sha256}

    def run_epoch(self, epoch: int) -> None:
        """Train on every row once, score the validation split, store the state."""
        start = time.monotonic()
        losses = [
            self._step(x, y, step) for step, (x, y) in enumerate(self._batches(epoch), epoch * self.steps_per_epoch)
        ]
        score = float(np.nanmean(self._score(self.val)))
        best = max((h["score"] for h in self.history), default=-math.inf)
        seconds = time.monotonic() - start
        self.history.append({"epoch": epoch + 1, "loss": float(np.mean(losses)), "score": score})
        self.epoch = epoch + 1
        log.info(
            "epoch %d/%d: loss %.4f, validation %s %.4f, %.0f sequences/s",
            self.epoch, self.options.epochs, np.mean(losses), self.metric, score, len(self.train) / seconds,
        )  # fmt: skip
        if score > best or not (self.folder / METRICS_FILE).exists():
            self._save_checkpoint(self._metrics())
        self.store()

    def finish(self) -> dict[str, Any]:
        """Score the best epoch on validation and, this once, on test."""
        best = load(self.folder).to(self.device)
        self.model.load_state_dict(best.state_dict())
        metrics = self._metrics()
        for split in ("val", "test"):
            rows = self.data.split(split)
            if len(rows):
                metrics[split] = dict(zip(self.data.targets, map(float, self._score(rows)), strict=False))
        write_json(self.folder / METRICS_FILE, metrics)
        return metrics

    def store(self) -> None:
        """Keep what the next epoch starts from."""
        facts = {"epoch": self.epoch, "history": self.history}
        store_state(self.folder / STATE, {"model": self.model}, self.optimizer, facts, self.identity)

    def restore(self) -> None:
        """Take up the state that an earlier run left, if it did and if it is the same run."""
        facts = restore_state(self.folder / STATE, {"model": self.model}, self.optimizer, self.identity)
        if facts is not None:
            self.epoch, self.history = facts["epoch"], facts["history"]

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The training rows in a fresh order, augmented; depends on seed and epoch alone."""
        generator = seeded_epoch(self.options.seed, epoch)
        self.model.train()
        for rows in torch.randperm(len(self.x), generator=generator).split(self.options.batch_size):
            if len(rows) < 2:  # batch norm has no variance from one row
                continue
            x = self.x[rows].float()
            yield augment(x, generator, self.options.max_shift) if self.options.augment else x, self.y[rows]

    def _step(self, x: Tensor, y: Tensor, step: int) -> float:
        scale = learning_rate_scale(step, self.steps_per_epoch, self.options)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        self.optimizer.zero_grad(set_to_none=True)
        loss = task_loss(self.model(x.to(self.device)), y.to(self.device), self.model.config.task)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        return float(loss.detach())

    def _score(self, rows: Labelled) -> np.ndarray:
        if not len(rows):
            return np.array([np.nan])
        return METRICS[self.metric](rows.labels, predict(self.model, rows.data.sequences, self.model.longest))

    def _metrics(self) -> dict[str, Any]:
        best = max(self.history, key=lambda h: h["score"])
        return {"metric": self.metric, "best_epoch": best["epoch"], "history": self.history}

    def _save_checkpoint(self, metrics: dict[str, Any]) -> None:
        self.model.provenance = {
            "stage": "finetune",
            "options": asdict(self.options),
            "data": {"file": self.data.data.source, "sha256": self.data.sha256, "validation": self.data.split_source},
            "versions": {name: version(name) for name in ("l2g-interp", "torch", "transformers")},
        }
        save(self.model, self.folder, metrics)


def task_loss(outputs: Float[Tensor, "batch targets"], labels: Tensor, task: str) -> Tensor:
    """Mean squared error, cross-entropy or binary cross-entropy; rows and targets without a label do not count."""
    if task == "classification":
        return F.cross_entropy(outputs, labels[:, 0].long())
    measured = ~torch.isnan(labels)
    known = torch.where(measured, labels, 0.0)
    elementwise = F.binary_cross_entropy_with_logits if task == "multilabel" else F.mse_loss
    losses = elementwise(outputs, known, reduction="none")
    return (losses * measured).sum() / measured.sum().clamp(min=1)


def learning_rate_scale(step: int, steps_per_epoch: int, options: FinetuneOptions) -> float:
    """Linear warm-up, then linear decay that ends at zero and never goes below."""
    warmup = options.warmup_epochs * steps_per_epoch
    total = options.epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (total - step) / max(1.0, total - warmup))


def _parameter_groups(model: nn.Module, options: FinetuneOptions) -> list[dict[str, Any]]:
    pretrained = [p for n, p in model.named_parameters() if n.startswith("encoder.") and p.requires_grad]
    new = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
    groups = [(new, options.new_learning_rate), (pretrained, options.learning_rate)]
    return [{"params": params, "lr": rate, "peak": rate} for params, rate in groups if params]
