"""Hits in the columns of Fi-NeMo's ``hits.tsv``, and the regions that its commands take as ``--peaks``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from l2g_core.dna import Interval
from l2g_core.runs.files import atomic_write
from l2g_interp.exports.names import one_word
from l2g_interp.motifs.library import CORE
from l2g_interp.motifs.matrices import trim_span
from l2g_interp.records.tables import write_table
from l2g_interp.records.types import Hit, Pattern

log = logging.getLogger(__name__)
UNKNOWN = "NA"  # Fi-NeMo's chromosome of regions without coordinates
SUMMITS = {"score": 0, "strand": ".", "signal": 0, "p_value": -1, "q_value": -1}  # narrowPeak's way to say "not known"


@dataclass(frozen=True)
class FinemoHit:
    """A row of Fi-NeMo's ``hits.tsv``; which of our numbers (`l2g_interp.records.types.Hit`) stands where.

    ``chr``, ``start``, ``end``: 0-based half-open, on the genome; ``NA`` and positions in the sequence where there are
    no coordinates. ``start_untrimmed``, ``end_untrimmed``: of the whole pattern; as the hit for known motifs, which are
    not trimmed. ``motif_name``: our ``pattern``. ``hit_coefficient`` and ``hit_coefficient_global``: both ``gain``, in
    units of the contributions: we do not scale regions. ``hit_similarity``, ``hit_correlation``: ``similarity``, of the
    trimmed CWM (Fi-NeMo's is of the untrimmed one). ``hit_importance``: ``contribution`` without its sign;
    ``hit_importance_sq``: the sum of the squared contributions, which is the square of gain / similarity. Where two
    hits overlap, the numbers of the second are about what the first left. ``peak_name``: ``id``, and ``peak_id``:
    ``row``, both also without coordinates.
    """

    chr: str
    start: int
    end: int
    start_untrimmed: int
    end_untrimmed: int
    motif_name: str
    hit_coefficient: float
    hit_coefficient_global: float
    hit_similarity: float
    hit_correlation: float
    hit_importance: float
    hit_importance_sq: float
    strand: str
    peak_name: str
    peak_id: int


def write_finemo_hits(
    hits: Iterable[Hit], patterns: Iterable[Pattern], coordinates: Sequence[Interval] | None, path: str | Path
) -> None:
    """Write hits as Fi-NeMo does, in the order of the sequences and of their positions.

    Parameters
    ----------
    hits
        Of one target.
    patterns
        The patterns of all targets, for the ends that were trimmed off.
    coordinates
        Where each attributed sequence lies on the genome; None if unknown.
    path
        The TSV to write.
    """
    trims = {f"{p.target}/{p.name}": _trimmed_off(p) for p in patterns}  # as hits of other targets call a pattern
    rows = [_row(hit, trims, coordinates) for hit in sorted(hits, key=lambda hit: (hit.row, hit.start))]
    write_table(path, rows, FinemoHit)


def write_regions_bed(ids: Sequence[str], coordinates: Sequence[Interval], width: int, path: str | Path) -> None:
    """Write the regions of exported arrays as a narrowPeak file, row by row, for Fi-NeMo's ``--peaks``.

    Parameters
    ----------
    ids, coordinates
        Of the attributed sequences.
    width
        Of the arrays (bp): column 10 points at their middle, from which Fi-NeMo works out where they begin. It lies
        beyond the region where a sequence has less than half that length.
    path
        The file to write.
    """
    if any(place.strand == "-" for place in coordinates):
        log.warning("%s: Fi-NeMo knows no strand of a region and will mirror hits in those of the minus strand", path)
    rows = (
        (place.chrom, place.start, place.end, one_word(name), *SUMMITS.values(), width // 2)
        for name, place in zip(ids, coordinates, strict=True)
    )
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines("\t".join(map(str, row)) + "\n" for row in rows)


def _row(hit: Hit, trims: Mapping[str, tuple[int, int]], coordinates: Sequence[Interval] | None) -> FinemoHit:
    region = coordinates[hit.row] if coordinates else Interval(UNKNOWN, 0, 0)
    place = region.part(hit.start, hit.end, hit.strand)
    before, after = trims.get(f"{hit.target}/{hit.pattern}") or trims.get(hit.pattern) or (0, 0)
    if hit.strand == "-":
        before, after = after, before
    whole = region.part(hit.start - before, hit.end + after)  # may reach beyond the sequence
    norm = hit.gain / hit.similarity if hit.similarity else 0.0
    return FinemoHit(
        place.chrom, place.start, place.end, whole.start, whole.end, one_word(hit.pattern), hit.gain, hit.gain,
        hit.similarity, hit.similarity, abs(hit.contribution), norm**2, place.strand, one_word(hit.id), hit.row,
    )  # fmt: skip


def _trimmed_off(pattern: Pattern) -> tuple[int, int]:
    """Columns that are trimmed off the front and the end of a pattern, as the hits' library does it."""
    start, end = trim_span(pattern.cwm, narrowest=CORE)
    return start, pattern.cwm.shape[1] - end
