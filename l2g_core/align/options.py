"""Settings of stage 2, and its learning rate schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from l2g_core.errors import InputError, missing_extra
from l2g_core.training.options import MAX_SHIFT

Points = Literal["tokens", "mean"]
VOCABULARY = "vocabulary"  # the language model's own words as the text
EMBEDDER, RECORD = "embedder.safetensors", "align.json"  # what stage 2 leaves
DISCREPANCIES = {
    "mmd": "l2g_core.align.discrepancy:mmd",
    "otdd": "l2g_core.align.discrepancy:otdd",
    "otdd-exact": "l2g_core.align.discrepancy:otdd_exact",
}
NEEDS_POT = ("otdd", "otdd-exact")


@dataclass(frozen=True)
class AlignOptions:
    """Hyperparameters of stage 2; weights and schedule are the paper's (section 2.4.2, Table 15).

    Attributes
    ----------
    alpha, beta
        Weights of the discrepancy and of the task loss.
    epochs, batch_size
        Epochs, and rows per step.
    task_first
        The share of the epochs, from the first, in which ``alpha`` is 0.
    discrepancy
        A name in ``DISCREPANCIES``.
    dna_points
        What is compared with the text: ``tokens``, or the ``mean`` of each sequence's tokens (as the reference
        implementation does).
    n_points
        Points of each side that are compared in a step.
    learning_rate, momentum, weight_decay
        Of SGD. The reference implementation tunes them separately, or has 0.01, 0.99 and 5e-4.
    clip
        Largest global norm of the gradients.
    max_shift, augment
        Whether to augment, and the largest shift (bp).
    metric
        The validation score to report; None for the task's own.
    seed
        Of weights, batches, augmentation and the points compared.

    Raises
    ------
    InputError
        There is no such discrepancy, or its package is not installed; or the settings leave nothing to learn.
    """

    alpha: float = 1.0
    beta: float = 1.0
    epochs: int = 90
    task_first: float = 2 / 3
    discrepancy: str = "mmd"
    dna_points: Points = "tokens"
    n_points: int = 256
    batch_size: int = 64
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip: float = 1.0
    max_shift: int = MAX_SHIFT
    augment: bool = True
    metric: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.discrepancy not in DISCREPANCIES:
            raise InputError(f"no discrepancy {self.discrepancy!r}; choose one of {', '.join(DISCREPANCIES)}")
        if self.discrepancy in NEEDS_POT and find_spec("ot") is None:  # refused now, not after hours of stage 1
            raise missing_extra(f"--discrepancy {self.discrepancy}", "POT", "otdd")
        if self.alpha and self.first_aligned >= self.epochs:
            raise InputError(
                f"{self.epochs} epochs leave none to align in after the first {self.task_first:.0%}; "
                "raise --epochs or lower --task-first"
            )
        if not self.beta and (self.first_aligned or not self.alpha):
            raise InputError("--beta 0 leaves nothing to learn while alpha is 0; use --task-first 0 and an --alpha")

    @property
    def first_aligned(self) -> int:
        """The first epoch (from 0) in which ``alpha`` is not 0."""
        return math.ceil(self.task_first * self.epochs - 1e-9)

    def alpha_in(self, epoch: int) -> float:
        """The weight of the discrepancy in an epoch (from 0): exactly 0, then ``alpha``."""
        return self.alpha if epoch >= self.first_aligned else 0.0

    def learning_rate_in(self, epoch: int) -> float:
        """The learning rate schedule: constant until ``alpha`` starts, then linear decay to 0 at the end."""
        left = (self.epochs - epoch) / (self.epochs - min(self.first_aligned, self.epochs - 1))
        return self.learning_rate * min(1.0, left)


@dataclass(frozen=True)
class TextOptions:
    """Which text, and which points of it.

    Attributes
    ----------
    source
        ``vocabulary`` (word embeddings of the language model itself), a name in ``CORPORA``, or a tagged file.
    per_tag
        Points drawn for each tag, or all if there are fewer (paper: 350).
    points
        Single tokens, or the mean of each sentence's tokens.
    seed
        Draws the points.
    """

    source: str = VOCABULARY
    per_tag: int = 350
    points: Points = "tokens"
    seed: int = 0
