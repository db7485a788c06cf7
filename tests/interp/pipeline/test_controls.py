"""Shuffled controls: explained with the sequences, kept in their file, and what hits make of them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from counting_model import Counter
from evidence_run import N, evidence_run, interp, sequences, write_motifs
from planted import planted

from l2g_interp import attribute, read_run
from l2g_interp.attributions import attribute as engine
from l2g_interp.effects.backgrounds import draw_backgrounds, draw_rows
from l2g_interp.pipeline import attribute as stage
from l2g_interp.records.attributions_file import append_attributions, read_attributions, read_controls
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import ARRAYS, Explained, Hit, Unexplained

MODEL = ("--model", "counting_model:build", "--references", 5)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fasta") / "x.fa"
    path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences()[0])))
    return path


def explain(fasta: Path, output: Path, *more: object) -> Path:
    result = interp("attribute", *MODEL, "--fasta", fasta, "--output", output, *more)
    assert result.exit_code == 0, result.output
    return output


def test_controls_are_shuffles_explained_like_the_sequences(fasta: Path, tmp_path: Path) -> None:
    path = explain(fasta, tmp_path / "a.h5", "--controls", 7, "--seed", 3)
    found, stored = read_controls(path), read_attributions(path)
    assert found is not None
    assert found.ids == [f"shuffled_{i}" for i in range(7)]
    expected = draw_backgrounds(stored.one_hot[draw_rows(N, 7, 3)], 3).one_hot
    np.testing.assert_array_equal(found.one_hot, expected)
    direct = attribute(Counter(), expected, n_references=5, seed=3)
    for target in stored.targets:
        np.testing.assert_allclose(found[target].hypothetical, direct[target].hypothetical, atol=1e-6)
        np.testing.assert_allclose(found[target].prediction, direct[target].prediction, atol=1e-6)
    assert read_controls(path, ["rep"]).targets == ("rep",)  # type: ignore[union-attr]


def test_the_sequences_do_not_depend_on_the_controls(fasta: Path, tmp_path: Path) -> None:
    """Whatever their number: all by default, none, or one that ends within a part of the work."""
    default = explain(fasta, tmp_path / "default.h5")
    assert len(read_controls(default)) == N  # type: ignore[arg-type]
    for number in (0, 1, 13):
        other = explain(fasta, tmp_path / f"{number}.h5", "--controls", number)
        for target in ("act", "rep"):
            for key in ARRAYS:
                one, two = (getattr(read_attributions(path)[target], key) for path in (default, other))
                np.testing.assert_array_equal(one, two)
        assert (read_controls(other) is None) == (number == 0)


def test_an_interruption_among_the_controls_loses_nothing(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_PARTS", 1)  # 8 sequences a part
    whole = explain(fasta, tmp_path / "whole.h5", "--controls", 20)
    plain = stage.attribute_in_parts

    def stops(*given, **more):
        for number, part in enumerate(plain(*given, **more)):
            if number == 5:  # N sequences, then the second part of the controls
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(stage, "attribute_in_parts", stops)
    interp("attribute", *MODEL, "--fasta", fasta, "--output", tmp_path / "x.h5", "--controls", 20)
    assert not (tmp_path / "x.h5").exists()
    monkeypatch.undo()
    explain(fasta, tmp_path / "x.h5", "--controls", 20, "--resume")
    with h5py.File(whole) as one, h5py.File(tmp_path / "x.h5") as two:
        for name in ("targets/act/hypothetical", "controls/targets/act/hypothetical", "controls/length"):
            np.testing.assert_array_equal(one[name][:], two[name][:])


def test_hits_say_whether_there_were_controls(tmp_path: Path) -> None:
    folder = evidence_run(tmp_path)
    assert interp("hits", "--run", folder).exit_code == 0
    step = json.loads((folder / "run.json").read_text())["steps"]["hits"]
    assert "one in five shuffled sequences" in step["contribution_at_least"]
    assert set(step["explained"]) == set(step["missing_named_wrong"]) == {"act", "rep"}
    rows = read_table(folder / "explained.tsv", Explained, "x")
    assert [(r.target, r.id) for r in rows] == [(t, f"s{i}") for t in ("act", "rep") for i in range(N)]
    assert all(r.named + r.resembling <= r.standing_out * 1.001 for r in rows)
    assert read_run(folder).explained == rows

    without = ("--fasta", folder / "x.fa", "--controls", 0)
    evidence_run(tmp_path, *without)
    assert interp("hits", "--run", folder, "--overwrite").exit_code == 0
    step = json.loads((folder / "run.json").read_text())["steps"]["hits"]
    assert "no shuffled controls" in step["contribution_at_least"]
    assert step["explained"] == {}
    assert read_table(folder / "explained.tsv", Explained, "x") == []
    assert read_table(folder / "unexplained.tsv", Unexplained, "x") == []
    assert read_table(folder / "hits.tsv", Hit, "x")


def test_a_table_of_another_name_takes_the_others_with_it(tmp_path: Path) -> None:
    folder = evidence_run(tmp_path)
    assert interp("hits", "--run", folder, "--output", folder / "strict.tsv", "--floor", 0.9).exit_code == 0
    assert {"strict.tsv", "strict.bed", "strict.explained.tsv", "strict.unexplained.tsv"} <= {
        path.name for path in folder.iterdir()
    }
    assert not (folder / "explained.tsv").exists()


def test_matches_of_other_motifs_are_refused(tmp_path: Path) -> None:
    folder = evidence_run(tmp_path)
    (folder / "matches.tsv").unlink()
    (folder / "matches.motifs.json").unlink()
    match = ("match", "--motifs", folder, "--database", "core-promoter", "--output", folder / "matches.tsv")
    assert interp(*match).exit_code == 0
    write_table_before = (folder / "matches.tsv").read_bytes()
    matched = json.loads((folder / "run.json").read_text())["steps"]["match"]["motifs_sha256"]
    write_motifs(folder, leave_out=4)
    (folder / "matches.tsv").write_bytes(write_table_before)
    record = json.loads((folder / "run.json").read_text())
    assert record["steps"]["match"]["motifs_sha256"] == matched
    refused = interp("hits", "--run", folder)
    assert refused.exit_code == 2
    assert "made for other motifs" in refused.output


@pytest.mark.slow
def test_few_sequences_end_in_the_known_motifs_of_what_stands_out(tmp_path: Path) -> None:
    """75 sequences give no pattern; the databases' motifs still name sites, and the rest is told with its nearest."""
    explained, shuffles = planted(75, 150, seed=2)[0], planted(75, 150, seed=3, motifs=())[0]
    append_attributions(tmp_path / "attributions.h5", [explained], 75, [shuffles], 75)
    for command in (
        ("motifs", "--attributions", tmp_path / "attributions.h5", "--output", tmp_path, "--min-seqlets", 200),
        ("match", "--motifs", tmp_path, "--output", tmp_path / "matches.tsv"),
        ("hits", "--run", tmp_path),
        ("report", "--run", tmp_path, "--output", tmp_path / "report.html", "--tracks", 2),
    ):
        result = interp(*command)
        assert result.exit_code == 0, result.output
    run = read_run(tmp_path)
    assert run.patterns == {"dev": [], "hk": []}
    names = {target: {h.name.split(" ")[0] for h in run.hits if h.target == target} for target in ("dev", "hk")}
    assert {"AP-1", "GATA"} <= names["dev"]
    assert {"DRE", "Ohler1"} <= names["hk"]
    assert {h.tier for h in run.hits} == {1}
    assert {h.sign for h in run.hits} == {"+", "-"}
    assert run.unexplained
    assert np.mean([bool(row.nearest and row.motif) for row in run.unexplained]) > 0.5
    page = (tmp_path / "report.html").read_text()
    assert "What stays unexplained" in page
