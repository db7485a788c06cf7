"""The epoch loop that the three stages share: shuffled and augmented batches, a state after every epoch, a log line.

A stage says what a step and an epoch are; everything an epoch draws depends on the seed and its number alone, so a
killed run continues from the last finished epoch and ends as an unbroken one does.
"""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from l2g_core.console import progress
from l2g_core.datasets import Labelled
from l2g_core.dna import one_hot
from l2g_core.runs.identity import Identity
from l2g_core.runs.state import restore_state, seeded_epoch, store_state
from l2g_core.training.augment import augment

log = logging.getLogger(__name__)
EachEpoch = Callable[[Sequence[Mapping[str, Any]]], None]


@dataclass(frozen=True)
class LoopSettings:
    """What one training loop works with.

    ``length``: what sequences are padded to (bp). ``max_shift``: of the augmentation (bp); None for none.
    ``batches``: how many of an epoch's batches are used; None for all. ``state``: the file stored after every epoch.
    """

    epochs: int
    batch_size: int
    seed: int
    length: int
    max_shift: int | None
    device: str
    state: Path
    identity: Identity
    batches: int | None = None
    shown: bool = True


class EpochLoop(ABC):
    """One training. ``history`` has a row per finished epoch; it is stored with weights and optimiser."""

    NAME: str

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, train: Labelled, settings: LoopSettings):
        self.model, self.optimizer, self.train, self.settings = model, optimizer, train, settings
        self.history: list[dict[str, Any]] = []
        self.generator = torch.Generator()
        self.steps_per_epoch = settings.batches or number_of_batches(len(train), settings.batch_size)

    @abstractmethod
    def step(self, x: Float[Tensor, "batch 4 length"], rows: Int[Tensor, " batch"]) -> Any:
        """Train on one batch, the training rows ``rows``; returns its loss or losses. Draws from ``generator``."""

    @abstractmethod
    def conclude(self, epoch: int, losses: list[Any]) -> dict[str, Any]:
        """The row of ``history`` about an epoch (from 0) whose steps are done: mean losses, validation score."""

    @abstractmethod
    def describe(self, row: Mapping[str, Any]) -> str:
        """The row in words, for the log."""

    def begin(self, epoch: int) -> None:  # noqa: B027
        """What happens before the first step of an epoch: learning rates, for example."""

    def keep(self) -> None:  # noqa: B027
        """What happens after an epoch is in the history: a checkpoint of the best, for example."""

    def stopped_early(self) -> bool:
        """Early stopping: whether no further epoch is worth its time."""
        return False

    def facts(self) -> dict[str, Any]:
        """What else the next epoch needs, as JSON."""
        return {}

    def take_facts(self, facts: Mapping[str, Any]) -> None:  # noqa: B027
        """Put back what ``facts`` gave."""

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.history)

    def restore(self) -> None:
        """Continue from the state that an earlier run left, if it left one.

        Raises
        ------
        InputError
            The state is damaged, or of other work.
        """
        settings = self.settings
        facts = restore_state(settings.state, {"model": self.model}, self.optimizer, settings.identity)
        if facts is not None:
            self.history = list(facts["history"])
            self.take_facts(facts)

    def run(self, each_epoch: EachEpoch | None = None) -> None:
        """Train until all epochs are done or early stopping ends it; ``each_epoch`` hears the history after each."""
        settings, done = self.settings, self.epoch * self.steps_per_epoch
        total = settings.epochs * self.steps_per_epoch
        steps = progress(range(done, total), f"{self.NAME} (batches)", total, settings.shown, done)
        with closing(steps):
            while self.epoch < settings.epochs and not self.stopped_early():
                self.run_epoch(steps)
                if each_epoch:
                    each_epoch(self.history)

    def run_epoch(self, steps: Iterator[int]) -> None:
        """Train on the epoch's batches, score, store."""
        epoch, started = self.epoch, time.monotonic()
        self.begin(epoch)
        losses = [self.step(x, rows) for (x, rows), _ in zip(self.batches(epoch), steps, strict=False)]
        trained = time.monotonic() - started
        self.history.append({"epoch": epoch + 1, **self.conclude(epoch, losses)})
        self.keep()
        self.store()
        self._log(trained, time.monotonic() - started)

    def store(self) -> None:
        """Write what the next epoch starts from, as one file."""
        settings = self.settings
        facts = {"history": self.history, **self.facts()}
        store_state(settings.state, {"model": self.model}, self.optimizer, facts, settings.identity)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch and the training rows that they are; depends on seed and epoch alone."""
        settings = self.settings
        self.generator = seeded_epoch(settings.seed, epoch)
        self.model.train()
        drawn = drawn_batches(
            self.train, settings.batch_size, settings.length, settings.device, self.generator, settings.max_shift
        )
        return islice(drawn, self.steps_per_epoch)

    def _log(self, trained: float, total: float) -> None:
        settings, row = self.settings, self.history[-1]
        used = min(self.steps_per_epoch * settings.batch_size, len(self.train))
        log.info(
            "%s, epoch %d/%d: %s, %.0f sequences/s, %.1f min left at most", self.NAME, row["epoch"], settings.epochs,
            self.describe(row), used / trained, (settings.epochs - self.epoch) * total / 60,
        )  # fmt: skip


def number_of_batches(rows: int, batch_size: int) -> int:
    """Batches per epoch; a last one of a single row is left out."""
    full, rest = divmod(rows, batch_size)
    return full + (rest > 1)


def drawn_batches(
    data: Labelled, batch_size: int, length: int, device: str, generator: torch.Generator, max_shift: int | None
) -> Iterator[tuple[Float[Tensor, "batch 4 length"], Int[Tensor, " batch"]]]:
    """All rows in a fresh order: one-hot arrays, augmented unless ``max_shift`` is None, and the rows that they are.

    Letters become arrays batch by batch: only the letters are in memory, once, however many epochs there are.
    """
    for rows in torch.randperm(len(data), generator=generator).split(batch_size):
        if len(rows) > 1:  # batch norm has no variance from one row
            x = encoded(data, rows, length, device)
            yield x if max_shift is None else augment(x, generator, max_shift), rows


def encoded(
    data: Labelled, rows: Int[Tensor, " batch"], length: int, device: str | torch.device
) -> Float[Tensor, "batch 4 length"]:
    """Some rows as one-hot arrays of this length (bp)."""
    letters = [data.data.sequences[row] for row in rows.tolist()]
    return torch.from_numpy(one_hot(letters, length)).to(device).float()


def best_epoch(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The earliest epoch with the best validation score; one without a score is worse than any."""
    return max(history, key=lambda row: -math.inf if row["score"] is None else row["score"])


def in_words(score: float | None) -> str:
    """A score for people to read."""
    return "undefined" if score is None else f"{score:.4f}"
