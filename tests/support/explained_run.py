"""A planted run as newer versions leave it: hits with names and tiers, database motifs, and what stays unexplained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from planted_run import planted_run

from l2g_core import dna
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import (
    ALL_NAMED,
    Attributions,
    Effect,
    Explained,
    Hit,
    PairEffect,
    Pattern,
    Removal,
    Run,
    Unexplained,
)

DATABASE = "jaspar-insects"
KNOWN = "jaspar-insects/MA0247.2"
WRONG = {"dev": 0.09, "hk": 0.004}
GENES = "FBgn0001297/FBgn0001291"
SHARES = (0.87, 0.05)  # of what stands out: in named hits, and only in others


def explained_run(folder: Path, n: int = 60, length: int = 150) -> Run:
    """`planted_run` with a database's motif in every fifth sequence, and one pattern of dev planted for hk."""
    run = planted_run(folder, n, length)
    attributions = read_attributions(run.attributions)
    names = {(m.target, m.pattern): m.label for m in run.matches if m.rank == 0 and m.q_value <= 0.1}
    hits = [replace(hit, name=names.get((hit.target, hit.pattern), ""), likeness=0.9) for hit in run.hits]
    hits = [replace(hit, tier=2) if i % 5 == 0 else hit for i, hit in enumerate(hits)]
    return replace(
        run,
        matches=[replace(run.matches[0], database=DATABASE, motif_id="MA0476.1", flybase=GENES), *run.matches[1:]],
        motifs=run.motifs | {(DATABASE, KNOWN.split("/")[1]): dna.one_hot(["CACAATCG"])[0] * 0.88 + 0.03},
        hits=[*hits, *(_known(attributions, target, row) for target in ("dev", "hk") for row in range(0, n, 5))],
        effects=[*run.effects, _elsewhere(run.effects[0])],
        explained=[_explained(attributions, target, row) for target in ("dev", "hk") for row in range(n)],
        unexplained=[_unexplained(attributions, target, i) for target in ("dev", "hk") for i in range(20)],
        provenance=run.provenance | {"steps": {"hits": {"missing_named_wrong": WRONG}}},
        pairs=pair_effects(run.patterns),
        removals=[row for target, found in run.patterns.items() for row in _removals(target, found)],
    )


def pair_effects(patterns: dict[str, list[Pattern]]) -> list[PairEffect]:
    """Every two of the first two patterns of dev: synergistic 10 bp apart on one strand, else additive."""
    first, second = (f"dev/{p.name}" for p in patterns["dev"][:2])
    return [
        _pair(
            one, two, strands, spacing, 3.0 if (one, two, *strands, spacing) == (first, second, "+", "+", 10) else 0.0
        )
        for one, two in ((first, first), (first, second), (second, second))
        for strands in (("+", "+"), ("+", "-"), ("-", "+"), ("-", "-"))[: 3 if one == two else 4]
        for spacing in (0, 10, 40)
    ]


def _pair(one: str, two: str, strands: tuple[str, str], spacing: int, excess: float) -> PairEffect:
    ends = excess, excess - 0.2, excess + 0.2
    p_value, kind = (1e-6, "synergistic") if excess else (0.5, "additive")
    return PairEffect(
        "dev", one, two, *strands, spacing, spacing + 8.0, 20, 2.0, 1.0, 3.0 + excess, *ends, 0.0, *ends, p_value,
        p_value, kind,
    )  # fmt: skip


def _removals(target: str, patterns: list[Pattern]) -> list[Removal]:
    """The last pattern of dev, a repressor, is not shown to be needed; together the motifs lose three times as much."""
    nan = float("nan")
    rows = [
        Removal(
            target, p.name, "", 40, 40, 44, loss, loss - 0.1, loss + 0.1, 39, 0.0, loss, loss - 0.1, loss + 0.1, loss,
            nan, 0.3, 0.2, 0.4, 0.0, "yes" if loss > 0.1 else "not shown",
        )
        for p, loss in zip(patterns, (1.0, 1.5, 0.05), strict=False)
    ]  # fmt: skip
    joint = (7.5, 7.0, 8.0, 4, nan, nan, nan, nan, 8.0, 2.5, 0.93, 0.9, 0.96, 0.1, "")
    return [*rows, Removal(target, ALL_NAMED, "", 58, 58, 120, *joint)]


def _known(attributions: Attributions, target: str, row: int) -> Hit:
    return Hit(target, KNOWN, "+", row, attributions.ids[row], 60, 68, "+-"[row % 2], 0.8, 2.0, 0, "bin", 1, 2.0, 0.8)


def _elsewhere(effect: Effect) -> Effect:
    """What the first pattern of dev does for hk: little, and no more than its control."""
    small = {"effect": 0.1, "effect_low": -0.2, "effect_high": 0.4, "excess_low": -0.3, "excess_high": 0.3}
    return replace(effect, target="hk", pattern=f"dev/{effect.pattern}", **small)


def _explained(attributions: Attributions, target: str, row: int) -> Explained:
    """10 units stand out in every sequence; the share with a name varies about its mean."""
    named, resembling = SHARES
    named = named + (0.1 if row % 2 else -0.1)
    return Explained(target, row, attributions.ids[row], 3, 10.0, 10 * named, 10 * resembling, 2 if row % 10 else 0)


def _unexplained(attributions: Attributions, target: str, i: int) -> Unexplained:
    """The first one begins at the sequence's second base, so only one base is known before it."""
    length = int(attributions.lengths[i])
    start = 1 + 4 * i
    end = start + 9
    letters = dna.decode(attributions.one_hot[i], length)[max(0, start - 5) : end + 5]
    nearest = (
        ("Ets21C", "jaspar-insects/MA0916.1", 0.61),
        ("AP-1", "dev/pos_patterns.pattern_0", 0.4),
        ("", "", float("nan")),
    )
    total = (1 - 2 * (i % 2)) * (5.0 - 0.2 * i)
    sign = "+" if total > 0 else "-"
    return Unexplained(target, i, attributions.ids[i], start, end, sign, total, 0.1, letters, *nearest[i % 3])
