"""How much two motifs do together beyond what each does alone: predictions with both, with each, and with neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int8

from l2g_interp.effects.arrangements import FIRST, SECOND, Places, Site, orientations, planted
from l2g_interp.effects.backgrounds import stream
from l2g_interp.effects.predicted import predicted
from l2g_interp.effects.scales import SCALES
from l2g_interp.effects.validate import interval
from l2g_interp.records.types import ROUNDING

if TYPE_CHECKING:
    from torch import nn

DEFAULT_ROWS = 256  # per forward pass
ROWS_AT_ONCE = 4096  # sequences that are made before they are predicted
STRANDS = "+-"
Ask = Callable[[Int8[np.ndarray, "n 4 length"]], Float[np.ndarray, "n t"]]  # predictions on the scale that is asked for


@dataclass(frozen=True)
class Design:
    """What is planted where: the pairs in order, the spacings that have room, the targets and their outputs."""

    places: Places
    spacings: tuple[int, ...]
    targets: Mapping[str, int]
    pairs: list[tuple[str, str]]


def keys_of(design: Design, pair: tuple[str, str]) -> list[tuple[tuple[str, str], int, str]]:
    """What the rows of a pair are about, in the order of `measured`."""
    return [(s, gap, target) for s in orientations(*pair) for gap in design.spacings for target in design.targets]


NUMBERS = (
    "first_effect", "second_effect", "joint_effect", "interaction", "interaction_low", "interaction_high", "control",
    "excess", "excess_low", "excess_high", "p_value",
)  # fmt: skip


def measured(
    model: nn.Module,
    design: Design,
    scale: str,
    seed: int,
    batch_size: int | None,
    *,
    done: int = 0,
    shown: bool = False,
) -> Iterator[Float[np.ndarray, "rows numbers"]]:
    """The numbers of each pair in turn, from pair ``done`` on: a row per orientation, spacing and target."""
    from l2g_core.console import out_of_memory_explained
    from l2g_core.console import progress as bar

    if done == len(design.pairs):
        return
    ask = partial(_ask, model, list(design.targets.values()), scale, batch_size or DEFAULT_ROWS)
    with out_of_memory_explained("--batch-size"):
        plain = ask(design.places.backgrounds.one_hot)
        alone = {
            name: _alone(ask, design, name)
            for name in bar(design.places.letters, "planting (motifs)", len(design.places.letters), shown)
        }
        pairs = design.pairs[done:]
        for pair in bar(pairs, "planting (pairs)", len(pairs), shown):
            yield _numbers(ask, design, pair, plain, alone, seed)


def _ask(model: nn.Module, columns: Sequence[int], scale: str, rows: int, one_hot: np.ndarray) -> np.ndarray:
    return SCALES[scale](predicted(model, one_hot, columns, rows))


@dataclass(frozen=True)
class _Alone:
    """Predictions with one motif alone: ``[scrambled, strand, background, target]``; the second also by spacing."""

    first: Float[np.ndarray, "2 2 b t"]
    second: Float[np.ndarray, "2 2 s b t"]


def _alone(ask: Ask, design: Design, name: str) -> _Alone:
    places = design.places

    def predicted(place: int, spacings: Sequence[int]) -> np.ndarray:
        sites = [Site(name, place, strand, scrambled) for scrambled in (False, True) for strand in STRANDS]
        made = [(lambda site=site, s=s: planted(places, [site], s)) for site in sites for s in spacings]
        return _in_blocks(ask, made, len(places)).reshape(2, 2, len(spacings), len(places), -1)

    return _Alone(predicted(FIRST, [0])[:, :, 0], predicted(SECOND, design.spacings))


def _in_blocks(ask: Ask, made: Sequence[Callable[[], np.ndarray]], n: int) -> np.ndarray:
    """Predictions for what each of many functions makes, ``n`` sequences each; not all of them are made at once."""
    step = max(1, ROWS_AT_ONCE // n)
    parts = [ask(np.concatenate([make() for make in made[i : i + step]])) for i in range(0, len(made), step)]
    return np.concatenate(parts)


def _numbers(
    ask: Ask, design: Design, pair: tuple[str, str], plain: np.ndarray, alone: Mapping[str, _Alone], seed: int
) -> Float[np.ndarray, "rows numbers"]:
    places, (one, two) = design.places, pair
    n, strands = len(places), orientations(*pair)
    grid = [(s, spacing) for s in strands for spacing in design.spacings]
    makers = [(lambda s=s, spacing=spacing: planted(places, _sites(pair, s), spacing)) for s, spacing in grid]
    controls = [(lambda s=s, spacing=spacing: _control(places, pair, s, spacing)) for s, spacing in grid]
    shape = (len(strands), len(design.spacings), n, -1)
    joint, control = (_in_blocks(ask, each, n).reshape(shape) for each in (makers, controls))
    at = [[STRANDS.index(s[place]) for s in strands] for place in (FIRST, SECOND)]
    first = alone[one].first[:, at[FIRST], None]  # scrambled, orientation, 1, background, target
    second = alone[two].second[:, at[SECOND]]
    interaction = joint - first[0] - second[0] + plain
    odd = np.arange(n)[:, None] % 2 == 1  # the one partner's columns are shuffled here, the other's elsewhere
    beside = control - np.where(odd, first[0], first[1]) - np.where(odd, second[1], second[0]) + plain
    excess = interaction - beside
    excess[np.abs(excess) <= ROUNDING * np.abs(joint).mean(axis=2, keepdims=True)] = 0
    by_row = [_by_row(np.broadcast_to(x, joint.shape)) for x in (first[0] - plain, second[0] - plain, joint - plain)]
    inter, ctrl, exc = _by_row(interaction), _by_row(beside), _by_row(excess)
    low, high = interval(np.concatenate([inter, exc]), stream(seed, "bootstrap", "pairs", *pair))
    k, means = len(exc), [x.mean(axis=1) for x in (*by_row, inter, ctrl, exc)]
    return np.stack(
        [*means[:4], low[:k], high[:k], means[4], means[5], low[k:], high[k:], signed_rank(exc)], axis=1
    )  # fmt: skip


def _by_row(values: Float[np.ndarray, "o s b t"]) -> Float[np.ndarray, "rows b"]:
    return np.moveaxis(values, 2, 3).reshape(-1, values.shape[2])


def _sites(pair: tuple[str, str], strands: tuple[str, str], scrambled: int | None = None) -> list[Site]:
    return [Site(pair[i], i, strands[i], i == scrambled) for i in (FIRST, SECOND)]


def _control(places: Places, pair: tuple[str, str], strands: tuple[str, str], spacing: int) -> np.ndarray:
    """As planted, with the columns of the first motif shuffled in every other background, of the second in the rest."""
    made = np.empty_like(places.backgrounds.one_hot)
    for which in (FIRST, SECOND):
        rows = np.arange(which, len(places), 2)
        made[rows] = planted(places, _sites(pair, strands, which), spacing, rows)
    return made


def signed_rank(values: Float[np.ndarray, "k b"]) -> Float[np.ndarray, " k"]:
    """Wilcoxon's signed-rank test of each row, two-sided: p-values for values that lie symmetrically about 0.

    Where a partner's letters and its scrambled ones do the same, exchanging them changes the sign of an excess: so
    excesses are symmetric, whatever their distribution. Zeros tell nothing and are left out; only zeros give 1.
    """
    from scipy.stats import wilcoxon

    p_values = np.ones(len(values))
    alike: dict[tuple[int, bool], list[int]] = {}  # exact where no two are equal; so many rows in one call
    for i, row in enumerate(np.abs(values)):
        some = row[row != 0]
        alike.setdefault((len(some), len(np.unique(some)) < len(some)), []).append(i)
    for (n, _), rows in alike.items():
        if n:
            found = wilcoxon(np.stack([values[i][values[i] != 0] for i in rows]), axis=1)
            p_values[rows] = found.pvalue  # pyright: ignore[reportAttributeAccessIssue]
    return p_values
