"""Scores of predictions, higher is better; by name in ``METRICS``.

The first line of each docstring is shown and stored as the metric's definition. The paper's metrics: MCC, F1
and accuracy (Table 4), accuracy (Tables 5 and 6), Pearson's PCC (Table 7).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Labels = Float[np.ndarray, "n targets"]
Outputs = Float[np.ndarray, "n classes"]


def pearson(labels: Labels, outputs: Labels) -> Float[np.ndarray, " targets"]:
    """Pearson correlation per target over the rows that were measured (labels that are not NaN).

    NaN where fewer than two rows were measured or one side does not vary.
    """
    scores = np.full(labels.shape[1], np.nan)
    for target, (label, output) in enumerate(zip(labels.T, outputs.T, strict=True)):
        measured = ~np.isnan(label)
        if measured.sum() > 1 and np.ptp(label[measured]) > 0 and np.ptp(output[measured]) > 0:
            scores[target] = np.corrcoef(label[measured], output[measured])[0, 1]
    return scores


def accuracy(labels: Labels, outputs: Outputs) -> Float[np.ndarray, " one"]:
    """Share of rows whose class (column 0 of ``labels``) has the highest output."""
    return np.array([(labels[:, 0] == outputs.argmax(axis=1)).mean()])


def matthews(labels: Labels, outputs: Outputs) -> Float[np.ndarray, " one"]:
    """Matthews correlation coefficient of the class with the highest output."""
    from sklearn.metrics import matthews_corrcoef

    return np.array([matthews_corrcoef(labels[:, 0], outputs.argmax(axis=1))])


def macro_f1(labels: Labels, outputs: Outputs) -> Float[np.ndarray, " one"]:
    """F1 averaged over the classes without weights, of the class with the highest output."""
    from sklearn.metrics import f1_score

    return np.array([f1_score(labels[:, 0], outputs.argmax(axis=1), average="macro")])


def auroc(labels: Labels, outputs: Labels) -> Float[np.ndarray, " targets"]:
    """Area under the ROC curve per target over the measured rows; NaN where only one class was measured."""
    from sklearn.metrics import roc_auc_score

    scores = np.full(labels.shape[1], np.nan)
    for target, (label, output) in enumerate(zip(labels.T, outputs.T, strict=True)):
        measured = ~np.isnan(label)
        if len(np.unique(label[measured])) == 2:
            scores[target] = roc_auc_score(label[measured], output[measured])
    return scores


METRICS: dict[str, Callable[..., np.ndarray]] = {
    "pcc": pearson,
    "accuracy": accuracy,
    "mcc": matthews,
    "f1": macro_f1,
    "auroc": auroc,
}
TASK_METRIC = {"regression": "pcc", "classification": "mcc", "multilabel": "auroc"}
METRIC_TASK = {"pcc": "regression", "accuracy": "classification", "mcc": "classification", "f1": "classification",
               "auroc": "multilabel"}  # fmt: skip
