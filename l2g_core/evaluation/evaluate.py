"""How good a model is on labelled rows: one score per target, with its definition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from l2g_core.datasets import Labelled
from l2g_core.dna import check_lengths
from l2g_core.errors import InputError
from l2g_core.evaluation.labels import check_metric, class_of, labelled_rows
from l2g_core.evaluation.metrics import METRICS, TASK_METRIC
from l2g_core.evaluation.predict import predict, telling_gaps
from l2g_core.model.checkpoint import SequenceModel
from l2g_core.runs.files import write_tsv

Track = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Evaluation:
    """What a model predicts for labelled rows, and how well.

    ``labels`` are NaN where nothing was measured; ``outputs`` has a column per output of the model, named in
    ``output_names`` (for classification, the classes). ``scores`` is by target, None where the score is not defined (a
    target that does not vary).
    """

    task: str
    metric: str
    split: str
    ids: tuple[str, ...]
    targets: tuple[str, ...]
    output_names: tuple[str, ...]
    labels: Float32[np.ndarray, "n targets"]
    outputs: Float32[np.ndarray, "n outputs"]
    scores: dict[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """What ``l2g evaluate`` writes; ``rows`` counts those with a label, per target."""
        measured = (~np.isnan(self.labels)).sum(axis=0).tolist()
        return {
            "metric": self.metric,
            "definition": definition(self.metric),
            "split": self.split,
            "scores": self.scores,
            "rows": dict(zip(self.targets, measured, strict=True)),
        }


def evaluate(
    model: SequenceModel,
    data: Labelled,
    split: str = "test",
    metric: str | None = None,
    batch_size: int = 64,
    track: Track = iter,
) -> Evaluation:
    """Predict the rows of one split as the model does, both strands averaged, and score them.

    Parameters
    ----------
    model
        Its ``config.task`` decides which labels and metrics fit.
    data
        Sequences with labels ``(n, targets)`` in the units of the model's output, or classes.
    split
        ``train``, ``val`` or ``test``; ``all`` for every row.
    metric
        A name in ``METRICS``; the task's usual one by default.
    batch_size
        Sequences per forward pass.
    track
        Wraps the iteration over batches, for a progress bar.

    Raises
    ------
    InputError
        No row has this split or a label, a sequence does not fit the model, or the metric is not one of the task's.
    """
    task = model.config.task
    check_metric(metric, task)
    chosen = labelled_rows(data if split == "all" else data.split(split), task)
    if not len(chosen):
        found = ", ".join(sorted(set(data.splits)))
        raise InputError(
            f"{data.data.source}: no row to evaluate has split {split!r} (found: {found}); "
            "choose another --split, or all"
        )
    check_lengths(chosen.data, model.shortest, model.longest)
    metric = metric or TASK_METRIC[task]
    outputs = predict(model, chosen.data.sequences, model.longest, batch_size, track)
    list(telling_gaps([(chosen.data.ids, outputs)], chosen.data.source))
    named = named_scores(chosen, METRICS[metric](chosen.labels, outputs))
    ids = tuple(chosen.data.ids)
    return Evaluation(task, metric, split, ids, chosen.targets, model.targets, chosen.labels, outputs, named)


def write_predictions(evaluation: Evaluation, path: str | Path) -> None:
    """Write a TSV with a row per sequence: ``id``, ``observed <target>`` (empty: not measured), ``predicted <output>``.

    What was observed is a number or, for classification, the name of the class. Predictions are the model's raw
    outputs: for classification and multilabel, the logits before softmax or sigmoid. The write is atomic.
    """
    observed = [f"observed {name}" for name in evaluation.targets]
    predicted = [f"predicted {name}" for name in evaluation.output_names]
    classes = [class_of(output) for output in evaluation.output_names] if evaluation.task == "classification" else None

    def label(value: np.float32) -> str:
        return "" if np.isnan(value) else classes[int(value)] if classes else f"{value:.6g}"

    rows = (
        (name, *map(label, labels), *(f"{value:.6g}" for value in outputs))
        for name, labels, outputs in zip(evaluation.ids, evaluation.labels, evaluation.outputs, strict=True)
    )
    write_tsv(path, ("id", *observed, *predicted), rows)


def scores(model: SequenceModel, rows: Labelled, metric: str, batch_size: int) -> dict[str, float | None]:
    """Predict ``rows`` and compute a metric (a name in ``METRICS``) for every target; None where it is not defined."""
    outputs = predict(model, rows.data.sequences, model.longest, batch_size)
    return named_scores(rows, METRICS[metric](rows.labels, outputs))


def mean_score(scores: dict[str, float | None]) -> float | None:
    """The mean over the targets whose score is defined; None if none is."""
    known = [score for score in scores.values() if score is not None]
    return float(np.mean(known)) if known else None


def definition(metric: str) -> str:
    """What a metric means: the first line of its function's docstring, as it is shown and stored."""
    return (getdoc(METRICS[metric]) or "").partition("\n")[0]


def named_scores(rows: Labelled, values: np.ndarray) -> dict[str, float | None]:
    """A metric's values ``(targets,)`` by target name; None where NaN."""
    return {
        target: None if np.isnan(value) else float(value) for target, value in zip(rows.targets, values, strict=True)
    }
