"""Addresses of a motif and of its genes on the web."""

from __future__ import annotations

import re

from motif_db.names import JASPAR_ID, onthefly_names

FLYBASE_ID = re.compile(r"FB[a-z]{2}\d{7}")
ACCESSION = re.compile(r"[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d([A-Z][A-Z0-9]{2}\d){1,2}")  # as UniProt defines them
MNEMONIC = re.compile(r"[A-Z0-9]{1,5}")


def links(motif_id: str, flybase: str = "") -> dict[str, str]:
    """Where to read more about a motif, from its ids alone; empty where none of them is one of those known here.

    Parameters
    ----------
    motif_id
        As its database calls it: JASPAR's profiles have a page; an OnTheFly motif has its protein's.
    flybase
        FlyBase ids of its genes with ``/`` between them, as in `Motif`; empty if unknown.

    Returns
    -------
    dict of str
        Addresses by what they lead to, such as ``FlyBase FBgn0003507``, ``JASPAR MA0247.3``, ``UniProt P52172``.
    """
    genes = [word for word in flybase.split("/") if FLYBASE_ID.fullmatch(word)]
    found = {f"FlyBase {gene}": f"https://flybase.org/reports/{gene}" for gene in genes}
    if JASPAR_ID.fullmatch(motif_id):
        found[f"JASPAR {motif_id}"] = f"https://jaspar.elixir.no/matrix/{motif_id}/"
    if motif_id in onthefly_names():
        found |= _protein(onthefly_names()[motif_id].entry)
    return found


def _protein(entry: str) -> dict[str, str]:
    """OnTheFly names a protein by UniProt accession, by the first half of its entry name, or by FlyBase id."""
    if FLYBASE_ID.fullmatch(entry):
        return {f"FlyBase {entry}": f"https://flybase.org/reports/{entry}"}
    if ACCESSION.fullmatch(entry):
        return {f"UniProt {entry}": f"https://www.uniprot.org/uniprotkb/{entry}/entry"}
    if MNEMONIC.fullmatch(entry):
        return {f"UniProt {entry}_DROME": f"https://www.uniprot.org/uniprotkb?query=id:{entry}_DROME"}
    return {}
