"""motif_db on the databases of the paper, where they are at hand."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import build_onthefly_names
import numpy as np
import pytest

import motif_db
from motif_db.find import named
from motif_db.names import aliases, onthefly_names

MOTIFS = Path(__file__).resolve().parents[3] / "shared" / "data" / "motifs"
pytestmark = pytest.mark.skipif(not MOTIFS.is_dir(), reason=f"no real motif databases at {MOTIFS}")


@pytest.mark.parametrize("name", ["onthefly", "flyfactorsurvey"])
def test_published_files_load_by_name_and_by_path(name):
    entry = motif_db.available()[name]
    database = motif_db.load_database(name, motif_dir=MOTIFS, download=False)
    assert (len(database.motifs), database.as_published) == (entry.count, True)
    by_path = motif_db.load(MOTIFS / f"{entry.file}.gz")
    assert [(m.id, m.label) for m in by_path] == [(m.id, m.label) for m in database.motifs]
    assert all(m.label for m in database.motifs)


def test_every_onthefly_motif_has_its_row():
    motifs = motif_db.load("onthefly", motif_dir=MOTIFS, download=False)
    assert [m.id for m in motifs] == list(onthefly_names())
    assert sum(bool(m.symbol) for m in motifs) >= 590


def test_names_that_only_flyfactorsurvey_knows():
    motifs = motif_db.load("flyfactorsurvey", motif_dir=MOTIFS, download=False)
    for name, symbol in (("single-minded", "sim"), ("stripe", "sr"), ("trachealess", "trh")):
        assert symbol in {gene for motif in named(motifs, name) for gene in motif.symbol.split("/")}


@pytest.mark.slow
def test_the_shipped_names_are_what_the_script_makes(tmp_path):
    names, filled = tmp_path / "names.tsv", tmp_path / "aliases.tsv"
    build_onthefly_names.main(["--motif-dir", str(MOTIFS), "--output", str(names), "--aliases", str(filled)])
    shipped = files("motif_db") / "data"
    assert names.read_text() == (shipped / "onthefly_names.tsv").read_text()
    assert filled.read_text() == (shipped / "aliases.tsv").read_text()


def test_flybase_ids_come_from_flyfactorsurvey_where_the_table_has_none():
    others = motif_db.load("flyfactorsurvey", motif_dir=MOTIFS, download=False)
    blank = [replace(aliases()[symbol], flybase="") for symbol in ("Abd-B", "M1BP")]
    assert [row.flybase for row in build_onthefly_names.with_flybase(blank, others)] == ["FBgn0000015", ""]
    kept = replace(aliases()["da"], flybase="FBgn0267821")  # FlyFactorSurvey has an id that FlyBase replaced
    assert build_onthefly_names.with_flybase([kept], others) == [kept]


@pytest.mark.parametrize(
    ("identifier", "label"),
    [
        ("OTF0087.1", "AP-1 (kay/Jra)"),
        ("OTF0279.1", "GATA (pnr)"),
        ("OTF0344.1", "DRE (BEAF-32)"),
        ("OTF0419.1", "DRE (BEAF-32)"),
        ("OTF0420.1", "DRE (Dref)"),
    ],
)
def test_names_of_the_factors_that_matter(identifier, label):
    found = {m.id: m for m in motif_db.load("onthefly", motif_dir=MOTIFS, download=False)}
    assert found[identifier].label == label


def test_jaspar_file_agrees_with_the_package():
    mine = {m.id: m for m in motif_db.load(MOTIFS / "JASPAR2024_CORE_insects_nr.meme.gz")}
    packaged = {m.id: m for m in motif_db.load("jaspar-insects")}
    both = mine.keys() & packaged.keys()
    assert len(both) > 250
    for identifier in both:
        np.testing.assert_allclose(mine[identifier].ppm, packaged[identifier].ppm, atol=1e-3)
