"""Copies of one site, as sets to compare hold them."""

from dataclasses import replace

import numpy as np
from matrices import pattern_of, ppm_of

from l2g_interp import motifs
from l2g_interp.records.types import Match, Pattern, Seqlets

SITES = {
    "AP-1": "ATGACTCATC",
    "DRE": "TATCGATAGC",
    "Ohler1": "AGTGTGACCGT",
    "E-box": "GCAGCTGTTAC",
    "Trl": "GAGAGCGAGA",
}


def pattern(
    name: str, *, sharp: float = 0.9, reverse: bool = False, cut: tuple[int, int] = (0, 0), sign: float = 1.0,
    flank: int = 3, target: str = "dev", n: int = 40, number: int = 0,
) -> Pattern:  # fmt: skip
    """A copy of a site: blurred, on the other strand, cut short at its ends."""
    ppm = ppm_of(SITES.get(name, name), sharp)
    ppm = ppm[:, cut[0] : ppm.shape[1] - cut[1]]
    ppm = motifs.reverse_complement(ppm) if reverse else ppm
    group = "pos" if sign > 0 else "neg"
    made = pattern_of(ppm, sign, flank, f"{group}_patterns.pattern_{number}")
    rows = np.arange(n)
    seqlets = Seqlets(rows, 0 * rows, 0 * rows + made.ppm.shape[1], rows > n // 2)
    return replace(made, target=target, seqlets=seqlets)


def match(found: Pattern, label: str, q_value: float = 1e-4) -> Match:
    return Match(
        found.target, found.name, found.sign, found.n_seqlets, 1, "M1", "", label, "planted", q_value / 100, q_value,
        "+", 0, 8, reason=f"because of {label}",
    )  # fmt: skip
