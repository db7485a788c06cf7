"""Does the model respond to a motif by itself? Each pattern is planted into shuffled backgrounds (marginalisation).

A pattern found in contributions is a hypothesis about the model; the change of the prediction when the motif is planted
where it was not is the test of it. The control, the same letters in another order, accounts for the composition.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int8

from l2g_core.errors import InputError
from l2g_interp.attributions.attribute import as_int8
from l2g_interp.attributions.targets import choose_targets
from l2g_interp.effects.backgrounds import (
    NO_CONTROL,
    Backgrounds,
    Planting,
    draw_backgrounds,
    draw_planting,
    draw_rows,
    plant,
    stream,
)
from l2g_interp.effects.predicted import predicted
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.records.types import Effect, Pattern, check_targets

if TYPE_CHECKING:
    from torch import Tensor, nn

    from l2g_interp.attributions.adapt import Extra

log = logging.getLogger(__name__)
FEWEST = 10  # backgrounds; an interval from fewer is too unreliable
RESAMPLES, CONFIDENCE = 5000, 0.95
DEFAULT_ROWS = 64


@dataclass(frozen=True)
class ValidateOptions:
    """How to validate. ``copies``: the doses; ``batch_size``: rows per forward pass (`DEFAULT_ROWS` when None)."""

    n_backgrounds: int = 100
    copies: tuple[int, ...] = (1, 2, 3)
    seed: int = 0
    batch_size: int | None = None

    def check(self) -> None:
        """Refuse too few backgrounds, and doses that are repeated or below 1."""
        if self.n_backgrounds < FEWEST:
            raise InputError(f"{self.n_backgrounds} backgrounds: at least {FEWEST} are needed for an interval")
        if not self.copies or min(self.copies) < 1 or len(set(self.copies)) < len(self.copies):
            raise InputError(
                f"copies {','.join(map(str, self.copies))}: give different whole numbers of at least 1, such as 1,2,3"
            )


def validate_motifs(
    model: nn.Module | Sequence[nn.Module],
    patterns: Sequence[Pattern],
    one_hot: Int8[np.ndarray, "n 4 length"] | Tensor,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    extra: Extra | None = None,
    n_backgrounds: int = 100,
    copies: Sequence[int] = (1, 2, 3),
    others: Sequence[str] = (),
    seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> list[Effect]:
    """What planting each pattern into shuffled sequences does to the prediction of the pattern's target.

    Parameters
    ----------
    model
        The torch module that was explained, or its folds.
    patterns
        Of any of its targets; they are trimmed here.
    one_hot
        The sequences that were explained, ``(n, 4, length)``: the backgrounds are shuffles of them.
    output, layout, extra
        As they were given to `attribute`.
    n_backgrounds
        Shuffled sequences to plant into; at least 10.
    copies
        Doses. A dose for which fewer than half of the backgrounds have room is left out, with a warning.
    others
        Targets whose predictions to look at besides that of a pattern's own.
    seed
        Draws backgrounds, positions, strands, letters and bootstrap samples.
    batch_size
        Rows per forward pass; 64 by default.
    device
        Such as ``cpu`` or ``cuda``; by default where the model is.
    progress
        Show a progress bar.

    Returns
    -------
    list of Effect
        One row per pattern and dose, in the units of the model's output, with 95 % percentile-bootstrap intervals over
        the backgrounds; for the smallest dose also one for each of ``others``, with the pattern's own target before its
        name (``dev/pos_patterns.pattern_0``).

    Raises
    ------
    InputError
        The model lacks a pattern's target, there are too few backgrounds, or doses are repeated or below 1.
    """
    options = ValidateOptions(n_backgrounds, tuple(copies), seed, batch_size)
    from l2g_interp.attributions.folds import one_network

    options.check()
    codes = as_int8(one_hot)
    with one_network(model, codes, device, output=output, layout=layout, extra=extra) as adapted:
        wanted = [*adapted.targets, *(p.target for p in patterns), *others]
        chosen = choose_targets(adapted.network, wanted, adapted.targets)
        backgrounds = draw_backgrounds(codes[draw_rows(len(codes), n_backgrounds, seed)], seed)
        found = validate_in_turn(chosen.network, chosen.names, patterns, backgrounds, options, others, progress)
        return [effect for effects, _ in found for effect in effects]


def validate_in_turn(
    model: nn.Module,
    names: Sequence[str],
    patterns: Sequence[Pattern],
    backgrounds: Backgrounds,
    options: ValidateOptions,
    others: Sequence[str] = (),
    shown: bool = False,
) -> Iterator[tuple[list[Effect], list[str]]]:
    """The effects of each pattern in turn, and notes on them. Memory: one dose of one pattern.

    ``names`` are those of the model's outputs, ``others`` the targets to look at besides a pattern's own.
    """
    from l2g_core.console import out_of_memory_explained
    from l2g_core.console import progress as bar

    options.check()
    check_targets([*(p.target for p in patterns), *others], names, "the model")
    rows = options.batch_size or DEFAULT_ROWS
    with out_of_memory_explained("--batch-size"):
        plain = predicted(model, backgrounds.one_hot, range(len(names)), rows) if patterns else np.empty((0, 0))
        for pattern in bar(patterns, "validating (patterns)", len(patterns), shown):
            wanted = dict.fromkeys([pattern.target, *others])
            columns = {name: list(names).index(name) for name in wanted}
            effects, notes = _validate(model, pattern, backgrounds, plain, columns, options, rows)
            for note in notes:
                log.warning("%s, %s: %s", pattern.target, pattern.name, note)
            yield effects, notes


def _validate(
    model: nn.Module,
    pattern: Pattern,
    backgrounds: Backgrounds,
    plain: Float[np.ndarray, "b t"],
    columns: dict[str, int],
    options: ValidateOptions,
    rows: int,
) -> tuple[list[Effect], list[str]]:
    """Every dose of one pattern; a larger dose has the same copies as a smaller one, and more.

    ``columns`` are the outputs to look at by name, the pattern's own first; the others are told for one dose.
    """
    ppm, most = trimmed(pattern).ppm, max(options.copies)
    planting = draw_planting(ppm, backgrounds, most, stream(options.seed, "planting", pattern.target, pattern.name))
    notes, effects, elsewhere = [], [], []
    if planting.likeness > NO_CONTROL:
        notes.append("its columns are much the same in any order, so the control says little")
    for copies in sorted(options.copies):
        room = planting.starts[:, copies - 1] >= 0
        if n := int((~room).sum()):
            short = f"{n} of {len(room)} backgrounds are too short for {copies} x {ppm.shape[1]} bp"
            kept = room.sum() >= max(FEWEST, len(room) / 2)
            notes.append(f"{short} and were left out" if kept else f"{short}, so there is no effect of {copies} copies")
            if not kept:
                continue
        some = list(columns.values())
        changes = [
            predicted(model, planted, some, rows) - plain[room][:, some]
            for planted in _planted(backgrounds, planting, room, copies)
        ]
        first, *more = (
            _effect(as_seen_by(name, pattern), copies, *(change[:, i] for change in changes), seed=options.seed)
            for i, name in enumerate(columns)
        )
        effects.append(first)
        elsewhere = elsewhere or more
    return effects + elsewhere, notes


def as_seen_by(target: str, pattern: Pattern) -> Pattern:
    """The pattern under the name that tables of a target give it: that of another starts with its target."""
    if target == pattern.target:
        return pattern
    return replace(pattern, target=target, name=f"{pattern.target}/{pattern.name}")


def _planted(backgrounds: Backgrounds, planting: Planting, room: np.ndarray, copies: int) -> Iterator[np.ndarray]:
    """The backgrounds that have room, with the motif and with its control at the same places."""
    for letters in (planting.motif, planting.control):
        yield plant(backgrounds.one_hot[room], planting.starts[room, :copies], letters[room, :copies])


def _effect(
    pattern: Pattern, copies: int, effect: Float[np.ndarray, " b"], control: Float[np.ndarray, " b"], *, seed: int
) -> Effect:
    values = np.stack([effect, control, effect - control])
    low, high = interval(values, stream(seed, "bootstrap", pattern.target, pattern.name, str(copies)))
    numbers = np.stack([values.mean(axis=1), low, high], axis=1).ravel().tolist()
    return Effect(pattern.target, pattern.name, pattern.sign, copies, len(effect), *numbers)


def interval(
    values: Float[np.ndarray, "k b"], rng: np.random.Generator
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Ends of the 95 % bootstrap interval of each row's mean, by percentiles (defined for equal values, too)."""
    from scipy.stats import bootstrap

    batch = max(1, 10**6 // values.size)
    found = bootstrap(
        (values,), np.mean, axis=-1, method="percentile", confidence_level=CONFIDENCE, n_resamples=RESAMPLES,
        batch=batch, rng=rng, vectorized=True,
    ).confidence_interval  # fmt: skip
    return np.asarray(found.low), np.asarray(found.high)
