"""Work out which gene each OnTheFly motif belongs to, once: ``python tools/build_onthefly_names.py --motif-dir DIR``.

OnTheFly names its motifs by UniProt entry or FlyBase protein and assay. The table that this writes,
``data/onthefly_names.tsv``, has names and evidence only, no matrix, so that nobody needs the other databases to
read the names. The ways, in order of trust:

* ``UniProt entry name``: a mnemonic that stands for a gene (``TWIST_DROME``), from ``data/uniprot_entries.tsv``;
* ``UniProt accession in JASPAR``: a JASPAR profile of that accession, in any release that pyjaspar carries;
* ``identical matrix``: the same numbers, shifted or on the other strand, in FlyFactorSurvey or JASPAR. Both OnTheFly
  and FlyFactorSurvey took theirs from the same bacterial one-hybrid and footprint experiments;
* ``near-identical matrix``: close to one gene's matrix and clearly further from every other gene's;
* ``similar matrix``: the same, less close but over more columns and with a wider margin;
* ``same matrix in OnTheFly``: the same numbers as an OnTheFly motif that one of the above resolved;
* ``same entry in OnTheFly``: another assay of the same protein was resolved.

It also fills in the FlyBase ids that ``data/aliases.tsv`` lacks, from the ids that FlyFactorSurvey uses for single
genes. Those are from 2010 to 2013; where FlyBase has replaced one since, the old id still leads to the gene there.
"""

from __future__ import annotations

import argparse
import csv
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from motif_db.database import load
from motif_db.motif import Motif
from motif_db.names import (
    FLYFACTOR_ID,
    Alias,
    Resolved,
    aliases,
    current_symbol,
    flyfactor_genes,
    onthefly_entry,
    read_table,
)
from motif_db.similarity import distances

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tier:
    """Matrices within ``distance`` (RMS per column) over ``overlap`` columns, the next gene ``margin`` further."""

    how: str
    distance: float
    overlap: int
    margin: float


IDENTICAL = 1e-3  # only rounding to 6 digits separates such matrices
TIERS = (
    Tier("identical matrix", IDENTICAL, 5, 0.0),
    Tier("near-identical matrix", 0.05, 7, 0.03),
    Tier("similar matrix", 0.14, 8, 0.08),
)
ACCESSION = re.compile(r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9]([A-Z][A-Z0-9]{2}[0-9]){1,2}")
JASPAR_RELEASES = ("2026", "2024", "2022", "2020", "2018", "2016", "2014")


def resolve(onthefly: list[Motif], others: list[Motif], accessions: dict[str, tuple[str, str]]) -> list[Resolved]:
    """One row per OnTheFly motif, in order; ``symbol`` is empty where nothing is known.

    Parameters
    ----------
    onthefly
        The database itself.
    others
        Motifs whose ``symbol`` is known (FlyFactorSurvey, JASPAR).
    accessions
        UniProt accession to (gene symbol, JASPAR profile).
    """
    rows = [_by_entry(motif, accessions) for motif in onthefly]
    _fill(rows, _by_matrix(onthefly, others))
    _fill(rows, _by_same_matrix(onthefly, rows))
    _fill(rows, _by_same_entry(rows))
    _fill(rows, _by_same_matrix(onthefly, rows))  # again, with what the entries added
    ids = _flybase_ids(others)
    return [replace(row, flybase=_flybase(row.symbol, ids)) for row in rows]


def with_flybase(table: Sequence[Alias], others: list[Motif]) -> list[Alias]:
    """The rows of ``aliases.tsv``, blank FlyBase ids filled in where ``others`` (FlyFactorSurvey) have one."""
    ids = _flybase_ids(others)
    return [replace(alias, flybase=alias.flybase or ids.get(alias.symbol, "")) for alias in table]


def jaspar_accessions() -> dict[str, tuple[str, str]]:
    """UniProt accession to (gene symbol, profile), the newest release first; heterodimers left out."""
    from motif_db.jaspar import jaspar_profiles

    found: dict[str, tuple[str, str]] = {}
    for release in JASPAR_RELEASES:
        for profile in jaspar_profiles(f"JASPAR{release}", "insects", ("CORE", "UNVALIDATED"), all_versions=True):
            # some records have an empty accession or a placeholder
            if len(profile.acc or []) == 1 and ACCESSION.fullmatch(profile.acc[0]) and "::" not in profile.name:
                name = profile.name.split("(var")[0].split("_")[0]
                evidence = f"{profile.matrix_id} in JASPAR{release}"
                found.setdefault(profile.acc[0], (current_symbol(name), evidence))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables and log how many motifs and entries each way resolved."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_onthefly_names", description="Make data/onthefly_names.tsv."
    )
    parser.add_argument("--motif-dir", help="folder with OnTheFly and FlyFactorSurvey; else cache or download")
    data = Path(str(files("motif_db") / "data"))
    parser.add_argument("--output", type=Path, default=data / "onthefly_names.tsv")
    parser.add_argument("--aliases", type=Path, default=data / "aliases.tsv", help="where to write these, filled in")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    onthefly = load("onthefly", options.motif_dir)
    others = [m for name in ("flyfactorsurvey", "jaspar-insects") for m in load(name, options.motif_dir)]
    rows = resolve(onthefly, [m for m in others if m.symbol], jaspar_accessions())
    _write(options.output, rows, Resolved)
    _write(options.aliases, with_flybase(list(aliases().values()), others), Alias)
    for how, motifs, entries in coverage(rows):
        log.info("%4d motifs, %4d entries: %s", motifs, entries, how)


