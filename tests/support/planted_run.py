"""A whole run with a known truth, as the report gets it.

Planted motifs are the patterns, their consensus the match, their places the hits, their strength the effect.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from planted import MOTIFS, Motif, Plant, planted

from l2g_core import dna
from l2g_interp.motifs.matrices import trim_span
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.types import Attributions, Effect, Hit, Match, Pattern, Run, Seqlets

FLANK = 6  # columns on either side of a planted motif
DATABASE = "planted"


def planted_run(folder: Path, n: int = 60, length: int = 150, **changes: object) -> Run:
    """Write the attributions of ``n`` planted sequences and gather a `Run`; ``changes`` replace its fields."""
    attributions, plants = planted(n, length)
    path = folder / "attributions.h5"
    write_attributions(path, attributions)
    patterns: dict[str, list[Pattern]] = {target: [] for target in attributions.targets}
    for motif in MOTIFS:
        mine = patterns[motif.target]
        mine.append(_pattern(attributions, motif, [p for p in plants if p.motif == motif.name], len(mine)))
    matches = [m for found in patterns.values() for i, p in enumerate(found) for m in _matches(p, i)]
    motifs = {(DATABASE, motif.consensus): _ppm(motif.consensus) for motif in MOTIFS}
    observed = {t: attributions[t].prediction + np.float32(0.3) * np.sin(np.arange(n)) for t in attributions.targets}
    fields = {
        "attributions": path,
        "patterns": patterns,
        "matches": matches,
        "motifs": motifs,
        "provenance": {"command": "l2g-interp run", "versions": {"torch": "2.13"}, "counts": {"sequences": n}},
        "notes": {},
        "observed": observed,
        "effects": [e for found in patterns.values() for i, p in enumerate(found) for e in _effects(p, i)],
        "hits": [
            h for found in patterns.values() for i, p in enumerate(found) for h in _hits(attributions, p, i, plants)
        ],
    }
    return Run(**(fields | changes))  # type: ignore[arg-type]


def _pattern(attributions: Attributions, motif: Motif, plants: list[Plant], number: int) -> Pattern:
    width = len(motif.consensus) + 2 * FLANK
    length = attributions.one_hot.shape[2]
    plants = [p for p in plants if p.start >= FLANK and p.start - FLANK + width <= length]
    rows, starts = np.array([p.row for p in plants]), np.array([p.start - FLANK for p in plants])
    reverse = np.array([p.strand == "-" for p in plants])
    target = attributions[motif.target]
    stacks = {"hcwm": target.hypothetical, "cwm": target.contributions, "ppm": target.one_hot}
    matrices = {key: _mean(stack, rows, starts, reverse, width) for key, stack in stacks.items()}
    sign = "+" if motif.effect > 0 else "-"
    name = f"{'pos' if sign == '+' else 'neg'}_patterns.pattern_{number}"
    seqlets = Seqlets(rows, starts, starts + width, reverse)
    return Pattern(motif.target, name, sign, matrices["ppm"], matrices["cwm"], matrices["hcwm"], seqlets)


def _mean(stack: np.ndarray, rows: np.ndarray, starts: np.ndarray, reverse: np.ndarray, width: int) -> np.ndarray:
    cuts = [stack[row, :, start : start + width] for row, start in zip(rows, starts, strict=True)]
    return np.mean([c[::-1, ::-1] if r else c for c, r in zip(cuts, reverse, strict=True)], axis=0)


def _motif(pattern: Pattern, number: int) -> Motif:
    return [m for m in MOTIFS if m.target == pattern.target][number]


def _effects(pattern: Pattern, number: int) -> list[Effect]:
    """One to three copies add up; the last pattern of hk is made to do no more than its control."""
    motif = _motif(pattern, number)
    strength = motif.effect * (0.01 if motif.name == "Ohler7" else len(motif.consensus))
    return [
        Effect(
            pattern.target, pattern.name, pattern.sign, copies, 100,
            *(copies * strength + x for x in (0.0, -0.2, 0.2)), 0.0, -0.1, 0.1,
            *(copies * strength + x for x in (0.0, -0.3, 0.3)),
        )
        for copies in (1, 2, 3)
    ]  # fmt: skip


def _hits(attributions: Attributions, pattern: Pattern, number: int, plants: list[Plant]) -> list[Hit]:
    """Every place where the motif was planted, also those too near an end to be a seqlet."""
    motif = _motif(pattern, number)
    width = len(motif.consensus)
    seqlets = {(int(r), int(s) + FLANK) for r, s in zip(pattern.seqlets.example, pattern.seqlets.start, strict=True)}
    contributions = attributions[motif.target].contributions
    return [
        Hit(
            pattern.target, pattern.name, pattern.sign, p.row, attributions.ids[p.row], p.start, p.start + width,
            p.strand, 0.95, float(contributions[p.row, :, p.start : p.start + width].sum()),
            int((p.row, p.start) in seqlets),
        )
        for p in plants
        if p.motif == motif.name
    ]  # fmt: skip


def _matches(pattern: Pattern, number: int) -> list[Match]:
    """The motif that was planted (with a q-value that the last pattern of a target misses), and another one."""
    mine = [m for m in MOTIFS if m.target == pattern.target]
    start, end = trim_span(pattern.cwm)
    found = []
    for rank, motif in enumerate((mine[number], mine[number - 1])):
        q = 0.3 if rank or number == len(mine) - 1 else 1e-4
        overlap = min(end - start, len(motif.consensus))
        found.append(
            Match(
                pattern.target, pattern.name, pattern.sign, pattern.n_seqlets, rank, motif.consensus, "",
                motif.name, DATABASE, q / 100, q, "+", FLANK - start, overlap,
            )
        )  # fmt: skip
    return found


def _ppm(consensus: str) -> np.ndarray:
    return dna.one_hot([consensus])[0] * 0.88 + 0.03


def hostile_run(folder: Path, text: str) -> Run:
    """A run in which everything that has a name (target, sequence, pattern, match, note, record) is called ``text``."""
    run = planted_run(folder, n=30)
    attributions = read_attributions(run.attributions)
    targets = {text: attributions["dev"], "hk": attributions["hk"]}
    ids = [f"{i}{text}" for i in range(len(attributions))]
    path = folder / "hostile.h5"
    write_attributions(path, replace(attributions, ids=ids, by_target=targets))
    old = run.patterns["dev"][0]

    def renamed(rows: list) -> list:
        mine = [row for row in rows if (row.target, row.pattern) == ("dev", old.name)]
        return [replace(row, target=text, pattern=text) for row in mine]

    named = {"label": text, "motif_name": text, "motif_id": text, "database": text}
    return Run(
        path,
        {text: [replace(old, target=text, name=text)], "hk": run.patterns["hk"]},
        [replace(match, **named) for match in renamed(run.matches)] + [m for m in run.matches if m.target == "hk"],
        run.motifs | {(text, text): next(iter(run.motifs.values()))},
        {text: [text, {text: text}]},
        {text: text},
        {text: run.observed["dev"]},
        renamed(run.effects),
        [replace(hit, id=ids[hit.row]) for hit in renamed(run.hits)],
    )
