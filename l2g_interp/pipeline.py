"""From a model and sequences to the report, stage by stage; each stage reads and writes files of a run folder.

    attributions.h5 -> motifs.<target>.h5 -> matches.tsv (and matches.motifs.json) -> report.html

``run.json`` tells what was done, with what, and how many of everything went in and came out.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import out_of_memory_explained, progress
from l2g_core.dna import Sequences, one_hot, open_text
from l2g_core.errors import InputError
from l2g_interp.attribute import PART, References, as_attributions, attribute_in_parts, choose_targets, prepare
from l2g_interp.attributions.result import MethodResult
from l2g_interp.journal import Journal
from l2g_interp.models import OpenModel
from l2g_interp.modisco import MIN_SEQLETS, ModiscoOptions, discover_motifs, read_patterns
from l2g_interp.records import (
    Attributions,
    Match,
    Pattern,
    Run,
    append_attributions,
    read_attributions,
    read_matches,
    read_overview,
    safe_name,
    write_matches,
)
from l2g_interp.tomtom import best_matches, match_motifs
from motif_db import load_database

log = logging.getLogger(__name__)
ATTRIBUTIONS, MATCHES, MATCHED, REPORT, RECORD = (
    "attributions.h5", "matches.tsv", "matches.motifs.json", "report.html", "run.json",
)  # fmt: skip
COMPLETENESS_BOUND = 1e-3  # of the output difference; above it the sums are not to be trusted
VERSIONS = ("l2g-interp", "torch", "numpy", "h5py", "transformers", "captum", "modisco-lite", "memelite", "dinuc_shuf")


@dataclass(frozen=True)
class AttributeOptions:
    """How to attribute. ``targets``: names, all when None."""

    targets: tuple[str, ...] | None = None
    n_references: int = 100
    seed: int = 0
    method: str = "deep_lift_shap"
    strands: str = "model"
    batch_size: int | None = None


def attribute_file(
    model: OpenModel,
    data: Sequences,
    output: Path,
    options: AttributeOptions,
    *,
    resume: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Attribute sequences into ``attributions.h5``; a killed run goes on with ``resume``.

    Every few sequences are seen onto the disk before the next; the finished file is the same to the bit whether the
    run was interrupted or not. Memory does not grow with the number of sequences beyond the sequences themselves.

    Returns
    -------
    What was done, for ``run.json``.
    """
    codes = one_hot(data.sequences, model.length)
    module, names = prepare(model.module, codes)
    chosen = choose_targets(options.targets, names)
    targets = [names[i] for i in chosen]
    identity = {
        "model": model.name,
        "model_fingerprint": model.fingerprint,
        "sequences": data.source,
        "sequences_sha256": hashlib.sha256(codes.tobytes() + "\n".join(data.ids).encode()).hexdigest(),
        "targets": targets,
        "method": options.method,
        "n_references": options.n_references,
        "seed": options.seed,
        "strands": options.strands,
    }
    if resume and _finished(output, identity):
        log.info("%s is finished already", output)
        return _attribute_summary(output, data)
    journal = Journal(output.with_name(output.name + ".journal"), identity)
    done = journal.start(resume)
    references = References(options.n_references, options.seed)
    parts = attribute_in_parts(module, codes, chosen, references, options.method, options.batch_size, start=done * PART)
    n_parts = -(-len(data) // PART)
    with out_of_memory_explained("--batch-size"):
        for part in progress(parts, f"attributing ({PART} sequences a part)", n_parts, shown, done):
            journal.append(asdict(part))
    provenance = identity | {"versions": versions(), "command": command()}
    append_attributions(output, _parts(journal, codes, data, targets, provenance), len(data))
    journal.path.unlink()
    return _attribute_summary(output, data)


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
    write_matches(output, matches)
    _write_json(output.with_name(MATCHED), matched)
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


def read_all_patterns(folder: Path) -> dict[str, list[Pattern]]:
    """The patterns of a run folder by target, those with too few seqlets left out as when they were found."""
    motifs = read_record(folder).get("steps", {}).get("motifs")
    if motifs is None:
        raise InputError(f"{folder}: no motifs here; make them with 'l2g-interp motifs --output {folder}'")
    return {
        target: read_patterns(folder / f"motifs.{safe_name(target)}.h5", target, motifs["min_seqlets"])
        if (folder / f"motifs.{safe_name(target)}.h5").exists()
        else []
        for target in motifs["patterns"]
    }


def read_run(folder: Path, observed: Path | None = None) -> Run:
    """Everything that the report shows, out of a run folder.

    Raises
    ------
    InputError
        A stage's files are missing; the message says which command makes them.
    """
    patterns = read_all_patterns(folder)
    run = read_record(folder)
    motifs = run["steps"]["motifs"]
    attributions = Path(motifs["attributions"])
    attributions = attributions if attributions.exists() else folder / ATTRIBUTIONS
    matches = read_matches(folder / MATCHES)
    stored = json.loads((folder / MATCHED).read_text(encoding="utf-8"))
    return Run(
        attributions=attributions,
        patterns=patterns,
        matches=matches,
        motifs={(m["database"], m["motif_id"]): np.array(m["ppm"]) for m in stored},
        provenance=run,
        notes=motifs["notes"],
        observed=read_observed(observed, attributions) if observed else {},
    )


def read_observed(path: Path, attributions: Path) -> dict[str, np.ndarray]:
    """Measured values by target in the order of the sequences, from a TSV with a column ``id``; NaN where blank.

    Raises
    ------
    InputError
        No column ``id`` or none named like a target, or a value that is no number.
    """
    import csv

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
                raise InputError(f"{path}: line {number}: {target} is {text!r}, which is no number") from error
    return values


def record(folder: Path, step: str, content: dict[str, Any]) -> None:
    """Note a finished step in ``run.json``."""
    run = read_record(folder)
    run["versions"] = versions()
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    run.setdefault("steps", {})[step] = {"command": command(), "finished": finished, **content}
    _write_json(folder / RECORD, run)


def read_record(folder: Path) -> dict[str, Any]:
    """``run.json``, empty where there is none yet."""
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); delete it and run the stages again") from error


