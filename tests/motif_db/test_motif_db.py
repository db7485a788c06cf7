"""motif_db: formats, labels, catalogue, downloads from a local server, duplicates."""

import gzip
import hashlib
import http.server
import io
import logging
import tarfile
import threading
from dataclasses import replace

import numpy as np
import pytest
from build_onthefly_names import coverage, resolve
from hypothesis import given
from hypothesis import strategies as st

import motif_db
from motif_db import Motif, MotifError, catalogue
from motif_db.elements import consensus_ppm
from motif_db.formats import database_name, parse_motifs
from motif_db.names import aliases, current_symbol, flyfactor_genes, labelled, onthefly_names, read_table
from motif_db.similarity import distances, group_duplicates

HEADER = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
ROWS = "0.7 0.1 0.1 0.1\n0.0 0.0 1.0 0.0\n"


def meme(*motifs: tuple[str, str], header: str = HEADER) -> str:
    matrix = "letter-probability matrix: alength= 4 w= {} nsites= 20 E= 0\n{}"
    return header + "\n".join(f"MOTIF {n}\n{matrix.format(r.count(chr(10)), r)}" for n, r in motifs)


def parse(text: str) -> list[Motif]:
    return parse_motifs(text.encode(), "f.meme", "f")


def motif(consensus: str, name: str = "m", **more) -> Motif:
    return Motif(name, name, "db", consensus_ppm(consensus), **more)


# --- files by path


def test_meme_keeps_both_names_and_the_last_motif_without_newline(tmp_path):
    path = tmp_path / "mine.v2.meme"
    path.write_text(meme(("A.1 alt name", ROWS), ("B", ROWS)).rstrip("\n"))
    first, last = motif_db.load(path)
    assert (first.id, first.name, first.database) == ("A.1", "alt name", "mine.v2")
    assert (last.id, last.name, last.label) == ("B", "", "B")
    np.testing.assert_allclose(last.ppm, [[0.7, 0], [0.1, 0], [0.1, 1], [0.1, 0]])


def test_meme_with_tabs_urls_blank_lines_and_windows_line_ends():
    rows = "\n0.7\t0.1\t0.1\t0.1\t\n 0.0 \t0.0\t1.0\t0.0\n"
    text = HEADER + f"MOTIF\tX\tx\n\nletter-probability matrix: alength= 4 w= 2\n{rows}\nURL http://example.org/X\n"
    assert [(m.id, m.name, m.ppm.shape) for m in parse(text.replace("\n", "\r\n"))] == [("X", "x", (4, 2))]


@pytest.mark.parametrize("name", ["a/b", "<i>x</i>", 'it\'s "so"', "日本 ünï", "E(spl)m8-HLH", "../../etc"])
def test_odd_names_are_kept(name):
    (found,) = parse(meme((f"id {name}", ROWS)))
    assert found.name == name
    assert labelled([found])[0].label


def test_full_meme_output_loses_nothing_but_the_statistics():
    text = (
        HEADER
        + "MOTIF CACGTG MEME-1\twidth =   2  sites =  18  llr = 2\n\nlog-odds matrix: alength= 4 w= 2\n 5 1 1 1\n"
    )
    (found,) = parse(text + "letter-probability matrix: alength= 4 w= 2\n" + ROWS)
    assert (found.id, found.name) == ("CACGTG", "MEME-1")


JASPAR = ">MA0001.1\tAGL 3\nA [ 0 3 79 ]\nC [94 75 4]\nG [ 1 0 3 ]\nT [ 2 19 11 ]\n"
PLAIN_JASPAR = ">MA0001.1 AGL 3\n0 3 79\n94 75 4\n1 0 3\n2 19 11\n"
TRANSFAC = (
    "AC  M1\nXX\nID  V$X_1\nXX\nNA  xyz\nXX\nP0  A C G T\n01  0 94 1 2 C\n02  3 75 0 19 C\n03  79 4 3 11 A\nXX\n//\n"
)


