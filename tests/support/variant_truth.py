"""Variants with a known truth: each breaks a planted site of the counting model's motifs, or lies outside all sites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from counting_model import EFFECTS, TARGETS
from evidence_run import sequences

from l2g_interp.variants import Variant

AROUND = 3  # bp beside a site that count as it


def pattern_of(motif: str) -> tuple[str, str]:
    """Target and name of the pattern that 'evidence_run' writes for a motif."""
    target = next(t for t, motifs in TARGETS.items() if motif in motifs)
    sign = "pos" if EFFECTS[motif] > 0 else "neg"
    return target, f"{sign}_patterns.pattern_{TARGETS[target].index(motif)}"


def broken_sites(seed: int) -> list[tuple[Variant, str]]:
    """A change in each planted site (three in four are SNVs, the others insert or delete bases), and its motif."""
    rng = np.random.default_rng(seed)
    made, places = sequences()
    found = []
    for motif, sites in places.items():
        for row, start, _ in sites:
            at = start + int(rng.integers(1, len(motif) - 1))
            found.append((_change(rng, made[row], f"s{row}", at), motif))
    return found


def outside_sites(seed: int) -> list[Variant]:
    """As many changes that lie in no planted site."""
    rng = np.random.default_rng(seed + 1000)
    made, places = sequences()
    taken = {row: [(s - AROUND, s + len(m) + AROUND) for m, sites in places.items() for r, s, _ in sites if r == row]
             for row in range(len(made))}  # fmt: skip
    found: list[Variant] = []
    while len(found) < 3 * len(made):
        row, at = int(rng.integers(len(made))), int(rng.integers(10, len(made[0]) - 10))
        if not any(start <= at < end for start, end in taken[row]):
            found.append(_change(rng, made[row], f"s{row}", at))
    return found


def _change(rng: np.random.Generator, sequence: str, name: str, at: int) -> Variant:
    """A variant at a base (counted from 0) of a sequence."""
    there = sequence[at]
    if rng.random() < 0.75:
        return Variant(name, at + 1, ".", there, str(rng.choice([b for b in "ACGT" if b != there])))
    letters = "".join(rng.choice([b for b in "ACGT" if b != there], 2))
    return Variant(name, at + 1, ".", there, there + letters)


def write_table(path: Path, variants: list[Variant]) -> Path:
    """The TSV of ``--variants``."""
    rows = [f"{v.id}\t{v.chrom}\t{v.position}\t{v.ref}\t{v.alt}\n" for v in variants]
    path.write_text("name\tid\tposition\tref\talt\n" + "".join(rows))
    return path
