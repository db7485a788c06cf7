"""What variants do to predictions, beside what random changes of the same kind do in the same window."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from l2g_core.dna import one_hot
from l2g_interp.attributions.statistics import predict
from l2g_interp.variants.changes import Change, Letters, change_of
from l2g_interp.variants.random_changes import random_changes
from l2g_interp.variants.rows import NotScored, Variant, VariantEffect
from l2g_interp.variants.windows import Window, window_around

if TYPE_CHECKING:
    from torch import nn

DEFAULT_ROWS = 128  # windows per forward pass
LARGEST_BLOCK = 256  # variants whose windows are in memory together
BASES_IN_MEMORY = 2**25
NO_ROOM = "too near the end: a window does not fit"
NUMBERS = ("reference", "alternative", "edge", "p_value")


@dataclass(frozen=True)
class ScoreOptions:
    """How to score.

    Attributes
    ----------
    n_random
        Random changes of the same kind and length that each variant is compared with; 0 for none, and no p-values.
    seed
        Of the random changes.
    batch_size
        Windows per forward pass; `DEFAULT_ROWS` when None.
    padded
        What windows are padded to on the right (bp), for a model that takes shorter ones in that way.
    """

    n_random: int = 100
    seed: int = 0
    batch_size: int | None = None
    padded: int | None = None

    def block(self, length: int) -> int:
        """How many variants to score together, so that their windows of ``length`` bp fit the memory."""
        return max(1, min(LARGEST_BLOCK, BASES_IN_MEMORY // (4 * length * (2 + 2 * self.n_random))))


@dataclass(frozen=True)
class Placed:
    """A variant with its change and window, or with the reason why it is not scored."""

    variant: Variant
    change: Change | None = None
    window: Window | None = None
    reason: str = ""

    @property
    def at(self) -> int:
        """Where the change starts in the window."""
        assert self.change is not None
        assert self.window is not None
        return self.change.start - self.window.start

    def alternatives(self) -> tuple[str, ...]:
        """The window with the alternative allele: one text, or two where the length changes."""
        assert self.change is not None
        assert self.window is not None
        return self.window.alternatives(self.at, self.change.n_ref, self.change.alt)


@dataclass(frozen=True)
class Scores:
    """Predictions for ``n`` variants and ``t`` targets; NaN where a variant is not scored. See `VariantEffect`."""

    reference: Float64[np.ndarray, "n t"]
    alternative: Float64[np.ndarray, "n t"]
    edge: Float64[np.ndarray, "n t"]
    p_value: Float64[np.ndarray, "n t"]

    @property
    def difference(self) -> Float64[np.ndarray, "n t"]:
        return self.alternative - self.reference


def blocks(variants: Iterable[Variant], letters: Letters, length: int, size: int) -> Iterator[list[Placed]]:
    """The variants with their windows, ``size`` at a time."""
    each = iter(variants)
    while block := list(islice(each, size)):
        yield [place(variant, letters, length) for variant in block]


def place(variant: Variant, letters: Letters, length: int) -> Placed:
    """Find the change and its window; see `change_of` and `window_around`."""
    change = change_of(variant, letters, length)
    if isinstance(change, str):
        return Placed(variant, reason=change)
    window = window_around(change, letters, length)
    return Placed(variant, change, window) if window else Placed(variant, change, reason=NO_ROOM)


def scores_of(network: nn.Module, columns: Sequence[int], block: Sequence[Placed], options: ScoreOptions) -> Scores:
    """Predictions of both alleles of each variant, and its place among random changes; each window is predicted once.

    ``columns``: those of the network's output that are the targets.
    """
    rows: dict[str, int] = {}
    jobs = [None if each.reason else _job(each, rows, options) for each in block]
    outputs = predictions(network, columns, list(rows), options)
    scores = nothing(len(block), len(columns))
    for i, job in enumerate(jobs):
        if job is None:
            continue
        reference, alternatives = outputs[job.reference], outputs[list(job.alternatives)]
        scores.reference[i], scores.alternative[i] = reference, alternatives.mean(0)
        scores.edge[i] = np.ptp(alternatives, axis=0) / 2
        if job.random:
            random = outputs[np.array(job.random)].mean(1) - reference
            larger = np.abs(random) >= np.abs(scores.difference[i]) * (1 - 1e-6)  # equal but for rounding
            scores.p_value[i] = (1 + larger.sum(0)) / (1 + len(random))
    return scores


@dataclass(frozen=True)
class _Job:
    """Rows of the predictions that a variant needs; ``random``: those of each random change."""

    reference: int
    alternatives: tuple[int, ...]
    random: list[tuple[int, ...]]


def _job(each: Placed, rows: dict[str, int], options: ScoreOptions) -> _Job:
    def row(text: str) -> int:
        return rows.setdefault(text, len(rows))

    assert each.window is not None
    assert each.change is not None
    drawn = random_changes(each.window, each.change, options.n_random, options.seed)
    return _Job(
        row(each.window.reference),
        tuple(row(text) for text in each.alternatives()),
        [tuple(row(text) for text in each.window.alternatives(*change)) for change in drawn],
    )


def predictions(
    network: nn.Module, columns: Sequence[int], texts: Sequence[str], options: ScoreOptions
) -> Float64[np.ndarray, "n t"]:
    """Outputs for sequences of one length."""
    import torch

    size = options.batch_size or DEFAULT_ROWS
    parts = [
        predict(network, torch.from_numpy(one_hot(texts[at : at + size], options.padded)), columns, size).cpu().numpy()
        for at in range(0, len(texts), size)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(columns)))


def nothing(n: int, targets: int) -> Scores:
    """Scores full of NaN, to be filled in."""
    return Scores(*(np.full((n, targets), np.nan) for _ in NUMBERS))


def joined(parts: Sequence[Scores], targets: int) -> Scores:
    """The scores of consecutive variants as one."""
    return Scores(
        *(np.concatenate([nothing(0, targets).reference, *(vars(p)[name] for p in parts)]) for name in NUMBERS)
    )


def q_values(p_values: Float64[np.ndarray, "n t"]) -> Float64[np.ndarray, "n t"]:
    """Benjamini-Hochberg over all variants and targets; NaN stays NaN."""
    from scipy.stats import false_discovery_control

    q, known = p_values.copy(), ~np.isnan(p_values)
    if known.any():
        q[known] = false_discovery_control(p_values[known])
    return q


def effects_of(
    each: Placed,
    i: int,
    scores: Scores,
    q: Float64[np.ndarray, "n t"],
    targets: Sequence[str],
    n_random: int,
    words: Sequence[str] | None = None,
) -> Iterator[VariantEffect]:
    """What variant number ``i`` does to each target; nothing of one that is not scored. ``words``: for each target."""
    if each.change is None or each.window is None:
        return
    v, start, end = each.variant, each.window.start, each.window.start + each.window.length
    for t, target in enumerate(targets):
        reference, alternative, p = (
            float(array[i, t]) for array in (scores.reference, scores.alternative, scores.p_value)
        )  # fmt: skip
        yield VariantEffect(
            target, each.change.chrom, v.position, v.id, v.ref, v.alt, each.change.kind, start, end, reference,
            alternative, alternative - reference, float(scores.edge[i, t]), 0 if math.isnan(p) else n_random, p,
            float(q[i, t]), words[t] if words else "",
        )  # fmt: skip


def not_scored(each: Placed) -> NotScored:
    v = each.variant
    return NotScored(v.chrom, v.position, v.id, v.ref, v.alt, v.record, each.reason)
