"""The shipped database: core-promoter and enhancer elements of flies, built from their published consensus."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from motif_db.motif import Motif, MotifError
from motif_db.names import label_of, read_table

IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
SURE = 0.97  # probability of the consensus' letters: published sites deviate from it, and zeros would rule them out


def element_motifs(database: str) -> list[Motif]:
    """The elements of ``core_promoter.tsv``; each row has its consensus, reference and note."""
    motifs = []
    for row in read_table("core_promoter.tsv"):
        genes = row["symbol"].split("/") if row["symbol"] else []
        label, family = label_of(genes)
        if label == row["symbol"]:  # not in a family: the element's own name says more
            label = row["name"]
        ppm = consensus_ppm(row["consensus"])
        motifs.append(
            Motif(row["id"], row["name"], database, ppm, label, row["reference"], row["symbol"], family, row["flybase"])
        )
    return motifs


def consensus_ppm(consensus: str, sure: float = SURE) -> Float[np.ndarray, "4 width"]:
    """A PPM ``(4, width)`` for an IUPAC consensus: the letters of each code share ``sure``, the others the rest.

    Raises
    ------
    MotifError
        A letter is not an IUPAC code.
    """
    ppm = np.empty((4, len(consensus)))
    for position, code in enumerate(consensus.upper()):
        if code not in IUPAC:
            raise MotifError(f"consensus {consensus!r}: {code!r} is not an IUPAC letter; use {''.join(IUPAC)}")
        allowed = np.array([base in IUPAC[code] for base in "ACGT"])
        share = 1.0 if allowed.all() else sure
        ppm[:, position] = np.where(allowed, share / allowed.sum(), (1 - share) / max(1, (~allowed).sum()))
    return ppm
