"""Variants as files tell them, and the rows of the tables that say what they do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """One alternative allele of a record: chromosome (or sequence id), position counted from 1, and both alleles.

    ``record`` is its place in the file, counted from 1; alleles of one record share it.
    """

    chrom: str
    position: int
    id: str
    ref: str
    alt: str
    record: int = 0

    def __str__(self) -> str:
        return f"{self.chrom}:{self.position} {self.ref}>{self.alt}"


@dataclass(frozen=True)
class VariantEffect:
    """What a variant does to one target: a row of ``variants.tsv``, in the units of the model's output.

    ``reference``, ``alternative``: predictions of the window with either allele; ``difference``: the second less the
    first. Those of a variant that changes the length are means over two windows (`l2g_interp.variants.windows`), and
    ``edge`` is half of what these two differ by: what the ends of the window have to do with it. ``p_value``: the share
    of ``n_random`` random changes of the same kind and length in the same window, the variant itself counted among
    them, that move the prediction as much or more; ``q_value``: Benjamini-Hochberg over the whole file. ``motifs``:
    what it makes or breaks, in words; empty where that was not asked. The window is 0-based and half-open.
    """

    target: str
    chrom: str
    position: int
    id: str
    ref: str
    alt: str
    kind: str
    window_start: int
    window_end: int
    reference: float
    alternative: float
    difference: float
    edge: float
    n_random: int
    p_value: float
    q_value: float
    motifs: str = ""


@dataclass(frozen=True)
class NotScored:
    """A variant that was not scored, and why: a row of ``not_scored.tsv``."""

    chrom: str
    position: int
    id: str
    ref: str
    alt: str
    record: int
    reason: str


@dataclass(frozen=True)
class MotifChange:
    """A motif that a variant makes or breaks: a row of ``motif_changes.tsv``.

    ``what``: gained, lost, weakened or strengthened. ``start``, ``end``: where, 0-based and half-open on the reference
    chromosome or sequence. ``reference``, ``alternative``: the contributions under the hit with either allele;
    ``change``: the second less the first, to be read beside the ``difference`` of the predictions. ``tier`` is 2 where
    the site only resembles the motif. ``overlaps``: 1 if the changed bases lie in the hit.
    """

    target: str
    chrom: str
    position: int
    id: str
    ref: str
    alt: str
    what: str
    name: str
    pattern: str
    tier: int
    start: int
    end: int
    strand: str
    reference: float
    alternative: float
    change: float
    difference: float
    overlaps: int


def in_region(effects: Iterable[VariantEffect], chrom: str, start: int, end: int) -> list[VariantEffect]:
    """The rows whose reference allele lies, at least in part, in a stretch (0-based, half-open) of a chromosome."""
    return [
        row
        for row in effects
        if row.chrom == chrom and row.position - 1 < end and row.position - 1 + len(row.ref) > start
    ]
