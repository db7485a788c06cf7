"""The stage that plants every two motifs of a run side by side: ``pairs.tsv``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_interp.effects.interactions import measured
from l2g_interp.effects.pairs import PairOptions, as_rows, make_design
from l2g_interp.effects.validate import CONFIDENCE, RESAMPLES
from l2g_interp.motifs.library import Entry, build_library
from l2g_interp.motifs.matrices import informative_span
from l2g_interp.motifs.naming import names_of, plain_name
from l2g_interp.pipeline.effects import motif_called, open_for_planting, planted_by
from l2g_interp.records.attributions_file import read_overview
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import PairEffect, Pattern
from l2g_interp.run_folder import PAIRS, attributions_of, evidence_stamp, known_matches, read_all_patterns, record
from motif_db.motif import Motif

log = logging.getLogger(__name__)
MOST = 10  # motifs that are planted without being asked for: the number of pairs grows quadratically


def pair_files(
    spec: str | Sequence[str],
    folder: Path,
    output: Path,
    options: PairOptions,
    *,
    patterns: Sequence[str] = (),
    motifs: Sequence[Motif] = (),
    most: int = MOST,
    device: str | None = None,
    other_model: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> list[PairEffect]:
    """Plant every two motifs of a run side by side, and write what they do beyond the sum of each alone to a table.

    Parameters
    ----------
    spec
        The model or its folds, as for `open_model`; it must be the one that the run was attributed with.
    folder
        The run folder.
    output
        The TSV to write; beside it lies a journal until it is finished, from which ``resume`` goes on.
    patterns
        Which motifs of the run: by name (``AP-1``), number (``pattern 3``) or ``target/pos_patterns.pattern_3``.
    motifs
        Motifs of databases to plant instead of the run's, or beside those of ``patterns``.
    most
        Without either, the motifs with the most seqlets, this many at most.
    other_model
        Warn about another model instead of refusing it.
    resume, overwrite
        What to do if ``output`` holds unfinished or other work (the rule of `l2g_core.runs.identity`).

    Returns
    -------
    A row per pair, orientation, spacing and target, also of each motif with itself.

    Raises
    ------
    InputError
        No motifs in the folder, none of a name that is asked for, another model, or no room for any spacing.
    """
    options.check()
    path = attributions_of(folder)
    found = read_all_patterns(folder) if patterns or not motifs else {}
    matrices, names = _of_run(folder, found, patterns, most)
    matrices |= {motif_called(m): m.ppm[:, slice(*informative_span(m.ppm))] for m in motifs}
    if empty := [name for name, ppm in matrices.items() if not ppm.shape[1]]:
        raise InputError(f"{empty[0]}: its matrix is flat, so there is nothing to plant; leave it out")
    model, outputs, backgrounds, provenance = open_for_planting(
        spec, path, options.n_backgrounds, options.seed, device, other_model
    )
    explained = read_overview(path).by_target
    targets = {name: column for column, name in enumerate(outputs) if name in explained}
    content = {
        "motifs": [[name, names.get(name, ""), ppm.round(6).tolist()] for name, ppm in matrices.items()],
        **planted_by(path, model, options),
    }  # fmt: skip
    identity = Identity("l2g-interp pairs", content)
    journal = Journal(output.with_name(output.name + ".journal"), identity)
    with claim(output, identity, [output], partial=[journal.path], resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(output, PairEffect, "l2g-interp pairs")
        design = make_design(matrices, targets, backgrounds, options, str(path))
        done = journal.start(resume=claimed.resumed)
        made = measured(model.module, design, options.scale, options.seed, options.batch_size, done=done, shown=shown)
        for i, numbers in enumerate(made, done):
            journal.append(range(i, i + 1), {"numbers": numbers[None]})
        numbers = [part["numbers"][0] for part in journal.records()]
        rows = as_rows(design, numbers, names)
        write_table(output, rows, PairEffect)
        noted = provenance | asdict(options) | {
            "spacings": design.spacings,
            "motifs": list(matrices),
            "pairs": len(design.pairs),
            "tested": len(rows),
            "kinds": {kind: sum(row.kind == kind for row in rows) for kind in sorted({row.kind for row in rows})},
            "control": "the same letters with the columns of one partner in another order, at the same places",
            "interval": f"{CONFIDENCE:.0%} percentile bootstrap over backgrounds, {RESAMPLES} resamples",
            "test": "Wilcoxon's signed-rank test of the excess, two-sided; Benjamini-Hochberg over all rows",
        }  # fmt: skip
        stamp = evidence_stamp(output, found) if found else {}
        record(output.parent, "pairs" if output.name == PAIRS else f"pairs in {output.name}", noted | stamp)
        journal.path.unlink()
        log.info(
            "planted %d pairs of %d motifs into %d backgrounds", len(design.pairs), len(matrices), len(design.places)
        )
        return rows


def _of_run(
    folder: Path, found: Mapping[str, list[Pattern]], wanted: Sequence[str], most: int
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Trimmed PPMs of the run's motifs, each once, by ``target/pattern``, and what people call them."""
    if not found:
        return {}, {}
    called = names_of(known_matches(folder, dict(found)))
    entries = build_library([p for mine in found.values() for p in mine], (), called)
    if not entries:
        raise InputError(f"{folder}: the run found no motif, so there is nothing to plant; name some with --motif")
    if wanted:
        entries = _chosen(folder, entries, wanted)
    elif len(entries) > most:
        log.warning(
            "%d motifs: the %d with the most seqlets are planted; choose others by --pattern, or more by --most",
            len(entries), most,
        )  # fmt: skip
        entries = entries[:most]
    named = {entry.label(""): entry for entry in entries}
    return {key: entry.patterns[0].ppm for key, entry in named.items()}, {
        key: entry.name for key, entry in named.items()
    }


def _chosen(folder: Path, entries: Sequence[Entry], wanted: Sequence[str]) -> list[Entry]:
    """The entries that have one of these names, in their order.

    Raises
    ------
    InputError
        A name is none's; the message lists those that there are.
    """
    chosen: list[Entry] = []
    for name in wanted:
        mine = [entry for entry in entries if name.casefold() in _names(entry)]
        if not mine:
            there = ", ".join(f"{e.label('')}{f' ({e.name})' * bool(e.name)}" for e in entries[:MOST])
            raise InputError(f"{folder}: no motif of the run is called {name!r}; it has {there}")
        chosen += mine
    return [entry for entry in entries if any(entry is other for other in chosen)]


def _names(entry: Entry) -> set[str]:
    """What one may type for it, in small letters: with or without the gene in brackets."""
    of_patterns = {text for p in entry.patterns for text in (p.name, f"{p.target}/{p.name}", plain_name(p))}
    return {text.casefold() for text in {entry.name, entry.name.partition(" (")[0], *of_patterns} if text}
