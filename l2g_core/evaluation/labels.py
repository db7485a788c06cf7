"""Do the labels fit the task? Checked before training, which would otherwise end in a meaningless loss or score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from l2g_core.datasets import Labelled
from l2g_core.datasets.columns import listed
from l2g_core.datasets.table import TRUTHS
from l2g_core.errors import InputError
from l2g_core.evaluation.metrics import METRIC_TASK, METRICS


def output_names(data: Labelled, task: str) -> tuple[str, ...]:
    """Names of the outputs of a model of these data: the targets; for a classifier ``column=class``, ...

    Raises
    ------
    InputError
        A classifier is given several columns, or its classes have no names and are not 0, 1, 2, ...; or another task
        is given classes in words.
    """
    if task != "classification":
        if data.classes and data.classes != TRUTHS:
            raise InputError(
                f"{data.data.source}: column {data.targets[0]!r} has the classes {listed(data.classes)}; learn them "
                "with --task classification (l2g train: --set model.task=classification)"
            )
        return data.targets
    column, *others = data.targets
    if others:
        raise InputError(
            f"{data.data.source}: classification learns one column and got {', '.join(data.targets)}; "
            "choose one with --targets, or use --task multilabel"
        )
    if data.classes:
        return tuple(f"{column}={name}" for name in data.classes)
    labels = data.labels[:, 0]
    classes = sorted(set(labels[~np.isnan(labels)].tolist()))
    if len(classes) < 2 or classes != list(range(len(classes))):
        raise InputError(
            f"{data.data.source}: column {column!r} has the classes {classes[:5]}; "
            "classification takes 0, 1, 2, ... or words, and at least two of them; choose another column with --targets"
        )
    return tuple(f"{column}={int(c)}" for c in classes)


def columns_of(targets: tuple[str, ...], task: str) -> tuple[list[str], list[str] | None]:
    """The columns of a table with the labels of a model's outputs, and the classes' names if they are not 0, 1, ...

    The reverse of `output_names`.
    """
    if task != "classification":
        return list(targets), None
    names = [class_of(target) for target in targets]
    numbered = names == [str(number) for number in range(len(names))]
    return [targets[0].rpartition("=")[0]], None if numbered else names


def class_of(output: str) -> str:
    """The class that an output of a classifier, ``column=class``, stands for."""
    return output.rpartition("=")[2]


def labelled_rows(rows: Labelled, task: str) -> Labelled:
    """Rows to score: those with a class, for classification; all, for tasks whose targets may be missing one by one."""
    if task != "classification" or not np.isnan(rows.labels).any():
        return rows
    kept = np.flatnonzero(~np.isnan(rows.labels[:, 0])).tolist()
    splits = [rows.splits[row] for row in kept]
    return replace(rows, data=rows.data.subset(kept), labels=rows.labels[kept], splits=splits)


def check_metric(metric: str | None, task: str) -> None:
    """Refuse a metric that this task does not have.

    Raises
    ------
    InputError
        The message lists the metrics of the task.
    """
    if metric is not None and METRIC_TASK.get(metric) != task:
        fitting = ", ".join(name for name in METRICS if METRIC_TASK[name] == task)
        raise InputError(f"--metric {metric} is not for {task}; choose from {fitting}")


def check_labels(data: Labelled, task: str, n_outputs: int) -> None:
    """Refuse labels that leave nothing to learn or nothing to select by.

    Raises
    ------
    InputError
        A column has no value or only one among the training rows, no column varies among the validation rows, or
        values are not classes (classification) or 0 and 1 (multilabel).
    """
    splits, where = np.array(data.splits), data.data.source
    if "train" not in data.splits:
        raise InputError(f"{where}: no row has split 'train'; mark the rows to learn from")
    expected = 1 if task == "classification" else n_outputs
    if data.labels.shape[1] != expected:
        raise InputError(f"{where}: has {data.labels.shape[1]} label columns and the model learns {expected}")
    for name, column in zip(data.targets, data.labels.T, strict=True):
        _check_values(f"{where}: column {name!r}", column, task, n_outputs)
        _check_varies(f"{where}: column {name!r}", column[splits == "train"])
    if not any(len(_values(column[splits == "val"])) > 1 for column in data.labels.T):
        raise InputError(
            f"{where}: no column varies among the {int((splits == 'val').sum())} validation rows, so no epoch can be "
            "chosen by them; mark other rows 'val' in column 'split', or give more rows"
        )


def _check_values(what: str, column: Float[np.ndarray, " n"], task: str, n_outputs: int) -> None:
    classes = {"classification": n_outputs, "multilabel": 2}.get(task)
    if classes is None:
        return
    for value in _values(column):
        if value not in range(classes):
            raise InputError(f"{what} has the value {value:g}; {task} takes {', '.join(map(str, range(classes)))} here")


def _check_varies(what: str, column: Float[np.ndarray, " n"]) -> None:
    values = _values(column)
    if not len(values):
        raise InputError(f"{what} has no value among the {len(column)} training rows; leave it out with --targets")
    if len(values) == 1:
        raise InputError(
            f"{what} is {values[0]:g} in all training rows that have a value, so there is nothing to learn; "
            "leave it out with --targets, or add rows with another value"
        )


def _values(column: Float[np.ndarray, " n"]) -> Float[np.ndarray, " values"]:
    return np.unique(column[~np.isnan(column)])
