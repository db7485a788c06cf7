"""Contribution tracks of chosen sequences and of the strongest ones (paper, Figure 4C), with motifs drawn above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from l2g_core.dna import Interval
from l2g_interp.drawing.numbers import fixed, format_number, shortened
from l2g_interp.motifs.naming import family
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.mutations import TargetMutations, read_mutated, read_mutations
from l2g_interp.records.types import Hit, Unexplained
from l2g_interp.report.checks import observed_values
from l2g_interp.report.context import Context, relative_error
from l2g_interp.report.mutation_picture import MutationMap, common_limit, legend_svg
from l2g_interp.report.track_picture import (
    Box,
    Stretch,
    TrackView,
    common_limits,
    is_cut,
    scale_svg,
    strongest,
    track_svg,
)

N_HUES = 8  # the style sheet's colours for motifs
PRINTED = 3  # tracks of a target on paper, where nobody scrolls past the others
GENOME_BROWSER = "https://genome.ucsc.edu/cgi-bin/hgTracks?position="

Record = TypeVar("Record", Hit, Unexplained)
Rows = Mapping[str, AbstractSet[int]]  # those drawn for each target
Key = tuple[str, int]  # target and row


@dataclass(frozen=True)
class Track:
    """One sequence; ``rank`` is that of its prediction among all, 1 for the highest.

    ``measured`` is NaN where unknown; ``misses``: the completeness error exceeds the bound. ``browser`` is the address
    of its place, empty where unknown. ``elsewhere``: the other targets for which it is drawn, with the HTML id there.
    ``strongest``: where to look first, as a fraction of the length. ``printed``: also on paper. ``agreement``: of
    single changes with the contributions, in words; empty where unknown.
    """

    anchor: str
    rank: int
    id: str
    place: str
    browser: str
    length: int
    prediction: float
    measured: float
    reference_prediction: float
    error: float
    misses: bool
    n_boxes: int
    elsewhere: list[tuple[str, str]]
    strongest: float
    printed: bool
    agreement: str
    scale: Markup
    picture: Markup


@dataclass(frozen=True)
class TargetTracks:
    """``limits``: bottom and top of the common scale; ``n_cut``: tracks with letters that leave it.

    ``legend``: of the maps of single changes, which ``n_maps`` of the tracks have; empty if none has.
    """

    target: str
    anchor: str
    limits: tuple[float, float]
    n_cut: int
    n_printed: int
    n_maps: int
    legend: Markup
    tracks: list[Track]


@dataclass(frozen=True)
class Marks:
    """What is drawn above and below the letters."""

    boxes: dict[Key, list[Box]]
    stretches: dict[Key, list[Stretch]]


@dataclass(frozen=True)
class Scales:
    """What the tracks of a target share: bottom and top of the letters' axis, and where colours are the darkest."""

    letters: tuple[float, float]
    changes: float


def tracks(context: Context) -> list[TargetTracks] | None:
    """The chosen sequences and those with the highest prediction, for each target; only their rows are read."""
    if not context.overview.ids or not (context.options.n_tracks or context.options.sequences):
        return None
    drawn = {target: set(context.drawn(target)) for target in context.overview.by_target}
    marks = Marks(_boxes(context, drawn), _stretches(context, drawn))
    return [
        _target_tracks(context, number, target, marks)
        for number, target in enumerate(context.targets)
        if target in context.overview.by_target
    ]


def _target_tracks(context: Context, number: int, target: str, marks: Marks) -> TargetTracks:
    order = context.drawn(target)
    views = _views(context, target, marks)
    limits = common_limits(list(views.values()))
    n_cut = sum(is_cut(view, limits) for view in views.values())
    n_printed = min(len(order), max(PRINTED, len(context.options.sequences)))
    numbers = _numbers(context, target)
    maps = [view.changes for view in views.values() if view.changes]
    scales = Scales(limits, common_limit(maps))
    made = [
        _track(context, target, row, views[row], scales, {k: float(v[row]) for k, v in numbers.items()}, at < n_printed)
        for at, row in enumerate(order)
    ]
    legend = legend_svg(scales.changes) if maps else Markup("")
    return TargetTracks(target, f"tracks-{number}", limits, n_cut, n_printed, len(maps), legend, made)


def _numbers(context: Context, target: str) -> dict[str, np.ndarray]:
    """One number per sequence each."""
    prediction = context.numbers(target, "prediction")
    return {
        "prediction": prediction,
        "reference": context.numbers(target, "reference_prediction"),
        "measured": observed_values(context, target),
        "error": relative_error(context, target),
        "rank": np.argsort(np.argsort(-prediction, kind="stable"), kind="stable") + 1,
    }


def _views(context: Context, target: str, marks: Marks) -> dict[int, TrackView]:
    """By row, what the tracks of a target show."""
    rows = sorted(context.drawn(target))
    part = read_attributions(context.run.attributions, targets=[target], rows=rows)
    values, places = part[target], context.overview.coordinates
    changes = _changes(context, target, part.ids)
    views = {}
    for i, row in enumerate(rows):
        length = int(part.lengths[i])
        place = places[row] if places and places[row].end - places[row].start == length else None
        views[row] = TrackView(
            f"Contributions along {shortened(part.ids[i])}",
            values.hypothetical[i, :, :length] * values.one_hot[i, :, :length],
            marks.boxes.get((target, row), []),
            marks.stretches.get((target, row), []),
            place,
            changes.get(part.ids[i]),
        )
    return views


