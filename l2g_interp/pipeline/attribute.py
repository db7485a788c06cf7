"""From a model and sequences to the report, stage by stage; each stage reads and writes files of a run folder.

    attributions.h5 -> motifs.<target>.h5 -> matches.tsv (and matches.motifs.json) -> report.html

``run.json`` records what was done, with which inputs and versions, and how many of everything went in and came out.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2g_core.console import out_of_memory_explained, progress
from l2g_core.dna import dropped_record, one_hot
from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_core.sequence_files import AnySequences, first_of, sha256_of
from l2g_interp.attributions.attribute import attribute_in_parts, part_size
from l2g_interp.attributions.references.number import would_do
from l2g_interp.attributions.references.source import References
from l2g_interp.attributions.result import MethodResult
from l2g_interp.attributions.targets import Chosen, choose_targets, prepare
from l2g_interp.effects.backgrounds import draw_backgrounds, draw_rows
from l2g_interp.models import OpenModel
from l2g_interp.pipeline.on_cluster import Cluster, Work, explained_on
from l2g_interp.pipeline.write_parts import write_parts
from l2g_interp.records.attributions_file import read_numbers
from l2g_interp.records.growing_file import GrowingFile, Shuffle, Size, StoredRows
from l2g_interp.records.types import overall_completeness_error, sums_missed
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

    def settings(self) -> dict[str, Any]:
        """What `attribute_in_parts` takes."""
        return {
            "references": self.references(), "method": self.method, "batch_size": self.batch_size,
            "on_missing": self.on_missing,
        }  # fmt: skip


def attribute_file(
    model: OpenModel,
    data: AnySequences,
    output: Path,
    options: AttributeOptions,
    *,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Attribute sequences into ``attributions.h5``, and record in ``run.json`` what was done.

    Results are written once, as they come, to a file beside ``output`` that is whole at any moment; at most a second's
    work (or one part) is lost when the run is killed, and the finished file is bit for bit the same
    whether it was interrupted or not. Memory does not grow with the number of sequences in a `SequenceFile`.

    Parameters
    ----------
    output
        The HDF5 file to write.
    resume, overwrite
        What to do if ``output`` holds unfinished or other work (the rule of `l2g_core.runs.identity`).
    shown
        Show progress.
    cluster
        Let its workers explain; the result is the same.

    Returns
    -------
    What was done, as in ``run.json``: model, sequences, method, and the completeness error of each target.

    Raises
    ------
    InputError
        A target is unknown, the network has a function without a rule, ``output`` holds unfinished or other work, or
        memory runs out.
    """
    first = one_hot(first_of(data).sequences, model.length)
    module, names = prepare(model.module, first)
    chosen = choose_targets(module, options.targets, names)
    n_controls = min(len(data), MOST_CONTROLS) if options.n_controls is None else options.n_controls
    size = Size(len(data), n_controls, model.length or data.longest)
    identity = identity_of(model, data, chosen.names, replace(options, n_controls=n_controls))
    growing, journal = GrowingFile(output), Journal(output.with_name(output.name + ".journal"), identity)
    partial = [growing.path, growing.log, journal.path]
    with claim(output, identity, [output], partial=partial, resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return _attribute_summary(output, data)
        if not (claimed.resumed and growing.repaired()):
            if claimed.resumed and _is_of(output, identity):  # it was killed when nearly all was done
                return _recorded(output, data, journal)
            part = part_size(chosen.network, options.references(), size.length, len(chosen.names))
            growing.begin(size, part, data.blocks(size.span), *_controls(size, options.seed))
        part = growing.part
        journal.first = growing.done
        first = journal.start(resume=True)
        log.info(
            "attributing %d sequences and %d shuffled ones against %d references each, from %d on; the result will be "
            "%s", len(data), n_controls, options.n_references, first + 1, output,
        )  # fmt: skip
        with out_of_memory_explained("--batch-size"), _explained_or_removed(model, partial, growing, journal):
            rows, settings = StoredRows(growing, size), options.settings() | {"part": part}
            if cluster is None:
                parts = _parts(rows, chosen, settings, first)
            else:
                work = Work(model.opened, first_of(data), model.fingerprint, options.targets, settings)
                parts = explained_on(cluster, work, rows, first, part)
            n_parts = -(-size.rows // part)
            parts = progress(parts, f"attributing ({part} sequences a part)", n_parts, shown, first // part)
            write_parts(parts, growing, journal, size, part, chosen.names)
        named = {"model": model.name, "sequences": data.source, **dropped_record(data.dropped)}
        more = {"unruled": growing.unruled, "versions": versions(), "command": command()}
        growing.finish(size, chosen.names, {**named, **identity.content, **more})
        return _recorded(output, data, journal)


def _parts(rows: StoredRows, chosen: Chosen, settings: Mapping[str, Any], first: int) -> Iterator[MethodResult]:
    """The results of the rows from ``first`` on, part by part, of this process."""
    from l2g_interp.attributions.folds import over_folds

    def explain(network: nn.Module) -> Iterator[MethodResult]:
        return attribute_in_parts(network, rows, chosen.columns, start=first, **settings)

    return over_folds(chosen.network, explain, rows, first)


def check_sums(output: Path) -> None:
    """Refuse ``attributions.h5`` where contributions do not add up (InputError)."""
    if missed := sums_missed(read_numbers(output)[0]):
        raise InputError(f"{output}: {missed}")


def identity_of(model: OpenModel, data: AnySequences, targets: Sequence[str], options: AttributeOptions) -> Identity:
    """What an attribution depends on; batch size and device do not count."""
    content = {
        "model_fingerprint": model.fingerprint,
        "sequences_sha256": sha256_of(data),
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
def _explained_or_removed(
    model: OpenModel, partial: Sequence[Path], growing: GrowingFile, journal: Journal
) -> Iterator[None]:
    """Remove files of a run that ends before its first result; report a network that cannot be explained as one line.

    Raises
    ------
    InputError
        The network has a function without a rule; the message suggests what to do.
    """
    from l2g_interp.attributions.deeplift.engine import UnsupportedFunction

    try:
        yield
    except BaseException as error:
        if not growing.done and not journal.holds_work():
            for path in partial:
                path.unlink(missing_ok=True)
        if isinstance(error, UnsupportedFunction):
            raise InputError(
                f"{model.name}: {error}; or treat it as linear with --on-missing warn, or choose another --method"
            ) from error
        raise


def _controls(size: Size, seed: int) -> tuple[np.ndarray, Shuffle]:
    """Which sequences are shuffled, each as often as any other, give or take one; and how."""

    def shuffle(codes: np.ndarray, first: int) -> np.ndarray:
        return draw_backgrounds(codes, seed, first).one_hot

    rows = draw_rows(size.n, size.n_controls, seed) if size.n else np.empty(0, dtype=np.int64)
    return rows, shuffle


def _is_of(output: Path, identity: Identity) -> bool:
    """Whether the output is a complete result of this work."""
    if not output.exists():
        return False
    _, provenance = read_numbers(output)
    return all(provenance.get(key) == value for key, value in identity.content.items())


def _recorded(output: Path, data: AnySequences, journal: Journal) -> dict[str, Any]:
    journal.path.unlink(missing_ok=True)
    summary = _attribute_summary(output, data)
    record(output.parent, "attribute", summary)
    return summary


def _attribute_summary(output: Path, data: AnySequences) -> dict[str, Any]:
    """Counts and completeness errors; warns if contributions do not add up."""
    numbers_of, provenance = read_numbers(output)
    if provenance.get("unruled"):
        unruled = ", ".join(provenance["unruled"])
        log.warning("without a rule, treated as linear: %s; contributions may not add up", unruled)
    if missed := sums_missed(numbers_of):
        log.warning(missed)
    if "wanted_stability" in provenance:
        for name, numbers in numbers_of.items():
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
            **dropped_record(data.dropped),
        },
        "method": {key: provenance[key] for key in ("method", "n_references", "seed", "on_missing", "unruled")}
        | {key: provenance[key] for key in ("wanted_stability", "control_variate") if key in provenance},
        "targets": {name: _checked(numbers) for name, numbers in numbers_of.items()},
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