@pytest.mark.parametrize(
    ("text", "names"),
    [(JASPAR, ("MA0001.1", "AGL 3")), (PLAIN_JASPAR, ("MA0001.1", "AGL 3")), (TRANSFAC, ("M1", "xyz"))],
)
@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress])
def test_counts_formats_are_recognised_by_content_and_normalised(tmp_path, text, names, pack):
    path = tmp_path / "whatever.dat"
    path.write_bytes(pack(text.encode()))
    (found,) = motif_db.load(path)
    assert (found.id, found.name) == names
    np.testing.assert_allclose(found.ppm[:, 0], np.array([0, 94, 1, 2]) / 97)
    np.testing.assert_allclose(found.ppm.sum(axis=0), 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither MEME, JASPAR nor TRANSFAC"),
        ("hello\n", "neither MEME, JASPAR nor TRANSFAC"),
        (HEADER, "no motif in the file"),
        (meme(("X", "0.5 0.2 0.1 0.1\n")), "motif 'X': position 1 sums to 0.9, not 1"),
        (meme(("X", ROWS + "0.9 0.2 0.0 -0.1\n")), "motif 'X': position 3 has a value that is negative"),
        (meme(("X", "nan 0.5 0.5 0\n")), "motif 'X': position 1 has a value that is negative or not a number"),
        (meme(("X", "0.5 0.5\n")), "motif 'X': position 1 has 2 values, not 4"),
        (meme(("X", "")), "motif 'X' has an empty matrix"),
        (meme(("X", ROWS), ("X y", ROWS)), "two motifs have the id 'X'"),
        (meme(("", ROWS)), "motif 1 has no id"),
        (meme(("X", ROWS)).replace("w= 2", "w= 3"), "has 2 rows and says w= 3; is the file cut off?"),
        (HEADER + "MOTIF X\n", "motif 'X' has no letter-probability matrix"),
        (meme(("X", ROWS), header=HEADER.replace("ACGT", "ACGU")), "alphabet is 'ACGU', not ACGT"),
        (meme(("X", ROWS), header='MEME version 5\nALPHABET "Protein" PROTEIN-LIKE\n'), "give DNA motifs"),
        (JASPAR.replace("C [94 75 4]\n", ""), "motif 'MA0001.1' is not 4 rows"),
        (JASPAR.replace("79", "x"), "motif 'MA0001.1' is not 4 rows"),
        (">\n" + PLAIN_JASPAR, "motif 1 has no id"),
        (">id\n0 1\n0 1\n0 1\n0 1\n", "position 1 sums to 0, not more than 0"),
        (">read1\nACGTACGT\n", "motif 'read1' is not 4 rows"),
        (TRANSFAC.replace("02  3 75", "02  3 oops"), "not a well-formed TRANSFAC file"),
        (TRANSFAC.replace("AC  M1", "XX").replace("ID  V$X_1", "XX").replace("NA  xyz", "XX"), "neither AC, ID nor NA"),
    ],
)
def test_bad_files_name_file_and_motif_on_one_line(text, says):
    with pytest.raises(MotifError) as error:
        parse(text)
    assert says in str(error.value)
    assert str(error.value).startswith("f.meme: ")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "cut.meme.gz").write_bytes(gzip.compress(meme(("X", ROWS * 50)).encode())[:-20])
    (tmp_path / "binary.meme").write_bytes(b"\xff\xfe\x00MOTIF")
    for name, says in [
        ("none.meme", "neither a motif file nor a database; databases by name: onthefly"),
        ("cut.meme.gz", "not a complete gzip file"),
        ("binary.meme", "not a text file"),
        ("", "cannot be read"),
    ]:
        with pytest.raises(MotifError, match=says):
            motif_db.load(tmp_path / name)


def test_rounding_is_normalised_away():
    (found,) = parse(meme(("X", "0.333 0.333 0.333 0.0\n")))
    np.testing.assert_allclose(found.ppm.sum(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "database"),
    [("a/b/x.meme.gz", "x"), ("x.v2.txt", "x.v2"), ("x.pfm", "x"), (".gz", ".gz"), ("plain", "plain")],
)
def test_database_name(name, database):
    assert database_name(name) == database


