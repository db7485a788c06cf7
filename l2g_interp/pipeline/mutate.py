"""Saturation mutagenesis as a stage on files: ``mutations.h5``, ``mutations.tsv``, ``mutations.sequences.tsv``."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import out_of_memory_explained, progress
from l2g_core.dna import Sequences, decode, one_hot
from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_interp.attributions.single_changes import REFUSED, Arrays, as_mutations, changes_of, computed, contributions_of
from l2g_interp.attributions.targets import Chosen, choose_targets, prepare
from l2g_interp.models import OpenModel, open_model
from l2g_interp.pipeline.effects import check_model
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.mutations import (
    MADE_BY,
    MutatedRow,
    Mutations,
    mutated_rows,
    write_changes,
    write_mutations,
)
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Attributions, Overview
from l2g_interp.run_folder import attributions_of, command, record, versions

log = logging.getLogger(__name__)
STRONGEST = 10  # sequences of each target, where none are asked for


@dataclass(frozen=True)
class MutateOptions:
    """How to change the bases.

    Attributes
    ----------
    targets
        Names of outputs; those of the run, or all, when None.
    strands
        ``model``, ``forward`` or ``both``; with a run, as the run.
    windows
        Compute again only what a change affects, where that is exact.
    batch_size
        Changes per forward pass; None for a size that fits most memories.
    """

    targets: tuple[str, ...] | None = None
    strands: str = "model"
    windows: bool = True
    batch_size: int | None = None


@dataclass(frozen=True)
class ToMutate:
    """Sequences to change; ``attributions``: their contributions, where a run has them, row by row."""

    data: Sequences
    attributions: Attributions | None = None
    overview: Overview | None = None
    path: Path | None = None

    @property
    def provenance(self) -> dict[str, Any]:
        return self.overview.provenance if self.overview else {}


@dataclass(frozen=True)
class Opened:
    """A model, the sequences as it takes them ``(n, 4, length)``, and the targets."""

    model: OpenModel
    codes: np.ndarray
    chosen: Chosen
    strands: str


def of_run(folder: Path, sequences: Sequence[str] = (), strongest: int = STRONGEST) -> ToMutate:
    """The chosen sequences of a run, or those with the highest prediction for each target.

    Parameters
    ----------
    sequences
        Ids.
    strongest
        How many of each target, where no ids are given.

    Raises
    ------
    InputError
        The run has no such sequence.
    """
    path = attributions_of(folder)
    overview = read_overview(path)
    numbers = {name: row for row, name in enumerate(overview.ids)}
    if missing := [name for name in sequences if name not in numbers]:
        raise InputError(f"{path}: no sequence {missing[0]!r}; give the id of one that was explained")
    tops = (np.argsort(-of["prediction"], kind="stable")[:strongest] for of in overview.by_target.values())
    rows = sorted({numbers[name] for name in sequences} or {int(row) for top in tops for row in top})
    some = read_attributions(path, rows=rows)
    letters = [decode(x, int(n)) for x, n in zip(some.one_hot, some.lengths, strict=True)]
    return ToMutate(Sequences(some.ids, letters, str(path), some.coordinates), some, overview, path)


def model_of_run(provenance: dict[str, Any], path: Path | None) -> list[str]:
    """The model that a run was made with, if it is a folder here; its record is never run, nor fetched.

    Raises
    ------
    InputError
        It is not.
    """
    specs = str(provenance.get("model", "")).split(", ")
    if not all(spec and Path(spec).is_dir() for spec in specs):
        named = ", ".join(specs) or "unknown"
        raise InputError(f"{path}: the run's model ({named}) is not a folder here; give --model")
    return specs


def mutate_file(
    spec: str | Sequence[str],
    wanted: ToMutate,
    output: Path,
    options: MutateOptions,
    *,
    model_output: str | None = None,
    layout: str | None = None,
    device: str | None = None,
    other_model: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> list[MutatedRow]:
    """Change every base of some sequences to every other, and write what that does to the predictions.

    Beside ``output`` (HDF5) lie a table of all changes and one of the sequences, of the same name with ``.tsv`` and
    ``.sequences.tsv``. Every sequence is flushed to disk before the next; its table is not kept in memory.

    Parameters
    ----------
    spec
        The model or its folds, as for `open_model`; with a run, empty for the run's own.
    model_output, layout
        As for `open_model`; with a run, those of the run.
    other_model
        Warn about another model than the run's instead of refusing it.
    resume, overwrite
        What to do if ``output`` holds unfinished or other work (the rule of `l2g_core.runs.identity`).

    Returns
    -------
    A row per sequence and target: the strongest loss and gain, and the agreement with the contributions.

    Raises
    ------
    InputError
        A target is unknown, the model is not the run's, ``output`` holds other work, or memory runs out.
    """
    how = {"model_output": model_output, "layout": layout, "device": device, "other_model": other_model}
    opened = open_to_mutate(spec, wanted, options, **how)
    identity = Identity(MADE_BY, _content(opened, wanted, options))
    journal = Journal(output.with_name(output.name + ".journal"), identity)
    changes, rows = (output.with_suffix(end) for end in (".tsv", ".sequences.tsv"))
    files = [output, changes, rows]
    with claim(output, identity, files, partial=[journal.path], resume=resume, overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(rows, MutatedRow, MADE_BY)
        done = journal.start(resume=claimed.resumed)
        each, total = _each(opened, wanted, options, done), len(opened.codes)
        with out_of_memory_explained("--batch-size"):
            for row, arrays in enumerate(progress(each, "changing every base (sequences)", total, shown, done), done):
                journal.append(range(row, row + 1), arrays)
        refused = [str(part[REFUSED][0]) for part in journal.records()]
        provenance = _provenance(opened, wanted, identity.content, refused)
        write_mutations(output, _parts(journal.records(), opened, wanted, provenance), total)
        write_changes(changes, _parts(journal.records(), opened, wanted, provenance))
        summary = [row for p in _parts(journal.records(), opened, wanted, provenance) for row in mutated_rows(p)]
        write_table(rows, summary, MutatedRow)
        record(output.parent, "mutate", provenance)
        journal.path.unlink()
        _tell(summary, provenance)
        return summary


def open_to_mutate(
    spec: str | Sequence[str],
    wanted: ToMutate,
    options: MutateOptions,
    *,
    model_output: str | None = None,
    layout: str | None = None,
    device: str | None = None,
    other_model: bool = False,
) -> Opened:
    """The model, opened as for the run if there is one; parameters and errors as of `mutate_file`."""
    noted, data = wanted.provenance, wanted.data
    strands = noted.get("strands", "model") if options.strands == "model" else options.strands
    model = open_model(
        spec or model_of_run(noted, wanted.path), data, strands, device,
        output=model_output or noted.get("model_output"), layout=layout or noted.get("layout"),
    )  # fmt: skip
    if wanted.path is not None:
        check_model(model, wanted.path, noted.get("model_fingerprint"), other_model)
    codes = one_hot(data.sequences, model.length)
    module, names = prepare(model.module, codes)
    asked = options.targets or (list(wanted.overview.by_target) if wanted.overview else None)
    return Opened(model, codes, choose_targets(module, asked, names), strands)


def mutate(opened: Opened, wanted: ToMutate, options: MutateOptions) -> Mutations:
    """What every single change of one sequence does, in memory."""
    arrays = list(_each(opened, wanted, options))
    provenance = _provenance(opened, wanted, _content(opened, wanted, options), [str(arrays[0][REFUSED][0])])
    return next(_parts(arrays, opened, wanted, provenance))


def _content(opened: Opened, wanted: ToMutate, options: MutateOptions) -> dict[str, Any]:
    """What the result depends on; the batch size does not count."""
    digest = hashlib.sha256(opened.codes.tobytes() + "\n".join(wanted.data.ids).encode())
    if wanted.attributions is not None:
        for name in wanted.attributions.targets:
            digest.update(np.ascontiguousarray(wanted.attributions[name].hypothetical).tobytes())
    return {
        "model_fingerprint": opened.model.fingerprint, "sequences_sha256": digest.hexdigest(),
        "targets": opened.chosen.names, "strands": opened.strands, "windows": options.windows, **opened.model.noted,
    }  # fmt: skip


def _each(opened: Opened, wanted: ToMutate, options: MutateOptions, start: int = 0) -> Iterator[Arrays]:
    for row, x in enumerate(opened.codes[start:], start):
        known = contributions_of(wanted.attributions, row)
        yield changes_of(opened.chosen, x, known, options.batch_size, options.windows)


def _parts(
    records: Iterable[Arrays], opened: Opened, wanted: ToMutate, provenance: dict[str, Any]
) -> Iterator[Mutations]:
    """Sequence by sequence."""
    data = wanted.data
    for row, arrays in enumerate(records):
        here, lengths = slice(row, row + 1), np.array([len(data.sequences[row])], dtype=np.int32)
        places = None if data.intervals is None else data.intervals[here]
        codes, targets = opened.codes[here], opened.chosen.names
        yield as_mutations(arrays, data.ids[here], codes, lengths, targets, places, provenance)


def _provenance(opened: Opened, wanted: ToMutate, content: Mapping[str, Any], refused: Sequence[str]) -> dict[str, Any]:
    return {
        "model": opened.model.name, "sequences": wanted.data.source, "n_sequences": len(wanted.data), **content,
        **computed(refused), "versions": versions(), "command": command(),
    }  # fmt: skip


def _tell(summary: Sequence[MutatedRow], provenance: Mapping[str, Any]) -> None:
    log.info("%d sequences: %s", provenance["n_sequences"], provenance["computed"])
    for target in dict.fromkeys(row.target for row in summary):
        known = [row.pearson for row in summary if row.target == target and np.isfinite(row.pearson)]
        if known:
            log.info(
                "%s: single changes and contributions correlate along a sequence, median r %.2f (%.2f to %.2f)",
                target, float(np.median(known)), min(known), max(known),
            )  # fmt: skip
