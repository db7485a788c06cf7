"""Stage 2: pre-train the embedder on the task and, in the last third, towards text (paper section 2.4.2).

    loss = alpha(epoch) * discrepancy(DNA points, text points) + beta * task loss

The transformer is not run: the embedder has a linear head of its own on the mean of its tokens, which is thrown away.
Where this differs from the reference implementation: of the epochs that align the one with the least loss on the
validation split is kept (there: the last), gradients are clipped, the discrepancy is not computed while its weight is
zero, and the learning rate stays until the alignment starts, to fall to zero at its end (there: times 0.2 at 40, 60
and 80 % of the epochs).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from l2g_core.align.discrepancy import discrepancy
from l2g_core.align.measure import Snapshot, discrepancies, of_text_itself, take_snapshot
from l2g_core.align.options import EMBEDDER, RECORD, AlignOptions
from l2g_core.align.picture import draw_embeddings
from l2g_core.align.points import dna_points, encoded, label_groups
from l2g_core.align.text import TextReference
from l2g_core.console import out_of_memory_explained, progress, writable_folder
from l2g_core.datasets import Labelled
from l2g_core.dna import check_lengths
from l2g_core.errors import InputError
from l2g_core.evaluation.evaluate import mean_score, named_scores
from l2g_core.evaluation.labels import check_labels, check_metric, labelled_rows
from l2g_core.evaluation.metrics import METRICS, TASK_METRIC
from l2g_core.evaluation.predict import default_device, predict
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import EMBEDDING_PARTS, L2G, masked_mean, sequence_lengths
from l2g_core.runs.files import whole, write_json
from l2g_core.runs.state import restore_state, seeded_epoch, store_state
from l2g_core.training.augment import augment
from l2g_core.training.loss import task_loss

log = logging.getLogger(__name__)
PICTURE, STATE = "embeddings.png", "training.safetensors"


def align(
    config: L2GConfig,
    data: Labelled,
    text: TextReference,
    folder: str | Path,
    options: AlignOptions | None = None,
    *,
    device: str | None = None,
    resume: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Pre-train the embedder of ``L2G(config)`` and write it to ``folder`` for stage 3.

    Parameters
    ----------
    config
        The model that stage 3 will train; its transformer is not run here.
    data
        Rows with splits ``train`` and ``val``; NaN labels do not count. Test rows are never read.
    text
        From ``text_reference``, of the same language model.
    resume
        Go on from the last finished epoch found in ``folder``; the result is that of an unbroken run.

    Returns
    -------
    The content of ``align.json``: options, config, text, losses and validation score per epoch, the MMD between
    validation DNA and text before training, before the alignment (``task_only``) and after it, beside that between two
    halves of the text (``text_itself``).

    Raises
    ------
    InputError
        The text is of another language model, ``folder`` holds a run with other options or data, training diverges,
        or the device's memory is too small.
    """
    options, folder = options or AlignOptions(), writable_folder(folder)
    check_labels(data, config.task, len(config.targets))
    check_metric(options.metric, config.task)
    aligner = _Aligner(config, data, text, options, folder, device or default_device())
    if not (resume and aligner.restore()):
        aligner.forget()
    with out_of_memory_explained("--batch-size or --points"):
        for epoch in progress(
            range(aligner.epoch, options.epochs), "pre-training (epochs)", options.epochs, shown, aligner.epoch
        ):
            aligner.run_epoch(epoch)
        return aligner.finish()


