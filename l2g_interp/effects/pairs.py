"""Do two motifs act together? Every two of them are planted side by side into shuffled backgrounds.

The interaction is what both do beyond the sum of what each does alone, in the same backgrounds, at the same places,
with the same letters: effect(A+B) - effect(A) - effect(B). The control has the columns of one of the two shuffled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int8

from l2g_core.errors import InputError
from l2g_interp.attributions.attribute import as_int8
from l2g_interp.effects.arrangements import draw_places
from l2g_interp.effects.backgrounds import NO_CONTROL, Backgrounds, draw_backgrounds, draw_rows
from l2g_interp.effects.interactions import NUMBERS, Design, keys_of, measured
from l2g_interp.effects.scales import SCALES
from l2g_interp.effects.validate import FEWEST
from l2g_interp.records.types import PairEffect

if TYPE_CHECKING:
    from torch import Tensor, nn

    from l2g_interp.attributions.adapt import Extra

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PairOptions:
    """How to plant pairs. ``spacings``: bp between the two; ``scale``: a name in `SCALES`, where effects may add up."""

    spacings: tuple[int, ...] = (5, 10, 20, 40)
    n_backgrounds: int = 20
    scale: str = "output"
    seed: int = 0
    batch_size: int | None = None

    def check(self) -> None:
        """Refuse too few backgrounds, spacings that are repeated or negative, and unknown scales."""
        if self.n_backgrounds < FEWEST:
            raise InputError(f"{self.n_backgrounds} backgrounds: at least {FEWEST} are needed for an interval")
        if not self.spacings or min(self.spacings) < 0 or list(self.spacings) != sorted(set(self.spacings)):
            given = ",".join(map(str, self.spacings))
            raise InputError(f"spacings {given}: give different numbers of bp, 0 or more, in ascending order")
        if self.scale not in SCALES:
            raise InputError(f"no scale {self.scale!r}; there are {', '.join(SCALES)}")


def plant_pairs(
    model: nn.Module | Sequence[nn.Module],
    motifs: Mapping[str, Float[np.ndarray, "4 _"]],
    one_hot: Int8[np.ndarray, "n 4 length"] | Tensor,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    extra: Extra | None = None,
    spacings: Sequence[int] = (5, 10, 20, 40),
    n_backgrounds: int = 20,
    scale: str = "output",
    seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> list[PairEffect]:
    """What every two motifs do together beyond what each does alone, by spacing and orientation.

    Parameters
    ----------
    model
        The torch module, or its folds.
    motifs
        PPMs ``(4, width)`` by name: of patterns (`l2g_interp.motifs.trimmed`), or of databases.
    one_hot
        The sequences that were explained, ``(n, 4, length)``: the backgrounds are shuffles of them.
    output, layout, extra
        As they were given to `attribute`.
    spacings
        In bp between the end of the first and the begin of the second, ascending.
    n_backgrounds
        Shuffled sequences to plant into; at least 10.
    scale
        Where effects are to add up: ``output``, ``logit`` of a probability, or ``log`` of something positive.
    seed
        Draws backgrounds, places, letters and bootstrap samples.
    batch_size
        Sequences per forward pass; 256 by default.
    device
        Such as ``cpu`` or ``cuda``; by default where the model is.
    progress
        Show a progress bar.

    Returns
    -------
    list of PairEffect
        A row per pair, orientation, spacing and target, also of each motif with itself.

    Raises
    ------
    InputError
        There is no room, there are too few backgrounds, or outputs are not what ``scale`` needs.
    """
    from l2g_interp.attributions.folds import one_network

    options = PairOptions(tuple(spacings), n_backgrounds, scale, seed, batch_size)
    options.check()
    codes = as_int8(one_hot)
    with one_network(model, codes, device, output=output, layout=layout, extra=extra) as adapted:
        if not motifs:
            return []
        backgrounds = draw_backgrounds(codes[draw_rows(len(codes), n_backgrounds, seed)], seed)
        targets = {name: column for column, name in enumerate(adapted.targets)}
        design = make_design(motifs, targets, backgrounds, options)
        numbers = measured(adapted.network, design, scale, seed, batch_size, shown=progress)
        return as_rows(design, list(numbers))


def make_design(
    motifs: Mapping[str, Float[np.ndarray, "4 _"]],
    targets: Mapping[str, int],
    backgrounds: Backgrounds,
    options: PairOptions,
    source: str = "the sequences",
) -> Design:
    """Places and letters of all pairs; logs spacings without room, motifs without a control, and too few backgrounds.

    ``targets``: the model's output by name. ``source``: where the backgrounds are from, for messages.

    Raises
    ------
    InputError
        There is no room for any spacing.
    """
    places, kept = draw_places(motifs, backgrounds, options.spacings, FEWEST, options.seed, source)
    pairs = list(combinations_with_replacement(motifs, 2))
    design = Design(places, kept, targets, pairs)
    if lost := [spacing for spacing in options.spacings if spacing not in kept]:
        log.warning("%s: too short for spacings of %s bp, which are left out", source, ", ".join(map(str, lost)))
    for name, letters in places.letters.items():
        if max(each.likeness for each in letters) > NO_CONTROL:
            log.warning("%s: its columns are much the same in any order, so its control says little", name)
    n_tests = sum(len(keys_of(design, pair)) for pair in pairs)
    if 2.0 ** (1 - len(places)) * n_tests > 0.05:
        log.warning(
            "%d backgrounds are too few to tell a single one of %d arrangements from chance; give more --backgrounds",
            len(places), n_tests,
        )  # fmt: skip
    return design


def as_rows(
    design: Design, numbers: Sequence[Float[np.ndarray, "_ numbers"]], names: Mapping[str, str] | None = None
) -> list[PairEffect]:
    """The numbers of all pairs as a table; q-values are over all of its rows.

    ``names``: what people call the motifs.
    """
    from l2g_interp.motifs.co_occurrence import adjusted

    called, places = names or {}, design.places
    about = [(pair, *key) for pair in design.pairs for key in keys_of(design, pair)]
    table = np.concatenate(numbers)
    largest = np.abs(table[:, :3]).max(axis=1)  # of the effects of the one, the other, and both
    of_target = [target for *_, target in about]
    strongest = {t: float(largest[[t == other for other in of_target]].max()) for t in design.targets}
    rows = []
    for (pair, strands, spacing, target), row, q in zip(about, table, adjusted(table[:, -1]), strict=True):
        given: dict[str, float] = dict(zip(NUMBERS, row.tolist(), strict=True))
        apart = spacing + sum(places.width(name) for name in pair) / 2
        rows.append(
            PairEffect(
                target, *pair, *strands, spacing, apart, len(places), **given, q_value=float(q),
                kind=kind_of(given, float(q), strongest[target]), first_name=called.get(pair[0], ""),
                second_name=called.get(pair[1], ""),
            )
        )  # fmt: skip
    return rows


SURE_Q = 0.05  # largest q-value of an interaction
LEAST, LEAST_OF_TARGET = 0.1, 0.05  # of the pair's own largest effect, and of the largest of any pair on the target


def kind_of(numbers: Mapping[str, float], q_value: float, strongest: float = 0.0) -> str:
    """``additive``, ``synergistic``, ``antagonistic``; ``raises`` or ``lowers`` for motifs that pull in opposite ways.

    Additive unless q is `SURE_Q` or less, the excess over the control at least `LEAST` of the largest effect (of one,
    the other, or both) and `LEAST_OF_TARGET` of ``strongest``, the largest of any pair on the target, and the
    interaction itself of the same sign. Synergistic: both together do more than the sum of each alone; antagonistic:
    less. Where the two pull in opposite ways, an interaction helps one and hinders the other, and only its direction is
    told.
    """
    one, two, joint = (numbers[f"{which}_effect"] for which in ("first", "second", "joint"))
    excess, largest = numbers["excess"], max(abs(one), abs(two), abs(joint))
    sizeable = abs(excess) >= max(LEAST * largest, LEAST_OF_TARGET * strongest)
    if q_value > SURE_Q or not sizeable or excess * numbers["interaction"] <= 0:
        return "additive"
    if one * two < 0 and min(abs(one), abs(two)) >= LEAST * largest:
        return "raises" if excess > 0 else "lowers"
    return "synergistic" if abs(joint) > abs(one + two) else "antagonistic"
