"""Scoring the variants of a file block by block, into a journal that survives an interruption."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from l2g_core.console import progress
from l2g_core.runs.journal import Journal
from l2g_interp.variants.changes import Letters
from l2g_interp.variants.rows import Variant
from l2g_interp.variants.score import Placed, ScoreOptions, Scores, blocks, joined, place, scores_of

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VariantWork:
    """What is scored, and by which network.

    ``read`` yields the ``n`` variants of the file, from the first one on, each time it is called; ``columns`` are those
    of the network's output that are the ``targets``.
    """

    read: Callable[[], Iterator[Variant]]
    n: int
    letters: Letters
    length: int
    scoring: ScoreOptions
    network: nn.Module
    columns: Sequence[int]
    targets: list[str]

    def placed(self) -> Iterator[Placed]:
        """Every variant with its window, in the order of the file."""
        return (place(variant, self.letters, self.length) for variant in self.read())


def score_into(journal: Journal, work: VariantWork, resumed: bool, shown: bool) -> None:
    """Append the scores of all blocks that the journal does not have yet."""
    done = journal.start(resume=resumed)
    size = work.scoring.block(work.length)
    log.info("scoring %d alleles in windows of %d bp, from %d on", work.n, work.length, done + 1)
    rest = blocks(islice(work.read(), done, None), work.letters, work.length, size)
    for block in progress(rest, "scoring (blocks of variants)", -(-work.n // size), shown, done // size):
        scores = scores_of(work.network, work.columns, block, work.scoring)
        journal.append(range(done, done + len(block)), vars(scores))
        done += len(block)


def read_scores(journal: Journal, targets: int) -> Scores:
    """The numbers of all variants."""
    return joined([Scores(**arrays) for arrays in journal.records()], targets)


def strongest(difference: Float64[np.ndarray, "n t"], most: int) -> list[int]:
    """The variants that move a prediction most, each target in units of what the file's variants usually do."""
    scored = np.abs(difference[np.isfinite(difference).all(1)])
    if not len(scored):
        return []
    usual = np.maximum(np.sqrt(np.square(scored).mean(0)), np.finfo(np.float64).tiny)
    score = np.nan_to_num(np.abs(difference) / usual).max(1)
    order = np.argsort(-score, kind="stable")[:most]
    return order[score[order] > 0].tolist()
