"""From a model and sequences to the report, stage by stage; each stage reads and writes files of a run folder.

    attributions.h5 -> motifs.<target>.h5 -> matches.tsv (and matches.motifs.json) -> report.html

``run.json`` records what was done, with which inputs and versions, and how many of everything went in and came out.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2g_core.console import out_of_memory_explained, progress
from l2g_core.dna import Interval, Sequences, one_hot
from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_interp.attributions.attribute import (
    PART,
    as_attributions,
    attribute_in_parts,
)
from l2g_interp.attributions.references.number import would_do
from l2g_interp.attributions.references.source import References
from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.targets import choose_targets, prepare
from l2g_interp.effects.backgrounds import draw_backgrounds, draw_rows
from l2g_interp.models import OpenModel
from l2g_interp.records.attributions_file import append_attributions, read_overview
from l2g_interp.records.types import Attributions, overall_completeness_error, sums_missed
from l2g_interp.run_folder import command, record, versions

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)
MOST_CONTROLS = 200
ADAPTED = ("model_output", "layout", "computed_in", "folds")  # how a model was opened, where it needed something


@dataclass(frozen=True)
class AttributeOptions:
    """How to attribute.

    Attributes
    ----------
    targets
        Names of the outputs to explain; None for all.
    n_references
        Dinucleotide shuffles per sequence; at most, with ``stability``.
    stability
        Take only as many as a sequence needs for this stability of its contributions to each target, from 0 to 1.
    control_variate
        Take out the noise of the drawn shuffles' base composition.
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
    n_controls
        Shuffled sequences to explain, too: what their contributions reach is chance, which hits must exceed. None for
        one of each sequence, `MOST_CONTROLS` at most.
    """

    targets: tuple[str, ...] | None = None
    n_references: int = 100
    stability: float | None = None
    control_variate: bool = False
    seed: int = 0
    method: str = "deep_lift_shap"
    strands: str = "model"
    batch_size: int | None = None
    on_missing: str = "raise"
    n_controls: int | None = None

    def references(self) -> References:
        """What each sequence is compared with."""
        return References(self.n_references, self.seed, None, self.stability, self.control_variate)


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
    from l2g_interp.attributions.folds import over_folds

    codes = one_hot(data.sequences, model.length)
    module, names = prepare(model.module, codes)
    chosen = choose_targets(module, options.targets, names)
    targets = chosen.names
    n_controls = min(len(data), MOST_CONTROLS) if options.n_controls is None else options.n_controls
    identity = identity_of(model, data, codes, targets, replace(options, n_controls=n_controls))
    everything = np.concatenate([codes, shuffled(codes, n_controls, options.seed)])
    journal = Journal(output.with_name(output.name + ".journal"), identity)
    with claim(output, identity, [output], partial=[journal.path], resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return _attribute_summary(output, data)
        done = journal.start(resume=claimed.resumed)
        references = options.references()
        first = done

        def explain(network: nn.Module) -> Iterator[MethodResult]:
            return attribute_in_parts(
                network, everything, chosen.columns, references, options.method, options.batch_size,
                options.on_missing, start=first,
            )  # fmt: skip

        parts = over_folds(chosen.network, explain, everything, first)
        n_parts = -(-len(everything) // PART)
        log.info(
            "attributing %d sequences and %d shuffled ones against %d references each, from %d on; the result will be "
            "%s", len(data), n_controls, options.n_references, done + 1, output,
        )  # fmt: skip
        with out_of_memory_explained("--batch-size"), _missing_rule_explained(model, journal):
            for part in progress(parts, f"attributing ({PART} sequences a part)", n_parts, shown, done // PART):
                rows = range(done, done + len(part.prediction))
                journal.append(rows, {**part.arrays(), "unruled": np.asarray(part.unruled)})
                done = rows.stop
        unruled = _unruled(journal) if options.on_missing == "warn" else []
        named = {"model": model.name, "sequences": data.source}
        provenance = {**named, **identity.content, "unruled": unruled, "versions": versions(), "command": command()}
        lengths = np.array([len(s) for s in data.sequences], dtype=np.int32)
        rows = _rows_shuffled(len(data), n_controls, options.seed)
        sets = (
            (everything, data.ids, lengths, data.intervals, provenance, 0),
            (everything, [f"shuffled_{i}" for i in range(n_controls)], lengths[rows], None, {}, len(data)),
        )
        main, controls = (_parts(journal, targets, *each) for each in sets)
        append_attributions(output, main, len(data), controls, n_controls)
        journal.path.unlink()
        summary = _attribute_summary(output, data)
        record(output.parent, "attribute", summary)
        return summary


def check_sums(output: Path) -> None:
    """Refuse ``attributions.h5`` where contributions do not add up (InputError)."""
    if missed := sums_missed(read_overview(output).by_target):
        raise InputError(f"{output}: {missed}")


def identity_of(
    model: OpenModel, data: Sequences, codes: np.ndarray, targets: Sequence[str], options: AttributeOptions
) -> Identity:
    """What an attribution depends on; batch size and device do not count."""
    content = {
        "model_fingerprint": model.fingerprint,
        "sequences_sha256": hashlib.sha256(codes.tobytes() + "\n".join(data.ids).encode()).hexdigest(),
        "targets": list(targets),
        "method": options.method,
        **options.references().provenance(),
        "on_missing": options.on_missing,
        "strands": options.strands,
        "n_controls": options.n_controls,
        **model.noted,
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


def shuffled(codes: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Dinucleotide shuffles of ``n`` of the sequences, each as often as any other, give or take one."""
    return draw_backgrounds(codes[_rows_shuffled(len(codes), n, seed)], seed).one_hot if n else codes[:0]


