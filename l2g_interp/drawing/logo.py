"""Sequence logos: SVG text for reports and files, and a thin adapter to logomaker for notebooks.

A logo is a ``(4, width)`` array of signed heights, rows ACGT. Letters are outlines in a unit box, scaled with
the numbers, so they fit exactly; all letters of one base share one ``<path>``, which keeps a page of hundreds
of logos quick to open. Negative letters hang upside down below the axis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float

from l2g_core.dna import ALPHABET

COLORS = {"A": "#0b8043", "C": "#1a5fb4", "G": "#b86e00", "T": "#c62828"}  # 4.0:1 on white or better
TENTH = 10  # units of a drawing per pixel: whole numbers keep the files small
GAP = 0.06  # of a column, between letters
THINNEST = 10  # letters lower than this (units) are drawn as a coloured bar: they would be illegible

# Outlines in the unit box, y up. ``A rx ry large sweep x y`` is an arc, the others are as in SVG.
OUTLINES = {
    "A": "M 0 0 L .38 1 L .62 1 L 1 0 L .77 0 L .69 .22 L .31 .22 L .23 0 Z M .37 .4 L .63 .4 L .5 .79 Z",
    "C": "M .987 .78 A .54 .5 1 0 .987 .22 L .797 .34 A .3 .31 1 1 .797 .66 Z",
    "G": "M .98 .79 A .54 .5 1 0 .98 .21 V .53 H .55 V .36 H .77 V .301 A .3 .31 1 1 .797 .66 Z",
    "T": "M 0 1 H 1 V .82 H .61 V 0 H .39 V .82 H 0 Z",
}


@dataclass(frozen=True)
class _Glyph:
    """An outline as points, the point that each is relative to, arc radii, and printf templates."""

    points: np.ndarray
    previous: np.ndarray
    radii: np.ndarray
    columns: list[int]
    upright: str
    flipped: str


def logo_svg(
    heights: Float[np.ndarray, "4 width"],
    label: str,
    *,
    height: int = 40,
    pitch: int = 10,
    limits: tuple[float, float] | None = None,
    shade: tuple[int, int] | None = None,
    stretch: bool = False,
) -> str:
    """Draw one logo as an ``<svg>`` element that stands alone in a file or sits in a page.

    Parameters
    ----------
    heights
        Signed letter heights ``(4, width)``, rows ACGT (bits, contributions, ...).
    label
        What the picture shows, for screen readers. Any text; it is escaped.
    height, pitch
        Pixels from top to bottom and per position.
    limits
        Values at bottom and top; when not given, those that fit the letters and zero.
    shade
        Half-open range of columns to mark, such as the trimmed part of a motif.
    stretch
        Let the page choose the width and stretch the letters to it.
    """
    heights = np.asarray(heights, dtype=np.float64)
    low, high = limits or value_range(heights)
    columns, unit = heights.shape[1], pitch * TENTH
    width, tall = columns * unit, height * TENTH
    scale = tall / max(high - low, 1e-30)
    zero = high * scale
    background = ""
    if shade is not None:
        left, right = shade
        background = (
            f'<path class="shade" fill="#8884" d="M{left * unit} 0h{(right - left) * unit}v{tall}H{left * unit}z"/>'
        )
    axis = f'<path class="axis" fill="none" stroke="#888" stroke-width="5" d="M0 {zero:.0f}H{width}"/>'
    size = f'height="{height}"' if stretch else f'width="{columns * pitch}" height="{height}"'
    aspect = ' preserveAspectRatio="none"' if stretch else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="logo" role="img" aria-label="{escape(label)}" {size} '
        f'viewBox="0 0 {width} {tall}"{aspect}>{background}{letters(heights, unit, scale, zero)}{axis}</svg>'
    )


def value_range(*arrays: np.ndarray) -> tuple[float, float]:
    """Bottom and top of an axis on which the stacked letters of all the ``(4, width)`` arrays fit, and zero."""
    known = [np.nan_to_num(a) for a in arrays]
    low = min((float(np.minimum(a, 0).sum(axis=0).min(initial=0.0)) for a in known), default=0.0)
    high = max((float(np.maximum(a, 0).sum(axis=0).max(initial=0.0)) for a in known), default=0.0)
    return (low, high) if high > low else (low, low + 1.0)


def letters(heights: Float[np.ndarray, "4 width"], unit: int, scale: float, zero: float) -> str:
    """One ``<path>`` per base: its letters at ``unit`` per column and ``scale`` per value, axis at ``zero``.

    Letters that round to nothing (a twentieth of a pixel) are left out, those lower than a pixel become bars.
    """
    heights = np.nan_to_num(np.asarray(heights, dtype=np.float64))
    bottoms = _stack(heights)
    parts = []
    for row, base in enumerate(ALPHABET):
        tall = np.rint(heights[row] * scale)
        drawn = np.flatnonzero(tall)
        x = (drawn + GAP / 2) * unit
        y = zero - bottoms[row, drawn] * scale
        if len(drawn):
            outlines = _outlines(base, x, y, unit * (1 - GAP), tall[drawn])
            parts.append(f'<path class="{base}" fill="{COLORS[base]}" d="{outlines}"/>')
    return "".join(parts)


def draw_logo(matrix: Float[np.ndarray, "4 width"], ax: Any = None, *, start: int = 0, **options: Any) -> Any:
    """Draw a logo with logomaker on matplotlib axes, in the report's colours.

    Parameters
    ----------
    matrix
        Signed letter heights ``(4, width)``, rows ACGT (bits, contributions, ...).
    ax
        Axes to draw on; by default those of a new figure.
    start
        Where to draw the first column on the x axis.
    options
        Passed on to ``logomaker.Logo``.

    Returns
    -------
    logomaker.Logo
    """
    import logomaker
    import pandas as pd

    frame = pd.DataFrame(np.asarray(matrix, dtype=np.float64).T, columns=list(ALPHABET))
    frame.index += start
    return logomaker.Logo(frame, ax=ax, **{"color_scheme": COLORS, "flip_below": True, **options})


def _stack(heights: np.ndarray) -> np.ndarray:
    """Where each letter starts: small ones next to the axis, large ones outside, above and below it."""
    order = np.abs(heights).argsort(axis=0, kind="stable")
    ordered = np.take_along_axis(heights, order, axis=0)
    begins = np.empty_like(heights)
    up, down = np.maximum(ordered, 0), np.minimum(ordered, 0)
    before = np.where(ordered < 0, down.cumsum(axis=0) - down, up.cumsum(axis=0) - up)
    np.put_along_axis(begins, order, before, axis=0)
    return begins


def _outlines(base: str, x: np.ndarray, y: np.ndarray, wide: float, tall: np.ndarray) -> str:
    """Path data of letters with their lower left corners at (x, y); negative heights hang upside down."""
    glyph = _GLYPHS[base]
    place = np.stack([x, y], axis=1)[:, None, :]
    size = np.stack([np.full_like(tall, wide), -tall], axis=1)[:, None, :]
    points = np.rint(place + glyph.points * size)
    steps = points - points[:, glyph.previous]
    steps[:, 0] = points[:, 0]
    radii = np.maximum(1, np.rint(np.abs(glyph.radii * size)))
    numbers = np.concatenate([steps, radii], axis=1).reshape(len(x), -1)[:, glyph.columns].astype(int)
    corners = np.rint(np.stack([x, y], axis=1)).astype(int)
    return "".join(
        (glyph.upright if h > 0 else glyph.flipped) % tuple(row)
        if abs(h) >= THINNEST
        else f"M{left} {low}h{wide:.0f}v{-h:.0f}h-{wide:.0f}z"
        for (left, low), h, row in zip(corners.tolist(), tall.tolist(), numbers.tolist(), strict=True)
    )


def _parse(outline: str) -> _Glyph:
    """Turn an outline into arrays and templates with relative coordinates, which are the shortest to write."""
    points: list[tuple[float, float]] = []
    previous: list[int] = []
    radii: list[tuple[float, float]] = []
    uses: list[tuple[str, int, str]] = []  # kind of number, index of its point or radius, axis
    templates = {1: "", -1: ""}
    opened = 0
    for command, text in re.findall(r"([MLHVAZ])([^MLHVAZ]*)", outline):
        values = [float(v) for v in text.split()]
        arc = ""
        if command == "Z":
            templates = {way: t + "z" for way, t in templates.items()}
            continue
        x, y = points[-1] if points else (0.0, 0.0)
        x = values[0] if command == "H" else x if command == "V" else values[-2]
        y = y if command == "H" else values[-1]
        closed = command == "M" and bool(points)  # a second subpath starts from where the first began
        previous.append(opened if closed else max(0, len(points) - 1))
        opened = len(points) if command == "M" else opened
        if command == "A":
            uses += [("radius", len(radii), "x"), ("radius", len(radii), "y")]
            radii.append((values[0], values[1]))
            arc = "%d %d 0 {:.0f} {:.0f} "
        uses += [("point", len(points), axis) for axis in {"H": "x", "V": "y"}.get(command, "xy")]
        places = "%d" if command in "HV" else "%d %d"
        letter = "M" if command == "M" and not points else command.lower()
        for way in templates:
            flags = arc.format(values[2], values[3] if way > 0 else 1 - values[3]) if arc else ""
            templates[way] += letter + flags + places
        points.append((x, y))
    columns = [2 * (i + (len(points) if kind == "radius" else 0)) + "xy".index(a) for kind, i, a in uses]
    return _Glyph(
        np.array(points),
        np.array(previous),
        np.array(radii).reshape(-1, 2),
        columns,
        templates[1],
        templates[-1],
    )


_GLYPHS = {base: _parse(outline) for base, outline in OUTLINES.items()}
