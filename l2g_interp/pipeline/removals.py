"""The stage that takes the hits of each motif out of the run's own sequences: ``removals.tsv``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_interp.effects.losses import measured
from l2g_interp.effects.removals import RemoveOptions, as_rows, plan
from l2g_interp.effects.validate import CONFIDENCE, RESAMPLES
from l2g_interp.pipeline.effects import open_for_planting, planted_by
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Removal
from l2g_interp.run_folder import (
    HITS,
    REMOVALS,
    attributions_of,
    evidence_stamp,
    known_motifs,
    read_all_patterns,
    read_evidence,
    record,
)

log = logging.getLogger(__name__)


def remove_files(
    spec: str | Sequence[str],
    folder: Path,
    output: Path,
    options: RemoveOptions,
    *,
    device: str | None = None,
    other_model: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> list[Removal]:
    """Replace the hits of each motif of a run by background letters, and write what the prediction loses to a table.

    Parameters
    ----------
    spec
        The model or its folds, as for `open_model`; it must be the one that the run was attributed with.
    folder
        The run folder; its hits must be of the motifs that are there now.
    output
        The TSV to write; beside it lies a journal until it is finished, from which ``resume`` goes on.
    other_model
        Warn about another model instead of refusing it.
    resume, overwrite
        What to do if ``output`` holds unfinished or other work (the rule of `l2g_core.runs.identity`).

    Returns
    -------
    A row per target and motif, and one for all named hits and all hits at once (see `remove_hits`).

    Raises
    ------
    InputError
        There are no hits, none in enough sequences, or another model.
    """
    options.check()
    path, found = attributions_of(folder), read_all_patterns(folder)
    hits = read_evidence(folder, found)["hits"]
    if not hits:
        raise InputError(
            f"{folder / HITS}: no hits of the motifs here; make them with 'l2g-interp hits --run {folder}'"
        )
    model, names, _, provenance = open_for_planting(spec, path, 1, options.seed, device, other_model)
    of_hits = file_sha256(folder / HITS)
    content = {"hits": of_hits, **planted_by(path, model, options)}
    identity = Identity("l2g-interp remove", content)
    journal = Journal(output.with_name(output.name + ".journal"), identity)
    with claim(output, identity, [output], partial=[journal.path], resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(output, Removal, "l2g-interp remove")
        motifs = {(motif.database, motif.id): motif.ppm for motif in known_motifs(folder)}
        units = plan(hits, [p for mine in found.values() for p in mine], motifs, options)
        if not units:
            raise InputError(f"{folder / HITS}: no motif has hits in 10 sequences or more, so nothing can be told")
        before = {t: of["reference_prediction"] for t, of in read_overview(path).by_target.items()}
        first = list(before)[:1]
        done = journal.start(resume=claimed.resumed)
        numbers = measured(
            model.module, names, units, lambda rows: read_attributions(path, first, rows).one_hot, before,
            options.n_draws, options.seed, options.batch_size, done=done, shown=shown,
        )  # fmt: skip
        for i, values in enumerate(numbers, done):
            journal.append(range(i, i + 1), {"numbers": values[None]})
        rows = as_rows(units, [part["numbers"][0] for part in journal.records()])
        write_table(output, rows, Removal)
        step = "remove" if output.name == REMOVALS else f"remove in {output.name}"
        record(output.parent, step, provenance | asdict(options) | {
            "replaced by": "what stands there in dinucleotide shuffles of the sequence; drawn again where it reads as "
            "the motif",
            "control": "equally long stretches of the same sequence outside any hit, replaced in the same way",
            "interval": f"{CONFIDENCE:.0%} percentile bootstrap over sequences, {RESAMPLES} resamples",
            "removals": len(rows),
            "hits_sha256": of_hits,
        } | evidence_stamp(output, found))  # fmt: skip
        journal.path.unlink()
        log.info("removed the hits of %d motifs", len(rows))
        return rows
