"""The stages that gather evidence for the motifs of a run folder: ``validation.tsv``, ``hits.tsv`` and ``hits.bed``.

Each records in ``run.json`` which motifs its table is about, so that `run_folder.read_run` never shows it with others.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2g_core.dna import Sequences, decode
from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import known_sha256
from l2g_interp.attributions.targets import choose_targets, prepare
from l2g_interp.effects.backgrounds import Backgrounds, draw_backgrounds, draw_rows
from l2g_interp.effects.validate import CONFIDENCE, RESAMPLES, ValidateOptions, validate_in_turn
from l2g_interp.models import OpenModel, open_model
from l2g_interp.motifs.naming import names_of
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Effect, Pattern, Seqlets
from l2g_interp.run_folder import (
    attributions_of,
    evidence_stamp,
    known_matches,
    motifs_sha256,
    read_all_patterns,
    record,
)
from motif_db.motif import Motif

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)


def validate_files(
    spec: str | Sequence[str],
    folder: Path,
    output: Path,
    options: ValidateOptions,
    *,
    device: str | None = None,
    other_model: bool = False,
    randomised: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> list[Effect]:
    """Plant every pattern of a run folder into shuffled backgrounds, and write its effects on predictions to a table.

    Parameters
    ----------
    spec
        The model or its folds, as for `open_model`; it must be the one that the run was attributed with.
    folder
        The run folder.
    output
        The TSV to write.
    other_model
        Warn about another model instead of refusing it.
    randomised
        Also compare the contributions with those of the same network with randomised weights.
    overwrite
        Replace what other settings left in ``output`` (the rule of `l2g_core.runs.identity`).

    Returns
    -------
    An effect per pattern, target and number of copies, in units of the model's output.

    Raises
    ------
    InputError
        No motifs in the folder, another model, or sequences in which no pattern has room.
    """
    options.check()
    found = read_all_patterns(folder)
    patterns = [p for of_target in found.values() for p in of_target]
    path = attributions_of(folder)
    model, names, backgrounds, provenance = open_for_planting(
        spec, path, options.n_backgrounds, options.seed, device, other_model
    )
    called = {key: name for key, (name, _) in names_of(known_matches(folder, found)).items()}
    content = {
        "motifs": motifs_sha256(found), "names": sorted([*key, name] for key, name in called.items()),
        "randomised": randomised, **planted_by(path, model, options),
    }  # fmt: skip
    with claim(output, Identity("l2g-interp validate", content), [output], overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(output, Effect, "l2g-interp validate")
        others = [t for t in names if t in read_overview(path).by_target]
        in_turn = validate_in_turn(model.module, names, patterns, backgrounds, options, others, shown)
        each = list(zip(patterns, in_turn, strict=True))
        effects = [
            replace(effect, name=called.get((pattern.target, pattern.name), ""))
            for pattern, (of_pattern, _) in each
            for effect in of_pattern
        ]
        if patterns and not effects:
            raise InputError(
                f"{path}: no pattern has room in enough sequences, so nothing was planted; use longer ones"
            )
        noted = provenance | asdict(options) | {
            "planted": "letters drawn from the trimmed PPM; as many copies on either strand; positions drawn",
            "control": "the same letters in another order of the columns, at the same places",
            "interval": f"{CONFIDENCE:.0%} percentile bootstrap over backgrounds, {RESAMPLES} resamples",
            "patterns": len(patterns),
            "effects": len(effects),
            "notes": {f"{pattern.target} {pattern.name}": said for pattern, (_, said) in each if said},
        }  # fmt: skip
        if randomised:
            from l2g_interp.effects.randomised import compare_with_randomised

            noted["randomised"] = compare_with_randomised(model.module, path, patterns, options.seed, shown)
        write_table(output, effects, Effect)
        record(output.parent, "validate", noted | evidence_stamp(output, found))
        log.info("planted %d patterns into %d backgrounds", len(patterns), len(backgrounds))
        return effects


def plant_files(
    spec: str | Sequence[str],
    folder: Path,
    motifs: Sequence[Motif],
    output: Path,
    options: ValidateOptions,
    *,
    device: str | None = None,
    other_model: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> list[Effect]:
    """Plant motifs of databases, whether the run found them or not, and write their effects on every target to a table.

    Parameters
    ----------
    spec, folder, output, other_model, overwrite
        As for `validate_files`.
    motifs
        The motifs to plant.

    Returns
    -------
    Effects as of `validate_files`, with database, id and label in place of the pattern's name.

    Raises
    ------
    InputError
        As `validate_files`.
    """
    options.check()
    path = attributions_of(folder)
    model, names, backgrounds, provenance = open_for_planting(
        spec, path, options.n_backgrounds, options.seed, device, other_model
    )
    targets = [t for t in names if t in read_overview(path).by_target]
    called = [motif_called(motif) for motif in motifs]
    content = {
        "motifs": [[motif_called(m), m.ppm.round(6).tolist()] for m in motifs],
        **planted_by(path, model, options),
    }
    with claim(output, Identity("l2g-interp plant", content), [output], overwrite=overwrite) as claimed:
        if claimed.finished:
            return read_table(output, Effect, "l2g-interp plant")
        patterns = [_as_pattern(motif, target) for motif in motifs for target in targets]
        in_turn = validate_in_turn(model.module, names, patterns, backgrounds, options, (), shown)
        effects = [effect for of_pattern, _ in in_turn for effect in of_pattern]
        write_table(output, effects, Effect)
        record(output.parent, "plant", provenance | asdict(options) | {"motifs": called})
        return effects


def planted_by(path: Path, model: OpenModel, options: DataclassInstance) -> dict[str, Any]:
    """What effects depend on besides the motifs; the batch size does not count."""
    settings = {name: value for name, value in asdict(options).items() if name != "batch_size"}
    return {"attributions": known_sha256(path), "model_fingerprint": model.fingerprint, "options": settings}


def _as_pattern(motif: Motif, target: str) -> Pattern:
    """A motif of a database as if it had been found; its PPM stands in for the CWM, so that flat ends are trimmed."""
    none = np.empty(0, dtype=np.int64)
    seqlets = Seqlets(none, none, none, none.astype(bool))
    return Pattern(target, motif_called(motif), "+", motif.ppm, motif.ppm, motif.ppm, seqlets)


def motif_called(motif: Motif) -> str:
    """Database, id and label: how tables call a motif that no run found."""
    return f"{motif.database} {motif.id} {motif.label or motif.name}".strip()


def open_for_planting(
    spec: str | Sequence[str], path: Path, n_backgrounds: int, seed: int, device: str | None, other_model: bool
) -> tuple[OpenModel, tuple[str, ...], Backgrounds, dict[str, Any]]:
    """The model opened as it was for the attributions, the names of its outputs, backgrounds, and what to record."""
    overview = read_overview(path)
    rows = draw_rows(len(overview.ids), n_backgrounds, seed).tolist()
    different = sorted(set(rows))
    some = read_attributions(path, list(overview.by_target)[:1], different)
    sequences = [decode(x, int(n)) for x, n in zip(some.one_hot, some.lengths, strict=True)]
    strands = overview.provenance.get("strands", "model")
    model = open_model(
        spec, Sequences(some.ids, sequences, str(path)), strands, device,
        output=overview.provenance.get("model_output"), layout=overview.provenance.get("layout"),
    )  # fmt: skip
    same = check_model(model, path, overview.provenance.get("model_fingerprint"), other_model)
    backgrounds = draw_backgrounds(some.one_hot[[different.index(row) for row in rows]], seed)
    module, names = prepare(model.module, backgrounds.one_hot)
    chosen = choose_targets(module, [*names, *(t for t in overview.by_target if t not in names)], names)
    noted = {"model": model.name, "model_fingerprint": model.fingerprint, "strands": strands, "model_of_the_run": same}
    return replace(model, module=chosen.network), tuple(chosen.names), backgrounds, noted


def check_model(model: OpenModel, path: Path, expected: str | None, other_model: bool) -> bool:
    """Whether this is the model of the attributions; another is refused, or warned about if allowed."""
    if model.fingerprint == expected:
        return True
    of = f"were made with a model of fingerprint {expected[:12]}" if expected else "do not say which model made them"
    message = f"{path}: the attributions {of}, and {model.name} has {model.fingerprint[:12]}"
    if not other_model:
        raise InputError(f"{message}; give the model of the run, or --other-model to use this one anyway")
    log.warning("%s: the effects are those of a different model from the contributions'", message)
    return False