# --- what people say


@pytest.mark.parametrize(
    ("identifier", "name", "label", "symbol"),
    [
        ("FBgn0001297", "kay_Jra_SANGER_5", "AP-1 (kay/Jra)", "kay/Jra"),
        ("FBgn0003507_2", "srp_SANGER_5", "GATA (srp)", "srp"),
        ("FBgn0000413_19", "twi_da_SANGER_5", "twi/da", "twi/da"),
        ("FBgn0261283_2", "HLH106_SANGER_5_1", "SREBP", "SREBP"),
        ("FBgn0013263", "Trl_FlyReg", "GAF (Trl)", "Trl"),
        ("FBgn0000014_3", "AbdA_SOLEXA", "abd-A", "abd-A"),
        ("FBgn0000210_7", "br-PE_SANGER_5", "br", "br"),
        ("FBgn0020309", "crol_F7-16_SANGER_5", "crol", "crol"),
        ("FBgn0259789", "vfl_SANGER_5", "zld", "zld"),
        ("MA1459.2", "M1BP", "Ohler1 (M1BP)", "M1BP"),
        ("MA0530.2", "cnc::maf-S", "Nrf2 (cnc/maf-S)", "cnc/maf-S"),
        ("OTF0419.1", "Q94513_DROME_DNaseI", "DRE (BEAF-32)", "BEAF-32"),
        ("OTF0259.1", "O96083_DROME_DNaseI", "DRE (Dref)", "Dref"),
        ("OTF0526.2", "TWIST_DROME_B1H", "twi", "twi"),
        ("OTF9999.1", "Q00000_DROME_B1H", "Q00000", ""),
        ("OTF9998.1", "", "OTF9998.1", ""),
        ("my1", "pnr", "GATA (pnr)", "pnr"),
        ("my1", "unheard-of", "unheard-of", ""),
    ],
)
def test_labels(identifier, name, label, symbol):
    (found,) = labelled([replace(motif("ACGT"), id=identifier, name=name)])
    assert (found.label, found.symbol) == (label, symbol)
    assert found.label_source
    assert (found.id, found.name) == (identifier, name)


def test_unresolved_entries_say_so():
    (found,) = labelled([replace(motif("ACGT"), id="OTF9999.1", name="Q00000_DROME_B1H")])
    assert found.label_source.startswith("unresolved")


def test_flybase_ids_of_both_halves_of_a_dimer():
    (found,) = labelled([replace(motif("ACGT"), id="FBgn0001291", name="kay_Jra_SANGER_5")])
    assert (found.flybase, found.family) == ("FBgn0001297/FBgn0001291", "bZIP (AP-1)")


def test_tables_agree_with_each_other():
    symbols = {row["symbol"] for row in read_table("symbols.tsv")}
    assert {current_symbol(symbol) for symbol in symbols} == symbols, "a spelling must lead to the end"
    assert not [row for row in read_table("aliases.tsv") if current_symbol(row["symbol"]) != row["symbol"]]
    assert all(alias.reason and alias.family for alias in aliases().values())
    assert all(bool(row.symbol) == bool(row.how) == bool(row.evidence) for row in onthefly_names().values())
    assert len(onthefly_names()) == catalogue.available()["onthefly"].count


def test_other_animals_get_no_fly_genes():
    (found,) = labelled([replace(motif("ACGT"), id="MA2001.2", name="Six4")], fly=False)
    assert (found.label, found.flybase, found.family) == ("Six4", "", "")


def test_names_that_are_not_flyfactorsurvey():
    assert flyfactor_genes("something else") == []


# --- the catalogue and what is offline


