"""Scored variants as files: tables, an annotated VCF and the page of the strongest; and what was not scored, told."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from l2g_interp.pipeline.variant_motifs import MadeOrBroken, RunMotifs
from l2g_interp.pipeline.variant_scores import VariantWork
from l2g_interp.records.tables import cell, write_table
from l2g_interp.report.variants import write_variants_page
from l2g_interp.run_folder import command
from l2g_interp.variants.rows import MotifChange, NotScored, VariantEffect
from l2g_interp.variants.score import Scores, effects_of, not_scored, q_values
from l2g_interp.variants.vcf import Field, annotate_vcf

log = logging.getLogger(__name__)
TABLE, LEFT_OUT, MADE_OR_BROKEN, ANNOTATED, PAGE = (
    "variants.tsv", "not_scored.tsv", "motif_changes.tsv", "variants.vcf", "variants.html",
)  # fmt: skip
LISTED = 5  # variants that are named in a message
USUAL_Q = 0.05
MANY = 0.1  # of the alleles: the reference is perhaps another one
FIELDS = {  # of the annotated VCF, for each target
    "REF": ("reference", "Prediction with the reference allele"),
    "ALT": ("alternative", "Prediction with the alternative allele"),
    "DIFF": ("difference", "Prediction with the alternative allele less that with the reference allele"),
    "EDGE": ("edge", "Half of what the difference changes with which end of the window is fixed"),
    "P": ("p_value", "Share of random changes of the same kind in the same window that move the prediction as much"),
    "Q": ("q_value", "Benjamini-Hochberg of these over the file"),
    "MOTIF": ("motifs", "Motifs made or broken; of the strongest variants"),
}


def files_of(vcf: Path | None, motifs: RunMotifs | None) -> list[str]:
    """The names of the files that are written."""
    return [TABLE, LEFT_OUT, PAGE, *([ANNOTATED] if vcf else []), *([MADE_OR_BROKEN] if motifs else [])]


def write_files(
    output: Path,
    work: VariantWork,
    scores: Scores,
    broken: MadeOrBroken,
    vcf: Path | None,
    motifs: RunMotifs | None,
    noted: Mapping[str, Any],
) -> dict[str, Any]:
    """Write everything, and return what run.json tells: ``noted``, and counts."""
    q = q_values(scores.p_value)
    shown: dict[int, list[VariantEffect]] = {i: [] for i in broken.numbers}
    left_out = _LeftOut()
    write_table(output / TABLE, _rows(work, scores, q, broken, shown), VariantEffect)
    write_table(output / LEFT_OUT, left_out.rows(work), NotScored)
    if motifs:
        write_table(output / MADE_OR_BROKEN, broken.changes, MotifChange)
    if vcf:
        info = _info(work, scores, q, broken)
        annotate_vcf(vcf, output / ANNOTATED, info_fields(work.targets), info, command())
    counts = {"alleles": len(q), "scored": len(q) - left_out.reasons.total(), "not_scored": dict(left_out.reasons)}
    left_out.tell(counts["scored"], len(q), output / LEFT_OUT)
    _tell_finest(counts["scored"] * len(work.targets), work.scoring.n_random)
    summary = {**noted, "counts": counts}
    hits = motifs.hits if motifs else None
    write_variants_page(
        output / PAGE, [(rows, broken.pairs.get(i)) for i, rows in shown.items()], summary, hits, command()
    )
    return summary


def _rows(
    work: VariantWork,
    scores: Scores,
    q: Float64[np.ndarray, "n t"],
    broken: MadeOrBroken,
    shown: Mapping[int, list[VariantEffect]],
) -> Iterator[VariantEffect]:
    """The rows of the table, of which those of the strongest are kept in ``shown``."""
    for i, each in enumerate(work.placed()):
        words = [broken.words.get((i, target), "") for target in work.targets]
        for row in effects_of(each, i, scores, q, work.targets, work.scoring.n_random, words):
            if i in shown:
                shown[i].append(row)
            yield row


class _LeftOut:
    """Variants that are not scored: counted by reason, the first of each remembered."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.some: dict[str, list[str]] = {}

    def rows(self, work: VariantWork) -> Iterator[NotScored]:
        for each in work.placed():
            if each.reason:
                self.reasons[each.reason] += 1
                if len(self.some.setdefault(each.reason, [])) < LISTED:
                    self.some[each.reason].append(str(each.variant)[:80])
                yield not_scored(each)

    def tell(self, n_scored: int, n: int, table: Path) -> None:
        for reason, some in self.some.items():
            more = "; …" if self.reasons[reason] > len(some) else ""
            log.warning("not scored, %s: %d alleles (%s%s)", reason, self.reasons[reason], "; ".join(some), more)
        wrong = sum(count for reason, count in self.reasons.items() if reason.startswith("REF"))
        if wrong > MANY * n:
            log.warning("%d of %d alleles do not fit the reference: is it the genome build of the variants?", wrong, n)
        log.info("%d of %d alleles scored", n_scored, n)
        if self.reasons:
            log.warning("%d of %d alleles not scored; %s lists them", self.reasons.total(), n, table)


