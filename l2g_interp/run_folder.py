"""A run folder: the files that the stages leave in it, the record of them in ``run.json``, and reading both again."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from l2g_core.dna import open_text
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256, write_json
from l2g_interp.motifs.modisco.discover import motifs_file, read_discovery, read_patterns
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Effect, Explained, Hit, Match, Pattern, Run, Unexplained
from motif_db import Motif

log = logging.getLogger(__name__)
ATTRIBUTIONS, MATCHES, MATCHED, EFFECTS, HITS, REPORT, RECORD = (
    "attributions.h5", "matches.tsv", "matches.motifs.json", "validation.tsv", "hits.tsv", "report.html", "run.json",
)  # fmt: skip
EXPLAINED, UNEXPLAINED = "explained.tsv", "unexplained.tsv"
VERSIONS = (
    "l2g-interp", "torch", "numpy", "h5py", "transformers", "captum", "modisco-lite", "modisco", "memelite",
    "dinuc_shuf",
)  # fmt: skip


class Evidence(TypedDict):
    """What planting the motifs did, where they occur, and what they explain and do not."""

    effects: list[Effect]
    hits: list[Hit]
    explained: list[Explained]
    unexplained: list[Unexplained]


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
        **read_evidence(folder, patterns),
    )


def read_evidence(folder: Path, patterns: dict[str, list[Pattern]]) -> Evidence:
    """What planting these motifs did, and where they occur; empty lists if that is not known for these motifs."""
    run = read_record(folder)
    hits = _evidence(folder / HITS, "hits", Hit, run, patterns)
    return {
        "effects": _evidence(folder / EFFECTS, "validate", Effect, run, patterns),
        "hits": hits,
        "explained": _beside(folder / EXPLAINED, Explained, hits),
        "unexplained": _beside(folder / UNEXPLAINED, Unexplained, hits),
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
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [_known_motif(row) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: not the motifs that 'l2g-interp match' stores ({error}); run it again with --overwrite"
        ) from error


def _known_motif(row: dict[str, Any]) -> Motif:
    """A motif as 'l2g-interp match' stores it; older versions stored only the matched ones, without their names."""
    ppm = np.array(row["ppm"], dtype=np.float64)
    if "motif_id" in row:
        return Motif(row["motif_id"], "", row["database"], ppm)
    return Motif(**{**row, "ppm": ppm})


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


def _beside(path: Path, row_type: type, hits: list[Hit]) -> list:
    """The rows of a table that is written with the hits, if these count."""
    return read_table(path, row_type, "l2g-interp hits") if hits and path.exists() else []


def read_observed(path: Path, attributions: Path) -> dict[str, np.ndarray]:
    """Measured values by target in the order of the sequences, from a TSV with a column ``id``; NaN where blank.

    Raises
    ------
    InputError
        There is no column ``id`` or none named like a target, or a value is not a number.
    """
    known = read_attributions(attributions, rows=[])
    with open_text(path) as handle:
        rows = {
            row.get("id"): (number, row) for number, row in enumerate(csv.DictReader(handle, delimiter="\t"), start=2)
        }
    columns = next(iter(rows.values()))[1].keys() if rows else []
    targets = [t for t in known.targets if t in columns]
    if "id" not in columns or not targets:
        raise InputError(
            f"{path}: needs a column 'id' and one named like a target ({', '.join(known.targets)}); "
            f"it has {', '.join(columns) or 'none'}"
        )
    ids = read_overview(attributions).ids
    values = {t: np.full(len(ids), np.nan) for t in targets}
    for i, name in enumerate(ids):
        number, row = rows.get(name, (0, {}))
        for target in targets:
            text = (row.get(target) or "").strip()
            try:
                values[target][i] = float(text) if text else np.nan
            except ValueError as error:
                raise InputError(f"{path}: line {number}: {target} is {text!r}, which is not a number") from error
    return values


def record(folder: Path, step: str, content: dict[str, Any]) -> None:
    """Record a finished step in ``run.json``, with the command, the time and the versions."""
    run = read_record(folder)
    run["versions"] = versions()
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    run.setdefault("steps", {})[step] = {"command": command(), "finished": finished, **content}
    write_json(folder / RECORD, run)


def read_record(folder: Path) -> dict[str, Any]:
    """The content of ``run.json``; empty if there is none yet.

    Raises
    ------
    InputError
        The file is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); delete it and run the stages again") from error


def versions() -> dict[str, str]:
    """Versions of Python and of those packages that results depend on and that are installed."""
    found = {"python": sys.version.split()[0]}
    for name in VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def command() -> str:
    """The command line as typed, without the folder of the program; in a notebook it does not say what was run."""
    if Path(sys.argv[0]).name == "ipykernel_launcher.py":
        return "Python in a notebook"
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