def test_catalogue_is_complete():
    entries = motif_db.available()
    assert list(entries) == ["onthefly", "flyfactorsurvey", "jaspar-insects", "jaspar-vertebrates", "core-promoter"]
    assert all(e.title and e.organism and e.release and e.licence and e.citation and e.source for e in entries.values())
    assert {len(e.sha256) for e in entries.values() if e.kind == "download"} == {64}


@pytest.mark.parametrize("name", ["jaspar-insects", "core-promoter"])
def test_offline_databases(name):
    database = motif_db.load_database(name, download=False)
    assert len(database.motifs) == motif_db.available()[name].count
    assert len({m.id for m in database.motifs}) == len(database.motifs)
    for m in database.motifs:
        assert m.label
        assert m.label_source
        assert m.database == name
        np.testing.assert_allclose(m.ppm.sum(axis=0), 1)
        assert (m.ppm >= 0).all()
    assert database.provenance()["motifs"] == len(database.motifs)


def test_core_promoter_elements_are_those_of_the_literature():
    found = {m.id: m for m in motif_db.load("core-promoter")}
    assert {"DRE", "Ohler1", "Ohler5", "Ohler6", "Ohler7", "E-box", "TATA", "INR", "DPE", "MTE", "BEAF-32"} <= set(
        found
    )
    assert "".join("ACGT"[i] for i in found["DRE"].ppm.argmax(axis=0)) == "TATCGATA"
    assert found["Ohler1"].label == "Ohler1 (M1BP)"


def test_shipped_dre_is_jaspars_dref():
    dref = [m for m in motif_db.load("jaspar-insects") if m.symbol == "Dref"]
    dre = [m for m in motif_db.load("core-promoter") if m.id == "DRE"]
    assert distances(dre, dref)[0][0, 0] < 0.2


@pytest.mark.slow
def test_vertebrates():
    found = motif_db.load("jaspar-vertebrates")
    assert len(found) == motif_db.available()["jaspar-vertebrates"].count
    assert not any(m.flybase for m in found)
    family = {m.name: m.family for m in found}
    assert family["GATA1"] == "Other C4 zinc finger-type factors"
    assert family["FOS::JUN"] == "Basic leucine zipper factors (bZIP)"
    assert sum(not m.family for m in found) <= 2  # JASPAR itself has no class for two


def test_families_of_jaspar_profiles_that_the_aliases_do_not_know():
    family = {m.name: m.family for m in motif_db.load("jaspar-insects")}
    assert family["kay"] == "bZIP (AP-1)"  # what people say goes first
    assert family["Sox14"] == aliases()["Sox14"].family
    assert family["SoxN"] == "High-mobility group (HMG) domain factors"


def test_a_file_of_ones_own_has_no_family_that_nobody_knows(tmp_path):
    path = tmp_path / "own.meme"
    path.write_text("MEME version 4\n\nALPHABET= ACGT\n\n" + "".join(
        f"MOTIF {name}\nletter-probability matrix: alength= 4 w= 1\n1 0 0 0\n" for name in ("mystery", "pnr")
    ))  # fmt: skip
    mystery, pnr = motif_db.load(path)
    assert (mystery.label, mystery.family, mystery.flybase) == ("mystery", "", "")
    assert (pnr.label, pnr.flybase) == ("GATA (pnr)", "FBgn0003117")


def test_consensus_refuses_other_letters():
    with pytest.raises(MotifError, match="'X' is not an IUPAC letter"):
        consensus_ppm("ACX")


# --- downloads, from a server on this machine

CONTENT = meme(("OTF0526.2 TWIST_DROME_B1H", ROWS)).encode()
OTHER = meme(("FBgn0003507 srp_SANGER_5", ROWS)).encode()


def archive(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"motif_databases/FLY/{name}.meme")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def server():
    files: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            whole = files.get(self.path + ".length", content or b"")
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", files, asked
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def entries(monkeypatch):
    """The catalogue, with the checksums of the small files of these tests."""
    known = {"onthefly": CONTENT, "flyfactorsurvey": OTHER}
    changed = tuple(
        replace(e, sha256=hashlib.sha256(known[e.name]).hexdigest()) if e.name in known else e
        for e in catalogue.ENTRIES
    )
    monkeypatch.setattr(catalogue, "ENTRIES", changed)