def nothing_scored(path: Path, work: VariantWork) -> str:
    """Why no variant of a file was scored, in a line."""
    left_out = _LeftOut()
    n = sum(1 for _ in left_out.rows(work))
    why = "; ".join(f"{reason}: {count} ({left_out.some[reason][0]})" for reason, count in left_out.reasons.items())
    return f"{path}: none of its {n} alleles can be scored: {why}. Check that the reference is the variants' own"


def _tell_finest(tests: int, n_random: int) -> None:
    """Say so where a single strong variant cannot reach a small q-value, whatever it does."""
    if n_random and tests > USUAL_Q * (n_random + 1):
        log.info(
            "the smallest p-value from %d random changes is %.2g, so one variant among %d tests alone cannot have a "
            "q-value of %g; --random %d would do", n_random, 1 / (n_random + 1), tests, USUAL_Q, round(tests / USUAL_Q),
        )  # fmt: skip


def info_fields(targets: Sequence[str]) -> list[Field]:
    """The fields of the annotated VCF, seven for each target, and one that says whether an allele was scored."""
    fields = []
    for target, safe in zip(targets, safe_ids(targets), strict=True):
        shown = " ".join(target.replace('"', "'").replace("\\", "/").split())
        for short, (name, said) in FIELDS.items():
            kind = "String" if name == "motifs" else "Float"
            fields.append(Field(f"L2G_{short}_{safe}", kind, f"{said}; target {shown}"))
    return [*fields, Field("L2G_NOTE", "String", "Whether the allele was scored, or why not")]


def safe_ids(targets: Sequence[str]) -> list[str]:
    """Names of targets as ids of fields may be: letters, digits, ``_`` and ``.``; numbered where that makes two one."""
    safe = [re.sub(r"[^0-9A-Za-z_.]", "_", target) for target in targets]
    return [name if safe.count(name) == 1 else f"{name}_{i}" for i, name in enumerate(safe)]


def _info(
    work: VariantWork, scores: Scores, q: Float64[np.ndarray, "n t"], broken: MadeOrBroken
) -> Iterator[dict[str, float | str]]:
    """Values of the fields for each allele of the file; numbers as the table has them."""
    arrays = {**vars(scores), "difference": scores.difference, "q_value": q}
    named = list(zip(work.targets, safe_ids(work.targets), strict=True))
    for i, each in enumerate(work.placed()):
        values: dict[str, float | str] = {"L2G_NOTE": each.reason or "scored"}
        for t, (target, safe) in enumerate(named):
            for short, (name, _) in FIELDS.items():
                value = (
                    broken.words.get((i, target), "") if name == "motifs" else float(cell(float(arrays[name][i, t])))
                )
                values[f"L2G_{short}_{safe}"] = value
        yield values
