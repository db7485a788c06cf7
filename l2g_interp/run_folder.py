"""A run folder: the files that the stages leave in it, the record of them in ``run.json``, and reading both again."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_core.runs.files import file_sha256
from l2g_interp.motifs.modisco.discover import motifs_file, read_discovery, read_patterns
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.mutations import read_mutations_provenance
from l2g_interp.records.observed import read_observed as read_observed
from l2g_interp.records.run_record import RECORD as RECORD
from l2g_interp.records.run_record import command as command
from l2g_interp.records.run_record import read_record as read_record
from l2g_interp.records.run_record import record as record
from l2g_interp.records.run_record import versions as versions
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Effect, Explained, Hit, Match, PairEffect, Pattern, Removal, Run, Unexplained
from motif_db import Motif

log = logging.getLogger(__name__)
ATTRIBUTIONS, MATCHES, MATCHED, EFFECTS, HITS, REPORT = (
    "attributions.h5", "matches.tsv", "matches.motifs.json", "validation.tsv", "hits.tsv", "report.html",
)  # fmt: skip
EXPLAINED, UNEXPLAINED = "explained.tsv", "unexplained.tsv"
PAIRS, REMOVALS, MUTATIONS = "pairs.tsv", "removals.tsv", "mutations.h5"


class Evidence(TypedDict):
    """What planting and removing the motifs did, where they occur, and what they explain and do not."""

    effects: list[Effect]
    hits: list[Hit]
    explained: list[Explained]
    unexplained: list[Unexplained]
    pairs: list[PairEffect]
    removals: list[Removal]


def read_all_patterns(folder: Path) -> dict[str, list[Pattern]]:
    """The patterns of a run folder by target, without those that had too few seqlets when they were found.

    ``folder`` may be one of other people's, with ``motifs.<target>.h5`` of 'modisco motifs', or such a file alone: then
    all patterns count, and their seqlets are placed in the sequences of ``attributions.h5``, if there is one.

    Raises
    ------
    InputError
        The folder has no motifs, their files are damaged, or they are about other sequences.
    """
    motifs = read_record(folder).get("steps", {}).get("motifs")
    if motifs is None:
        return _foreign_patterns(folder)
    return {
        target: read_patterns(folder / motifs_file(target), target, motifs["min_seqlets"])
        for target in motifs["patterns"]
    }


def _foreign_patterns(folder: Path) -> dict[str, list[Pattern]]:
    if not folder.is_file() and not any(folder.glob("motifs.*.h5")):
        raise InputError(
            f"{folder}: no motifs here; make them with 'l2g-interp motifs --output {folder}', or call TF-MoDISco's "
            "own file motifs.<target>.h5"
        )
    path = folder / ATTRIBUTIONS
    if folder.is_file() or not path.exists():
        return read_discovery(folder, min_seqlets=0).patterns
    first = next(iter(read_overview(path).by_target))
    return read_discovery(folder, min_seqlets=0, one_hot=read_attributions(path, [first]).one_hot).patterns


def read_run(folder: Path, observed: Path | None = None) -> Run:
    """Everything that the report shows, from a run folder.

    Parameters
    ----------
    observed
        As for `read_observed`.

    Raises
    ------
    InputError
        A stage's files are missing; the message says which command makes them.
    """
    patterns = read_all_patterns(folder)
    run = read_record(folder)
    attributions = attributions_of(folder)
    matches = read_table(folder / MATCHES, Match, "l2g-interp match")
    return Run(
        attributions=attributions,
        patterns=patterns,
        matches=matches,
        motifs={(motif.database, motif.id): motif.ppm for motif in known_motifs(folder)},
        provenance=run,
        notes=run.get("steps", {}).get("motifs", {}).get("notes", {}),
        observed=read_observed(observed, attributions) if observed else {},
        mutations=known_mutations(folder, attributions),
        **read_evidence(folder, patterns),
    )


def known_mutations(folder: Path, attributions: Path) -> Path | None:
    """The file of single changes of a run, if there is one of the model that was explained; a warning if of another."""
    path = folder / MUTATIONS
    if not path.exists():
        return None
    made, explained = read_mutations_provenance(path), read_overview(attributions).provenance
    if made.get("model_fingerprint") != explained.get("model_fingerprint"):
        log.warning("%s: left out, because another model was explained; run 'l2g-interp mutate --overwrite'", path)
        return None
    return path


def read_evidence(folder: Path, patterns: dict[str, list[Pattern]]) -> Evidence:
    """What planting these motifs did, and where they occur; empty lists if that is not known for these motifs."""
    run = read_record(folder)
    hits = _evidence(folder / HITS, "hits", Hit, run, patterns)
    return {
        "effects": _evidence(folder / EFFECTS, "validate", Effect, run, patterns),
        "hits": hits,
        "explained": _beside(folder / EXPLAINED, Explained, hits),
        "unexplained": _beside(folder / UNEXPLAINED, Unexplained, hits),
        "pairs": _evidence(folder / PAIRS, "pairs", PairEffect, run, patterns),
        "removals": _removals(folder, run, patterns),
    }


def known_motifs(folder: Path) -> list[Motif]:
    """The motifs of databases that the run's patterns were compared with; none before 'l2g-interp match'.

    Raises
    ------
    InputError
        The file is damaged.
    """
    path = folder / MATCHED
    if not path.exists():
        return []
    check_readable(path)
    try:
        return [_known_motif(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not the motifs that 'l2g-interp match' stores ({said}); run it again with --overwrite"
        ) from error


def _known_motif(row: Any) -> Motif:
    """A motif as 'l2g-interp match' stores it; older versions stored only the matched ones, without their names."""
    ppm = np.array(row["ppm"], dtype=np.float64)
    if ppm.ndim != 2 or len(ppm) != 4 or not np.isfinite(ppm).all():
        raise ValueError("a matrix is not four rows of numbers")
    texts = {name: value for name, value in row.items() if name != "ppm"}
    if not all(isinstance(value, str) for value in texts.values()):
        raise ValueError("a name is not text")
    if "motif_id" in texts:
        return Motif(texts["motif_id"], "", texts["database"], ppm)
    return Motif(**texts, ppm=ppm)


def known_matches(folder: Path, patterns: dict[str, list[Pattern]]) -> list[Match]:
    """The matches of these patterns; none before 'l2g-interp match'.

    Raises
    ------
    InputError
        They were made for other patterns, or the table is damaged.
    """
    path = folder / MATCHES
    if not path.exists():
        return []
    recorded = read_record(folder).get("steps", {}).get("match", {}).get("motifs_sha256")
    if recorded not in (None, motifs_sha256(patterns)):
        raise InputError(
            f"{path}: made for other motifs than those here; run 'l2g-interp match' with --overwrite first"
        )
    return read_table(path, Match, "l2g-interp match")


def attributions_of(folder: Path) -> Path:
    """The attributions of a run folder: the file that its motifs were found in, or the folder's own if that is gone."""
    motifs = read_record(folder).get("steps", {}).get("motifs", {})
    recorded = Path(motifs.get("attributions", folder / ATTRIBUTIONS))
    return recorded if recorded.exists() else folder / ATTRIBUTIONS


