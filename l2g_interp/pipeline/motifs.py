"""Motifs and their matches as stages on files: ``motifs.<target>.h5``, then ``matches.tsv``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from l2g_core.runs.files import write_json
from l2g_interp.motifs.modisco.discover import MIN_SEQLETS, ModiscoOptions, discover_motifs
from l2g_interp.motifs.tomtom import best_matches, match_motifs
from l2g_interp.records.tables import write_table
from l2g_interp.records.types import Match, Pattern
from l2g_interp.run_folder import MATCHED, read_all_patterns, record
from motif_db import load_database

log = logging.getLogger(__name__)


def discover_files(
    attributions: Path,
    folder: Path,
    *,
    min_seqlets: int = MIN_SEQLETS,
    options: ModiscoOptions | None = None,
    shown: bool = True,
) -> dict[str, list[Pattern]]:
    """Find motifs per target into ``motifs.<target>.h5``, and note in ``run.json`` what was found."""
    found = discover_motifs(
        attributions,
        options=options,
        min_seqlets=min_seqlets,
        output_dir=folder,
        progress=shown and sys.stderr.isatty(),
    )
    for target, patterns in found.patterns.items():
        log.info("%s: %d patterns with %d seqlets or more", target, len(patterns), min_seqlets)
    record(
        folder,
        "motifs",
        {
            "attributions": str(attributions),
            "min_seqlets": min_seqlets,
            "options": asdict(options or ModiscoOptions()),
            "patterns": {target: len(patterns) for target, patterns in found.patterns.items()},
            "seqlets": {target: sum(p.n_seqlets for p in patterns) for target, patterns in found.patterns.items()},
            "notes": found.notes,
        },
    )
    return found.patterns


def match_files(
    folder: Path,
    databases: Sequence[str],
    output: Path,
    *,
    motif_dir: Path | None = None,
    n_matches: int = 5,
) -> list[Match]:
    """Compare the patterns of a run folder with motif databases into ``matches.tsv``.

    The matrices of the matched motifs go into ``matches.motifs.json`` beside it, so that the report needs no database.
    """
    patterns = [p for found in read_all_patterns(folder).values() for p in found]
    opened = [load_database(name, motif_dir=motif_dir) for name in databases]
    motifs = [motif for database in opened for motif in database.motifs]
    log.info(
        "comparing %d patterns with %d motifs (the first time on a machine compiles for a minute)",
        len(patterns),
        len(motifs),
    )
    matches = match_motifs(patterns, motifs, n_matches=n_matches) if patterns else []
    by_name = {(motif.database, motif.id): motif.ppm for motif in motifs}
    matched = [
        {"database": m.database, "motif_id": m.motif_id, "ppm": by_name[m.database, m.motif_id].tolist()}
        for m in matches
    ]
    write_table(output, matches, Match)
    write_json(output.with_name(MATCHED), matched)
    record(
        folder,
        "match",
        {
            "databases": [database.provenance() for database in opened],
            "motifs": len(motifs),
            "matches": len(matches),
            "named_patterns": len(best_matches(matches)),
            "patterns": len(patterns),
        },
    )
    return matches
