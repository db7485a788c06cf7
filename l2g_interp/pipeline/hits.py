"""Where motifs occur, as a stage on files: ``hits.tsv`` and ``hits.bed``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from l2g_core.console import progress
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import known_sha256
from l2g_interp.exports.genome import write_hits_bed
from l2g_interp.motifs.hits import QUANTILE, Caller, calibrate, find_hits, n_blocks, recovered
from l2g_interp.records.attributions_file import read_overview
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Hit
from l2g_interp.run_folder import attributions_of, evidence_stamp, motifs_sha256, read_all_patterns, record

log = logging.getLogger(__name__)


def hit_files(
    folder: Path,
    output: Path,
    bed: Path | None = None,
    *,
    quantile: float = QUANTILE,
    overwrite: bool = False,
    shown: bool = True,
) -> list[Hit]:
    """Find where every pattern of a run folder occurs, and write the hits to ``output``, and to ``bed`` if given.

    Parameters
    ----------
    quantile
        Share of a pattern's own seqlets that may fall below each of its thresholds.
    overwrite
        Replace what other settings left (the rule of `l2g_core.runs.identity`).

    Raises
    ------
    InputError
        The folder has no motifs, or ``output`` holds other work.
    """
    found = read_all_patterns(folder)
    patterns = [p for of_target in found.values() for p in of_target]
    path = attributions_of(folder)
    content = {"attributions": known_sha256(path), "motifs": motifs_sha256(found), "quantile": quantile}
    files = [output] if bed is None else [output, bed]
    with claim(output, Identity("l2g-interp hits", content), files, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(output, Hit, "l2g-interp hits")
        callers = calibrate(path, patterns, quantile)
        overview = read_overview(path)
        n_rows = len(overview.ids)
        blocks = progress(find_hits(path, callers), "calling hits (blocks)", n_blocks(n_rows, patterns), shown)
        hits = [hit for block in blocks for hit in block]
        write_table(output, hits, Hit)
        if bed is not None:
            write_hits_bed(hits, overview.coordinates, bed)
        noted = {
            "quantile": quantile,
            "score": "cosine of the contributions with the trimmed CWM; overlaps by more than half: the most similar "
            "stays",
            "sequences": n_rows,
            "hits": len(hits),
            "patterns": _counts(callers, hits),
        }
        record(output.parent, "hits", noted | evidence_stamp(output, found))
        log.info("%d hits of %d patterns in %d of %d sequences", len(hits), len(patterns), _rows_hit(hits), n_rows)
        return hits


def _counts(callers: Sequence[Caller], hits: Sequence[Hit]) -> dict[str, dict[str, dict[str, float]]]:
    """By target and pattern: thresholds, counts, and the share of seqlets with a hit on them."""
    n_hits = Counter((hit.target, hit.pattern) for hit in hits)
    n_rows = Counter((target, pattern) for target, pattern, _ in {(h.target, h.pattern, h.row) for h in hits})
    shares = recovered([caller.pattern for caller in callers], hits)
    counts: dict[str, dict[str, dict[str, float]]] = {}
    for caller in callers:
        key = (caller.pattern.target, caller.pattern.name)
        counts.setdefault(key[0], {})[key[1]] = {
            "similarity_at_least": caller.similarity,
            "contribution_at_least": caller.contribution,
            "hits": n_hits[key],
            "sequences": n_rows[key],
            "seqlets_recovered": shares[key],
        }
    return counts


def _rows_hit(hits: Sequence[Hit]) -> int:
    return len({hit.row for hit in hits})