def coverage(rows: Sequence[Resolved]) -> list[tuple[str, int, int]]:
    """(way, motifs, entries first resolved that way), most motifs first; the last way is ``unresolved``."""
    motifs = Counter(row.how or "unresolved" for row in rows)
    entries = Counter({row.entry or row.id: row.how or "unresolved" for row in reversed(rows)}.values())
    return sorted(
        ((how, n, entries[how]) for how, n in motifs.items()), key=lambda item: (item[0] == "unresolved", -item[1])
    )


def _write(path: Path, rows: Sequence[Alias] | Sequence[Resolved], row_type: type) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        writer.writerow([field.name for field in fields(row_type)])
        writer.writerows(astuple(row) for row in rows)


def _by_entry(motif: Motif, accessions: dict[str, tuple[str, str]]) -> Resolved:
    entry = onthefly_entry(motif.name)
    mnemonics = {row["entry"]: row["symbol"] for row in read_table("uniprot_entries.tsv")}
    if entry in mnemonics:
        return Resolved(motif.id, entry, mnemonics[entry], "", "UniProt entry name", f"{entry}_DROME")
    if entry in accessions:
        symbol, evidence = accessions[entry]
        return Resolved(motif.id, entry, symbol, "", "UniProt accession in JASPAR", evidence)
    return Resolved(motif.id, entry, "", "", "", "")


def _fill(rows: list[Resolved], found: dict[int, tuple[str, str, str]]) -> None:
    """Put (symbol, how, evidence) into the rows that have no symbol yet."""
    for index, (symbol, how, evidence) in found.items():
        if not rows[index].symbol:
            rows[index] = replace(rows[index], symbol=symbol, how=how, evidence=evidence)


def _by_matrix(onthefly: list[Motif], others: list[Motif]) -> dict[int, tuple[str, str, str]]:
    distance, overlap = distances(onthefly, others)
    found = {}
    for index in range(len(onthefly)):
        for tier in TIERS:
            near = (distance[index] <= tier.distance) & (overlap[index] >= tier.overlap)
            if not near.any():
                continue
            closest = distance[index, near].min()
            # Rivals may overlap in fewer columns: a short core that fits as well is as good an explanation.
            rivals = near if tier.how == "identical matrix" else distance[index] <= closest + tier.margin
            if symbol := _widest({others[i].symbol for i in np.flatnonzero(near | rivals)}):
                best = int(np.argmin(np.where(near, distance[index], np.inf)))
                found[index] = (symbol, tier.how, _describe(others[best], distance[index, best]))
            break
    return found


def _widest(symbols: set[str]) -> str:
    """The one symbol, or the dimer that holds all the others (JASPAR lists some dimers as one gene); else empty."""
    for symbol in symbols:
        if all(set(other.split("/")) <= set(symbol.split("/")) for other in symbols):
            return symbol
    return ""


def _describe(motif: Motif, distance: float) -> str:
    return f"{motif.name} ({motif.id}) in {motif.database}, distance {distance:.3f}"


def _by_same_matrix(onthefly: list[Motif], rows: list[Resolved]) -> dict[int, tuple[str, str, str]]:
    known = [i for i, row in enumerate(rows) if row.symbol]
    distance, overlap = distances(onthefly, [onthefly[i] for i in known])
    found = {}
    for index, row in enumerate(rows):
        if row.symbol:
            continue
        width = onthefly[index].ppm.shape[1]
        same = [known[j] for j in np.flatnonzero((distance[index] <= IDENTICAL) & (overlap[index] == width))]
        if len({rows[i].symbol for i in same}) == 1:
            evidence = f"{rows[same[0]].id} ({rows[same[0]].how})"
            found[index] = (rows[same[0]].symbol, "same matrix in OnTheFly", evidence)
    return found


def _by_same_entry(rows: list[Resolved]) -> dict[int, tuple[str, str, str]]:
    by_entry: dict[str, list[Resolved]] = defaultdict(list)
    for row in rows:
        if row.symbol:
            by_entry[_protein(row)].append(row)
    found = {}
    for index, row in enumerate(rows):
        siblings = by_entry.get(_protein(row), [])
        if len({sibling.symbol for sibling in siblings}) == 1:
            evidence = f"{siblings[0].id} ({siblings[0].how})"
            found[index] = (siblings[0].symbol, "same entry in OnTheFly", evidence)
    return found


def _protein(row: Resolved) -> str:
    """What a protein's motifs have in common: its entry, or OnTheFly's own number where the name is missing."""
    return row.entry or row.id.partition(".")[0]


def _flybase_ids(others: list[Motif]) -> dict[str, str]:
    """Gene symbol to FlyBase id: curated, else the id that FlyFactorSurvey uses for the gene alone."""
    ids = {}
    for motif in others:
        match = FLYFACTOR_ID.fullmatch(motif.id)
        genes = flyfactor_genes(motif.name)
        if match and len(genes) == 1:
            ids[genes[0]] = match[1]
    return ids | {symbol: alias.flybase for symbol, alias in aliases().items() if alias.flybase}


def _flybase(symbol: str, ids: dict[str, str]) -> str:
    genes = symbol.split("/") if symbol else []
    known = [ids.get(gene, "") for gene in genes]
    return "/".join(known) if all(known) else ""


if __name__ == "__main__":
    main()