class _Aligner:
    """The state of one run, as it is stored after every epoch."""

    def __init__(
        self, config: L2GConfig, data: Labelled, text: TextReference, options: AlignOptions, folder: Path, device: str
    ):
        torch.manual_seed(options.seed)
        self.config, self.options, self.folder, self.data, self.text = config, options, folder, data, text
        self.model = L2G(replace(config, backbone_training="none")).to(device)
        if text.embeddings.shape[1] != self.model.width:
            raise InputError(
                f"the text embeddings are {text.embeddings.shape[1]} wide and {config.backbone!r} is "
                f"{self.model.width}; take both from one language model"
            )
        self.device = device
        check_lengths(data.data, self.model.shortest, self.model.longest)
        self.train = labelled_rows(data.split("train"), config.task)
        self.val = labelled_rows(data.split("val"), config.task)
        self.y = torch.from_numpy(self.train.labels)
        self.groups = label_groups(self.y, config.task)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), options.learning_rate,
            momentum=options.momentum, weight_decay=options.weight_decay,
        )  # fmt: skip
        self.metric = options.metric or TASK_METRIC[config.task]
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.before = self._snapshot()
        self.measured = {
            "text_itself": of_text_itself(text, options.discrepancy, options.seed),
            "before": discrepancies(self.before, options.discrepancy),
        }

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "options": asdict(self.options), "config": asdict(self.config), "text": self.text.provenance,
            "data": self.data.sha256, "targets": self.data.targets,
        }  # fmt: skip

    def forget(self) -> None:
        """Remove what an earlier run left: its embedder must not pass for this one's."""
        for name in (STATE, RECORD, EMBEDDER, PICTURE):
            (self.folder / name).unlink(missing_ok=True)

    def restore(self) -> bool:
        """Take up the state that an earlier run left, if it did and if it is the same run; whether it did."""
        facts = restore_state(self.folder / STATE, {"model": self.model}, self.optimizer, self.identity)
        if facts is not None:
            self.epoch, self.history, self.measured = facts["epoch"], facts["history"], facts["measured"]
        return facts is not None

    def run_epoch(self, epoch: int) -> None:
        """Train on every row once, score the validation split, store embedder and state."""
        start = time.monotonic()
        if epoch == self.options.first_aligned:
            self.measured["task_only"] = discrepancies(self._snapshot(), self.options.discrepancy)
        alpha = self.options.alpha_in(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate_in(epoch)
        losses = np.array([self._step(alpha, *batch) for batch in self._batches(epoch)])
        if not np.isfinite(losses).all():
            raise InputError(f"the loss is no number any more in epoch {epoch + 1}: training diverges; lower --lr")
        self.history.append(self._row(epoch, alpha, *losses.mean(axis=0).tolist()))
        self.epoch = epoch + 1
        self._tell(self.history[-1], len(self.train) / (time.monotonic() - start))
        if self.best()["epoch"] == self.epoch:
            self._save_embedder()
        self.store()

    def _row(self, epoch: int, alpha: float, task: float, distance: float) -> dict[str, Any]:
        """What the history tells of an epoch; a discrepancy is None where it does not count and is not computed."""
        outputs = predict(self.model, self.val.data.sequences, self.model.longest)
        loss = float(task_loss(torch.from_numpy(outputs), torch.from_numpy(self.val.labels), self.config.task))
        name = self.options.discrepancy
        held_out = discrepancies(self._snapshot(), name)[name] if alpha else 0.0
        scores = named_scores(self.val, METRICS[self.metric](self.val.labels, outputs))
        return {
            "epoch": epoch + 1,
            "alpha": alpha,
            "task_loss": task,
            "discrepancy": distance if alpha else None,
            "validation_task_loss": loss,
            "validation_discrepancy": held_out if alpha else None,
            "validation_loss": alpha * held_out + self.options.beta * loss,
            "score": mean_score(scores),
            "scores": scores,
        }

    def _tell(self, row: dict[str, Any], speed: float) -> None:
        log.info(
            "epoch %d/%d: task loss %.4f, %s %s, validation %s %s, %.0f sequences/s",
            row["epoch"], self.options.epochs, row["task_loss"], self.options.discrepancy,
            "off" if row["discrepancy"] is None else f"{row['discrepancy']:.4f}",
            self.metric, "not defined" if row["score"] is None else f"{row['score']:.4f}", speed,
        )  # fmt: skip

    def best(self) -> dict[str, Any]:
        """The epoch that is kept: the least loss on the validation rows among those that align, or all if none does."""
        aligned = [row for row in self.history if row["alpha"]]
        return min(aligned or self.history, key=lambda row: row["validation_loss"])

    def store(self) -> None:
        facts = {"epoch": self.epoch, "history": self.history, "measured": self.measured}
        store_state(self.folder / STATE, {"model": self.model}, self.optimizer, facts, self.identity)

    def finish(self) -> dict[str, Any]:
        """Measure the embedder that was kept, draw it, and write the record."""
        from safetensors.torch import load_file

        self.model.load_state_dict(load_file(self.folder / EMBEDDER), strict=False)
        after = self._snapshot()
        self.measured["after"] = discrepancies(after, self.options.discrepancy)
        captions = [f"{when} stage 2 (MMD {self.measured[when]['mmd']:.3f})" for when in ("before", "after")]
        draw_embeddings(self.folder / PICTURE, after.text, [self.before.dna, after.dna], captions, self.options.seed)
        record = self._record()
        write_json(self.folder / RECORD, record)
        return record

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Int[Tensor, " batch"], torch.Generator]]:
        """The training rows in a fresh order, augmented; depends on seed and epoch alone."""
        generator = seeded_epoch(self.options.seed, epoch)
        self.model.train()
        for rows in torch.randperm(len(self.train), generator=generator).split(self.options.batch_size):
            if len(rows) < 2:  # batch norm has no variance from one row
                continue
            x = encoded(self.train, rows, self.model.longest, self.device)
            yield augment(x, generator, self.options.max_shift) if self.options.augment else x, rows, generator

    def _step(
        self, alpha: float, x: Float[Tensor, "batch 4 length"], rows: Int[Tensor, " batch"], generator: torch.Generator
    ) -> tuple[float, float]:
        """One update; the task loss and the discrepancy (0 where it is not computed)."""
        self.optimizer.zero_grad(set_to_none=True)
        tokens, mask = self.model.embed(x, sequence_lengths(x))
        outputs = self.model.head(masked_mean(tokens, mask))
        task = task_loss(outputs, self.y[rows].to(self.device), self.config.task)
        loss, distance = self.options.beta * task, torch.zeros(())
        if alpha:
            dna, owners = dna_points(tokens, mask, self.options.dna_points, self.options.n_points, generator)
            chosen = torch.randperm(len(self.text.labels), generator=generator)[: self.options.n_points]
            distance = self._discrepancy(dna, self.groups[rows][owners], chosen)
            loss = loss + alpha * distance
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        return float(task.detach()), float(distance.detach())

    def _discrepancy(self, dna: Tensor, groups: Tensor, chosen: Tensor) -> Float[Tensor, ""]:
        text = self.text.embeddings[chosen].to(self.device)
        return discrepancy(self.options.discrepancy)(dna, text, groups, self.text.labels[chosen])

    def _snapshot(self) -> Snapshot:
        return take_snapshot(self.model, self.val, self.text, self.options.dna_points, self.options.seed)

    def _save_embedder(self) -> None:
        from safetensors.torch import save_file

        weights = {
            k: v.detach().cpu().contiguous()
            for k, v in self.model.state_dict().items()
            if k.startswith(EMBEDDING_PARTS)
        }
        with whole(self.folder / EMBEDDER) as unfinished:
            save_file(weights, unfinished)

    def _record(self) -> dict[str, Any]:
        return {
            "options": asdict(self.options),
            "config": asdict(self.config),
            "text": self.text.provenance,
            "metric": self.metric,
            "best_epoch": self.best()["epoch"],
            "validation": self.best()["scores"],
            **{name: {when: values[name] for when, values in self.measured.items()} for name in self.measured["after"]},
            "history": self.history,
            "data": {
                "file": self.data.data.source, "sha256": self.data.sha256, "validation": self.data.split_source
            },
            "versions": {name: version(name) for name in ("l2g-interp", "torch", "transformers")},
        }  # fmt: skip
