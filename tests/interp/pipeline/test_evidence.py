"""Validation and hits of a run folder, through the commands."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from evidence_run import LENGTH, N, evidence_run, interp, sequences, write_motifs

from l2g_core import dna
from l2g_interp.effects.validate import ValidateOptions
from l2g_interp.pipeline.effects import validate_files
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Effect, Hit
from l2g_interp.run_folder import read_run

MODEL = ("--model", "counting_model:build")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evidence_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A separate copy; its motifs name their attributions, which must lie in the copy."""
    copy = Path(shutil.copytree(made, tmp_path / "run"))
    write_motifs(copy)
    return copy


@pytest.fixture(autouse=True)
def _warnings_are_seen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The commands set up logging again, which takes caplog's handler off the root."""
    logger = logging.getLogger("l2g_interp")
    logger.addHandler(caplog.handler)
    yield
    logger.removeHandler(caplog.handler)


def run(*arguments: object) -> str:
    result = interp(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def steps(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())["steps"]


def refused(*arguments: object, words: tuple[str, ...]) -> None:
    result = interp(*arguments)
    assert result.exit_code == 2, result.output
    assert len([line for line in result.output.splitlines() if line.startswith("Error")]) == 1
    for word in words:
        assert word in result.output


def test_validate_writes_effects_and_what_was_done(folder: Path) -> None:
    run("validate", *MODEL, "--run", folder, "--backgrounds", 40, "--copies", "1,3", "--seed", 4)
    effects = read_run(folder).effects
    assert [(e.target, e.pattern, e.copies, e.n_backgrounds) for e in effects] == [
        (*which, copies, 40)
        for target, other, name in (
            ("act", "rep", "pos_patterns.pattern_0"), ("act", "rep", "pos_patterns.pattern_1"),
            ("rep", "act", "neg_patterns.pattern_0"),
        )
        for *which, copies in ((target, name, 1), (target, name, 3), (other, f"{target}/{name}", 1))
    ]  # fmt: skip
    assert [round(e.effect) for e in effects] == [2, 6, 0, 2, 6, 0, -1, -3, 0]
    own = [e for e in effects if "/" not in e.pattern]
    assert all(e.excess_low * e.excess_high > 0 for e in own)
    step = steps(folder)["validate"]
    attributed = steps(folder)["attribute"]["model"]["model_fingerprint"]
    assert step["model_fingerprint"] == attributed
    assert (step["n_backgrounds"], step["copies"], step["seed"]) == (40, [1, 3], 4)
    assert (step["patterns"], step["effects"], step["notes"], step["model_of_the_run"]) == (3, 9, {}, True)
    again = (folder / "validation.tsv").read_bytes()
    run("validate", *MODEL, "--run", folder, "--backgrounds", 40, "--copies", "1,3", "--seed", 4, "--batch-size", 3)
    assert (folder / "validation.tsv").read_bytes() == again
    run("validate", *MODEL, "--run", folder, "--backgrounds", 40, "--copies", "1,3", "--seed", 5, "--overwrite")
    assert (folder / "validation.tsv").read_bytes() != again


def test_known_motifs_are_planted_though_no_run_found_them(folder: Path) -> None:
    matrices = {"M1 ap1": "ATGACTCA", "M2 nothing": "CCGTTACCG"}
    table = folder / "own.meme"
    table.write_text("MEME version 4\n\nALPHABET= ACGT\n\n" + "".join(meme(*item) for item in matrices.items()))
    known = ("plant", *MODEL, "--run", folder, "--database", table, "--backgrounds", 20, "--copies", "1,2")
    printed = run(*known, "--motif", "AP1", "--motif", "M2")
    rows = read_table(folder / "planted.tsv", Effect, "x")
    assert [(r.target, r.copies, round(r.effect)) for r in rows if "M1" in r.pattern] == [
        ("act", 1, 2), ("act", 2, 4), ("rep", 1, 0), ("rep", 2, 0),
    ]  # fmt: skip
    assert {round(r.effect) for r in rows if "M2" in r.pattern} == {0}
    assert "M1 ap1" in printed
    assert "validate" not in steps(folder)  # the table of the run's own motifs is left alone
    refused(*known, "--motif", "Trl", words=("no motif 'Trl' in", "a word of a name"))


def meme(name: str, consensus: str) -> str:
    rows = "".join(" ".join(f"{x:.6f}" for x in column) + "\n" for column in dna.one_hot([consensus])[0].T)
    return f"MOTIF {name}\nletter-probability matrix: alength= 4 w= {len(consensus)} nsites= 20 E= 0\n{rows}\n"


def test_another_model_is_refused_unless_one_insists(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = ("validate", "--model", "counting_model:other", "--run", folder, "--backgrounds", 10)
    refused(*other, words=("attributions.h5: the attributions were made with", "counting_model:other", "--other-model"))
    assert not (folder / "validation.tsv").exists()
    run(*other, "--other-model")
    assert "a different model from the contributions'" in caplog.text
    assert steps(folder)["validate"]["model_of_the_run"] is False
    assert round(read_run(folder).effects[0].effect) == 3


def test_attributions_that_name_no_model_are_refused(folder: Path) -> None:
    from dataclasses import replace

    path = folder / "attributions.h5"
    write_attributions(path, replace(read_attributions(path), provenance={}))
    refused("validate", *MODEL, "--run", folder, words=("do not say which model made them",))


def test_both_strands_are_asked_where_both_were_attributed(folder: Path) -> None:
    evidence_run(folder, "--fasta", folder / "x.fa", "--strands", "both")
    run("validate", *MODEL, "--run", folder, "--backgrounds", 10, "--copies", 1)
    assert steps(folder)["validate"]["strands"] == "both"
    assert round(read_run(folder).effects[0].effect) == 2


def test_the_randomised_check_is_noted(folder: Path) -> None:
    run("validate", *MODEL, "--run", folder, "--backgrounds", 10, "--copies", 1, "--randomised")
    stored = steps(folder)["validate"]["randomised"]
    assert (stored["sequences"], stored["weights_kept"]) == (N, 0)
    act = stored["targets"]["act"]
    assert abs(act["correlation"]) < 0.3
    assert act["in_seqlets"] > 0.9, "all contributions of the counting model lie on its sites"
    assert act["in_seqlets_randomised"] < 0.5


def test_hits_lie_on_the_planted_sites(folder: Path) -> None:
    run("hits", "--run", folder, "--quantile", 0)
    hits = read_run(folder).hits
    sites = {(row, start) for places in sequences()[1].values() for row, start, _ in places}
    assert {(h.row, h.start) for h in hits} == sites, "the counting model sees nothing else"
    assert all(h.seqlet and h.similarity > 0.9 for h in hits)
    step = steps(folder)["hits"]
    assert (step["hits"], step["sequences"], step["quantile"]) == (3 * N, N, 0)
    assert step["patterns"]["rep"]["neg_patterns.pattern_0"]["sequences"] == N
    assert step["patterns"]["act"]["pos_patterns.pattern_1"]["seqlets_recovered"] == 1
    bed = [line.split("\t") for line in (folder / "hits.bed").read_text().splitlines()[1:]]
    assert len(bed) == 3 * N
    assert {row[0] for row in bed} == {f"s{i}" for i in range(N)}


def test_hits_of_intervals_are_in_genome_coordinates(tmp_path: Path) -> None:
    texts, places = sequences()
    genome = "".join(dna.reverse_complement(s) if i % 2 else s for i, s in enumerate(texts))
    (tmp_path / "g.fa").write_text(f">chrom one\n{genome}\n")
    strands = [f"chrom\t{LENGTH * i}\t{LENGTH * (i + 1)}\ts{i}\t0\t{'-' if i % 2 else '+'}" for i in range(N)]
    (tmp_path / "x.bed").write_text("\n".join(strands) + "\n")
    evidence_run(tmp_path, "--bed", tmp_path / "x.bed", "--genome", tmp_path / "g.fa")
    run("hits", "--run", tmp_path, "--quantile", 0, "--output", tmp_path / "h.tsv", "--bed", tmp_path / "other.bed")
    assert len(read_table(tmp_path / "h.tsv", Hit, "hits")) == sum(map(len, places.values()))
    for line in (tmp_path / "other.bed").read_text().splitlines()[1:]:
        chrom, start, end, name, _, strand, *_ = line.split("\t")
        site = genome[int(start) : int(end)]
        site = dna.reverse_complement(site) if strand == "-" else site
        assert chrom == "chrom"
        expected = {"act/pos_patterns.pattern_0": "ATGACTCA", "rep/neg_patterns.pattern_0": "GGCCACCTG"}
        assert site == expected.get(name, "TATCGATA")


def test_evidence_of_other_motifs_is_never_shown(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("validate", *MODEL, "--run", folder, "--backgrounds", 10)
    run("hits", "--run", folder, "--quantile", 0)
    before = read_run(folder)
    assert (len(before.effects), len(before.hits)) == (9 + 3, 3 * N)
    assert "left out" not in caplog.text
    write_motifs(folder, leave_out=5)
    stale = read_run(folder)
    assert (stale.effects, stale.hits) == ([], [])
    assert "validation.tsv: left out" in caplog.text
    assert "run 'l2g-interp hits --overwrite'" in caplog.text
    run("hits", "--run", folder, "--quantile", 0, "--overwrite")
    assert read_run(folder).hits
    assert read_run(folder).effects == []
    write_motifs(folder)
    assert len(read_run(folder).effects) == 9 + 3, "the motifs that it was made of are back"


def test_a_table_that_its_step_did_not_write_is_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("validate", *MODEL, "--run", folder, "--backgrounds", 10)
    with (folder / "validation.tsv").open("a") as file:
        file.write("act\tpos_patterns.pattern_0\t+\t4" + "\t1" * 10 + "\tname\n")
    assert read_run(folder).effects == []
    assert "left out" in caplog.text
    run("validate", *MODEL, "--run", folder, "--backgrounds", 10, "--output", folder / "elsewhere" / "v.tsv")
    assert len(read_table(folder / "elsewhere" / "v.tsv", Effect, "validate")) == 9 + 3
    assert read_run(folder).effects == []


def test_without_room_or_motifs_it_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command in (("validate", *MODEL), ("hits",)):
        refused(*command, "--run", tmp_path / "empty", words=("no motifs here", "l2g-interp motifs"))
    refused("validate", *MODEL, "--run", folder, "--copies", "40,50", words=("no pattern has room", "longer ones"))
    refused("validate", *MODEL, "--run", folder, "--copies", "1,x", words=("--copies 1,x", "whole numbers"))
    refused("validate", *MODEL, "--run", folder, "--copies", "0", words=("different whole numbers",))
    assert not (folder / "validation.tsv").exists()
    run("validate", *MODEL, "--run", folder, "--copies", "1,20", "--backgrounds", 10)
    notes = steps(folder)["validate"]["notes"]
    assert all("so there is no effect of 20 copies" in said[0] for said in notes.values())
    assert {e.copies for e in read_run(folder).effects} == {1}


def test_a_run_without_patterns_has_empty_tables(folder: Path) -> None:
    from l2g_interp.run_folder import record

    content = {"attributions": str(folder / "attributions.h5"), "min_seqlets": 1000, "notes": {}}
    record(folder, "motifs", content | {"patterns": {"act": 0, "rep": 0}})
    assert validate_files("counting_model:build", folder, folder / "validation.tsv", ValidateOptions(10)) == []
    run("hits", "--run", folder, "--quantile", 0)
    loaded = read_run(folder)
    assert (loaded.effects, loaded.hits) == ([], [])
    assert steps(folder)["hits"]["patterns"] == {}
    assert np.isclose(steps(folder)["validate"]["patterns"], 0)


@pytest.mark.slow
def test_run_validates_and_calls_hits_before_the_report(tmp_path: Path) -> None:
    texts = [text for seed in range(5) for text in sequences(seed=seed)[0]]
    (tmp_path / "x.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(texts)))
    output = tmp_path / "out"
    arguments = (
        "run",
        *MODEL,
        "--fasta",
        tmp_path / "x.fa",
        "--references",
        5,
        "--backgrounds",
        20,
        "--output",
        output,
    )
    run(*arguments)
    loaded = read_run(output)
    assert list(steps(output)) == ["attribute", "motifs", "match", "validate", "hits"]
    patterns = [p.name for found in loaded.patterns.values() for p in found]
    own = [e for e in loaded.effects if "/" not in e.pattern]
    assert len(own) == 3 * len(patterns) > 0
    assert len(loaded.effects) == 4 * len(patterns)  # one copy for the other target, too
    assert all(e.excess_low * e.excess_high > 0 for e in loaded.effects if e.copies == 3)
    assert len(loaded.hits) > 0.9 * len(texts)
    assert (output / "hits.bed").exists()
    (output / "validation.tsv").unlink()
    refused(*arguments, "--resume", "--no-validate", words=("report.html", "tables.validation.tsv", "--overwrite"))
    run(*arguments, "--overwrite", "--no-validate")
    assert not (output / "validation.tsv").exists()
    assert read_run(output).hits == loaded.hits