GOOD = {"OnTheFly_2014_Drosophila": CONTENT, "fly_factor_survey": OTHER}


def test_download_once_for_both_databases_then_offline(server, entries, tmp_path):
    address, files, asked = server
    files["/m.tgz"] = archive(**GOOD)
    (found,) = motif_db.load("onthefly", cache=tmp_path / "new" / "cache", address=address + "/m.tgz")
    assert found.label == "twi"
    (other,) = motif_db.load("flyfactorsurvey", cache=tmp_path / "new" / "cache", address=address + "/m.tgz")
    assert other.label == "GATA (srp)"
    assert asked == ["/m.tgz"]
    assert sorted(p.name for p in (tmp_path / "new" / "cache").iterdir()) == [
        "OnTheFly_2014_Drosophila.meme",
        "fly_factor_survey.meme",
    ]
    assert motif_db.load("onthefly", cache=tmp_path / "new" / "cache", download=False)[0].label == "twi"


@pytest.mark.parametrize(
    ("served", "says"),
    [
        ({}, "404"),
        ({"/m.tgz": archive(OnTheFly_2014_Drosophila=CONTENT + b"\n")}, "has sha256"),
        ({"/m.tgz": archive(something=CONTENT)}, "OnTheFly_2014_Drosophila.meme"),
        ({"/m.tgz": archive(**GOOD)[:-40]}, "could not be fetched"),
        ({"/m.tgz": archive(**GOOD)[:-40], "/m.tgz.length": archive(**GOOD)}, "could not be fetched"),
        ({"/m.tgz": b"<html>moved</html>"}, "could not be fetched"),
    ],
    ids=["404", "checksum", "member", "truncated", "cut connection", "html"],
)
def test_failed_downloads_tell_how_to_get_it_by_hand(server, entries, tmp_path, served, says):
    address, files, _ = server
    files.update(served)
    with pytest.raises(MotifError, match=says) as error:
        motif_db.load("onthefly", cache=tmp_path, address=address + "/m.tgz")
    assert f"get {address}/m.tgz by hand" in str(error.value)
    assert "--motif-dir" in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing half may stay"


def test_nobody_listens(entries, tmp_path):
    with pytest.raises(MotifError, match="could not be fetched"):
        motif_db.load("onthefly", cache=tmp_path, address="http://127.0.0.1:9/m.tgz")


def test_no_network_unless_allowed(server, entries, tmp_path):
    address, _, asked = server
    with pytest.raises(MotifError, match="the network may not be used"):
        motif_db.load("onthefly", cache=tmp_path, address=address, download=False)
    assert not asked


def test_a_spoilt_cache_is_fetched_again(server, entries, tmp_path):
    address, files, _ = server
    files["/m.tgz"] = archive(**GOOD)
    (tmp_path / "OnTheFly_2014_Drosophila.meme").write_bytes(CONTENT[:-5])
    assert motif_db.load_database("onthefly", cache=tmp_path, address=address + "/m.tgz").as_published


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_users_copy_goes_first(server, entries, tmp_path, suffix):
    content = gzip.compress(CONTENT) if suffix else CONTENT
    (tmp_path / f"OnTheFly_2014_Drosophila.meme{suffix}").write_bytes(content)
    database = motif_db.load_database("onthefly", motif_dir=tmp_path, download=False)
    assert database.as_published
    assert database.motifs[0].database == "onthefly"


def test_the_users_other_version_is_used_and_noted(entries, tmp_path, caplog):
    (tmp_path / "OnTheFly_2014_Drosophila.meme").write_bytes(CONTENT + b"\n")
    with caplog.at_level(logging.WARNING):
        database = motif_db.load_database("onthefly", motif_dir=tmp_path, download=False)
    assert database.provenance()["as_published"] is False
    assert "is not the published OnTheFly" in caplog.text


