"""A whole run with a known truth, as the report gets it: planted motifs are the patterns, their consensus the match."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from planted import MOTIFS, Motif, Plant, planted

from l2g_core import dna
from l2g_interp.motifs import trim_span
from l2g_interp.records import Attributions, Match, Pattern, Run, Seqlets, write_attributions

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
