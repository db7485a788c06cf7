"""From a model and sequences to the report, stage by stage; each stage reads and writes files of a run folder.

    attributions.h5 -> motifs.<target>.h5 -> matches.tsv (and matches.motifs.json) -> report.html

``run.json`` records what was done, with which inputs and versions, and how many of everything went in and came out.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import out_of_memory_explained, progress
from l2g_core.dna import Sequences, one_hot
from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_interp.attributions.attribute import (
    PART,
    References,
    as_attributions,
    attribute_in_parts,
    choose_targets,
    prepare,
)
from l2g_interp.attributions.result import MethodResult
from l2g_interp.models import OpenModel
from l2g_interp.records.attributions_file import append_attributions, read_overview
from l2g_interp.records.types import COMPLETENESS_BOUND, Attributions, adds_up, overall_completeness_error
from l2g_interp.run_folder import command, record, versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AttributeOptions:
    """How to attribute.

    Attributes
    ----------
    targets
        Names of the outputs to explain; None for all.
    n_references
        Dinucleotide shuffles per sequence.
    seed
        Of the shuffles.
    method
        A name in ``l2g_interp.attributions.METHODS``.
    strands
        ``model``, ``forward`` or ``both``, as it was opened.
    batch_size
        Rows per forward pass; None for a size that fits the memory.
    on_missing
        ``raise`` or ``warn``: what to do about a torch function without a DeepLIFT rule.
    """

    targets: tuple[str, ...] | None = None
    n_references: int = 100
    seed: int = 0
    method: str = "deep_lift_shap"
    strands: str = "model"
    batch_size: int | None = None
    on_missing: str = "raise"


def attribute_file(
    model: OpenModel,
    data: Sequences,
    output: Path,
    options: AttributeOptions,
    *,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Attribute sequences into ``attributions.h5``, and record in ``run.json`` what was done.

    Every few sequences are flushed to disk (to a journal) before the next; the finished file is bit for bit the same
    whether the run was interrupted or not. Besides the sequences themselves, memory does not grow with their number.

    Parameters
    ----------
    output
        The HDF5 file to write.
    resume, overwrite
        What to do if ``output`` holds unfinished or other work (the rule of `l2g_core.runs.identity`).
    shown
        Show progress.

    Returns
    -------
    What was done, as in ``run.json``: model, sequences, method, and the completeness error of each target.

    Raises
    ------
    InputError
        A target is unknown, the network has a function without a rule, ``output`` holds unfinished or other work, or
        memory runs out.
    """
    codes = one_hot(data.sequences, model.length)
    module, names = prepare(model.module, codes)
    chosen = choose_targets(options.targets, names)
    targets = [names[i] for i in chosen]
    identity = identity_of(model, data, codes, targets, options)
    journal = Journal(output.with_name(output.name + ".journal"), identity)
    with claim(output, identity, [output], partial=[journal.path], resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return _attribute_summary(output, data)
        done = journal.start(resume=claimed.resumed)
        references = References(options.n_references, options.seed)
        parts = attribute_in_parts(
            module, codes, chosen, references, options.method, options.batch_size, options.on_missing, start=done
        )
        n_parts = -(-len(data) // PART)
        log.info(
            "attributing %d sequences against %d references each, from %d on; the result will be %s",
            len(data), options.n_references, done + 1, output,
        )  # fmt: skip
        with out_of_memory_explained("--batch-size"), _missing_rule_explained(model, journal):
            for part in progress(parts, f"attributing ({PART} sequences a part)", n_parts, shown, done // PART):
                rows = range(done, done + len(part.prediction))
                journal.append(rows, {key: np.asarray(value) for key, value in asdict(part).items()})
                done = rows.stop
        unruled = _unruled(journal) if options.on_missing == "warn" else []
        named = {"model": model.name, "sequences": data.source}
        provenance = {**named, **identity.content, "unruled": unruled, "versions": versions(), "command": command()}
        append_attributions(output, _parts(journal, codes, data, targets, provenance), len(data))
        journal.path.unlink()
        summary = _attribute_summary(output, data)
        record(output.parent, "attribute", summary)
        return summary


def identity_of(
    model: OpenModel, data: Sequences, codes: np.ndarray, targets: Sequence[str], options: AttributeOptions
) -> Identity:
    """What an attribution depends on; batch size and device do not count."""
    content = {
        "model_fingerprint": model.fingerprint,
        "sequences_sha256": hashlib.sha256(codes.tobytes() + "\n".join(data.ids).encode()).hexdigest(),
        "targets": list(targets),
        "method": options.method,
        "n_references": options.n_references,
        "seed": options.seed,
        "on_missing": options.on_missing,
        "strands": options.strands,
    }
    return Identity("l2g-interp attribute", content)


@contextmanager
def _missing_rule_explained(model: OpenModel, journal: Journal) -> Iterator[None]:
    """Report a network that cannot be explained as one line that suggests what to do; delete an empty journal."""
    from l2g_interp.attributions.deeplift.engine import UnsupportedFunction

    try:
        yield
    except UnsupportedFunction as error:
        if not journal.holds_work():
            journal.path.unlink(missing_ok=True)
        raise InputError(
            f"{model.name}: {error}; or treat it as linear with --on-missing warn, or choose another --method"
        ) from error


def _unruled(journal: Journal) -> list[str]:
    """Functions without a rule that were treated as linear, in any part."""
    return sorted({str(name) for arrays in journal.records() for name in arrays["unruled"]})


def _parts(
    journal: Journal, codes: np.ndarray, data: Sequences, targets: list[str], provenance: dict[str, Any]
) -> Iterator[Attributions]:
    start = 0
    for arrays in journal.records():
        rows = slice(start, start + len(arrays["prediction"]))
        lengths = np.array([len(s) for s in data.sequences[rows]], dtype=np.int32)
        coordinates = data.intervals[rows] if data.intervals else None
        del arrays["unruled"]  # noted once for all parts, in the provenance
        yield as_attributions(
            MethodResult(**arrays, unruled=()), codes[rows], data.ids[rows], targets, provenance, lengths, coordinates
        )
        start = rows.stop


def _attribute_summary(output: Path, data: Sequences) -> dict[str, Any]:
    """Counts and completeness errors; warns if contributions do not add up."""
    overview = read_overview(output)
    provenance = overview.provenance
    if provenance.get("unruled"):
        unruled = ", ".join(provenance["unruled"])
        log.warning("without a rule, treated as linear: %s; contributions may not add up", unruled)
    targets = {name: _completeness(name, numbers) for name, numbers in overview.by_target.items()}
    return {
        "model": {key: provenance[key] for key in ("model", "model_fingerprint", "strands")},
        "sequences": {"file": data.source, "sequences": len(data), "ambiguous_letters": data.n_ambiguous},
        "method": {key: provenance[key] for key in ("method", "n_references", "seed", "on_missing", "unruled")},
        "targets": targets,
    }


def _completeness(target: str, numbers: dict[str, np.ndarray]) -> dict[str, float | None]:
    error = overall_completeness_error(numbers)
    if not adds_up(numbers):
        log.warning(
            "%s: the contributions miss the difference that they explain by a fraction of %.2g (bound %.0e): "
            "do not trust their sums", target, error, COMPLETENESS_BOUND,
        )  # fmt: skip
    return {"completeness_error": None if math.isnan(error) else error}
