"""Stage 2: pre-train the embedder on the task and, in the last third, towards text (paper, section 2.4.2).

    loss = alpha(epoch) * discrepancy(DNA points, text points) + beta * task loss

The transformer is not run: the embedder has its own linear head on the mean of its tokens, which is discarded.
Differences from the reference implementation: of the epochs with alpha > 0, the one with the lowest validation loss is
kept (there: the last), gradients are clipped, the discrepancy is not computed while its weight is zero, and the
learning rate schedule is constant until the alignment starts and then falls to zero (there: times 0.2 at 40, 60 and
80 % of the epochs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
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
from l2g_core.align.points import dna_points, label_groups
from l2g_core.align.text import TextReference
from l2g_core.console import out_of_memory_explained, writable_folder
from l2g_core.datasets import Labelled
from l2g_core.dna import check_lengths
from l2g_core.errors import InputError
from l2g_core.evaluation.evaluate import mean_score, named_scores
from l2g_core.evaluation.labels import check_labels, check_metric, labelled_rows
from l2g_core.evaluation.metrics import METRICS, TASK_METRIC
from l2g_core.evaluation.predict import default_device, predict
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import EMBEDDING_PARTS, L2G, masked_mean, sequence_lengths, without_transformer
from l2g_core.runs.files import atomic_write, read_json, write_json
from l2g_core.runs.identity import Identity, claim
from l2g_core.training.loop import EpochLoop, LoopSettings, in_words
from l2g_core.training.loss import task_loss

PICTURE, STATE = "embeddings.png", "training.safetensors"
LATER = ("backbone_training", "backbone_layers", "lora_rank", "lora_alpha", "average_strands", "units")


def align(
    config: L2GConfig,
    data: Labelled,
    text: TextReference,
    folder: str | Path,
    options: AlignOptions | None = None,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Pre-train the embedder of ``L2G(config)`` (paper, section 2.4.2) and write it to ``folder`` for stage 3.

    Parameters
    ----------
    config
        The model that stage 3 will train; its transformer is not run here.
    data
        Rows with splits ``train`` and ``val``; NaN labels do not count. Test rows are never read.
    text
        From ``text_reference``, of the same language model.
    folder
        Where ``embedder.safetensors``, ``align.json`` and ``embeddings.png`` are written.
    device
        Such as ``cpu`` or ``cuda:1``; None for the GPU if there is one.
    resume, overwrite
        What to do if ``folder`` holds unfinished or other work (the rule of `l2g_core.runs.identity`). A resumed
        training continues from the last finished epoch, with the result of an uninterrupted run.
    shown
        Show progress.

    Returns
    -------
    The content of ``align.json``: options, config, text, losses and validation score per epoch, and the MMD between
    validation DNA and text before training, before the alignment (``task_only``) and after it, with that between two
    halves of the text for comparison (``text_itself``).

    Raises
    ------
    InputError
        The text is of another language model, ``folder`` holds unfinished or other work, training diverges (NaN loss),
        or the device's memory is too small.
    """
    options, folder = options or AlignOptions(), writable_folder(folder)
    check_labels(data, config.task, len(config.targets))
    check_metric(options.metric, config.task)
    identity = identity_of(config, data, text, options)
    files, partial = [folder / name for name in (EMBEDDER, RECORD, PICTURE)], [folder / STATE]
    with claim(folder, identity, files, partial=partial, resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_json(folder / RECORD, "l2g align")
        with out_of_memory_explained("--batch-size or --points"):
            aligner = _Aligner(config, data, text, options, folder, device or default_device(), shown)
            aligner.restore()
            aligner.run()
            aligner.finish()
        return read_json(folder / RECORD, "l2g align")


def identity_of(config: L2GConfig, data: Labelled, text: TextReference, options: AlignOptions) -> Identity:
    """What stage 2 depends on; settings that only matter in stage 3 (``LATER``) are left out."""
    model = {name: value for name, value in asdict(config).items() if name not in LATER}
    content = {"options": asdict(options), "config": model, "text": text.provenance,
               "data": {"sha256": data.sha256, "validation": data.split_source}}  # fmt: skip
    return Identity("l2g align", content)


class _Aligner(EpochLoop):
    """One pre-training: what the checkpoint stores after every epoch, and what is fixed."""

    NAME = "pre-training"
    model: L2G

    def __init__(
        self, config: L2GConfig, data: Labelled, text: TextReference, options: AlignOptions, folder: Path, device: str,
        shown: bool,
    ):  # fmt: skip
        torch.manual_seed(options.seed)
        self.config, self.options, self.folder, self.data, self.text = config, options, folder, data, text
        model = without_transformer(config).to(device)
        if text.embeddings.shape[1] != model.width:
            raise InputError(
                f"the text embeddings are {text.embeddings.shape[1]} wide, but {config.backbone!r} is "
                f"{model.width} wide; use one language model for both"
            )
        check_lengths(data.data, model.shortest, model.longest)
        optimizer = torch.optim.SGD(
            model.parameters(), options.learning_rate,
            momentum=options.momentum, weight_decay=options.weight_decay,
        )  # fmt: skip
        settings = LoopSettings(
            epochs=options.epochs, batch_size=options.batch_size, seed=options.seed, length=model.longest,
            max_shift=options.max_shift if options.augment else None, device=device, state=folder / STATE,
            identity=identity_of(config, data, text, options), shown=shown,
        )  # fmt: skip
        super().__init__(model, optimizer, labelled_rows(data.split("train"), config.task), settings)
        self.val = labelled_rows(data.split("val"), config.task)
        self.y = torch.from_numpy(self.train.labels)
        self.groups = label_groups(self.y, config.task)
        self.metric = options.metric or TASK_METRIC[config.task]
        self.alpha = 0.0
        self.before = self._snapshot()
        self.measured = {
            "text_itself": of_text_itself(text, options.discrepancy, options.seed),
            "before": discrepancies(self.before, options.discrepancy),
        }

    def facts(self) -> dict[str, Any]:
        return {"measured": self.measured}

    def take_facts(self, facts: Mapping[str, Any]) -> None:
        self.measured = facts["measured"]

    def begin(self, epoch: int) -> None:
        if epoch == self.options.first_aligned:
            self.measured["task_only"] = discrepancies(self._snapshot(), self.options.discrepancy)
        self.alpha = self.options.alpha_in(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate_in(epoch)

    def conclude(self, epoch: int, losses: list[tuple[float, float]]) -> dict[str, Any]:
        """An epoch's row of the history; the discrepancy is None while its weight is 0: then it is not computed."""
        if not np.isfinite(losses).all():
            raise InputError(f"NaN loss: the loss is not finite in epoch {epoch + 1}, training diverges; lower --lr")
        task, distance = np.array(losses).mean(axis=0).tolist()
        alpha = self.alpha
        outputs = predict(self.model, self.val.data.sequences, self.model.longest)
        loss = float(task_loss(torch.from_numpy(outputs), torch.from_numpy(self.val.labels), self.config.task))
        name = self.options.discrepancy
        held_out = discrepancies(self._snapshot(), name)[name] if alpha else 0.0
        scores = named_scores(self.val, METRICS[self.metric](self.val.labels, outputs))
        return {
            "alpha": alpha,
            "task_loss": task,
            "discrepancy": distance if alpha else None,
            "validation_task_loss": loss,
            "validation_discrepancy": held_out if alpha else None,
            "validation_loss": alpha * held_out + self.options.beta * loss,
            "score": mean_score(scores),
            "scores": scores,
        }

    def describe(self, row: Mapping[str, Any]) -> str:
        distance = "off" if row["discrepancy"] is None else f"{row['discrepancy']:.4f}"
        return (
            f"task loss {row['task_loss']:.4f}, {self.options.discrepancy} {distance}, "
            f"validation {self.metric} {in_words(row['score'])}"
        )

    def keep(self) -> None:
        if self.best()["epoch"] == self.epoch:
            self._save_embedder()

    def best(self) -> dict[str, Any]:
        """The epoch that is kept: the lowest validation loss among epochs with alpha > 0, or among all if none has."""
        aligned = [row for row in self.history if row["alpha"]]
        return min(aligned or self.history, key=lambda row: row["validation_loss"])

    def finish(self) -> None:
        """Measure the embedder that was kept, draw its embeddings, and write the record."""
        from safetensors.torch import load_file

        self.model.load_state_dict(load_file(self.folder / EMBEDDER), strict=False)
        after = self._snapshot()
        self.measured["after"] = discrepancies(after, self.options.discrepancy)
        captions = [f"{when} stage 2 (MMD {self.measured[when]['mmd']:.3f})" for when in ("before", "after")]
        draw_embeddings(self.folder / PICTURE, after.text, [self.before.dna, after.dna], captions, self.options.seed)
        write_json(self.folder / RECORD, self._record())

    def step(self, x: Float[Tensor, "batch 4 length"], rows: Int[Tensor, " batch"]) -> tuple[float, float]:
        """One update; returns the task loss and the discrepancy (0 if it is not computed)."""
        self.optimizer.zero_grad(set_to_none=True)
        tokens, mask = self.model.embed(x, sequence_lengths(x))
        outputs = self.model.head(masked_mean(tokens, mask))
        task = task_loss(outputs, self.y[rows].to(self.settings.device), self.config.task)
        loss, distance = self.options.beta * task, torch.zeros(())
        if self.alpha:
            dna, owners = dna_points(tokens, mask, self.options.dna_points, self.options.n_points, self.generator)
            chosen = torch.randperm(len(self.text.labels), generator=self.generator)[: self.options.n_points]
            distance = self._discrepancy(dna, self.groups[rows][owners], chosen)
            loss = loss + self.alpha * distance
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        return float(task.detach()), float(distance.detach())

    def _discrepancy(self, dna: Tensor, groups: Tensor, chosen: Tensor) -> Float[Tensor, ""]:
        text = self.text.embeddings[chosen].to(self.settings.device)
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
        with atomic_write(self.folder / EMBEDDER) as unfinished:
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
