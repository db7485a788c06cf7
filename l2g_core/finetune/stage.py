"""Stage 3: supervised training of the whole model (paper, section 2.4.3 and Table 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from l2g_core.console import out_of_memory_explained, writable_folder
from l2g_core.datasets import Labelled
from l2g_core.dna import check_lengths
from l2g_core.evaluation.evaluate import definition, mean_score, scores
from l2g_core.evaluation.labels import check_labels, check_metric, labelled_rows
from l2g_core.evaluation.metrics import TASK_METRIC
from l2g_core.evaluation.predict import default_device
from l2g_core.finetune.options import RESULTS, STATE, FinetuneOptions
from l2g_core.model.backbones import is_adapter
from l2g_core.model.checkpoint import METRICS_FILE, WEIGHTS, SequenceModel, load_weights, save
from l2g_core.runs.files import read_json, write_json
from l2g_core.runs.identity import Identity, claim
from l2g_core.training.loop import EachEpoch, EpochLoop, LoopSettings, best_epoch, in_words
from l2g_core.training.loss import task_loss
from l2g_core.training.precision import autocast, default_precision
from l2g_core.training.tensorboard import write_events

KNOBS = "--batch-size or --tokens, or train less of the language model (--backbone-training lora or frozen)"


def finetune(
    model: SequenceModel,
    data: Labelled,
    folder: str | Path,
    options: FinetuneOptions | None = None,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
    tensorboard: bool = False,
    each_epoch: EachEpoch | None = None,
) -> dict[str, Any]:
    """Train (paper, section 2.4.3), keep the checkpoint of the best epoch, then read the test split once.

    Parameters
    ----------
    model
        Any ``SequenceModel``. Its ``config.task`` decides loss and metric; its ``provenance``, about earlier stages,
        is kept.
    data
        Rows with splits ``train``, ``val`` and optionally ``test``; NaN labels do not count.
    folder
        Where the checkpoint is written: ``model.safetensors``, ``config.json``, ``metrics.json``.
    device
        Such as ``cpu`` or ``cuda:1``; None for the GPU if there is one.
    resume, overwrite
        What to do if ``folder`` holds unfinished or other work (the rule of `l2g_core.runs.identity`). A resumed
        training continues from the last finished epoch, with the result of an uninterrupted run.
    shown
        Show progress.
    tensorboard
        Write event files to ``folder/events`` (needs the extra ``[tensorboard]``).
    each_epoch
        Called with the history so far, after every epoch, and at the start if an earlier run left one.

    Returns
    -------
    The content of ``metrics.json``: history per epoch, best epoch, validation and test scores per target. A score is
    None if it is not defined (a target that does not vary).

    Raises
    ------
    InputError
        The labels or lengths do not fit; ``folder`` holds unfinished or other work; memory is too small.
    """
    options = options or FinetuneOptions()
    device = device or default_device()
    check_labels(data, model.config.task, len(model.targets))
    check_metric(options.metric, model.config.task)
    check_lengths(data.data, model.shortest, model.longest)
    options = replace(options, precision=options.precision or default_precision(device))
    folder = writable_folder(folder)
    files, partial = [folder / name for name in RESULTS], [folder / STATE]
    identity = identity_of(model, data, options)
    with claim(folder, identity, files, partial=partial, resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            load_weights(model.to(device), folder / WEIGHTS)
            metrics = read_json(folder / METRICS_FILE, "l2g finetune")
            if each_epoch:
                each_epoch(metrics["history"])
            return metrics
        with out_of_memory_explained(KNOBS):
            trainer = Trainer(model.to(device), data, options, folder, device, shown)
            trainer.restore()
            with write_events(folder / "events", wanted=tensorboard, first_step=trainer.epoch) as write:

                def hear(history: Sequence[Mapping[str, Any]]) -> None:
                    write(len(history) - 1, history[-1])
                    if each_epoch:
                        each_epoch(history)

                if each_epoch and trainer.history:
                    each_epoch(trainer.history)
                trainer.run(hear)
            return trainer.finish()


def identity_of(model: SequenceModel, data: Labelled, options: FinetuneOptions) -> Identity:
    """What a fine-tuning depends on."""
    content = {
        "options": asdict(options),
        "config": asdict(model.config),
        "data": {"sha256": data.sha256, "validation": data.split_source},
        "before": dict(model.provenance),
    }
    return Identity("l2g finetune", content)


class Trainer(EpochLoop):
    """One fine-tuning: what the checkpoint stores after every epoch, and what is fixed."""

    NAME = "fine-tuning"

    def __init__(
        self, model: SequenceModel, data: Labelled, options: FinetuneOptions, folder: Path, device: str,
        shown: bool = False,
    ):  # fmt: skip
        assert options.precision is not None
        self.options, self.folder, self.data, self.task = options, folder, data, model.config.task
        self.before = dict(model.provenance)
        optimizer = torch.optim.Adam(
            _parameter_groups(model, options),
            betas=options.betas,
            weight_decay=options.weight_decay,
            fused=torch.device(device).type == "cuda",
        )
        settings = LoopSettings(
            epochs=options.epochs, batch_size=options.batch_size, seed=options.seed, length=model.longest,
            max_shift=options.max_shift if options.augment else None, device=device, state=folder / STATE,
            identity=identity_of(model, data, options), shown=shown,
        )  # fmt: skip
        super().__init__(model, optimizer, labelled_rows(data.split("train"), self.task), settings)
        self.network = model
        self.val = labelled_rows(data.split("val"), self.task)
        self.y = torch.from_numpy(self.train.labels)
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=options.precision == "fp16")  # pyright: ignore
        self.forward = torch.compile(model) if options.compile else model
        self.metric = options.metric or TASK_METRIC[self.task]
        self.steps_done = 0

    def stopped_early(self) -> bool:
        waited = self.epoch - best_epoch(self.history)["epoch"] if self.history else 0
        return self.options.patience is not None and waited >= self.options.patience

    def facts(self) -> dict[str, Any]:
        return {"scaler": self.scaler.state_dict()}

    def take_facts(self, facts: Mapping[str, Any]) -> None:
        self.scaler.load_state_dict(facts["scaler"])

    def begin(self, epoch: int) -> None:
        self.steps_done = epoch * self.steps_per_epoch

    def step(self, x: Float[Tensor, "batch 4 length"], rows: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        assert self.options.precision is not None
        scale = learning_rate_scale(self.steps_done, self.steps_per_epoch, self.options)
        self.steps_done += 1
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.settings.device, self.options.precision):
            outputs = self.forward(x)
        loss = task_loss(outputs.float(), self.y[rows].to(self.settings.device), self.task)
        self.scaler.scale(loss).backward()
        if self.options.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def conclude(self, epoch: int, losses: list[Tensor]) -> dict[str, Any]:
        loss = float(torch.stack(losses).double().mean())
        return {"loss": loss, "score": mean_score(self._scores(self.val))}

    def keep(self) -> None:
        """Keep the weights of the best epoch so far."""
        if best_epoch(self.history)["epoch"] == self.epoch:
            self._save_checkpoint()

    def describe(self, row: Mapping[str, Any]) -> str:
        return f"loss {row['loss']:.4f}, validation {self.metric} {in_words(row['score'])}"

    def finish(self) -> dict[str, Any]:
        """Score the best epoch on validation and, this once, on test."""
        load_weights(self.network, self.folder / WEIGHTS)
        metrics = self._metrics()
        for split in ("val", "test"):
            rows = labelled_rows(self.data.split(split), self.task)
            if len(rows):
                metrics[split] = self._scores(rows)
        write_json(self.folder / METRICS_FILE, metrics)
        return metrics

    def _scores(self, rows: Labelled) -> dict[str, float | None]:
        return scores(self.network, rows, self.metric, self.options.batch_size)

    def _metrics(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "definition": definition(self.metric),
            "best_epoch": best_epoch(self.history)["epoch"],
            "history": self.history,
        }

    def _save_checkpoint(self) -> None:
        self.network.provenance = self.before | {
            "stage": "finetune",
            "options": asdict(self.options),
            "data": {"file": self.data.data.source, "sha256": self.data.sha256, "validation": self.data.split_source},
            "versions": {name: version(name) for name in ("l2g-interp", "torch", "transformers")},
        }
        save(self.network, self.folder, self._metrics())


def learning_rate_scale(step: int, steps_per_epoch: int, options: FinetuneOptions) -> float:
    """The learning rate schedule, as a factor of the peak rates: linear warm-up, then linear decay to zero.

    ``step`` counts from 0; a warm-up that is longer than the training is cut short.
    """
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
