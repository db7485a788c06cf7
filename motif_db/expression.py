"""Which motifs belong to genes that are expressed in the cells in question."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from motif_db.formats import read_unpacked
from motif_db.motif import MotifError
from motif_db.names import current_symbol

NOT_A_GENE = re.compile(r"[\s,;]")


def read_genes(path: str | Path) -> frozenset[str]:
    """The genes in a text file: one a line, or the first column of a TSV; plain or ``.gz``.

    A gene is a symbol or a FlyBase id. Blank lines and those that start with ``#`` are skipped, quotes around a gene
    are dropped, and old spellings of a symbol are brought up to date, so that ``vfl`` counts as ``zld``. The heading of
    a TSV may stay: it is no gene.

    Raises
    ------
    MotifError
        No such file, not text, a line that is not a gene (such as one of a CSV), or no gene at all.
    """
    path = Path(path)
    if not path.is_file():
        raise MotifError(f"{path}: no such file; --expressed takes a text file with one gene a line")
    try:
        lines = read_unpacked(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise MotifError(f"{path}: not UTF-8 text ({error.reason}); give one gene a line") from error
    genes = set()
    for number, line in enumerate(lines, start=1):
        gene = line.partition("\t")[0].strip().strip("\"'")
        if not gene or gene.startswith("#"):
            continue
        if NOT_A_GENE.search(gene):
            raise MotifError(
                f"{path}: line {number}: {gene[:40]!r} is not one gene; give a symbol or FlyBase id a line, "
                "with a tab before anything else"
            )
        genes.add(current_symbol(gene))
    if not genes:
        raise MotifError(f"{path}: no genes; give a symbol or FlyBase id a line")
    return frozenset(genes)


def expressed(symbol: str, flybase: str, genes: Collection[str]) -> bool | None:
    """Whether any gene of a motif is expressed.

    Parameters
    ----------
    symbol, flybase
        Of the motif's genes, as in `Motif`: the members of a dimer have ``/`` between them; empty where unknown.
    genes
        As `read_genes` returns them.

    Returns
    -------
    bool or None
        None where it is not known whose motif it is.
    """
    own = {current_symbol(word) for word in symbol.split("/") if word} | set(filter(None, flybase.split("/")))
    return any(gene in genes for gene in own) if own else None
