"""Frequency logos of a pattern and of the motifs that it resembles, one above the other on one axis.

A pattern is drawn once per page and referred to by each of its matches, and so is a database's motif: otherwise a
report of a hundred patterns with five matches each would be half as large again.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from l2g_interp.drawing.logo import TENTH, letters
from l2g_interp.drawing.numbers import shortened
from l2g_interp.motifs.matrices import information_logo, place
from l2g_interp.motifs.naming import plain_name, significant
from l2g_interp.records.types import Match, Pattern
from l2g_interp.report.context import Context
from l2g_interp.report.links import gene_links, jaspar_address

UNIT, TALL, BITS = 10 * TENTH, 34 * TENTH, 2.0  # units of a drawing per column and from bottom to top; bits at the top
WIDEST, PITCHES = 120, (3, 12)  # pixels: a logo in the table, and the range of pixels per column


@dataclass(frozen=True)
class MatchView:
    """A match and its logo below the pattern's, on one axis; ``address`` and ``genes`` lead to the databases."""

    match: Match
    significant: bool
    number: str
    address: str
    genes: list[tuple[str, str]]
    pattern_logo: Markup
    logo: Markup | None


@dataclass(frozen=True)
class Symbols:
    """Logos that are drawn once: (id, SVG) by what they show. ``prefix``: how their ids in the page start."""

    prefix: str
    drawn: dict[tuple[str, ...], tuple[str, str]]

    def id(self, key: tuple[str, ...], ppm: Float[np.ndarray, "4 _"]) -> str:
        """The id of the logo of a matrix, which is drawn when its key is first seen."""
        if key not in self.drawn:
            name = f"{self.prefix}-{len(self.drawn)}"
            outlines = letters(information_logo(ppm), UNIT, TALL / BITS, float(TALL))
            self.drawn[key] = name, f'<g id="{name}">{outlines}</g>'
        return self.drawn[key][0]

    def svg(self) -> Markup:
        drawn = "".join(svg for _, svg in self.drawn.values())
        return Markup(f'<svg class="symbols" aria-hidden="true"><defs>{drawn}</defs></svg>')


def match_view(context: Context, core: Pattern, match: Match, symbols: Symbols) -> MatchView:
    """Both frequency logos on one axis: that is what TOMTOM compared. ``core`` is the trimmed pattern."""
    label = f"Frequency logo of {plain_name(core)}"
    counts = significant(match, context.options.max_q)
    motif = context.run.motifs.get((match.database, match.motif_id))
    width = core.ppm.shape[1]
    mine = symbols.id(("pattern", core.name), core.ppm)
    told = (match, counts, plain_name(core), jaspar_address(match.database, match.motif_id), gene_links(match))
    if motif is None:
        return MatchView(*told, _placed(mine, 0, width, label), None)
    pattern_start, motif_start, drawn = place(width, np.asarray(motif), match.offset, match.strand)
    columns = max(pattern_start + width, motif_start + drawn.shape[1])
    theirs = symbols.id(("motif", match.database, match.motif_id, match.strand), drawn)
    name = f"Logo of {shortened(match.label or match.motif_id)}, aligned below it"
    return MatchView(*told, _placed(mine, pattern_start, columns, label), _placed(theirs, motif_start, columns, name))


def pitch(columns: int) -> int:
    """Pixels per column, so that a logo fits into its table cell."""
    narrowest, widest = PITCHES
    return int(np.clip(WIDEST // max(1, columns), narrowest, widest))


def _placed(symbol: str, start: int, columns: int, label: str) -> Markup:
    return Markup(
        f'<svg class="logo" role="img" aria-label="{escape(label)}" width="{columns * pitch(columns)}" '
        f'height="{TALL // TENTH}" viewBox="0 0 {columns * UNIT} {TALL}" preserveAspectRatio="none">'
        f'<use href="#{symbol}" x="{start * UNIT}"/><path class="axis" d="M0 {TALL}H{columns * UNIT}"/></svg>'
    )