def _rows_shuffled(n_sequences: int, n: int, seed: int) -> np.ndarray:
    return draw_rows(n_sequences, n, seed) if n_sequences else np.empty(0, dtype=np.int64)


def _parts(
    journal: Journal,
    targets: list[str],
    codes: np.ndarray,
    ids: list[str],
    lengths: np.ndarray,
    coordinates: list[Interval] | None,
    provenance: dict[str, Any],
    first: int,
) -> Iterator[Attributions]:
    """The rows from ``first`` on that the ids are of, part by part; lengths and coordinates start with the ids."""
    start = 0
    for arrays in journal.records():
        n = len(arrays["prediction"])
        begin, end = max(start, first), min(start + n, first + len(ids))
        if begin < end:
            del arrays["unruled"]  # noted once for all parts, in the provenance
            part = MethodResult(
                **{key: value[begin - start : end - start] for key, value in arrays.items()}, unruled=()
            )
            mine = slice(begin - first, end - first)
            yield as_attributions(
                part, codes[begin:end], ids[mine], targets, provenance, lengths[mine],
                None if coordinates is None else coordinates[mine],
            )  # fmt: skip
        start += n


def _attribute_summary(output: Path, data: Sequences) -> dict[str, Any]:
    """Counts and completeness errors; warns if contributions do not add up."""
    overview = read_overview(output)
    provenance = overview.provenance
    if provenance.get("unruled"):
        unruled = ", ".join(provenance["unruled"])
        log.warning("without a rule, treated as linear: %s; contributions may not add up", unruled)
    if missed := sums_missed(overview.by_target):
        log.warning(missed)
    if "wanted_stability" in provenance:
        for name, numbers in overview.by_target.items():
            if few := _too_unstable(numbers, provenance["wanted_stability"], provenance["n_references"]):
                log.warning("%s: %s", name, few)
    return {
        "model": {key: provenance[key] for key in ("model", "model_fingerprint", "strands")}
        | {key: provenance[key] for key in ADAPTED if key in provenance},
        "sequences": {
            "file": data.source,
            "sequences": len(data),
            "shuffled": provenance["n_controls"],
            "ambiguous_letters": data.n_ambiguous,
        },
        "method": {key: provenance[key] for key in ("method", "n_references", "seed", "on_missing", "unruled")}
        | {key: provenance[key] for key in ("wanted_stability", "control_variate") if key in provenance},
        "targets": {name: _checked(numbers) for name, numbers in overview.by_target.items()},
    }


def _checked(numbers: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Of one target: the completeness error, and the median number of references where each sequence has its own."""
    error = overall_completeness_error(numbers)
    number = {"median_references": float(np.median(numbers["n_references"]))} if "n_references" in numbers else {}
    return {"completeness_error": None if math.isnan(error) else error, **number}


def _too_unstable(numbers: Mapping[str, np.ndarray], wanted: float, most: int) -> str:
    """How many sequences have not reached the wanted stability, and what would help, in words; empty if all have."""
    few = int((numbers["stability"] < wanted).sum())
    if not few:
        return ""
    more = would_do(numbers["stability"].astype(np.float64), numbers["n_references"].astype(np.float64), wanted)
    return (
        f"{few:,} of {len(numbers['stability']):,} sequences have not reached a stability of {wanted} with {most:,} "
        f"references; {more} (--references)"
    )
