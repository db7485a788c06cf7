"""Motifs and their matches as stages on files: ``motifs.<target>.h5``, then ``matches.tsv``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from l2g_core.runs.files import write_json
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import known_sha256
from l2g_interp.motifs.modisco.discover import (
    ModiscoOptions,
    discover_motifs,
    least_seqlets,
    motifs_file,
    options_for,
)
from l2g_interp.motifs.modisco.file import options_of
from l2g_interp.motifs.tomtom import best_matches, match_motifs
from l2g_interp.records.attributions_file import read_overview
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Match, Pattern
from l2g_interp.run_folder import MATCHED, motifs_sha256, read_all_patterns, record
from motif_db import available, load_database
from motif_db.expression import read_genes

log = logging.getLogger(__name__)
CORE_PROMOTER = "core-promoter"


def discover_files(
    attributions: Path,
    folder: Path,
    *,
    min_seqlets: int | None = None,
    options: Sequence[ModiscoOptions] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> dict[str, list[Pattern]]:
    """Find motifs per target into ``motifs.<target>.h5``, and record in ``run.json`` what was found.

    Parameters
    ----------
    attributions
        ``attributions.h5`` of `attribute_file`.
    folder
        The run folder to write to.
    min_seqlets
        Patterns with fewer seqlets are left out of the result (not of the files); by default what ``options`` say.
    options
        TF-MoDISco's settings to try, of which the best are taken; by default those that fit the number of sequences.
    resume, overwrite
        Continue with the targets that an interrupted run has not come to; replace what other settings left (the rule of
        `l2g_core.runs.identity`).

    Returns
    -------
    The patterns by target.

    Raises
    ------
    InputError
        ``attributions`` is not a complete file, or ``folder`` holds other work.
    """
    overview = read_overview(attributions)
    options = options or options_for(len(overview.ids))
    min_seqlets = least_seqlets(options) if min_seqlets is None else min_seqlets
    log.info(
        "TF-MoDISco on %d sequences, patterns of %d seqlets or more; motifs need occurrences: give all your sequences",
        len(overview.ids), min_seqlets,
    )  # fmt: skip
    files = [folder / motifs_file(target) for target in overview.by_target]
    tried = [asdict(each) for each in options]
    content = {"attributions": known_sha256(attributions), "min_seqlets": min_seqlets, "options": tried}
    identity = Identity("l2g-interp motifs", content)
    with claim(folder, identity, files, partial=files, resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_all_patterns(folder)
        found = discover_motifs(
            attributions, options=options, min_seqlets=min_seqlets, output_dir=folder, keep=claimed.resumed,
            progress=shown,
        )  # fmt: skip
        for target, patterns in found.patterns.items():
            log.info("%s: %d patterns with %d seqlets or more", target, len(patterns), min_seqlets)
        noted = {
            "attributions": str(attributions),
            "min_seqlets": min_seqlets,
            "options": _taken({target: options_of(folder / motifs_file(target)) for target in found.patterns}),
            "options_tried": len(tried),
            "patterns": {target: len(patterns) for target, patterns in found.patterns.items()},
            "seqlets": {target: sum(p.n_seqlets for p in patterns) for target, patterns in found.patterns.items()},
            "notes": found.notes,
        }
        record(folder, "motifs", noted)
        return found.patterns


def _taken(by_target: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """TF-MoDISco's settings by name; by target where targets took different ones."""
    first = next(iter(by_target.values()), {})
    return {
        name: value if all(each[name] == value for each in by_target.values()) else
        {target: each[name] for target, each in by_target.items()}
        for name, value in first.items()
    }  # fmt: skip


def match_files(
    folder: Path,
    databases: Sequence[str],
    output: Path,
    *,
    motif_dir: Path | None = None,
    n_matches: int = 5,
    genes: Path | None = None,
    overwrite: bool = False,
) -> list[Match]:
    """Compare the patterns of a run folder with motif databases (TOMTOM), and write the matches to ``output``.

    The motifs that were compared go into ``matches.motifs.json`` beside it, so that hits and report need no database.
    The shipped core-promoter elements are always asked, too, unless only vertebrates' databases are named.

    Parameters
    ----------
    databases
        Names or files, as for `motif_db.load_database`.
    motif_dir
        Folder with the user's own copies of the databases.
    n_matches
        Matches that are kept per pattern.
    genes
        File with the genes that are expressed, as for `motif_db.expression.read_genes`.
    overwrite
        Replace what other settings left (the rule of `l2g_core.runs.identity`).

    Raises
    ------
    InputError
        The folder has no motifs, or ``output`` holds other work.
    MotifError
        A database is unknown, missing or damaged.
    """
    found = read_all_patterns(folder)
    patterns = [p for of_target in found.values() for p in of_target]
    opened = [load_database(name, motif_dir=motif_dir) for name in with_core_promoter(databases)]
    used = [database.provenance() for database in opened]
    known = None if genes is None else read_genes(genes)
    content = {
        "motifs": motifs_sha256(found), "databases": used, "n_matches": n_matches,
        "expressed": None if known is None else sorted(known),
    }  # fmt: skip
    files = [output, output.with_name(MATCHED)]
    with claim(output, Identity("l2g-interp match", content), files, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(output, Match, "l2g-interp match")
        motifs = [motif for database in opened for motif in database.motifs]
        log.info(
            "comparing %d patterns with %d motifs (the first time on a machine, compiling takes about a minute)",
            len(patterns), len(motifs),
        )  # fmt: skip
        matches = match_motifs(patterns, motifs, n_matches=n_matches, genes=known) if patterns else []
        if known and matches and not any(match.expressed == "yes" for match in matches):
            log.warning("%s: no gene of it belongs to any matched motif; are these symbols or FlyBase ids?", genes)
        write_table(output, matches, Match)
        write_json(output.with_name(MATCHED), [{**vars(motif), "ppm": motif.ppm.round(5).tolist()} for motif in motifs])
        noted = {
            "databases": used,
            "motifs": len(motifs),
            "matches": len(matches),
            "expressed": None if genes is None else str(genes),
            "named_patterns": len(best_matches(matches)),
            "patterns": len(patterns),
            "motifs_sha256": motifs_sha256(found),
        }
        record(folder if folder.is_dir() else output.parent, "match", noted)
        return matches


def with_core_promoter(databases: Sequence[str]) -> list[str]:
    """The databases, each once, and the shipped elements of fly promoters and enhancers."""
    named = list(dict.fromkeys(map(str, databases)))
    elsewhere = [name in available() and available()[name].organism == "vertebrates" for name in named]
    return named if all(elsewhere) and named else list(dict.fromkeys([*named, CORE_PROMOTER]))
