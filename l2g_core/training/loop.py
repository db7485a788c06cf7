"""The epoch loop that the three stages share: shuffled and augmented batches, a checkpoint and a log line per epoch.

A stage defines a step and what follows an epoch: learning rate schedule, score, early stopping. Everything that an
epoch draws depends only on the seed and its number, so a killed run resumes from the last finished epoch and its
result is that of an uninterrupted run.
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
    """Settings of one training loop.

    Attributes
    ----------
    epochs, batch_size, seed
        Number of epochs, rows per step, and the seed of everything that is drawn.
    length
        Sequences are padded to this many bp.
    max_shift
        Largest shift of the augmentation (bp); None for no augmentation.
    device
        Where batches are put, such as ``cpu`` or ``cuda``.
    state
        The checkpoint to resume from, written after every epoch.
    identity
        The work that the checkpoint belongs to.
    batches
        Steps per epoch; None for as many as the rows give.
    shown
        Show progress.
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
    """One training run: a stage implements `step`, `conclude` and `describe`, and overrides others as it needs.

    Parameters
    ----------
    model, optimizer
        What learns, on the device of ``settings``.
    train
        The training rows.

    Attributes
    ----------
    history
        A row (plain JSON) per finished epoch; stored in the checkpoint with weights and optimiser.
    generator
        Random numbers for `step`, seeded again in every epoch; on the CPU.
    steps_per_epoch
        Batches of each epoch.
    """

    NAME: str  # what the log and the progress bar call it

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, train: Labelled, settings: LoopSettings):
        self.model, self.optimizer, self.train, self.settings = model, optimizer, train, settings
        self.history: list[dict[str, Any]] = []
        self.generator = torch.Generator()
        self.steps_per_epoch = settings.batches or number_of_batches(len(train), settings.batch_size)

    @abstractmethod
    def step(self, x: Float[Tensor, "batch 4 length"], rows: Int[Tensor, " batch"]) -> Any:
        """Train on one batch: one-hot arrays and the numbers of their training rows; random draws use ``generator``.

        Returns
        -------
        The loss or losses, which `conclude` gets. A tensor is best left on its device: reading it waits for the GPU.
        """

    @abstractmethod
    def conclude(self, epoch: int, losses: list[Any]) -> dict[str, Any]:
        """The row of ``history`` about an epoch (from 0) whose steps are done: mean losses, validation score.

        Parameters
        ----------
        losses
            What `step` returned, one per batch.

        Raises
        ------
        InputError
            In stages that check for it: a NaN loss, or an infinite one.
        """

    @abstractmethod
    def describe(self, row: Mapping[str, Any]) -> str:
        """The row in words, for the log."""

    def begin(self, epoch: int) -> None:  # noqa: B027
        """What happens before the first step of an epoch (from 0): the learning rate schedule, for example."""

    def keep(self) -> None:  # noqa: B027
        """What happens once an epoch is in the history: saving the weights if it is the best, for example."""

    def stopped_early(self) -> bool:
        """Early stopping: whether to end before all epochs are done."""
        return False

    def facts(self) -> dict[str, Any]:
        """What else the checkpoint must contain for the next epoch; plain JSON."""
        return {}

    def take_facts(self, facts: Mapping[str, Any]) -> None:  # noqa: B027
        """Restore what `facts` returned."""

    @property
    def epoch(self) -> int:
        """The number of finished epochs, which is also the number (from 0) of the next one."""
        return len(self.history)

    def restore(self) -> None:
        """Continue from the checkpoint of an earlier run, if there is one.

        Raises
        ------
        InputError
            The checkpoint is damaged, or is of other work.
        """
        settings = self.settings
        facts = restore_state(settings.state, {"model": self.model}, self.optimizer, settings.identity)
        if facts is not None:
            self.history = list(facts["history"])
            self.take_facts(facts)

    def run(self, each_epoch: EachEpoch | None = None) -> None:
        """Train until all epochs are done or early stopping ends it.

        Parameters
        ----------
        each_epoch
            Called with the history after every epoch.

        Raises
        ------
        InputError
            As `conclude`.
        """
        settings, done = self.settings, self.epoch * self.steps_per_epoch
        total = settings.epochs * self.steps_per_epoch
        log.info(
            "%s: %d sequences, %d epochs of %d batches, from epoch %d; %s", self.NAME, len(self.train), settings.epochs,
            self.steps_per_epoch, self.epoch + 1, settings.state.parent,
        )  # fmt: skip
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
        """Write the checkpoint that the next epoch starts from."""
        settings = self.settings
        facts = {"history": self.history, **self.facts()}
        store_state(settings.state, {"model": self.model}, self.optimizer, facts, settings.identity)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch (from 0) and the numbers of their training rows; depends only on seed and epoch.

        Seeds ``generator`` and puts the model into training mode.
        """
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
    """Batches per epoch; a last batch of a single row is left out, because batch norm cannot train on it."""
    full, rest = divmod(rows, batch_size)
    return full + (rest > 1)


def drawn_batches(
    data: Labelled, batch_size: int, length: int, device: str, generator: torch.Generator, max_shift: int | None
) -> Iterator[tuple[Float[Tensor, "batch 4 length"], Int[Tensor, " batch"]]]:
    """All rows in random order, batch by batch: one-hot arrays and the numbers of their rows in ``data``.

    Encoding is done batch by batch, so that only the letters of all sequences are in memory.

    Parameters
    ----------
    length
        Sequences are padded to this many bp.
    generator
        On the CPU; draws the order and the augmentation.
    max_shift
        Largest shift of the augmentation (bp); None for no augmentation.
    """
    for rows in torch.randperm(len(data), generator=generator).split(batch_size):
        if len(rows) > 1:  # batch norm has no variance from one row
            x = encoded(data, rows, length, device)
            yield x if max_shift is None else augment(x, generator, max_shift), rows


def encoded(
    data: Labelled, rows: Int[Tensor, " batch"], length: int, device: str | torch.device
) -> Float[Tensor, "batch 4 length"]:
    """Some rows as float32 one-hot arrays, padded to ``length`` (bp)."""
    letters = [data.data.sequences[row] for row in rows.tolist()]
    return torch.from_numpy(one_hot(letters, length)).to(device).float()


def best_epoch(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row of the earliest epoch with the best validation score; an epoch without a score is worse than any."""
    return max(history, key=lambda row: -math.inf if row["score"] is None else row["score"])


def in_words(score: float | None) -> str:
    """A score as text, with four decimals."""
    return "undefined" if score is None else f"{score:.4f}"
