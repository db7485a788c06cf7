"""Small matrices to test with."""

import numpy as np

from l2g_interp.records.types import Pattern, Seqlets
from motif_db.motif import Motif


def ppm_of(text: str, sharpness: float = 1.0) -> np.ndarray:
    ppm = np.full((4, len(text)), (1 - sharpness) / 3)
    ppm[["ACGT".index(base) for base in text], range(len(text))] = sharpness
    return ppm


def pattern_of(ppm: np.ndarray, sign: float = 1.0, flank: int = 0, name: str = "pos_patterns.pattern_0") -> Pattern:
    """A pattern whose contributions follow its bases, between columns that contribute nothing."""
    uniform = np.full((4, flank), 0.25)
    cwm = np.hstack([np.zeros((4, flank)), sign * ppm, np.zeros((4, flank))])
    whole = np.hstack([uniform, ppm, uniform])
    rows = np.arange(40)
    seqlets = Seqlets(rows, 0 * rows, 0 * rows + whole.shape[1], rows > 20)
    return Pattern("dev", name, "+" if sign > 0 else "-", whole, cwm, cwm, seqlets)


def motif_of(text: str, name: str = "", **more) -> Motif:
    return Motif(name or text, name or text, "db", ppm_of(text, 0.91), **more)


def random_motifs(n: int, seed: int = 0) -> list[Motif]:
    rng = np.random.default_rng(seed)
    return [Motif(f"m{i}", f"m{i}", "db", rng.dirichlet([0.25] * 4, size=9).T) for i in range(n)]
