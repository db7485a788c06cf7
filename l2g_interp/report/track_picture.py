"""The picture of a contribution track: letters, motifs above them, axes. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil

import numpy as np
from jaxtyping import Float

from l2g_core.dna import Interval
from l2g_interp.drawing.logo import TENTH, letters, value_range
from l2g_interp.drawing.numbers import format_number, shortened
from l2g_interp.motifs.naming import family
from l2g_interp.report.charts import nice_ticks
from l2g_interp.report.mutation_picture import MutationMap, map_scale_svg, map_svg

PITCH = 4  # pixels per base before zooming, and more where the page is wider
LETTERS, LANE, ROW, UNDER = 120, 18, 15, 8  # pixels: height of letters, row of boxes, row of numbers, unexplained
SCALE = 52  # pixels: width of the column that holds the y axis
STEPS = (20, 50, 100, 200, 500, 1000, 2000, 5000)  # bp between numbers below a track
MOST_POSITIONS, MOST_PLACES = 15, 6  # numbers in a row: places in the genome are longer
LONG = 400  # bp: names on longer tracks would cover each other on paper
CHARACTER, BESIDE = 7.0, 3  # pixels: widest letter of a name; from a box to a name beside it
LONGEST_NAME = 16  # letters
OUTLIER = 2.5  # of the median track's largest contribution: what is larger does not set the scale of the others
CLOSEST = 14  # pixels between two numbers on the y axis


@dataclass(frozen=True)
class Box:
    """A hit or seqlet on a track: where, of which motif, and where that is in the page (empty: nowhere).

    ``tier`` is that of `l2g_interp.records.types.Hit`: 2 where the site only resembles the motif.
    """

    start: int
    end: int
    name: str
    anchor: str
    hue: int
    reverse: bool
    tier: int = 1


@dataclass(frozen=True)
class Stretch:
    """A stretch that no motif explains, 0-based half-open, and what to say of it."""

    start: int
    end: int
    title: str


@dataclass(frozen=True)
class TrackView:
    """What a track shows: ``heights`` ``(4, length)`` in the units of the output; ``place`` in the genome, if known.

    ``changes``: what single changes do, where that is known. ``first``: bases of the sequence before those drawn.
    """

    label: str
    heights: Float[np.ndarray, "4 length"]
    boxes: Sequence[Box] = ()
    stretches: Sequence[Stretch] = ()
    place: Interval | None = None
    changes: MutationMap | None = None
    first: int = 0

    @property
    def length(self) -> int:
        return self.heights.shape[1]


@dataclass(frozen=True)
class Label:
    """Where the name of a box goes: at ``x``, shifted by some pixels; box and name reach from left to right (bp)."""

    x: float
    side: str
    shift: int
    left: float
    right: float


@dataclass(frozen=True)
class Rows:
    """Pixels from the top: of the letters, the map of changes and the rows of numbers; ``lanes`` of boxes lie above."""

    lanes: int
    top: int
    bottom: int
    changes: int
    positions: int
    genome: int
    height: int


def common_limits(views: Sequence[TrackView]) -> tuple[float, float]:
    """Bottom and top of the scale that the tracks of a target share, from those that are no outliers.

    A track whose largest contribution is more than `OUTLIER` times that of the median track would flatten all the
    others. It does not count, and its letters are cut where they leave the scale.
    """
    ranges = np.array([value_range(view.heights) for view in views]).reshape(-1, 2)
    tallest = np.array([np.abs(_total(view)).max(initial=0.0) for view in views])
    usual = ranges[tallest <= OUTLIER * np.median(tallest)] if len(ranges) else ranges
    low, high = float(usual[:, 0].min(initial=0.0)), float(usual[:, 1].max(initial=0.0))
    return (low, high) if high > low else (low, low + 1.0)


def is_cut(view: TrackView, limits: tuple[float, float]) -> bool:
    """Whether letters leave the scale."""
    return bool(_too_tall(view, limits).any())


def strongest(view: TrackView) -> float:
    """Where to look first, as a fraction of the length: the box that contributes most, or the tallest letter."""
    total, length = _total(view), view.length
    if not view.boxes:
        return float((np.abs(total).argmax() + 0.5) / length) if length else 0.5
    running = np.concatenate([[0.0], total.cumsum()])
    spans = np.clip([(box.start, box.end) for box in view.boxes], 0, length)
    best = np.abs(running[spans[:, 1]] - running[spans[:, 0]]).argmax()
    return float(spans[best].mean() / length)


def track_svg(view: TrackView, limits: tuple[float, float], change_limit: float = 0.0) -> str:
    """Letters scaled by contribution, boxes above, the map of changes and positions below.

    ``change_limit``: the difference from which on the map's colours are the darkest.

    The page may give it any width: the letters stretch, while names and numbers keep their size, because only the inner
    drawing has its own coordinate system.
    """
    labels = [_label(box, view.length) for box in view.boxes]
    lanes = _lanes(labels)
    rows = _rows(view, lanes)
    boxes = [
        _box_svg(box, label, view, (rows.lanes - 1 - lane) * LANE)
        for box, label, lane in zip(view.boxes, labels, lanes, strict=True)
    ]
    look = "track big" if view.length > LONG else "track"
    unexplained = [_stretch_svg(stretch, view.length, rows.bottom) for stretch in view.stretches]
    changes = map_svg(view.changes, change_limit, rows.changes) if view.changes else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{look}" role="group" aria-label="{escape(view.label)}" '
        f'width="{view.length * PITCH}" height="{rows.height}">{"".join(boxes)}{_letters_svg(view, limits, rows.top)}'
        f"{''.join(unexplained)}{changes}{_positions_svg(view, rows)}</svg>"
    )


def scale_svg(view: TrackView, limits: tuple[float, float]) -> str:
    """The y axis of a track, and what its rows of numbers are: a column beside it that does not stretch or scroll."""
    rows = _rows(view, _lanes([_label(box, view.length) for box in view.boxes]))
    low, high = limits
    right = SCALE - 1
    body = f'<path class="axis" d="M{right} {rows.top}v{LETTERS}"/>'
    for value in axis_ticks(low, high):
        y = rows.top + (high - value) / (high - low) * LETTERS
        inside = min(max(y + 4, rows.top + 9), rows.bottom)
        body += f'<path class="axis" d="M{right - 4} {y:.1f}h4"/>'
        body += f'<text x="{right - 7}" y="{inside:.1f}" text-anchor="end">{format_number(value)}</text>'
    middle = rows.top + LETTERS // 2
    body += f'<text transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">contribution</text>'
    body += f'<text x="{right - 2}" y="{rows.positions}" text-anchor="end">bp</text>'
    if view.changes:
        body += map_scale_svg(right, rows.changes)
    if view.place:
        chrom = escape(shortened(view.place.chrom, 7))
        body += f'<text x="{right - 2}" y="{rows.genome}" text-anchor="end">{chrom}</text>'
    return f'<svg class="scale" aria-hidden="true" width="{SCALE}" height="{rows.height}">{body}</svg>'


def axis_ticks(low: float, high: float) -> list[float]:
    """Two or three numbers for the y axis: zero, and the last round number on either side, if not too near to it."""
    ticks = nice_ticks(low, high)
    nearest = CLOSEST / LETTERS * (high - low)
    return sorted({0.0, *(t for t in (ticks[0], ticks[-1]) if abs(t) >= nearest)})


def _rows(view: TrackView, lanes: Sequence[int]) -> Rows:
    n = max(lanes, default=-1) + 1
    top = LANE * n + 4
    bottom = top + LETTERS
    changes = bottom + (UNDER if view.stretches else 0)
    positions = changes + (view.changes.height if view.changes else 0) + ROW - 2
    genome = positions + ROW
    return Rows(n, top, bottom, changes, positions, genome, (genome if view.place else positions) + 5)


def _letters_svg(view: TrackView, limits: tuple[float, float], top: int) -> str:
    """The inner drawing, which stretches; letters that leave the scale end at its border, with a gap."""
    low, high = limits
    scale = LETTERS * TENTH / (high - low)
    wide, tall, unit = view.length * PITCH * TENTH, LETTERS * TENTH, PITCH * TENTH
    total = _total(view)
    cuts = "".join(
        f'<path class="cut" d="M{i * unit} {140 if total[i] > 0 else tall - 100}l{unit}-60v24l-{unit} 60z">'
        f"<title>{format_number(float(total[i]))}, taller than the scale</title></path>"
        for i in np.flatnonzero(_too_tall(view, limits)).tolist()
    )
    return (
        f'<svg y="{top}" width="100%" height="{LETTERS}" viewBox="0 0 {wide} {tall}" preserveAspectRatio="none">'
        f'<path class="axis" d="M0 {high * scale:.0f}H{wide}"/>'
        f"{letters(np.clip(view.heights, low, high), unit, scale, high * scale)}{cuts}</svg>"
    )


def _total(view: TrackView) -> np.ndarray:
    """The contribution at each position, where only one letter is not zero."""
    return np.nan_to_num(view.heights).sum(axis=0)


def _too_tall(view: TrackView, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    total, rounding = _total(view), 1e-6 * (high - low)
    return (total > high + rounding) | (total < low - rounding)


def _label(box: Box, length: int) -> Label:
    """Inside the box if the name fits there, else to its right, or to its left where the sequence ends."""
    start, end = float(max(0, box.start)), float(min(length, box.end))
    wide = (len(_box_text(box)) * CHARACTER + BESIDE) / PITCH
    if wide <= end - start:
        return Label((start + end) / 2, "middle", 0, start, end)
    if end + wide <= length or start < wide:
        return Label(end, "start", BESIDE, start, end + wide)
    return Label(start, "end", -BESIDE, start - wide, end)


def _lanes(labels: Sequence[Label]) -> list[int]:
    """A row for each box, counted from the letters: the lowest in which it and its name overlap no other."""
    ends: list[float] = []
    lanes = [0] * len(labels)
    for i in sorted(range(len(labels)), key=lambda i: (labels[i].left, labels[i].right)):
        lane = next((k for k, end in enumerate(ends) if end <= labels[i].left), len(ends))
        ends[lane : lane + 1] = [labels[i].right]
        lanes[i] = lane
    return lanes


def _box_text(box: Box) -> str:
    """``AP-1 (kay/Jra)`` as ``AP-1``: the full name is in the tooltip and in the table. ``AP-1?`` only resembles it."""
    doubt = "?" if box.tier > 1 else ""
    return f"{shortened(family(box.name), LONGEST_NAME)}{doubt} {'←' if box.reverse else '→'}"


def _box_svg(box: Box, label: Label, view: TrackView, y: int) -> str:
    """A link to the motif, where the page shows it; the name is never cut by a narrow box."""
    length, start, end = view.length, max(0, box.start), min(view.length, box.end)
    said = f"{'resembles ' if box.tier > 1 else ''}{shortened(box.name)}"
    strand = "reverse" if box.reverse else "forward"
    title = f"{said}, bases {view.first + start + 1} to {view.first + end}, {strand} strand"
    tag, link = ("a", f' href="#{box.anchor}"') if box.anchor else ("g", "")
    look = f"box hue{box.hue}{' weak' if box.tier > 1 else ''}"
    shift = f' dx="{label.shift}"' if label.shift else ""
    return (
        f'<{tag}{link} class="{look}"><title>{escape(title)}</title>'
        f'<rect x="{100 * start / length:.2f}%" y="{y + 1}" width="{100 * (end - start) / length:.2f}%" '
        f'height="{LANE - 3}" rx="3"/><text x="{100 * label.x / length:.2f}%" y="{y + 12}"{shift} '
        f'text-anchor="{label.side}">{escape(_box_text(box))}</text></{tag}>'
    )


def _stretch_svg(stretch: Stretch, length: int, bottom: int) -> str:
    """A dotted bar just below the letters; the invisible area around it makes the tooltip easy to meet."""
    start, end = max(0, stretch.start), min(length, stretch.end)
    x, wide = f"{100 * start / length:.2f}%", f"{100 * (end - start) / length:.2f}%"
    return (
        f'<g class="stretch"><title>{escape(stretch.title)}</title>'
        f'<line x1="{x}" x2="{100 * end / length:.2f}%" y1="{bottom + 4}" y2="{bottom + 4}"/>'
        f'<rect x="{x}" y="{bottom}" width="{wide}" height="{UNDER}"/></g>'
    )


def _positions_svg(view: TrackView, rows: Rows) -> str:
    """Positions in the sequence, counted from 1, and below them those in the genome, if they are known."""
    step = _step(view.length, MOST_POSITIONS)
    first = view.first + step - view.first % step
    ticks = [(at - 1 - view.first, str(at)) for at in range(first, view.first + view.length + 1, step)]
    text = _tick_texts(ticks, view.length, rows.positions)
    if view.place is None:
        return text
    return f'{text}<g class="genome">{_tick_texts(genome_ticks(view.place), view.length, rows.genome)}</g>'


def genome_ticks(place: Interval) -> list[tuple[int, str]]:
    """Round positions in the genome, counted from 1: base of the sequence (from 0), and the number.

    On the minus strand, the sequence runs against the chromosome.
    """
    step = _step(place.end - place.start, MOST_PLACES)
    places = range(ceil((place.start + 1) / step) * step, place.end + 1, step)
    return [(place.end - at if place.strand == "-" else at - 1 - place.start, f"{at:,}") for at in places]


def _step(length: int, most: int) -> int:
    return next((step for step in STEPS if length <= most * step), STEPS[-1])


def _tick_texts(ticks: list[tuple[int, str]], length: int, y: int) -> str:
    """Numbers under their bases; at the ends of the sequence they stay inside the picture."""
    parts = []
    for base, name in ticks:
        half = len(name) * CHARACTER / PITCH / 2
        side = "start" if base < half else "end" if base > length - half else "middle"
        parts.append(f'<text x="{100 * (base + 0.5) / length:.2f}%" y="{y}" text-anchor="{side}">{name}</text>')
    return "".join(parts)