def evidence_stamp(table: Path, patterns: dict[str, list[Pattern]]) -> dict[str, str]:
    """What links a table of evidence to the patterns that it is about, for ``run.json``.

    Motifs that are found again get the same names (``pattern_0``), so without it an old table would seem to be theirs.
    """
    return {"motifs_sha256": motifs_sha256(patterns), "table_sha256": file_sha256(table)}


def motifs_sha256(patterns: dict[str, list[Pattern]]) -> str:
    """A hash of the motifs of a run: their matrices and seqlets."""
    digest = hashlib.sha256()
    for target, found in patterns.items():
        for p in found:
            digest.update(json.dumps([target, p.name, p.sign, p.cwm.shape]).encode())
            for array in (p.ppm, p.cwm, p.seqlets.example, p.seqlets.start, p.seqlets.end, p.seqlets.is_revcomp):
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _evidence(path: Path, step: str, row_type: type, run: dict[str, Any], patterns: dict[str, list[Pattern]]) -> list:
    """The rows of a table, or none if there is no table; none with a warning if it is about other motifs."""
    if not path.exists():
        return []
    recorded, stamp = run.get("steps", {}).get(step, {}), evidence_stamp(path, patterns)
    if any(recorded.get(key) != value for key, value in stamp.items()):
        log.warning(
            "%s: left out, because according to %s it was not made for the motifs that are here now; "
            "run 'l2g-interp %s --overwrite'", path, RECORD, step,
        )  # fmt: skip
        return []
    return read_table(path, row_type, f"l2g-interp {step}")


def _removals(folder: Path, run: dict[str, Any], patterns: dict[str, list[Pattern]]) -> list[Removal]:
    """Those of the hits that are here now; none with a warning if hits were called again since."""
    rows = _evidence(folder / REMOVALS, "remove", Removal, run, patterns)
    of_hits = run.get("steps", {}).get("remove", {}).get("hits_sha256")
    if rows and not ((folder / HITS).exists() and of_hits == file_sha256(folder / HITS)):
        log.warning(
            "%s: left out, because it is about other hits than those of %s; run 'l2g-interp remove --overwrite'",
            folder / REMOVALS, folder / HITS,
        )  # fmt: skip
        return []
    return rows


def _beside(path: Path, row_type: type, hits: list[Hit]) -> list:
    """The rows of a table that is written with the hits, if these count."""
    return read_table(path, row_type, "l2g-interp hits") if hits and path.exists() else []
