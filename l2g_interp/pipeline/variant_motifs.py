"""The strongest variants, explained with the motifs of a run folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import progress
from l2g_core.errors import InputError
from l2g_interp.models import OpenModel
from l2g_interp.motifs.hits import QUANTILE, Calibration, calibrate
from l2g_interp.motifs.library import build_library
from l2g_interp.motifs.naming import names_of
from l2g_interp.pipeline.variant_scores import VariantWork, strongest
from l2g_interp.records.attributions_file import read_overview
from l2g_interp.records.types import Pattern
from l2g_interp.report.variants import AllelePair
from l2g_interp.run_folder import (
    attributions_of,
    known_matches,
    known_motifs,
    motifs_sha256,
    read_all_patterns,
    read_record,
)
from l2g_interp.variants.changes import CHROMOSOME
from l2g_interp.variants.motifs import PART, explain_alleles, in_words, motif_changes
from l2g_interp.variants.rows import MotifChange
from l2g_interp.variants.score import Placed, Scores

log = logging.getLogger(__name__)
METHOD = ("method", "n_references", "seed", "on_missing", "wanted_stability", "control_variate")


@dataclass(frozen=True)
class RunMotifs:
    """What is needed of a run folder: its motifs, how it was attributed, and what run.json says of its hits."""

    folder: Path
    patterns: dict[str, list[Pattern]]
    provenance: Mapping[str, Any]
    targets: list[str]
    hits: Mapping[str, Any]

    def calibration(self) -> Calibration:
        """What a hit must reach, as 'l2g-interp hits' measured it, or would."""
        matches, known = known_matches(self.folder, self.patterns), known_motifs(self.folder)
        if not known:
            log.warning("%s: no matches, so motifs have no names; run 'l2g-interp match' first", self.folder)
        every = [pattern for of_target in self.patterns.values() for pattern in of_target]
        floor = self.hits.get("floor")
        return calibrate(
            attributions_of(self.folder), build_library(every, known, names_of(matches)),
            floor=floor if isinstance(floor, float) else None, quantile=self.hits.get("quantile", QUANTILE),
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """How the run was attributed, as arguments of `l2g_interp.attribute`."""
        p = self.provenance
        return {
            "method": p["method"], "n_references": p["n_references"], "stability": p.get("wanted_stability"),
            "control_variate": bool(p.get("control_variate")), "on_missing": p.get("on_missing", "raise"),
        }  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """What the result depends on."""
        named = names_of(known_matches(self.folder, self.patterns))
        return {
            "motifs": motifs_sha256(self.patterns), "names": sorted([*key, *name] for key, name in named.items()),
            "run": {key: self.provenance.get(key) for key in METHOD},
            "hits": {key: self.hits.get(key) for key in ("floor", "quantile")},
        }  # fmt: skip

    def check_model(self, model: OpenModel) -> None:
        """Refuse a model other than the run's (InputError)."""
        expected = self.provenance.get("model_fingerprint")
        if model.fingerprint != expected:
            raise InputError(
                f"{self.folder}: made with a model of fingerprint {str(expected)[:12]}, and {model.name} has "
                f"{model.fingerprint[:12]}; give the model of the run, or leave --run out"
            )


@dataclass
class MadeOrBroken:
    """Of the strongest variants: rows, words by the variant's number and target, and what to draw."""

    numbers: list[int]
    changes: list[MotifChange] = field(default_factory=list)
    words: dict[tuple[int, str], str] = field(default_factory=dict)
    pairs: dict[int, AllelePair] = field(default_factory=dict)


def motifs_of_run(folder: Path) -> RunMotifs:
    """The motifs of a run folder.

    Raises
    ------
    InputError
        It has none.
    """
    overview = read_overview(attributions_of(folder))
    hits = read_record(folder).get("steps", {}).get("hits", {})
    return RunMotifs(folder, read_all_patterns(folder), overview.provenance, list(overview.by_target), hits)


def make_or_break(work: VariantWork, motifs: RunMotifs | None, scores: Scores, most: int, shown: bool) -> MadeOrBroken:
    """Explain both alleles of the strongest variants, and tell the motifs that they make or break."""
    broken = MadeOrBroken(strongest(scores.difference, most))
    if motifs is None or not broken.numbers:
        return broken
    placed = _some(work, broken.numbers)
    calibration, settings = motifs.calibration(), {**motifs.settings(), "batch_size": work.scoring.batch_size}
    parts = explain_alleles(
        work.network, motifs.targets, placed, settings, motifs.provenance["seed"] or 0, work.scoring.padded
    )  # fmt: skip
    steps = -(-len(placed) // PART)
    for number, part in enumerate(progress(parts, f"explaining both alleles ({PART} variants a part)", steps, shown)):
        here = slice(number * PART, (number + 1) * PART)
        numbers = broken.numbers[here]
        differences = scores.difference[numbers]
        found, hits = motif_changes(part, calibration, placed[here], differences, work.targets)
        for row, (i, each) in enumerate(zip(numbers, placed[here], strict=True)):
            for target in work.targets:
                told = found.get((row, target), [])
                broken.changes += told
                broken.words[i, target] = in_words(told) or "no motif"
            target = work.targets[int(np.abs(differences[row]).argmax())]
            if target in part.reference.by_target:
                broken.pairs[i] = AllelePair.of(target, each, part, row, hits, work.letters.what == CHROMOSOME)
    return broken


def _some(work: VariantWork, numbers: list[int]) -> list[Placed]:
    """The variants of these numbers, in this order."""
    wanted = set(numbers)
    found = {i: each for i, each in enumerate(work.placed()) if i in wanted}
    return [found[i] for i in numbers]
