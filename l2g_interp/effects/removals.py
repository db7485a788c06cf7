"""Is a motif needed? Its hits are replaced by background letters in the sequences that have them.

What the prediction loses is compared with what it loses when equally long stretches outside any hit are replaced, and
with what the contributions said. All hits at once tell how much of the prediction the motifs carry; where that is far
more than all single losses together, motifs stand in for each other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from l2g_core.errors import InputError
from l2g_interp.effects.backgrounds import stream
from l2g_interp.effects.losses import NUMBERS, Unit, measured
from l2g_interp.effects.validate import FEWEST
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.motifs.unexplained import is_named
from l2g_interp.records.types import ALL_HITS, ALL_NAMED, Attributions, Hit, Pattern, Removal, check_targets

if TYPE_CHECKING:
    from torch import Tensor, nn

    from l2g_interp.attributions.adapt import Extra

log = logging.getLogger(__name__)
MOST = 20  # motifs per target, those with the most hits


@dataclass(frozen=True)
class RemoveOptions:
    """How to remove. ``n_sequences``: of each motif, at most; ``n_draws``: of background letters, for each sequence."""

    n_sequences: int = 100
    n_draws: int = 5
    seed: int = 0
    batch_size: int | None = None

    def check(self) -> None:
        """Refuse too few sequences or draws."""
        if self.n_sequences < FEWEST:
            raise InputError(f"{self.n_sequences} sequences: at least {FEWEST} are needed for an interval")
        if self.n_draws < 1:
            raise InputError(f"{self.n_draws} draws: at least 1 is needed")


def remove_hits(
    model: nn.Module | Sequence[nn.Module],
    attributions: Attributions,
    hits: Sequence[Hit],
    patterns: Sequence[Pattern] = (),
    motifs: Mapping[tuple[str, str], Float[np.ndarray, "4 _"]] | None = None,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    extra: Extra | None = None,
    n_sequences: int = 100,
    n_draws: int = 5,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> list[Removal]:
    """What the prediction loses without the hits of each motif, and without all of them.

    Parameters
    ----------
    model
        The torch module that was explained, or its folds.
    attributions
        Of the sequences in which the hits are.
    hits
        As `call_hits` returned them; those of tier 2 count only among all hits at once.
    patterns, motifs
        What the hits are of: patterns of the run, and PPMs by (database, id). With them, letters that read as the motif
        again are drawn again.
    output, layout, extra
        As they were given to `attribute`.
    n_sequences
        Sequences with hits of a motif to change, drawn from all that have some; at least 10.
    n_draws
        Draws of background letters for each sequence; the loss is their mean.
    seed
        Draws sequences, letters, controls and bootstrap samples.
    batch_size
        Sequences per forward pass; 256 by default.
    device
        Such as ``cpu`` or ``cuda``; by default where the model is.
    progress
        Show a progress bar.

    Returns
    -------
    list of Removal
        A row per target and motif with hits in at least 10 sequences, those with the most hits first (20 at most), then
        one for all named hits at once, and one for all hits.

    Raises
    ------
    InputError
        The model lacks a target of the hits, or there are too few sequences or draws.
    """
    from l2g_interp.attributions.folds import one_network

    options = RemoveOptions(n_sequences, n_draws, seed, batch_size)
    options.check()
    with one_network(model, attributions.one_hot, device, output=output, layout=layout, extra=extra) as adapted:
        check_targets([hit.target for hit in hits], adapted.targets, "the model")
        units = plan(hits, patterns, motifs or {}, options)
        before = {t: attributions[t].reference_prediction for t in {unit.target for unit in units}}
        read, how = attributions.one_hot.__getitem__, (n_draws, seed, batch_size)
        numbers = measured(adapted.network, adapted.targets, units, read, before, *how, shown=progress)
        return as_rows(units, list(numbers))


def plan(
    hits: Sequence[Hit],
    patterns: Sequence[Pattern],
    motifs: Mapping[tuple[str, str], Float[np.ndarray, "4 _"]],
    options: RemoveOptions,
) -> list[Unit]:
    """Which hits are removed in which sequences: target by target, motif by motif, then all at once."""
    units: list[Unit] = []
    known = {f"{database}/{motif_id}": ppm for (database, motif_id), ppm in motifs.items()}
    known |= {f"{p.target}/{p.name}": trimmed(p).ppm for p in patterns}
    for target in dict.fromkeys(hit.target for hit in hits):
        mine = [hit for hit in hits if hit.target == target]
        ppms = known | {p.name: trimmed(p).ppm for p in patterns if p.target == target}
        taken: dict[int, list[tuple[int, int]]] = {}
        for hit in mine:
            taken.setdefault(hit.row, []).append((hit.start, hit.end))
        sure = [hit for hit in mine if hit.tier == 1]
        by_motif: dict[str, list[Hit]] = {}
        for hit in sure:
            by_motif.setdefault(hit.pattern, []).append(hit)
        often = sorted(by_motif.items(), key=lambda item: -len(item[1]))
        groups = [(pattern, some[0].name, some, False) for pattern, some in often]
        enough = [group for group in groups if len({hit.row for hit in group[2]}) >= FEWEST]
        if less := len(groups) - len(enough[:MOST]):
            log.info(
                "%s: %d motifs with hits in fewer than %d sequences, or beyond the %d most frequent, are only removed "
                "with the others", target, less, FEWEST, MOST,
            )  # fmt: skip
        named = [hit for hit in mine if is_named(hit)]
        at_once = [(ALL_NAMED, "", named, True), (ALL_HITS, "", mine, True)]
        at_once = [group for group in at_once if len({hit.row for hit in group[2]}) >= FEWEST]
        units += [_unit(target, *group, taken, ppms, options) for group in (*enough[:MOST], *at_once)]
    return units


def _unit(
    target: str,
    pattern: str,
    name: str,
    hits: Sequence[Hit],
    together: bool,
    taken: Mapping[int, list[tuple[int, int]]],
    ppms: Mapping[str, np.ndarray],
    options: RemoveOptions,
) -> Unit:
    by_row: dict[int, list[Hit]] = {}
    for hit in hits:
        by_row.setdefault(hit.row, []).append(hit)
    rows = np.sort(list(by_row))
    if len(rows) > options.n_sequences:
        rng = stream(options.seed, "remove", "sequences", target, "" if together else pattern)
        rows = np.sort(rng.choice(rows, options.n_sequences, replace=False))
    chosen = rows.tolist()
    return Unit(
        target, pattern, name, len(by_row), {row: by_row[row] for row in chosen},
        {row: taken[row] for row in chosen}, ppms, together,
    )  # fmt: skip


def as_rows(units: Sequence[Unit], numbers: Sequence[Float[np.ndarray, " numbers"]]) -> list[Removal]:
    """The numbers of all units as a table."""
    rows = []
    for unit, values in zip(units, numbers, strict=True):
        given: dict[str, Any] = dict(zip(NUMBERS, values.tolist(), strict=True))
        needed = needed_of(given)
        given |= {name: int(given[name]) for name in NUMBERS if name.startswith("n_")}
        rows.append(Removal(unit.target, unit.pattern, unit.name, unit.with_hits, **given, needed=needed))
    return rows


def needed_of(numbers: Mapping[str, float]) -> str:
    """``yes``: more is lost than without other stretches, as the contributions said; ``opposite``: the other way.

    ``not shown``: the interval of the excess includes 0; empty: too few sequences had room for a control.
    """
    low, high = numbers["excess_low"], numbers["excess_high"]
    if np.isnan(low):
        return ""
    if low <= 0 <= high:
        return "not shown"
    return "yes" if numbers["excess"] * numbers["contribution"] > 0 else "opposite"