def versions() -> dict[str, str]:
    return {"python": sys.version.split()[0]} | {name: version(name) for name in VERSIONS}


def command() -> str:
    """The command line as typed, without the folder of the program."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _finished(output: Path, identity: dict[str, Any]) -> bool:
    if not output.exists():
        return False
    before = read_attributions(output, rows=[]).provenance
    return all(before.get(key) == value for key, value in identity.items())


def _parts(
    journal: Journal, codes: np.ndarray, data: Sequences, targets: list[str], provenance: dict[str, Any]
) -> Iterator[Attributions]:
    start = 0
    for arrays in journal.records():
        rows = slice(start, start + len(arrays["prediction"]))
        lengths = np.array([len(s) for s in data.sequences[rows]], dtype=np.int32)
        coordinates = data.intervals[rows] if data.intervals else None
        yield as_attributions(
            MethodResult(**arrays), codes[rows], data.ids[rows], targets, provenance, lengths, coordinates
        )
        start = rows.stop


def _attribute_summary(output: Path, data: Sequences) -> dict[str, Any]:
    """Counts and completeness; says so loudly when the sums do not hold."""
    overview = read_overview(output)
    provenance = overview.provenance
    targets = {name: _completeness(name, numbers) for name, numbers in overview.by_target.items()}
    return {
        "model": {key: provenance[key] for key in ("model", "model_fingerprint", "strands")},
        "sequences": {"file": data.source, "sequences": len(data), "ambiguous_letters": data.n_ambiguous},
        "method": {key: provenance[key] for key in ("method", "n_references", "seed")},
        "targets": targets,
    }


def _completeness(target: str, numbers: dict[str, np.ndarray]) -> dict[str, float | None]:
    difference = np.abs(numbers["prediction"] - numbers["reference_prediction"]).mean()
    error = float(numbers["delta"].mean() / max(difference, np.finfo(np.float32).tiny))
    if error > COMPLETENESS_BOUND:
        log.warning(
            "%s: the contributions miss the difference that they explain by %.2g of it (bound %.0e): "
            "do not trust their sums", target, error, COMPLETENESS_BOUND,
        )  # fmt: skip
    return {"completeness_error": None if math.isnan(error) else error}


def _write_json(path: Path, content: Any) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)
