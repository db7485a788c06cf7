"""Stage 3: supervised training of the whole model (paper section 2.4.3, Table 15)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from l2g_core.console import out_of_memory_explained, progress, writable_folder
from l2g_core.datasets import Labelled
from l2g_core.dna import check_lengths, one_hot
from l2g_core.evaluation.evaluate import definition, mean_score, scores
from l2g_core.evaluation.labels import check_labels, check_metric, labelled_rows
from l2g_core.evaluation.metrics import TASK_METRIC
from l2g_core.evaluation.predict import default_device
from l2g_core.finetune.options import FinetuneOptions
from l2g_core.model.backbones import is_adapter
from l2g_core.model.checkpoint import METRICS_FILE, WEIGHTS, SequenceModel, load_weights, save
from l2g_core.runs.files import write_json
from l2g_core.runs.state import restore_state, seeded_epoch, store_state
from l2g_core.training.augment import augment
from l2g_core.training.loss import task_loss
from l2g_core.training.precision import autocast, default_precision
from l2g_core.training.tensorboard import write_events

log = logging.getLogger(__name__)
STATE = "training.safetensors"
EachEpoch = Callable[[Sequence[Mapping[str, Any]]], None]
KNOBS = "--batch-size or --tokens, or train less of the language model (--backbone-training lora or frozen)"


def finetune(
    model: SequenceModel,
    data: Labelled,
    folder: str | Path,
    options: FinetuneOptions | None = None,
    *,
    device: str | None = None,
    resume: bool = False,
    shown: bool = True,
    tensorboard: bool = False,
    each_epoch: EachEpoch | None = None,
) -> dict[str, Any]:
    """Train, keep the epoch with the best validation score in ``folder``, then read the test split once.

    Parameters
    ----------
    model
        Any ``SequenceModel``. Its ``config.task`` decides loss and metric; what its ``provenance`` says of earlier
        stages is kept.
    data
        Rows with splits ``train``, ``val`` and perhaps ``test``; NaN labels do not count.
    resume
        Go on from the last finished epoch found in ``folder``; the result is that of an unbroken run.
    tensorboard
        Write event files to ``folder/events`` (needs the extra ``[tensorboard]``).
    each_epoch
        Called with the history so far, after every epoch and when an earlier run's is taken up.

    Returns
    -------
    The content of ``metrics.json``: history per epoch, best epoch, validation and test scores per target; None is a
    score that is not defined (a target that does not vary).

    Raises
    ------
    InputError
        The labels or lengths do not fit; ``folder`` holds a run with other options or data; memory is too small.
    """
    options = options or FinetuneOptions()
    device = device or default_device()
    check_labels(data, model.config.task, len(model.targets))
    check_metric(options.metric, model.config.task)
    check_lengths(data.data, model.shortest, model.longest)
    options = replace(options, precision=options.precision or default_precision(device))
    folder = writable_folder(folder)
    with out_of_memory_explained(KNOBS):
        trainer = Trainer(model.to(device), data, options, folder, device)
        if resume:
            trainer.restore()
        if each_epoch and trainer.history:
            each_epoch(trainer.history)
        with write_events(folder / "events", wanted=tensorboard, first_step=trainer.epoch) as write:
            while not trainer.finished:
                write(trainer.epoch, trainer.run_epoch(shown))
                if each_epoch:
                    each_epoch(trainer.history)
        return trainer.finish()


class Trainer:
    """The state of one training run, as it is stored after every epoch."""

    def __init__(self, model: SequenceModel, data: Labelled, options: FinetuneOptions, folder: Path, device: str):
        assert options.precision is not None
        self.model, self.options, self.folder, self.device = model, options, folder, device
        self.data, self.task = data, model.config.task
        self.train = labelled_rows(data.split("train"), self.task)
        self.val = labelled_rows(data.split("val"), self.task)
        self.optimizer = torch.optim.Adam(
            _parameter_groups(model, options),
            betas=options.betas,
            weight_decay=options.weight_decay,
            fused=torch.device(device).type == "cuda",
        )
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=options.precision == "fp16")  # pyright: ignore
        self.forward = torch.compile(model) if options.compile else model
        self.steps_per_epoch = math.ceil(len(self.train) / options.batch_size)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.metric = options.metric or TASK_METRIC[self.task]
        self.before = dict(model.provenance)
        self.identity = {
            "options": asdict(options),
            "config": asdict(model.config),
            "data": {"sha256": data.sha256, "validation": data.split_source},
            "before": self.before,
        }

    @property
    def finished(self) -> bool:
        """All epochs are done, or there was no better score for too long."""
        waited = self.epoch - self._best()["epoch"] if self.history else 0
        patience = self.options.patience
        return self.epoch >= self.options.epochs or (patience is not None and waited >= patience)

    def run_epoch(self, shown: bool = False) -> dict[str, Any]:
        """Train on every row once, score the validation split, store the state; what is new in the history."""
        start = time.monotonic()
        name = f"epoch {self.epoch + 1}/{self.options.epochs} (batches)"
        batches = progress(self.batches(self.epoch), name, self.steps_per_epoch, shown)
        losses = [self.step(x, y, n) for n, (x, y) in enumerate(batches, self.epoch * self.steps_per_epoch)]
        loss = float(torch.stack(losses).double().mean())
        trained = time.monotonic() - start
        self.epoch += 1
        self.history.append({"epoch": self.epoch, "loss": loss, "score": mean_score(self._scores(self.val))})
        if self._best()["epoch"] == self.epoch:
            self._save_checkpoint()
        self.store()
        self._log(loss, trained, time.monotonic() - start)
        return self.history[-1]

    def finish(self) -> dict[str, Any]:
        """Score the best epoch on validation and, this once, on test."""
        load_weights(self.model, self.folder / WEIGHTS)
        metrics = self._metrics()
        for split in ("val", "test"):
            rows = labelled_rows(self.data.split(split), self.task)
            if len(rows):
                metrics[split] = self._scores(rows)
        write_json(self.folder / METRICS_FILE, metrics)
        return metrics

    def store(self) -> None:
        """Keep what the next epoch starts from."""
        facts = {"epoch": self.epoch, "history": self.history, "scaler": self.scaler.state_dict()}
        store_state(self.folder / STATE, {"model": self.model}, self.optimizer, facts, self.identity)

    def restore(self) -> None:
        """Take up the state that an earlier run left, if it did and if it is the same run."""
        facts = restore_state(self.folder / STATE, {"model": self.model}, self.optimizer, self.identity)
        if facts is not None:
            self.epoch, self.history = facts["epoch"], facts["history"]
            self.scaler.load_state_dict(facts["scaler"])

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The training rows in a fresh order, augmented; depends on seed and epoch alone.

        Letters become arrays batch by batch: only the letters are in memory, once, however many epochs there are.
        """
        generator = seeded_epoch(self.options.seed, epoch)
        self.model.train()
        labels = torch.from_numpy(self.train.labels)
        for rows in torch.randperm(len(self.train), generator=generator).split(self.options.batch_size):
            if len(rows) < 2:  # batch norm has no variance from one row
                continue
            letters = [self.train.data.sequences[row] for row in rows.tolist()]
            x = torch.from_numpy(one_hot(letters, self.model.longest)).to(self.device).float()
            if self.options.augment:
                x = augment(x, generator, self.options.max_shift)
            yield x, labels[rows].to(self.device)

    def step(self, x: Tensor, y: Tensor, step: int) -> Tensor:
        assert self.options.precision is not None
        scale = learning_rate_scale(step, self.steps_per_epoch, self.options)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.device, self.options.precision):
            outputs = self.forward(x)
        loss = task_loss(outputs.float(), y, self.task)
        self.scaler.scale(loss).backward()
        if self.options.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def _scores(self, rows: Labelled) -> dict[str, float | None]:
        return scores(self.model, rows, self.metric, self.options.batch_size)

    def _best(self) -> dict[str, Any]:
        """The earliest epoch with the best score; one without a score is worse than any."""
        return max(self.history, key=lambda h: -math.inf if h["score"] is None else h["score"])

    def _metrics(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "definition": definition(self.metric),
            "best_epoch": self._best()["epoch"],
            "history": self.history,
        }

    def _log(self, loss: float, trained: float, total: float) -> None:
        score = self.history[-1]["score"]
        log.info(
            "epoch %d/%d: loss %.4f, validation %s %s, %.0f sequences/s, %.1f min left at most",
            self.epoch, self.options.epochs, loss, self.metric, "undefined" if score is None else f"{score:.4f}",
            len(self.train) / trained, (self.options.epochs - self.epoch) * total / 60,
        )  # fmt: skip

    def _save_checkpoint(self) -> None:
        self.model.provenance = self.before | {
            "stage": "finetune",
            "options": asdict(self.options),
            "data": {"file": self.data.data.source, "sha256": self.data.sha256, "validation": self.data.split_source},
            "versions": {name: version(name) for name in ("l2g-interp", "torch", "transformers")},
        }
        save(self.model, self.folder, self._metrics())


def learning_rate_scale(step: int, steps_per_epoch: int, options: FinetuneOptions) -> float:
    """Linear warm-up, then linear decay that ends at zero and never goes below."""
    warmup = options.warmup_epochs * steps_per_epoch
    total = options.epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (total - step) / max(1.0, total - warmup))


def _parameter_groups(model: nn.Module, options: FinetuneOptions) -> list[dict[str, Any]]:
    learned = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    language_model = [p for n, p in learned if n.startswith("encoder.") and not is_adapter(n)]
    new = [p for n, p in learned if not n.startswith("encoder.") or is_adapter(n)]
    groups = [(new, options.new_learning_rate), (language_model, options.learning_rate)]
    return [{"params": params, "lr": rate, "peak": rate} for params, rate in groups if params]
