"""The page of the strongest variants: what each does, and the tracks of both alleles one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from l2g_core.dna import Interval
from l2g_interp.drawing.numbers import shortened
from l2g_interp.drawing.page import asset, render_page, write_page
from l2g_interp.motifs.naming import family
from l2g_interp.records.types import Hit
from l2g_interp.report.track_picture import Box, Stretch, TrackView, common_limits, scale_svg, track_svg
from l2g_interp.report.tracks import N_HUES
from l2g_interp.variants.motifs import ALLELES, Aligned, Explained, aligned
from l2g_interp.variants.rows import VariantEffect
from l2g_interp.variants.score import Placed

PACKAGE = "l2g_interp.report"  # where the template is
BESIDE = 60  # bp drawn on either side of the change
MOST_DRAWN = 50  # variants with tracks; the table and the TSV have the others
LONGEST_ALLELE = 24  # letters in a heading


@dataclass(frozen=True)
class AllelePair:
    """Contributions of both alleles of a variant to one target, base under base, around the change.

    ``heights`` ``(4, columns)`` of each allele, with empty columns where the other has more bases; ``boxes``: its hits
    in these columns, which begin with number ``first`` of the window or sequence; the change lies in those from
    ``start`` to ``end`` (at least one, to be seen).
    """

    target: str
    heights: tuple[Float[np.ndarray, "4 columns"], Float[np.ndarray, "4 columns"]]
    boxes: tuple[tuple[Box, ...], tuple[Box, ...]]
    first: int
    start: int
    end: int
    place: Interval | None

    @classmethod
    def of(
        cls,
        target: str,
        each: Placed,
        explained: Explained,
        row: int,
        hits: Mapping[tuple[int, str, str], Sequence[Hit]],
        on_genome: bool,
    ) -> AllelePair:
        """Cut out of the contributions of some variants, of which this is ``row``."""
        places = aligned(each)
        assert each.window is not None
        widest = max(places.n_ref, places.n_alt)
        columns = places.shared + max(0, places.n_alt - places.n_ref)
        first, last = max(0, places.at - BESIDE), min(columns, places.at + widest + BESIDE)
        heights, boxes = [], []
        for allele, own in zip(ALLELES, (places.n_ref, places.n_alt), strict=True):
            track = getattr(explained, allele)[target].contributions[row]
            heights.append(_with_gap(track, places.at, own, widest)[:, first:last])
            drawn = [_box(hit, places.at + own, widest - own, first) for hit in hits.get((row, target, allele), ())]
            boxes.append(tuple(box for box in drawn if box.start >= 0 and box.end <= last - first))
        start = places.at - first
        return cls(
            target, (heights[0], heights[1]), (boxes[0], boxes[1]), first if on_genome else each.window.start + first,
            start, start + max(widest, 1), _place(each, places, first, last) if on_genome else None,
        )  # fmt: skip

    def views(self) -> list[TrackView]:
        """What the tracks of the reference and of the alternative allele show."""
        change = [Stretch(self.start, self.end, "the change")]
        return [
            TrackView(
                f"Contributions of the {allele} allele", heights, _coloured(boxes, self.boxes), change, self.place
            )
            for allele, heights, boxes in zip(ALLELES, self.heights, self.boxes, strict=True)
        ]


def _with_gap(track: np.ndarray, at: int, own: int, widest: int) -> np.ndarray:
    gap = np.zeros((4, widest - own), dtype=track.dtype)
    return np.concatenate([track[:, : at + own], gap, track[:, at + own :]], axis=1)


def _box(hit: Hit, after: int, gap: int, first: int) -> Box:
    """A hit as a box in the columns, ``gap`` of which are empty from ``after`` on."""
    start = hit.start + (gap if hit.start >= after else 0)
    end = hit.end + (gap if hit.end > after else 0)
    return Box(start - first, end - first, hit.name or hit.pattern, "", 0, hit.strand == "-", hit.tier)


def _coloured(boxes: Sequence[Box], both: Sequence[Sequence[Box]]) -> list[Box]:
    """Motifs of one family have one colour in both tracks."""
    names = list(dict.fromkeys(family(box.name) for each in both for box in each))
    return [replace(box, hue=names.index(family(box.name)) % N_HUES) for box in boxes]


def _place(each: Placed, places: Aligned, first: int, last: int) -> Interval | None:
    """Where the columns lie on the chromosome; unknown where inserted bases are among them."""
    assert each.window is not None
    if places.n_alt > places.n_ref:
        return None
    return Interval(each.window.chrom, each.window.start + first, each.window.start + last)


@dataclass(frozen=True)
class VariantView:
    """One variant of the page; ``rows``: its effects by target; ``pictures``: scale and track of each allele."""

    anchor: str
    heading: str
    name: str
    rows: list[VariantEffect]
    target: str
    pictures: list[tuple[str, Markup, Markup]]


def write_variants_page(
    output: str | Path,
    variants: Sequence[tuple[Sequence[VariantEffect], AllelePair | None]],
    summary: Mapping[str, Any],
    hits: Mapping[str, Any] | None,
    command: str,
) -> Path:
    """Write one self-contained HTML file that opens offline; the write is atomic.

    Parameters
    ----------
    variants
        The effects of each of the strongest variants, the strongest first, and what to draw of it, if it is explained.
    summary
        Counts and settings, as ``run.json`` has them.
    hits
        What ``run.json`` says of the run's hits, for their error rates; None without a run.

    Raises
    ------
    InputError
        ``output`` cannot be written.
    """
    views = [_view(i, rows, pair if i < MOST_DRAWN else None) for i, (rows, pair) in enumerate(variants)]
    drawn = [view for view in views if view.pictures]
    rates = (hits or {}).get("missing_named_wrong", {})
    page = render_page(
        "variants.html", PACKAGE, title="What these variants do",
        navigation=[("strongest", "The strongest"), *([("tracks", "Both alleles")] if drawn else []), ("made", "How")],
        style=asset(PACKAGE, "variants.css"), views=views, drawn=drawn, summary=summary,
        compared=bool(summary["n_random"]), with_motifs=hits is not None, command=command,
        wrong={target: rate for target, rate in rates.items() if rate is not None}, beside=BESIDE,
    )  # fmt: skip
    return write_page(output, page)


def _view(i: int, rows: Sequence[VariantEffect], pair: AllelePair | None) -> VariantView:
    first = rows[0]
    alleles = (shortened(allele, LONGEST_ALLELE) for allele in (first.ref, first.alt))
    heading = f"{first.chrom}:{first.position:,} {' → '.join(alleles)}"
    pictures = []
    if pair is not None:
        views = pair.views()
        limits = common_limits(views)
        pictures = [
            (allele, Markup(scale_svg(view, limits)), Markup(track_svg(view, limits)))
            for allele, view in zip(alleles_of(first), views, strict=True)
        ]
    name = "" if first.id == "." else first.id
    return VariantView(f"variant-{i}", heading, name, list(rows), pair.target if pair else "", pictures)


def alleles_of(row: VariantEffect) -> tuple[str, str]:
    """What the two tracks are called."""
    return f"Reference {shortened(row.ref, LONGEST_ALLELE)}", f"Alternative {shortened(row.alt, LONGEST_ALLELE)}"
