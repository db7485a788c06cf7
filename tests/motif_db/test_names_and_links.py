"""Motifs by the other names of their genes, addresses on the web, and which genes are expressed."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

import motif_db
from motif_db.expression import expressed, read_genes
from motif_db.find import close_names, named, symbols_of
from motif_db.links import links
from motif_db.motif import Motif, MotifError
from motif_db.names import aliases, current_symbol, onthefly_names, read_table

ONLY_IN_FLYFACTORSURVEY = {"sim", "sr", "trh"}  # the test on real databases finds them there


def genes_of(symbols: Iterable[str]) -> set[str]:
    return {gene for symbol in symbols for gene in symbol.split("/") if gene}


@pytest.fixture(scope="module")
def motifs() -> list[Motif]:
    """The two databases that need no network."""
    return motif_db.load("jaspar-insects") + motif_db.load("core-promoter")


def test_every_other_name_leads_to_a_gene_that_some_database_has(motifs: list[Motif]) -> None:
    rows = read_table("synonyms.tsv")
    have = genes_of(motif.symbol for motif in motifs) | genes_of(row.symbol for row in onthefly_names().values())
    assert {row["symbol"] for row in rows} - have == ONLY_IN_FLYFACTORSURVEY
    assert not [row for row in rows if current_symbol(row["symbol"]) != row["symbol"]]
    assert len({row["synonym"].lower() for row in rows}) == len(rows) > 200
    for row in rows:
        assert symbols_of(row["synonym"]) == symbols_of(row["synonym"].upper()) == {row["symbol"]}


def test_every_other_name_finds_motifs_where_there_are_any(motifs: list[Motif]) -> None:
    have = genes_of(motif.symbol for motif in motifs)
    for row in read_table("synonyms.tsv"):
        if row["symbol"] in have:
            assert any(row["symbol"] in motif.symbol.split("/") for motif in named(motifs, row["synonym"])), row


@pytest.mark.parametrize(
    ("name", "symbols"),
    [
        ("Zelda", {"zld"}), ("zelda", {"zld"}), ("vfl", {"zld"}), ("VIELFALTIG", {"zld"}), ("Krüppel", {"Kr"}),
        ("Grainy Head", {"grh"}), ("GAGA-factor", {"Trl"}), ("snail", {"sna"}), ("trl", {"Trl"}), ("ap", {"ap"}),
        ("Su(H)", {"Su(H)"}), ("MA0247.3", {"tin"}), ("stat92e", {"Stat92E"}), ("Clock", {"Clk"}),
    ],
)  # fmt: skip
def test_people_find_what_they_ask_for(motifs: list[Motif], name: str, symbols: set[str]) -> None:
    assert {motif.symbol for motif in named(motifs, name)} == symbols


def test_a_family_is_found_with_all_its_members(motifs: list[Motif]) -> None:
    assert {"srp", "pnr", "grn"} <= genes_of(motif.symbol for motif in named(motifs, "GATA"))
    assert {"kay", "Jra"} == genes_of(motif.symbol for motif in named(motifs, "AP-1"))
    assert {motif.id for motif in named(motifs, "DRE")} >= {"DRE", "BEAF-32"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Zleda", "close to it: zld (Zelda); give an id, or a word of a name or label"),
        ("Ohlr1", "close to it: Ohler1, "),
        ("trachealess", "that is trh, which is not in there: add a --database that has it"),
        ("xyzzyq", "core-promoter; give an id, or a word of a name or label"),
    ],
)
def test_what_is_not_found_says_what_is_close(motifs: list[Motif], name: str, says: str) -> None:
    with pytest.raises(MotifError) as error:
        named(motifs, name)
    assert str(error.value).startswith(f"no motif {name!r} in jaspar-insects, core-promoter; ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_is_close_to_no_motifs() -> None:
    assert close_names([], "zld") == []
    with pytest.raises(MotifError, match=r"no motif 'x\('"):
        named([], "x(")


FLYBASE, UNIPROT = "https://flybase.org/reports/", "https://www.uniprot.org/uniprotkb"


@pytest.mark.parametrize(
    ("motif_id", "flybase", "expected"),
    [
        ("MA0247.3", "FBgn0004110",
         {"FlyBase FBgn0004110": FLYBASE + "FBgn0004110", "JASPAR MA0247.3": "https://jaspar.elixir.no/matrix/MA0247.3/"}),
        ("AP-1", "FBgn0001297/FBgn0001291",
         {"FlyBase FBgn0001297": FLYBASE + "FBgn0001297", "FlyBase FBgn0001291": FLYBASE + "FBgn0001291"}),
        ("OTF0002.1", "", {"UniProt A0AQF9": UNIPROT + "/A0AQF9/entry"}),
        ("OTF0001.1", "", {"UniProt 7UP1_DROME": UNIPROT + "?query=id:7UP1_DROME"}),
        ("mine", "", {}),
        ("MA0247.3/../x", "FBgn0004110\"><script>", {}),
    ],
)  # fmt: skip
def test_links(motif_id: str, flybase: str, expected: dict[str, str]) -> None:
    assert links(motif_id, flybase) == expected


def test_every_onthefly_motif_has_a_protein_to_link_to() -> None:
    with_protein = [key for key, row in onthefly_names().items() if row.entry]
    assert len(with_protein) > 590
    assert {what.partition(" ")[0] for key in with_protein for what in links(key)} == {"UniProt", "FlyBase"}
    assert all(len(links(key)) == 1 for key in with_protein)
    addresses = [address for key in onthefly_names() for address in links(key).values()]
    assert not [address for address in addresses if any(c in address for c in " \"'<>")]


def test_genes_are_read_from_a_list_or_a_table(tmp_path: Path) -> None:
    path = tmp_path / "genes.txt"
    path.write_text("\ufeff# S2 cells\nsrp\n\nvfl\r\nFBgn0013263\n  Su(H) \nE(spl)m8-HLH\n", encoding="utf-8")
    assert read_genes(path) == {"srp", "zld", "FBgn0013263", "Su(H)", "E(spl)m8-HLH"}
    packed = tmp_path / "genes.tsv.gz"
    packed.write_bytes(gzip.compress(b'"gene"\t"TPM of all"\n"srp"\t12.3\n"kay"\t4\n'))
    assert read_genes(packed) == {"gene", "srp", "kay"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "genes.txt: no genes; give a symbol or FlyBase id a line"),
        (b"# only this\n\n", "no genes"),
        (b"srp\nkay,12\n", "line 2: 'kay,12' is not one gene"),
        (b"srp kay\n", "line 1: 'srp kay' is not one gene"),
        (b"srp\xff\n", "genes.txt: not UTF-8 text"),
        (None, "genes.txt: no such file; --expressed takes a text file with one gene a line"),
    ],
)
def test_files_that_are_no_genes(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "genes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MotifError) as error:
        read_genes(path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("symbol", "flybase", "answer"),
    [
        ("srp", "", True),
        ("pnr", "FBgn0003117", False),
        ("kay/Jra", "FBgn0001297/FBgn0001291", True),  # one of the two
        ("Dref", "FBgn0015664", True),  # by its id
        ("Srp", "", True),  # an older spelling
        ("FOS", "", False),
        ("", "FBgn0015664", True),
        ("", "", None),
    ],
)
def test_whether_a_motifs_gene_is_expressed(symbol: str, flybase: str, answer: bool | None) -> None:
    assert expressed(symbol, flybase, frozenset({"srp", "Jra", "FBgn0015664"})) is answer


def test_case_tells_genes_apart() -> None:
    assert {"dl", "Dl"} & set(aliases()) == {"dl"}
    assert expressed("dl", "", {"Delta", "DL"}) is False
