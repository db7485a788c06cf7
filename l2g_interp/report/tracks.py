"""Contribution tracks of chosen sequences and of the strongest ones (paper, Figure 4C), with motifs drawn above."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup

from l2g_core.dna import Interval
from l2g_interp.drawing.logo import TENTH, letters, value_range
from l2g_interp.drawing.numbers import shortened
from l2g_interp.motifs.naming import family
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import Attributions, completeness_error
from l2g_interp.report.context import Context

PITCH = 4  # pixels per base before zooming, and more where the page is wider
LETTERS, LANE, AXIS = 120, 18, 18  # pixels: height of the letters, of a row of seqlets, of the axis
TICK_EVERY = 20  # bp
CHARACTER = 7.0  # pixels, for keeping names on one row apart
LONGEST_NAME = 16  # letters
N_HUES = 8  # the style sheet's colours for seqlets


@dataclass(frozen=True)
class Box:
    """A hit or seqlet on a track: where, of which pattern, and where to draw it."""

    start: int
    end: int
    name: str
    anchor: str
    hue: int
    reverse: bool


@dataclass(frozen=True)
class Track:
    """One sequence; ``rank`` is that of its prediction among all, 1 for the highest.

    ``elsewhere``: the other targets for which it is drawn, with the HTML id there.
    """

    anchor: str
    rank: int
    id: str
    place: str
    length: int
    prediction: float
    reference_prediction: float
    error: float
    n_boxes: int
    elsewhere: list[tuple[str, str]]
    picture: Markup


@dataclass(frozen=True)
class TargetTracks:
    target: str
    anchor: str
    limits: tuple[float, float]
    tracks: list[Track]


def tracks(context: Context) -> list[TargetTracks] | None:
    """The chosen sequences and those with the highest prediction, for each target; only their rows are read."""
    if not context.overview.ids or not (context.options.n_tracks or context.options.sequences):
        return None
    return [
        _target_tracks(context, number, target)
        for number, target in enumerate(context.targets)
        if target in context.overview.by_target
    ]


def _target_tracks(context: Context, number: int, target: str) -> TargetTracks:
    order = context.drawn(target)
    rows = np.sort(order)
    part = read_attributions(context.run.attributions, targets=[target], rows=rows.tolist())
    limits = value_range(*part[target].contributions)
    boxes = _boxes(context, target, set(order))
    ranks = np.argsort(np.argsort(-context.numbers(target, "prediction"), kind="stable"), kind="stable") + 1
    made = [
        _track(
            part, target, int(np.searchsorted(rows, row)), boxes.get(row, []), limits,
            anchor=context.track_anchor(target, row), rank=int(ranks[row]), elsewhere=_elsewhere(context, target, row),
        )
        for row in order
    ]  # fmt: skip
    return TargetTracks(target, f"tracks-{number}", limits, made)


def _elsewhere(context: Context, target: str, row: int) -> list[tuple[str, str]]:
    others = [other for other in context.overview.by_target if other != target and row in context.drawn(other)]
    return [(other, context.track_anchor(other, row)) for other in others]


def _boxes(context: Context, target: str, rows: set[int]) -> dict[int, list[Box]]:
    """By row, what is drawn above its letters; motifs of one family share a colour."""
    found: dict[int, list[Box]] = {}
    hues: dict[str, int] = {}
    for pattern in context.patterns(target):
        places, name, anchor = context.occurrences(pattern), context.name(pattern), context.anchor(pattern)
        hue = hues.setdefault(family(name), len(hues))
        for i in np.flatnonzero(np.isin(places.example, list(rows))):
            start, end = int(places.start[i]), int(places.end[i])
            box = Box(start, end, name, anchor, hue % N_HUES, bool(places.is_revcomp[i]))
            found.setdefault(int(places.example[i]), []).append(box)
    return found


def _track(
    part: Attributions,
    target: str,
    row: int,
    boxes: list[Box],
    limits: tuple[float, float],
    *,
    anchor: str,
    rank: int,
    elsewhere: list[tuple[str, str]],
) -> Track:
    values = part[target]
    length = int(part.lengths[row])
    heights = values.hypothetical[row, :, :length] * values.one_hot[row, :, :length]
    prediction, reference = float(values.prediction[row]), float(values.reference_prediction[row])
    return Track(
        anchor=anchor,
        rank=rank,
        id=part.ids[row],
        place=_place(part.coordinates, row),
        length=length,
        prediction=prediction,
        reference_prediction=reference,
        error=float(completeness_error(values.delta[row], prediction - reference)),
        n_boxes=len(boxes),
        elsewhere=elsewhere,
        picture=Markup(track_svg(heights, boxes, limits, f"Contributions along {shortened(part.ids[row])}")),
    )


def track_svg(heights: np.ndarray, boxes: list[Box], limits: tuple[float, float], label: str) -> str:
    """Letters scaled by contribution, seqlets above, positions below.

    The page may give it any width: the letters stretch, while names and numbers keep their size, because only the inner
    drawing has its own coordinate system.
    """
    length = heights.shape[1]
    lanes = _lanes(boxes)
    top = LANE * max(lanes, default=-1) + LANE if boxes else 4
    drawn = "".join(_box_svg(box, lane, length) for box, lane in zip(boxes, lanes, strict=True))
    low, high = limits
    scale = LETTERS * TENTH / (high - low)
    wide, tall = length * PITCH * TENTH, LETTERS * TENTH
    inner = (
        f'<svg y="{top}" width="100%" height="{LETTERS}" viewBox="0 0 {wide} {tall}" preserveAspectRatio="none">'
        f'<path class="axis" d="M0 {high * scale:.0f}H{wide}"/>'
        f"{letters(heights, PITCH * TENTH, scale, high * scale)}</svg>"
    )
    bottom = top + LETTERS
    ticks = "".join(
        f'<text x="{100 * (at - 0.5) / length:.2f}%" y="{bottom + 13}" text-anchor="middle">{at}</text>'
        for at in range(TICK_EVERY, length + 1, TICK_EVERY)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="track" role="group" aria-label="{escape(label)}" '
        f'width="{length * PITCH}" height="{bottom + AXIS}">{drawn}{inner}{ticks}</svg>'
    )


def _lanes(boxes: list[Box]) -> list[int]:
    """A row for each box, the lowest in which it and its name overlap no other."""
    ends: list[float] = []
    lanes = [0] * len(boxes)
    for i in sorted(range(len(boxes)), key=lambda i: (boxes[i].start, boxes[i].end)):
        middle = (boxes[i].start + boxes[i].end) / 2
        half = max((boxes[i].end - boxes[i].start) / 2, len(_box_text(boxes[i])) * CHARACTER / PITCH / 2)
        lane = next((k for k, end in enumerate(ends) if end <= middle - half), len(ends))
        ends[lane : lane + 1] = [middle + half]
        lanes[i] = lane
    return lanes


def _box_text(box: Box) -> str:
    """``AP-1 (kay/Jra)`` as ``AP-1``: the full name is in the tooltip and in the table."""
    return f"{shortened(family(box.name), LONGEST_NAME)} {'←' if box.reverse else '→'}"


def _box_svg(box: Box, lane: int, length: int) -> str:
    """A link to the motif. The name is never cut by a narrow box, and stays inside the picture at its ends."""
    start, end = max(0, box.start), min(length, box.end)
    text = _box_text(box)
    title = f"{shortened(box.name)}, {box.start} to {box.end}, {'reverse' if box.reverse else 'forward'} strand"
    half = len(text) * CHARACTER / PITCH / 2
    middle = (start + end) / 2
    x, anchor = (middle, "middle")
    if middle < half:
        x, anchor = start, "start"
    elif middle > length - half:
        x, anchor = end, "end"
    y = lane * LANE
    return (
        f'<a href="#{box.anchor}" class="box hue{box.hue}"><title>{escape(title)}</title>'
        f'<rect x="{100 * start / length:.2f}%" y="{y}" width="{100 * (end - start) / length:.2f}%" '
        f'height="{LANE - 2}" rx="3"/>'
        f'<text x="{100 * x / length:.2f}%" y="{y + 12}" text-anchor="{anchor}">{escape(text)}</text></a>'
    )


def _place(coordinates: list[Interval] | None, row: int) -> str:
    return str(coordinates[row]) if coordinates else ""