def test_motif_dir_must_exist(tmp_path):
    with pytest.raises(MotifError, match="no such folder of motif files; check --motif-dir"):
        motif_db.load("onthefly", motif_dir=tmp_path / "none")


# --- the same matrix


def test_duplicates_are_found_shifted_and_on_the_other_strand():
    motifs = [motif("TGACTCATT", "a"), motif("AATGAGTCA", "b"), motif("TGACTCATTG", "c"), motif("GGGCGGGGC", "d")]
    assert group_duplicates(motifs) == [[0, 1, 2], [3]]
    assert group_duplicates([]) == []


def test_a_short_core_is_no_duplicate():
    assert group_duplicates([motif("GATAAGGTCACTTC"), motif("CCTTAGATAATTTT")]) == [[0], [1]]


@given(st.text("ACGT", min_size=5, max_size=12), st.text("ACGT", min_size=5, max_size=12))
def test_distance_is_symmetric_and_blind_to_the_strand(one, two):
    a, b = motif(one), motif(two)
    turned = replace(b, ppm=b.ppm[::-1, ::-1])
    distance = distances([a], [b])[0][0, 0]
    # |a|^2 + |b|^2 - 2ab leaves the square root of the rounding error
    assert distances([b], [a])[0][0, 0] == pytest.approx(distance, abs=1e-6)
    assert distances([a], [turned])[0][0, 0] == pytest.approx(distance, abs=1e-6)
    assert distances([a], [a])[0][0, 0] == pytest.approx(0, abs=1e-6)


def test_distance_by_hand():
    distance, overlap = distances([motif("AAAAA")], [motif("AAAAT")])
    # one column of five differs: (0.97 - 0.01) in two rows
    assert distance[0, 0] == pytest.approx(np.sqrt(2 * 0.96**2 / 5))
    assert overlap[0, 0] == 5


# --- who is who in OnTheFly


def test_resolution_prefers_entry_then_accession_then_matrix():
    long = "TGACTCATTGCA"
    onthefly = [
        replace(motif(long), id="OTF0001.1", name="TWIST_DROME_B1H"),
        replace(motif("CCGGAAGTTACC"), id="OTF0002.1", name="Q11111_DROME_B1H"),
        replace(motif(long), id="OTF0003.1", name="Q22222_DROME_B1H"),
        replace(motif("AAAACCCCGGGG"), id="OTF0003.2", name="Q22222_DROME_DNaseI"),
        replace(motif("AAAACCCCGGGG"), id="OTF0004.1", name="Q33333_DROME_DNaseI"),
        replace(motif("GTGTGTACACAT"), id="OTF0005.1", name="Q44444_DROME_DNaseI"),
    ]
    others = [replace(motif(long, symbol="kay"), id="FBgn0001297", name="kay_SANGER_5")]
    rows = resolve(onthefly, others, {"Q11111": ("pnt", "MA2262.1 in JASPAR2026")})
    assert [(row.symbol, row.how) for row in rows] == [
        ("twi", "UniProt entry name"),
        ("pnt", "UniProt accession in JASPAR"),
        ("kay", "identical matrix"),
        ("kay", "same entry in OnTheFly"),
        ("kay", "same matrix in OnTheFly"),
        ("", ""),
    ]
    assert rows[0].flybase == "FBgn0003900"
    assert coverage(rows)[-1] == ("unresolved", 1, 1)


def test_two_genes_with_one_matrix_stay_unresolved():
    onthefly = [replace(motif("TGACTCATTG"), id="OTF0001.1", name="Q22222_DROME_B1H")]
    others = [motif("TGACTCATTG", symbol="lbe"), motif("TGACTCATTG", symbol="lbl")]
    assert resolve(onthefly, others, {})[0].symbol == ""
    dimer = [motif("TGACTCATTG", symbol="kay"), motif("TGACTCATTG", symbol="kay/Jra")]
    assert resolve(onthefly, dimer, {})[0].symbol == "kay/Jra"
