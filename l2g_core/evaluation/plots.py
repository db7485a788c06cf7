"""Plots of predicted against observed values: PNG, SVG or PDF, by the file's suffix."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from l2g_core.errors import InputError
from l2g_core.evaluation.evaluate import Evaluation
from l2g_core.evaluation.labels import class_of
from l2g_core.runs.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
MANY = 1000  # points; more are drawn as density
COLUMNS, SIDE = 4, 3.6  # panels per row; inches


def picture_format(path: Path) -> str:
    """The picture format given by a file's suffix.

    Raises
    ------
    InputError
        There is no suffix, or an unknown one.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise InputError(
            f"{path}: is not the name of a picture file; end it with {', '.join('.' + f for f in FORMATS)}"
        )
    return kind


def draw_evaluation(evaluation: Evaluation, path: str | Path) -> None:
    """Plot an evaluation and write it atomically.

    Regression: predicted against observed, per target. Classification: confusion matrix. Multilabel: ROC curves.

    Raises
    ------
    InputError
        The suffix of ``path`` is not that of a picture.
    """
    import matplotlib as mpl

    kind = picture_format(Path(path))
    figure = {"classification": _confusion, "multilabel": _roc}.get(evaluation.task, _scatters)(evaluation)
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with atomic_write(path) as unfinished, mpl.rc_context({"svg.hashsalt": "l2g", "svg.fonttype": "none"}):
        figure.savefig(unfinished, format=kind, dpi=200, metadata=metadata)


def _figure(n_panels: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    columns = min(n_panels, COLUMNS)
    rows = math.ceil(n_panels / columns)
    figure = Figure(figsize=(SIDE * columns, SIDE * rows), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _scatters(evaluation: Evaluation) -> Figure:
    figure, axes = _figure(len(evaluation.targets))
    for ax in axes[len(evaluation.targets) :]:
        ax.remove()
    for target, label, output, ax in zip(
        evaluation.targets, evaluation.labels.T, evaluation.outputs.T, axes[: len(evaluation.targets)], strict=True
    ):
        measured = ~np.isnan(label)
        _scatter(ax, label[measured], output[measured])
        ax.set_title(f"{target}: {_score(evaluation, target)}, n = {measured.sum():,}", fontsize="medium")
    return figure


def _scatter(ax: Axes, observed: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"]) -> None:
    both = np.concatenate([observed, predicted])
    ends = (float(both.min()), float(both.max()))
    ax.axline((ends[0], ends[0]), slope=1, color="0.6", linewidth=0.8)
    if len(observed) > MANY:
        density: Any = ax.hexbin(observed, predicted, gridsize=60, bins="log", mincnt=1, cmap="viridis", linewidths=0.1)
        ax.figure.colorbar(density, ax=ax, label="sequences", shrink=0.8)
    else:
        ax.scatter(observed, predicted, s=9, alpha=0.6, linewidths=0, color="#31688e")
    ax.set(xlabel="observed", ylabel="predicted")


def _confusion(evaluation: Evaluation) -> Figure:
    from sklearn.metrics import confusion_matrix

    figure, (ax,) = _figure(1)
    n = evaluation.outputs.shape[1]
    truth, called = evaluation.labels[:, 0].astype(int), evaluation.outputs.argmax(axis=1)
    counts = confusion_matrix(truth, called, labels=list(range(n)))
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        ax.text(
            column, row, f"{count:,}", ha="center", va="center", color="white" if shares[row, column] > 0.5 else "k"
        )
    names = [class_of(output) for output in evaluation.output_names]
    ax.set(xlabel="predicted class", ylabel="observed class")
    ax.set_xticks(range(n), names, rotation=0 if sum(map(len, names)) < 40 else 90)
    ax.set_yticks(range(n), names)
    (target,) = evaluation.targets
    ax.set_title(f"{target}: {_score(evaluation, target)}, n = {len(truth):,}", fontsize="medium")
    return figure


def _roc(evaluation: Evaluation) -> Figure:
    from sklearn.metrics import roc_curve

    figure, (ax,) = _figure(1)
    few = len(evaluation.targets) <= 10
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for target, label, output in zip(evaluation.targets, evaluation.labels.T, evaluation.outputs.T, strict=True):
        measured = ~np.isnan(label)
        if evaluation.scores[target] is not None:
            false, true, _ = roc_curve(label[measured], output[measured])
            ax.plot(false, true, linewidth=1.2 if few else 0.5, label=f"{target}: {_score(evaluation, target)}")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    if few and ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize="small")
    return figure


def _score(evaluation: Evaluation, target: str) -> str:
    score = evaluation.scores[target]
    return f"{evaluation.metric.upper()} {'undefined' if score is None else f'{score:.3f}'}"
