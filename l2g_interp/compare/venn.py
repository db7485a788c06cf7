"""A Venn diagram of two or three sets as SVG text: equal circles, counts, and names where there is room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from l2g_interp.drawing.numbers import shortened

RADIUS = {2: 165, 3: 125}
CENTRES = {2: ((215, 215), (425, 215)), 3: ((250, 175), (390, 175), (320, 296))}
SIZE = {2: (640, 395), 3: (640, 432)}
TITLES = {2: ((215, 34), (425, 34)), 3: ((196, 34), (444, 34), (320, 426))}
# Where the words of each region stand, by the numbers of the sets that have it.
PLACES = {
    2: {(0,): (150, 215), (1,): (490, 215), (0, 1): (320, 215)},
    3: {
        (0,): (198, 150), (1,): (442, 150), (2,): (320, 365),
        (0, 1): (320, 140), (0, 2): (255, 255), (1, 2): (385, 255), (0, 1, 2): (320, 215),
    },
}  # fmt: skip
LINE, MOST_LINES = 17, 9  # px; names under a count of a diagram of two
LONGEST_NAME, LONGEST_TITLE = 18, 26  # letters that fit


def venn(names: Sequence[str], regions: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    """Draw the diagram.

    Parameters
    ----------
    names
        Of two or three sets.
    regions
        The motifs in each region, by the names of the sets that have it (in the order of ``names``).
    """
    n = len(names)
    number = {name: i for i, name in enumerate(names)}
    held = {tuple(number[name] for name in sets): items for sets, items in regions.items()}
    circles = "".join(
        f'<circle class="set{i}" cx="{x}" cy="{y}" r="{RADIUS[n]}"/>' for i, (x, y) in enumerate(CENTRES[n])
    )
    titles = "".join(_title(name, place) for name, place in zip(names, TITLES[n], strict=True))
    words = "".join(_region(place, held.get(key, ()), listed=n == 2) for key, place in PLACES[n].items())
    width, height = SIZE[n]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="venn" role="img" aria-labelledby="venn-title venn-desc" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<title id="venn-title">Venn diagram of {escape(_listed([shortened(name) for name in names]))}</title>'
        f'<desc id="venn-desc">{escape(describe(names, regions))}</desc>{circles}{titles}{words}</svg>'
    )


def describe(names: Sequence[str], regions: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    """The diagram in words."""
    parts = []
    for sets, items in regions.items():
        where = "all sets" if len(sets) == len(names) > 2 else _listed([shortened(name) for name in sets])
        verb = "in both" if len(sets) == len(names) == 2 else "only in" if len(sets) == 1 else "in"
        parts.append(f"{len(items)} {'motif' if len(items) == 1 else 'motifs'} {verb} {where}")
    return "; ".join(parts) + "." if parts else "No motif in any set."


def _title(name: str, place: tuple[int, int]) -> str:
    text = escape(shortened(name, LONGEST_TITLE))
    return f'<text class="set-name" x="{place[0]}" y="{place[1]}" text-anchor="middle">{text}</text>'


def _region(place: tuple[int, int], items: Sequence[str], listed: bool) -> str:
    x, y = place
    lines = [shortened(item, LONGEST_NAME) for item in items] if listed else []
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]
    top = y - LINE * len(lines) / 2 + 4
    count = f'<text class="count" x="{x}" y="{top:.0f}" text-anchor="middle">{len(items)}</text>'
    rows = (
        f'<text x="{x}" y="{top + 6 + LINE * (i + 1):.0f}" text-anchor="middle">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return count + "".join(rows)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
