"""What a prediction loses with some of its sites: before, without them, and without other stretches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int8

from l2g_interp.effects.backgrounds import stream
from l2g_interp.effects.predicted import predicted
from l2g_interp.effects.replaced import Span, draw_letters, free_spans, replaced
from l2g_interp.effects.validate import CONFIDENCE, FEWEST, RESAMPLES, interval
from l2g_interp.records.types import Hit

if TYPE_CHECKING:
    from torch import nn

DEFAULT_ROWS = 256  # per forward pass
AT_ONCE = 64  # sequences whose variants are put together


@dataclass(frozen=True)
class Unit:
    """One removal: its hits, by row of the attributions, in the rows that were drawn; ``taken``: all hits there.

    ``together``: several motifs at once, so that each alone is measured, too.
    """

    target: str
    pattern: str
    name: str
    with_hits: int
    hits: dict[int, list[Hit]]
    taken: dict[int, list[tuple[int, int]]]
    ppms: Mapping[str, Float[np.ndarray, "4 _"]] = field(default_factory=dict)
    together: bool = False

    def spans(self, hits: Sequence[Hit]) -> list[Span]:
        return [Span(hit.start, hit.end, self.ppms.get(hit.pattern)) for hit in hits]


NUMBERS = (
    "n_sequences", "n_hits", "loss", "loss_low", "loss_high", "n_controls", "control", "excess", "excess_low",
    "excess_high", "contribution", "singly", "share", "share_low", "share_high", "remade",
)  # fmt: skip
Ask = Callable[[Int8[np.ndarray, "n 4 length"]], Float[np.ndarray, " n"]]


def measured(
    model: nn.Module,
    names: Sequence[str],
    units: Sequence[Unit],
    read: Callable[[list[int]], Int8[np.ndarray, "n 4 length"]],
    before: Mapping[str, Float[np.ndarray, " all"]],
    n_draws: int,
    seed: int,
    batch_size: int | None,
    *,
    done: int = 0,
    shown: bool = False,
) -> Iterator[Float[np.ndarray, " numbers"]]:
    """The numbers of each unit in turn, from unit ``done`` on (`NUMBERS`).

    ``names`` are those of the model's outputs; ``read`` gives the sequences of some rows; ``before``: what the model
    predicts for shuffled sequences, by target and row.
    """
    from l2g_core.console import out_of_memory_explained
    from l2g_core.console import progress as bar

    left = units[done:]
    with out_of_memory_explained("--batch-size"):
        for unit in bar(left, "removing (motifs)", len(left), shown):
            ask = partial(_ask, model, list(names).index(unit.target), batch_size or DEFAULT_ROWS)
            yield _numbers(ask, unit, read(list(unit.hits)), before[unit.target][list(unit.hits)], n_draws, seed)


def _ask(model: nn.Module, column: int, rows: int, one_hot: np.ndarray) -> np.ndarray:
    return predicted(model, one_hot, [column], rows)[:, 0]


def _numbers(
    ask: Ask, unit: Unit, one_hot: np.ndarray, before: np.ndarray, n_draws: int, seed: int
) -> Float[np.ndarray, " numbers"]:
    rng = stream(seed, "remove", unit.target, unit.pattern)
    of_letters = int(stream(seed, "remove", "letters").integers(2**62))
    plain, rows = ask(one_hot), list(unit.hits.items())
    variants = [_variants(one_hot[i], unit, *item, n_draws, of_letters, rng) for i, item in enumerate(rows)]
    lost = [plain[i] - after for i, after in enumerate(_predicted(ask, [made for made, *_ in variants]))]
    loss, remade = np.array([each[0] for each in lost]), np.array([each for *_, each in variants])
    beside = [(each[1] if has else np.nan) for each, (_, has, _) in zip(lost, variants, strict=True)]
    alone = [each[1 + has :].sum() for each, (_, has, _) in zip(lost, variants, strict=True)]
    singly = np.array(alone) if unit.together else np.full(len(rows), np.nan)
    return _summary(unit, loss, np.array(beside), singly, remade, plain - before, rng)


def _variants(
    one_hot: Int8[np.ndarray, "4 length"],
    unit: Unit,
    row: int,
    hits: Sequence[Hit],
    n_draws: int,
    seed: int,
    rng: np.random.Generator,
) -> tuple[list[Int8[np.ndarray, "draws 4 length"]], bool, float]:
    """The sequence without the hits; without other stretches, if there is room; without each motif of several alone.

    Also whether there was room, and the share of sites that still read as their motif.
    """
    spans, letters = unit.spans(hits), draw_letters(one_hot, n_draws, seed)
    without, remade = replaced(one_hot, spans, letters)
    elsewhere = free_spans(np.asarray(one_hot.any(axis=0)), unit.taken[row], [s.end - s.start for s in spans], rng)
    made = [without] if elsewhere is None else [without, replaced(one_hot, elsewhere, letters)[0]]
    for motif in dict.fromkeys(hit.pattern for hit in hits) if unit.together else ():
        made.append(replaced(one_hot, unit.spans([hit for hit in hits if hit.pattern == motif]), letters)[0])
    return made, elsewhere is not None, remade


def _predicted(ask: Ask, made: Sequence[Sequence[Int8[np.ndarray, "draws 4 length"]]]) -> list[np.ndarray]:
    """The mean prediction over the draws of each variant of each sequence."""
    found: list[np.ndarray] = []
    for first in range(0, len(made), AT_ONCE):
        some = made[first : first + AT_ONCE]
        means = ask(np.concatenate([draws for each in some for draws in each]))
        means = means.reshape(sum(map(len, some)), -1).mean(axis=1)
        found += np.split(means, np.cumsum([len(each) for each in some])[:-1])
    return found


def _summary(
    unit: Unit,
    loss: np.ndarray,
    control: np.ndarray,
    singly: np.ndarray,
    remade: np.ndarray,
    whole: np.ndarray,
    rng: np.random.Generator,
) -> Float[np.ndarray, " numbers"]:
    """Means over the sequences with intervals; what cannot be told (no controls, no difference to share) is NaN."""
    (low,), (high,) = interval(loss[None], rng)
    beside = np.isfinite(control)
    excess, nothing = (loss - control)[beside], (np.nan, np.nan, np.nan, np.nan)
    compared = nothing
    if len(excess) >= FEWEST:
        (below,), (above,) = interval(excess[None], rng)
        compared = (control[beside].mean(), excess.mean(), below, above)
    contribution = np.mean([sum(hit.contribution for hit in hits) for hits in unit.hits.values()])
    return np.array([
        len(loss), sum(map(len, unit.hits.values())), loss.mean(), low, high, len(excess), *compared, contribution,
        singly.mean(), *_share(loss, whole, rng), remade.mean(),
    ])  # fmt: skip


def _share(loss: np.ndarray, whole: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """The mean loss as a fraction of the mean of ``whole``, with its interval; NaN where that may be 0."""
    from scipy.stats import bootstrap

    (low,), (high,) = interval(whole[None], rng)
    if low <= 0 <= high:
        return np.nan, np.nan, np.nan

    def ratio(lost: np.ndarray, of: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(lost.mean(axis=axis) / of.mean(axis=axis))

    found = bootstrap(
        (loss, whole), ratio, paired=True, vectorized=True, method="percentile", confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES, batch=max(1, 10**6 // len(loss)), rng=rng,
    ).confidence_interval  # fmt: skip
    return float(ratio(loss, whole)), float(found.low), float(found.high)
