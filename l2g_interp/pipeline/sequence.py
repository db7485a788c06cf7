"""The page of one sequence as a stage on files: of a run, or explained now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.dna import Sequences
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import known_sha256
from l2g_interp.attributions.attribute import attribute
from l2g_interp.motifs.hits import find_hits
from l2g_interp.pipeline.mutate import MutateOptions, Opened, ToMutate, mutate, of_run, open_to_mutate
from l2g_interp.pipeline.variant_motifs import RunMotifs, motifs_of_run
from l2g_interp.records.mutations import Mutations, read_mutated, read_mutations
from l2g_interp.records.observed import measured_values
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Attributions, Hit, check_targets
from l2g_interp.report.enhancer import Enhancer, write_enhancer_page
from l2g_interp.run_folder import (
    HITS,
    command,
    known_mutations,
    read_all_patterns,
    read_evidence,
    read_record,
)
from l2g_interp.variants.rows import VariantEffect, in_region

log = logging.getLogger(__name__)
VARIANTS = "variants.tsv"


@dataclass(frozen=True)
class PageOptions:
    """What the page of a sequence is made of.

    Attributes
    ----------
    variants
        A table of 'l2g-interp variants', or the folder that has it.
    observed
        Measured values: a TSV with a column ``id`` and one per target.
    n_references, seed
        Of shuffles, for a sequence that is of no run.
    """

    variants: Path | None = None
    observed: Path | None = None
    n_references: int = 100
    seed: int = 0


def sequence_file(
    spec: str | Sequence[str],
    output: Path,
    options: PageOptions,
    mutation: MutateOptions,
    *,
    run: Path | None = None,
    sequence: str | None = None,
    data: Sequences | None = None,
    overwrite: bool = False,
    **how: Any,
) -> Path:
    """Write the page of one sequence; returns ``output``.

    Parameters
    ----------
    spec
        The model or its folds; empty for the run's own, which is opened only where ``mutations.h5`` of the run lacks
        the sequence.
    mutation
        How to find out what single changes do.
    run
        A run folder: of the sequence, or, with ``data``, one whose motifs are looked for.
    sequence
        The id of one of the run, or of ``data``.
    data
        Sequences that are of no run; one, or that of the id.
    how
        ``model_output``, ``layout``, ``device``, ``other_model``, as for `mutate_file`.

    Raises
    ------
    InputError
        There is no such sequence, the model is not the run's, or ``output`` holds other work.
    """
    if data is not None:
        wanted = ToMutate(_one(data, sequence))
    elif run is not None and sequence is not None:
        wanted = of_run(run, [sequence])
    else:
        raise InputError("give --run and --sequence, or --model and --fasta")
    variants = _table(options.variants)
    content = {
        "id": wanted.data.ids[0], "letters": wanted.data.sequences[0], "targets": mutation.targets,
        "model_fingerprint": wanted.provenance.get("model_fingerprint"), "model": list(spec),
        "strands": mutation.strands, "references": options.n_references, "seed": options.seed,
        "tables": {path.name: known_sha256(path) for path in _tables(run)},
        "variants": None if variants is None else file_sha256(variants),
        "observed": None if options.observed is None else file_sha256(options.observed),
    }  # fmt: skip
    with claim(output, Identity("l2g-interp sequence", content), [output], overwrite=overwrite) as claimed:
        if claimed.finished:
            return output
        if wanted.attributions is None:
            enhancer, noted = _explained(spec, wanted, options, mutation, run, how)
        else:
            assert run is not None
            enhancer, noted = _of_run(spec, wanted, mutation, run, how)
        enhancer = replace(
            enhancer,
            measured=_measured(options.observed, enhancer),
            variants=None if variants is None else _lying_in(variants, enhancer),
        )
        return write_enhancer_page(output, enhancer, noted, command())


def _one(data: Sequences, sequence: str | None) -> Sequences:
    if sequence is None and len(data) > 1:
        raise InputError(f"{data.source}: has {len(data):,} sequences; choose one by --sequence")
    if sequence is not None and sequence not in data.ids:
        raise InputError(f"{data.source}: no sequence {sequence!r}; give the id of one that is in it")
    return data.subset([0 if sequence is None else data.ids.index(sequence)])


def _tables(run: Path | None) -> list[Path]:
    """What of a run the page depends on besides the attributions."""
    return [path for path in (run / HITS, run / "mutations.h5") if path.exists()] if run else []


def _of_run(
    spec: str | Sequence[str], wanted: ToMutate, mutation: MutateOptions, run: Path, how: dict[str, Any]
) -> tuple[Enhancer, dict[str, Any]]:
    """A sequence of a run: contributions and hits are there, and the single changes may be."""
    assert wanted.attributions is not None
    assert wanted.overview is not None
    assert wanted.path is not None
    name, by_target = wanted.data.ids[0], wanted.overview.by_target
    check_targets(mutation.targets or (), list(by_target), str(wanted.path))
    row = wanted.overview.ids.index(name)
    known = known_mutations(run, wanted.path)
    mutations = _known(known, name, mutation, list(by_target)) if known else None
    if mutations is None:
        mutations = mutate(open_to_mutate(spec, wanted, mutation, **how), wanted, mutation)
    evidence = read_evidence(run, read_all_patterns(run))
    hits: list[Hit] = [hit for hit in evidence["hits"] if hit.row == row]
    ranks = {
        t: (1 + int((of["prediction"] > of["prediction"][row]).sum()), len(wanted.overview.ids))
        for t, of in by_target.items()
    }
    recorded = read_record(run).get("steps", {}).get("hits", {})
    note = "" if evidence["hits"] else "The run has no hits, so no sites are shown: run 'l2g-interp hits'."
    return (
        Enhancer(wanted.attributions, mutations, hits, ranks, wrong=_rates(recorded), note=note),
        _noted(mutations, {"Run": str(run), "Contributions": _settings(wanted.provenance)}),
    )


def _known(path: Path, name: str, mutation: MutateOptions, targets: list[str]) -> Mutations | None:
    """The single changes of the sequence, if the run has them for all targets asked for."""
    ids, there = read_mutated(path)
    wanted = list(mutation.targets or targets)
    if name not in ids or set(wanted) - set(there):
        return None
    return read_mutations(path, wanted, [name])


def _explained(
    spec: str | Sequence[str],
    wanted: ToMutate,
    options: PageOptions,
    mutation: MutateOptions,
    run: Path | None,
    how: dict[str, Any],
) -> tuple[Enhancer, dict[str, Any]]:
    """A sequence of no run is explained as those of the run are, if there is one, and its motifs are looked for."""
    motifs = motifs_of_run(run) if run else None
    if motifs:
        noted = motifs.provenance
        how = {**how, "model_output": how.get("model_output") or noted.get("model_output")}
        how["layout"] = how.get("layout") or noted.get("layout")
        strands = noted.get("strands", "model") if mutation.strands == "model" else mutation.strands
        mutation = replace(mutation, strands=strands, targets=mutation.targets or tuple(motifs.targets))
    opened = open_to_mutate(spec, wanted, mutation, **how)
    if motifs:
        motifs.check_model(opened.model)
    found = _attributed(opened, wanted, options, motifs)
    mutations = mutate(opened, replace(wanted, attributions=found), mutation)
    hits = [hit for part in find_hits(found, motifs.calibration()) for hit in part] if motifs else []
    note = "" if motifs else "No sites are shown, because no run was given whose motifs to look for (--run)."
    noted = {"Motifs of": str(run)} if run else {}
    return (
        Enhancer(found, mutations, hits, wrong=_rates(motifs.hits) if motifs else {}, note=note),
        _noted(mutations, {**noted, "Contributions": _settings(found.provenance)}),
    )


def _attributed(opened: Opened, wanted: ToMutate, options: PageOptions, motifs: RunMotifs | None) -> Attributions:
    settings: dict[str, Any] = {"n_references": options.n_references, "seed": options.seed}
    if motifs:
        settings = {**motifs.settings(), "seed": motifs.provenance.get("seed") or 0}
    data = wanted.data
    found = attribute(opened.model.module, opened.codes, targets=opened.chosen.names, ids=data.ids, **settings)
    lengths = np.array([len(s) for s in data.sequences], dtype=np.int32)
    return replace(found, lengths=lengths, coordinates=data.intervals)


def _rates(recorded: Any) -> dict[str, float]:
    rates = recorded.get("missing_named_wrong", {}) if recorded else {}
    return {target: rate for target, rate in rates.items() if rate is not None}


def _settings(provenance: Any) -> str:
    return f"{provenance.get('method')}, {provenance.get('n_references')} references, seed {provenance.get('seed')}"


def _noted(mutations: Mutations, more: dict[str, Any]) -> dict[str, Any]:
    made = mutations.provenance
    return {
        "Model": made.get("model"), "Fingerprint": made.get("model_fingerprint"), "Strands": made.get("strands"),
        **more, "Single changes": _how_computed(made),
    }  # fmt: skip


def _how_computed(made: dict[str, Any]) -> str:
    reasons = "; ".join(made.get("not_by_windows", []))
    return f"by plain batches: {reasons}" if reasons else f"only what each affects; {made.get('checked')} agree"


def _table(path: Path | None) -> Path | None:
    """The table of scored variants, which may be named by its folder."""
    return path / VARIANTS if path is not None and path.is_dir() else path


def _lying_in(table: Path, enhancer: Enhancer) -> list[VariantEffect]:
    """The scored variants in the sequence: by its id, or by its place."""
    rows = read_table(table, VariantEffect, "l2g-interp variants")
    found = in_region(rows, enhancer.id, 0, enhancer.length)
    place = enhancer.place
    if place is not None:
        found += [row for row in in_region(rows, place.chrom, place.start, place.end) if row not in found]
    return found


def _measured(path: Path | None, enhancer: Enhancer) -> dict[str, float]:
    if path is None:
        return {}
    values = measured_values(path, [enhancer.id], list(enhancer.mutations.targets), "this page")
    return {target: float(of_target[0]) for target, of_target in values.items()}
