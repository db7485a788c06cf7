"""Motifs as files for other tools: MEME, JASPAR, TRANSFAC and HOMER. Reading them again gives the same motifs."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from motif_db.meme import STATISTICS
from motif_db.motif import Motif, MotifError

MEME_HEAD = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25
"""
LINE_END = re.compile(r"[\n\r\ufeff]")
HOMER_THRESHOLD = 0.6  # of the best score: HOMER needs a threshold, and a motif does not say one


def motif_text(motifs: Iterable[Motif], kind: str) -> str:
    """Motifs as the content of a file, with probabilities of six decimals.

    Parameters
    ----------
    motifs
        HOMER keeps one name of each, the id, and finds sites that reach 60 % of the best score.
    kind
        A name in `WRITERS`.

    Raises
    ------
    MotifError
        No such format, no motif, two with the same id, or an id or name that the format cannot hold.
    """
    if kind not in WRITERS:
        raise MotifError(f"no motif format {kind!r}; there are {', '.join(WRITERS)}")
    motifs = list(motifs)
    ids = [motif.id for motif in motifs]
    if not motifs or len(set(ids)) != len(ids):
        raise MotifError(f"{kind}: {'two motifs have the same id' if motifs else 'no motif to write'}")
    for motif in motifs:
        _check(motif, kind)
    head = MEME_HEAD if kind == "meme" else ""
    return head + "".join(WRITERS[kind](motif) for motif in motifs)


def _check(motif: Motif, kind: str) -> None:
    """Refuse what would be read as something else."""
    parts = [motif.id] if kind == "homer" else [motif.id, motif.name]
    one_word = motif.id.split() == [motif.id] and not motif.id.startswith("//")
    as_read = all(part == part.strip() and not LINE_END.search(part) for part in parts)
    if kind == "meme":
        as_read &= not STATISTICS.search(f" {motif.name}")
    if not (one_word and as_read):
        raise MotifError(f"{kind}: cannot hold the id {motif.id!r} with the name {motif.name!r}; rename the motif")


def _rows(matrix: Float[np.ndarray, "_ _"], separator: str = " ") -> list[str]:
    return [separator.join(f"{value:.6f}" for value in row) for row in matrix]


def _meme(motif: Motif) -> str:
    head = f"letter-probability matrix: alength= 4 w= {motif.ppm.shape[1]} nsites= 20 E= 0"
    return "\n".join(["", f"MOTIF {motif.id} {motif.name}".rstrip(), head, *_rows(motif.ppm.T), ""])


def _jaspar(motif: Motif) -> str:
    rows = [f"{base} [ {row} ]" for base, row in zip("ACGT", _rows(motif.ppm), strict=True)]
    return "\n".join([f">{motif.id}\t{motif.name}".rstrip(), *rows, ""])


def _transfac(motif: Motif) -> str:
    rows = [f"{i:02d} {row}" for i, row in enumerate(_rows(motif.ppm.T), start=1)]
    names = [f"AC  {motif.id}", *([f"NA  {motif.name}"] if motif.name else [])]
    return "\n".join([*names, "P0 A C G T", *rows, "XX", "//", ""])


def _homer(motif: Motif) -> str:
    consensus = "".join("ACGT"[base] for base in motif.ppm.argmax(axis=0))
    best = float(np.log(motif.ppm.max(axis=0) / 0.25).sum())
    return "\n".join([f">{consensus}\t{motif.id}\t{HOMER_THRESHOLD * best:.6f}", *_rows(motif.ppm.T, "\t"), ""])


WRITERS = {"meme": _meme, "jaspar": _jaspar, "transfac": _transfac, "homer": _homer}