def _changes(context: Context, target: str, ids: Sequence[str]) -> dict[str, MutationMap]:
    """By id, what single changes do to some of the sequences, where 'l2g-interp mutate' found that out."""
    if context.run.mutations is None:
        return {}
    mutated, targets = read_mutated(context.run.mutations)
    wanted = [name for name in ids if name in set(mutated)]
    if target not in targets or not wanted:
        return {}
    known = read_mutations(context.run.mutations, [target], wanted)
    return {
        name: MutationMap(
            known[target].difference[row, :, : known.lengths[row]],
            known.one_hot[row, :, : known.lengths[row]],
            agreement_in_words(known[target], row),
        )
        for row, name in enumerate(known.ids)
    }


def agreement_in_words(values: TargetMutations, row: int) -> str:
    """How far single changes and contributions go together along a sequence, in words; empty where unknown."""
    r, low, high, rank = (
        float(getattr(values, name)[row]) for name in ("pearson", "pearson_low", "pearson_high", "spearman")
    )
    if r != r:
        return ""
    interval = f"[{fixed(low, 2)}, {fixed(high, 2)}]"
    return f"contributions and single changes: r {fixed(r, 2)} {interval}, of ranks {fixed(rank, 2)}"


def _track(
    context: Context,
    target: str,
    row: int,
    view: TrackView,
    scales: Scales,
    numbers: Mapping[str, float],
    printed: bool,
) -> Track:
    places = context.overview.coordinates
    return Track(
        anchor=context.track_anchor(target, row),
        rank=int(numbers["rank"]),
        id=context.overview.ids[row],
        place=str(places[row]) if places else "",
        browser=browser_link(places[row]) if places else "",
        length=view.length,
        prediction=numbers["prediction"],
        measured=numbers["measured"],
        reference_prediction=numbers["reference"],
        error=numbers["error"],
        misses=numbers["error"] > context.options.completeness_bound,
        n_boxes=len(view.boxes),
        elsewhere=_elsewhere(context, target, row),
        strongest=strongest(view),
        printed=printed,
        agreement=view.changes.agreement if view.changes else "",
        scale=Markup(scale_svg(view, scales.letters)),
        picture=Markup(track_svg(view, scales.letters, scales.changes)),
    )


def browser_link(place: Interval) -> str:
    """The UCSC genome browser at a place, which it counts from 1; the assembly is not known here."""
    return f"{GENOME_BROWSER}{quote(place.chrom, safe='')}:{place.start + 1}-{place.end}"


def _elsewhere(context: Context, target: str, row: int) -> list[tuple[str, str]]:
    others = [other for other in context.overview.by_target if other != target and row in context.drawn(other)]
    return [(other, context.track_anchor(other, row)) for other in others]


def _boxes(context: Context, drawn: Rows) -> dict[Key, list[Box]]:
    """Every hit of the target, also of motifs that it has no pattern of; motifs of one family share a colour."""
    motifs = {
        f"{target}/{pattern.name}": (context.name(pattern), context.anchor(pattern))
        for target in context.targets
        for pattern in context.patterns(target)
    }
    hues: dict[str, int] = {}
    for name, _ in motifs.values():
        hues.setdefault(family(name), len(hues))
    if not context.run.hits:
        return _seqlet_boxes(context, drawn, motifs, hues)
    found: dict[Key, list[Box]] = {}
    for hit in _drawn_only(context.run.hits, drawn):
        own, other = motifs.get(f"{hit.target}/{hit.pattern}"), motifs.get(hit.pattern)
        name, anchor = own or other or (hit.pattern.rsplit("/", 1)[-1], "")
        name = hit.name or name
        hue = hues.setdefault(family(name), len(hues)) % N_HUES
        box = Box(hit.start, hit.end, name, anchor, hue, hit.strand == "-", hit.tier)
        found.setdefault((hit.target, hit.row), []).append(box)
    return found


def _seqlet_boxes(
    context: Context, drawn: Rows, motifs: Mapping[str, tuple[str, str]], hues: Mapping[str, int]
) -> dict[Key, list[Box]]:
    """Where hits were not called: the places from which TF-MoDISco made the patterns."""
    found: dict[Key, list[Box]] = {}
    for target, rows in drawn.items():
        for pattern in context.patterns(target):
            places, (name, anchor) = context.occurrences(pattern), motifs[f"{target}/{pattern.name}"]
            hue = hues[family(name)] % N_HUES
            for i in np.flatnonzero(np.isin(places.example, list(rows))):
                box = Box(int(places.start[i]), int(places.end[i]), name, anchor, hue, bool(places.is_revcomp[i]))
                found.setdefault((target, int(places.example[i])), []).append(box)
    return found


def _stretches(context: Context, drawn: Rows) -> dict[Key, list[Stretch]]:
    found: dict[Key, list[Stretch]] = {}
    for row in _drawn_only(context.run.unexplained, drawn):
        stretch = Stretch(row.start, row.end, _unexplained_words(row))
        found.setdefault((row.target, row.row), []).append(stretch)
    return found


def _unexplained_words(row: Unexplained) -> str:
    nearest = row.nearest or row.motif
    if not nearest:
        return "unexplained, nearest to no motif"
    return f"unexplained, nearest {shortened(nearest)} (likeness {format_number(row.likeness, 2)})"


def _drawn_only(records: Iterable[Record], drawn: Rows) -> Iterator[Record]:
    return (record for record in records if record.row in drawn.get(record.target, ()))
