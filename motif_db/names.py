"""What people call the factor behind a database's motif.

In order of trust, recorded in each motif's ``label_source``: the database's own gene name; for OnTheFly, which has
none, the table ``onthefly_names.tsv`` (made by ``tools/build_onthefly_names.py``); and ``aliases.tsv`` for the
names of families (kay and Jra are AP-1). A family's name is followed by the member's symbol: ``GATA (srp)``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from motif_db.motif import Motif

ONTHEFLY_ID = re.compile(r"OTF\d{4}\.\d+")
JASPAR_ID = re.compile(r"(MA|UN)\d{4}\.\d+")
FLYFACTOR_ID = re.compile(r"(FBgn\d{7})(_\d+)?")
FLYFACTOR_NAME = re.compile(r"(?P<genes>.+?)_(Cell|FlyReg|NAR|NBT|SANGER|SOLEXA)(_.*)?")
ONTHEFLY_NAME = re.compile(r"(?P<entry>.+?)(_DROME)?_(B1H|SELEX|DNaseI)")
ISOFORM = re.compile(r"[-_](P[A-Z]|F\d+-\d+|Cl\d|Z\d|II|[FM])$")  # br-PE, crol_F7-16, br-Z1, Cf2-II, dsx-F


@dataclass(frozen=True)
class Alias:
    """A row of ``aliases.tsv``; ``common_name`` is empty where people use the symbol."""

    symbol: str
    common_name: str
    family: str
    flybase: str
    reason: str


@dataclass(frozen=True)
class Resolved:
    """A row of ``onthefly_names.tsv``: which gene an OnTheFly motif belongs to, and how that is known."""

    id: str
    entry: str
    symbol: str
    flybase: str
    how: str
    evidence: str


def labelled(motifs: list[Motif], fly: bool = True) -> list[Motif]:
    """Give motifs their label, symbol, family and FlyBase id, from their own two names only.

    What is done depends on what the ids look like, so a user's copy of a known database gets the same labels. If
    ``fly`` is False the names are used unchanged: the mouse's Six4 is not the fly's.
    """
    return [_labelled(motif) if fly else _as_named(motif) for motif in motifs]


def label_of(symbols: Iterable[str]) -> tuple[str, str]:
    """The label and the family of one gene or of a dimer; labels look like ``AP-1 (kay/Jra)``, ``twi/da``."""
    symbols = list(dict.fromkeys(symbols))
    known = [aliases()[symbol] for symbol in symbols if symbol in aliases()]
    common = {alias.common_name for alias in known}
    families = list(dict.fromkeys(alias.family for alias in known))
    joined = "/".join(symbols)
    one_name = common.pop() if len(common) == 1 and len(known) == len(symbols) else ""
    return f"{one_name} ({joined})" if one_name else joined, " / ".join(families)


def flyfactor_genes(name: str) -> list[str]:
    """Current symbols of the genes in a FlyFactorSurvey name: ``kay_Jra_SANGER_5`` is kay and Jra."""
    match = FLYFACTOR_NAME.fullmatch(name)
    if not match:
        return []
    return [current_symbol(gene) for gene in ISOFORM.sub("", match["genes"]).split("_")]


def onthefly_entry(name: str) -> str:
    """The UniProt entry or FlyBase protein in an OnTheFly name: ``Q94513`` of ``Q94513_DROME_DNaseI``."""
    match = ONTHEFLY_NAME.fullmatch(name)
    return match["entry"] if match else name


def current_symbol(spelling: str) -> str:
    """The gene symbol in use today for a database's spelling: ``AbdA`` is abd-A, ``HLH106`` SREBP."""
    return spellings().get(spelling, spelling)


@cache
def aliases() -> dict[str, Alias]:
    """``aliases.tsv`` by gene symbol."""
    return {row["symbol"]: Alias(**row) for row in read_table("aliases.tsv")}


@cache
def onthefly_names() -> dict[str, Resolved]:
    """``onthefly_names.tsv`` by OnTheFly id."""
    return {row["id"]: Resolved(**row) for row in read_table("onthefly_names.tsv")}


@cache
def spellings() -> dict[str, str]:
    """``symbols.tsv``: the gene symbol for each other spelling of it."""
    return {row["spelling"]: row["symbol"] for row in read_table("symbols.tsv")}


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a shipped table."""
    with (files("motif_db") / "data" / name).open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def _as_named(motif: Motif) -> Motif:
    symbol = motif.name.replace("::", "/")
    return replace(motif, label=symbol or motif.id, label_source="name in the database", symbol=symbol)


def _labelled(motif: Motif) -> Motif:
    if ONTHEFLY_ID.fullmatch(motif.id):
        return _label_onthefly(motif)
    if (match := FLYFACTOR_ID.fullmatch(motif.id)) and (genes := flyfactor_genes(motif.name)):
        return _with_genes(motif, genes, "FlyFactorSurvey name", match[1])
    if JASPAR_ID.fullmatch(motif.id) and motif.name:
        genes = [current_symbol(gene) for gene in motif.name.split("::")]
        return _with_genes(motif, genes, "JASPAR name")
    for name in filter(None, (motif.name, motif.id)):
        if (symbol := current_symbol(name)) in aliases():
            return _with_genes(motif, [symbol], "name in the file")
    return replace(motif, label=motif.name or motif.id, label_source="name in the file")


def _label_onthefly(motif: Motif) -> Motif:
    found = onthefly_names().get(motif.id)
    if found is None or not found.symbol:
        entry = onthefly_entry(motif.name) or motif.id
        return replace(motif, label=entry, label_source="unresolved: UniProt entry or FlyBase protein as given")
    genes = found.symbol.split("/")
    return _with_genes(motif, genes, f"{found.how}: {found.evidence}", found.flybase)


def _with_genes(motif: Motif, genes: list[str], source: str, flybase: str = "") -> Motif:
    label, family = label_of(genes)
    known = [aliases()[gene].flybase for gene in genes if gene in aliases()]
    # A dimer's record is filed under one of its genes; both ids, where both are known, say more.
    ids = "/".join(known) if len(known) == len(genes) and all(known) else flybase
    family = family or motif.family
    return replace(motif, label=label, label_source=source, symbol="/".join(genes), family=family, flybase=ids)
