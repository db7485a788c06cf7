"""What counts of 6-mers predict for the same rows: the baseline that a network has to beat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from l2g_core.datasets import Labelled
from l2g_core.dna import one_hot
from l2g_core.evaluation.evaluate import named_scores
from l2g_core.evaluation.labels import labelled_rows
from l2g_core.evaluation.metrics import METRICS, TASK_METRIC
from l2g_core.runs.files import read_json, write_json

K = 6
BASELINE = f"{K}-mer ridge"
MOST_ROWS = 20_000  # to learn from, for time and memory
PENALTIES = tuple(10.0**power for power in range(-1, 5))
FORMAT = 1  # of the cached scores
BLOCK = 1024  # sequences counted at once

Scores = dict[str, float | None]


def kmer_scores(
    data: Labelled, splits: Sequence[str], task: str, metric: str | None = None, cache: str | Path | None = None
) -> dict[str, Scores]:
    """Scores of ridge regression on 6-mer counts of both strands, learned from the training rows.

    The penalty is the best of six by leave-one-out on the training rows, of which at most 20,000 are used (drawn with
    seed 0). Classes are learned as one column each of 0 and 1.

    Parameters
    ----------
    data
        Rows with splits; those of ``train`` are learned from.
    splits
        Which splits to score.
    task, metric
        As of `l2g_core.evaluation.evaluate.evaluate`.
    cache
        A folder that remembers scores under the hash of rows and settings; the user's cache by default.

    Returns
    -------
    Scores by split and target, in the metric's units, None where not defined; empty without training rows. A split
    without rows is left out.
    """
    metric = metric or TASK_METRIC[task]
    train = labelled_rows(data.split("train"), task)
    if len(train) < 2:
        return {}
    file = _remembered(data, splits, task, metric, cache)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, _scored(train, data, splits, task, metric))
    return read_json(file, "l2g evaluate")


def _scored(train: Labelled, data: Labelled, splits: Sequence[str], task: str, metric: str) -> dict[str, Scores]:
    predict = _learned(train, task)
    found = {}
    for split in splits:
        rows = labelled_rows(data if split == "all" else data.split(split), task)
        if len(rows):
            found[split] = named_scores(rows, METRICS[metric](rows.labels, predict(rows.data.sequences)))
    return found


def _learned(train: Labelled, task: str) -> Callable[[Sequence[str]], Float64[np.ndarray, "n outputs"]]:
    """A function from sequences to what the ridge predicts for them, a column per target or class."""
    from sklearn.linear_model import RidgeCV

    rows = np.arange(len(train))
    if len(train) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(train), MOST_ROWS, replace=False))
    counts = kmer_counts([train.data.sequences[row] for row in rows.tolist()])
    labels = train.labels[rows]
    if task == "classification":
        labels = np.eye(int(train.labels.max()) + 1, dtype=np.float32)[labels[:, 0].astype(int)]
    models = []
    for label in labels.T:
        measured = ~np.isnan(label)
        models.append(RidgeCV(PENALTIES).fit(counts[measured], label[measured]) if measured.any() else None)

    def predict(sequences: Sequence[str]) -> Float64[np.ndarray, "n outputs"]:
        counts = kmer_counts(sequences)
        none = np.full(len(counts), np.nan)
        return np.stack(
            [none if model is None else model.predict(counts) for model in models], axis=1, dtype=np.float64
        )

    return predict


def kmer_counts(sequences: Sequence[str], k: int = K) -> Float32[np.ndarray, "n kmers"]:
    """How often each k-mer or its reverse complement occurs; k-mers with other letters than ACGT do not count.

    Columns are the k-mers in alphabetical order of those that come before their reverse complement or equal it: 2,080
    for k = 6.
    """
    powers = 4 ** np.arange(k - 1, -1, -1)
    digits = np.arange(4**k)[:, None] // powers % 4
    reverse = (3 - digits[:, ::-1]) @ powers
    kept = np.flatnonzero(np.arange(4**k) <= reverse)
    column = np.searchsorted(kept, np.minimum(np.arange(4**k), reverse))
    counts = np.zeros((len(sequences), len(kept)), dtype=np.float32)
    for start in range(0, len(sequences), BLOCK):
        some = sequences[start : start + BLOCK]
        x = one_hot(some, max(k, *map(len, some)))
        windows = np.lib.stride_tricks.sliding_window_view(x.argmax(1), k, axis=1) @ powers
        known = np.lib.stride_tricks.sliding_window_view(x.any(1), k, axis=1).all(2)
        row, place = np.nonzero(known)
        np.add.at(counts, (row + start, column[windows[row, place]]), 1)
    return counts


def _remembered(data: Labelled, splits: Sequence[str], task: str, metric: str, cache: str | Path | None) -> Path:
    if cache is None:
        import pooch

        cache = Path(pooch.os_cache("l2g-interp")) / "kmers"
    settings = [FORMAT, data.targets, list(splits), task, metric, K, PENALTIES, MOST_ROWS]
    digest = hashlib.sha256(json.dumps([settings, data.data.sequences, data.splits]).encode())
    digest.update(np.ascontiguousarray(data.labels).tobytes())
    return Path(cache) / f"{digest.hexdigest()[:32]}.json"
