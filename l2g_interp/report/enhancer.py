"""One sequence, one page: its track with sites, what single changes do, the strongest of them, and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from markupsafe import Markup

from l2g_core.dna import ALPHABET, Interval, decode
from l2g_interp.drawing.numbers import decimals_for, shortened
from l2g_interp.drawing.page import asset, render_page, write_page
from l2g_interp.motifs.naming import family, plain
from l2g_interp.records.mutations import Mutations, changes_only
from l2g_interp.records.types import Attributions, Hit, completeness_error
from l2g_interp.report.mutation_picture import MutationMap, common_limit, legend_svg
from l2g_interp.report.track_picture import Box, TrackView, common_limits, scale_svg, track_svg
from l2g_interp.report.tracks import N_HUES, agreement_in_words, browser_link
from l2g_interp.variants.rows import VariantEffect

PACKAGE = "l2g_interp.report"  # where the template is
LISTED = 5  # of the strongest losses, and of the strongest gains


@dataclass(frozen=True)
class Enhancer:
    """What is known of one sequence.

    Attributes
    ----------
    attributions, mutations
        Of this sequence alone.
    hits
        Of the motifs of a run, in this sequence.
    ranks
        By target, the place of its prediction among those of the run, and of how many; empty if it is not in it.
    measured
        By target; empty where unknown.
    variants
        Those that lie in it; None where nothing was given.
    wrong
        By target, how often the site of a motif that the run does not know would get a wrong name.
    note
        What is missing, and why.
    """

    attributions: Attributions
    mutations: Mutations
    hits: Sequence[Hit] = ()
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    variants: Sequence[VariantEffect] | None = None
    wrong: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def id(self) -> str:
        return self.attributions.ids[0]

    @property
    def length(self) -> int:
        return int(self.attributions.lengths[0])

    @property
    def place(self) -> Interval | None:
        """Where it lies in a genome, if that is known to the base."""
        places = self.attributions.coordinates
        return places[0] if places and places[0].end - places[0].start == self.length else None

    @property
    def letters(self) -> str:
        return decode(self.attributions.one_hot[0], self.length)

    def difference(self, target: str) -> Float32[np.ndarray, "4 length"]:
        return self.mutations[target].difference[0, :, : self.length]

    def hits_of(self, target: str) -> list[Hit]:
        return sorted((hit for hit in self.hits if hit.target == target), key=lambda hit: hit.start)


@dataclass(frozen=True)
class Change:
    """A single change: ``G130T``, where that is in the genome, what it does, and the sites that it lies in."""

    change: str
    place: str
    difference: float
    spread: float
    sites: str


@dataclass(frozen=True)
class Site:
    """A hit, and the change within it that loses most."""

    hit: Hit
    name: str
    worst: Change


@dataclass(frozen=True)
class TargetView:
    """What the page shows for a target. ``decimals``: of the differences."""

    target: str
    anchor: str
    prediction: float
    measured: float
    shuffled: float
    error: float
    rank: tuple[int, int] | None
    agreement: str
    losses: list[Change]
    gains: list[Change]
    sites: list[Site]
    decimals: int
    has_folds: bool
    scale: Markup
    picture: Markup
    legend: Markup


def write_enhancer_page(output: str | Path, enhancer: Enhancer, provenance: Mapping[str, Any], command: str) -> Path:
    """Write one self-contained HTML file that opens offline; the write is atomic.

    Parameters
    ----------
    provenance
        Names and texts that say how it was made.

    Raises
    ------
    InputError
        ``output`` cannot be written.
    """
    views = [_view(enhancer, target, number) for number, target in enumerate(enhancer.mutations.targets)]
    navigation = [("enhancer", "In short"), *((view.anchor, view.target) for view in views)]
    navigation += [("variants", "Variants")] if enhancer.variants is not None else []
    page = render_page(
        "enhancer.html", PACKAGE, title=shortened(enhancer.id, 200), navigation=[*navigation, ("made", "How")],
        style=asset(PACKAGE, "enhancer.css"), enhancer=enhancer, views=views, provenance=provenance, command=command,
        browser=browser_link(enhancer.place) if enhancer.place else "",
    )  # fmt: skip
    return write_page(output, page)


def _view(enhancer: Enhancer, target: str, number: int) -> TargetView:
    values, changes = enhancer.attributions[target], enhancer.mutations[target]
    n, one_hot = enhancer.length, enhancer.attributions.one_hot[0][:, : enhancer.length]
    hits, difference = enhancer.hits_of(target), enhancer.difference(target)
    drawn = MutationMap(difference, one_hot, agreement_in_words(changes, 0))
    track = TrackView(
        f"Contributions along {shortened(enhancer.id)}", values.contributions[0][:, :n], boxes_of(hits), (),
        enhancer.place, drawn,
    )  # fmt: skip
    limits, limit = common_limits([track]), common_limit([drawn])
    reference = float(values.reference_prediction[0])
    return TargetView(
        target=target, anchor=f"target-{number}", prediction=float(values.prediction[0]),
        measured=enhancer.measured.get(target, float("nan")), shuffled=reference,
        error=float(completeness_error(float(values.delta[0]), float(values.prediction[0]) - reference)),
        rank=enhancer.ranks.get(target), agreement=drawn.agreement,
        losses=_strongest(enhancer, target, -1), gains=_strongest(enhancer, target, 1),
        sites=[_site(enhancer, hit) for hit in hits],
        decimals=decimals_for(float(np.nanmax(np.abs(difference), initial=0.0))),
        has_folds=changes.fold_spread is not None,
        scale=Markup(scale_svg(track, limits)), picture=Markup(track_svg(track, limits, limit)),
        legend=legend_svg(limit),
    )  # fmt: skip


def boxes_of(hits: Sequence[Hit]) -> list[Box]:
    """The hits as boxes on a track; motifs of one family have one colour."""
    families = list(dict.fromkeys(family(_name(hit)) for hit in hits))
    return [
        Box(
            hit.start, hit.end, _name(hit), "", families.index(family(_name(hit))) % N_HUES, hit.strand == "-", hit.tier
        )
        for hit in hits
    ]


def _name(hit: Hit) -> str:
    return hit.name or plain(hit.pattern.rpartition("/")[2])


def _strongest(enhancer: Enhancer, target: str, sign: int) -> list[Change]:
    """The changes that lose (``sign`` -1) or gain most, one for each position."""
    values = sign * _changes(enhancer, target)
    best = np.nan_to_num(values, nan=-np.inf).max(0, initial=-np.inf)
    order = [p for p in np.argsort(-best, kind="stable")[:LISTED].tolist() if best[p] > 0]
    return [_change(enhancer, target, int(np.nanargmax(values[:, p])), p) for p in order]


def _changes(enhancer: Enhancer, target: str) -> Float32[np.ndarray, "4 length"]:
    return changes_only(enhancer.difference(target), enhancer.attributions.one_hot[0][:, : enhancer.length])


def _change(enhancer: Enhancer, target: str, base: int, position: int) -> Change:
    inside = [hit for hit in enhancer.hits_of(target) if hit.start <= position < hit.end]
    names = [f"{'resembles ' if hit.tier > 1 else ''}{_name(hit)}" for hit in inside]
    spread = enhancer.mutations[target].fold_spread
    return Change(
        f"{enhancer.letters[position]}{position + 1}{ALPHABET[base]}",
        _place_of(enhancer.place, position),
        float(enhancer.difference(target)[base, position]),
        float("nan") if spread is None else float(spread[0, base, position]),
        ", ".join(dict.fromkeys(names)),
    )


def _place_of(place: Interval | None, position: int) -> str:
    """Where a base of the sequence lies, counted from 1; letters of a change are those of the sequence's strand."""
    if place is None:
        return ""
    at = place.end - position if place.strand == "-" else place.start + position + 1
    return f"{place.chrom}:{at:,}{' (−)' if place.strand == '-' else ''}"


def _site(enhancer: Enhancer, hit: Hit) -> Site:
    sign = -1 if hit.sign == "+" else 1
    values = sign * _changes(enhancer, hit.target)[:, hit.start : hit.end]
    base, offset = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return Site(hit, _name(hit), _change(enhancer, hit.target, int(base), hit.start + int(offset)))
