"""The stages on files, through the commands: attributions with a known truth in, named motifs and a report out."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from planted import planted_attributions

from l2g_core.errors import InputError
from l2g_interp.cli import main
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Match
from l2g_interp.run_folder import read_all_patterns, read_observed, read_run


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, stage by stage."""
    folder = tmp_path_factory.mktemp("run")
    write_attributions(folder / "attributions.h5", planted_attributions(400))
    run("motifs", "--attributions", folder / "attributions.h5", "--output", folder)
    run("match", "--motifs", folder, "--output", folder / "matches.tsv")
    run("report", "--run", folder, "--output", folder / "report.html", "--tracks", 3, "--title", "<b>&")
    return folder


@pytest.mark.slow
def test_planted_motifs_are_found_and_named(folder: Path) -> None:
    best = {
        (m.target, m.pattern): m for m in read_table(folder / "matches.tsv", Match, "l2g-interp match") if m.rank == 1
    }
    names = {target: {m.label.split(" ")[0] for (t, _), m in best.items() if t == target} for target in ("dev", "hk")}
    assert {"AP-1", "GATA"} <= names["dev"]
    assert {"DRE", "Ohler1"} <= names["hk"]
    assert all(p.n_seqlets >= 20 for patterns in read_all_patterns(folder).values() for p in patterns)


@pytest.mark.slow
def test_a_database_smaller_than_the_matches_asked_for_gives_all_it_has(folder: Path, tmp_path: Path) -> None:
    small = ("--database", "core-promoter", "--matches", 50)
    run("match", "--motifs", folder, "--output", tmp_path / "matches.tsv", *small)
    ranks = [m.rank for m in read_table(tmp_path / "matches.tsv", Match, "l2g-interp match")]
    assert 5 < max(ranks) <= 21


@pytest.mark.slow
def test_the_run_folder_tells_what_was_done(folder: Path) -> None:
    steps = json.loads((folder / "run.json").read_text())["steps"]
    assert steps["motifs"]["patterns"].keys() == {"dev", "hk"}
    assert "core-promoter" in [database["name"] for database in steps["match"]["databases"]]
    assert "&lt;b&gt;&amp;" in (folder / "report.html").read_text()
    assert len(read_run(folder).motifs) > 0


@pytest.mark.slow
def test_motifs_files_are_in_modiscos_layout(folder: Path) -> None:
    with h5py.File(folder / "motifs.hk.h5") as file:
        assert file["pos_patterns/pattern_0/sequence"].shape[1] == 4  # type: ignore[union-attr]
        assert {"start", "end", "example_idx", "is_revcomp"} <= set(file["pos_patterns/pattern_0/seqlets"])  # type: ignore[arg-type]


def test_too_few_sequences_give_a_statement_and_a_report_without_patterns(tmp_path: Path) -> None:
    write_attributions(tmp_path / "attributions.h5", planted_attributions(5, length=120))
    run("motifs", "--attributions", tmp_path / "attributions.h5", "--output", tmp_path)
    run("match", "--motifs", tmp_path, "--output", tmp_path / "matches.tsv")
    run("report", "--run", tmp_path, "--output", tmp_path / "report.html")
    assert read_table(tmp_path / "matches.tsv", Match, "l2g-interp match") == []
    notes = json.loads((tmp_path / "run.json").read_text())["steps"]["motifs"]["notes"]
    assert notes.keys() == {"dev", "hk"}
    assert notes["dev"].split(";")[0][:20] in (tmp_path / "report.html").read_text()


def test_export_writes_what_other_tools_read(tmp_path: Path) -> None:
    attributions = planted_attributions(4, length=120)
    write_attributions(tmp_path / "a.h5", attributions)
    run(
        "export", "--attributions", tmp_path / "a.h5", "--target", "hk", "--format", "npz", "--output", tmp_path / "npz"
    )
    (hypothetical,) = (tmp_path / "npz").glob("*hypothetical*.npz")
    np.testing.assert_array_equal(np.load(hypothetical)["arr_0"], attributions["hk"].hypothetical)
    run(
        "export",
        "--attributions",
        tmp_path / "a.h5",
        "--target",
        "hk",
        "--format",
        "chrombpnet",
        "--output",
        tmp_path / "c.h5",
    )
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["raw/seq"].shape == (4, 4, 120)  # type: ignore[union-attr]


def test_attributions_survive_the_disk_with_any_target_name(tmp_path: Path) -> None:
    from dataclasses import replace

    made = planted_attributions(3, length=60)
    odd = replace(made, by_target={"a/b <&> .é": made["dev"], "..": made["hk"]})
    write_attributions(tmp_path / "a.h5", odd)
    again = read_attributions(tmp_path / "a.h5")
    assert again.targets == ("a/b <&> .é", "..")
    np.testing.assert_array_equal(again[".."].hypothetical, made["hk"].hypothetical)
    assert again.ids == made.ids
    some = read_attributions(tmp_path / "a.h5", targets=[".."], rows=[0, 2])
    assert some.ids == [made.ids[0], made.ids[2]]


def test_observed_values_are_put_in_the_order_of_the_sequences(tmp_path: Path) -> None:
    made = planted_attributions(3, length=60)
    write_attributions(tmp_path / "a.h5", made)
    table = tmp_path / "o.tsv"
    table.write_text(f"id\thk\tother\n{made.ids[2]}\t3.5\tx\n{made.ids[0]}\t\tx\nunknown\t1\tx\n")
    observed = read_observed(table, tmp_path / "a.h5")
    np.testing.assert_array_equal(observed["hk"], [np.nan, np.nan, 3.5])
    table.write_text(f"id\thk\n{made.ids[0]}\tmuch\n")
    with pytest.raises(InputError, match=r"o\.tsv: line 2: hk is 'much'"):
        read_observed(table, tmp_path / "a.h5")
    table.write_text("name\thk\n")
    with pytest.raises(InputError, match="needs a column 'id'"):
        read_observed(table, tmp_path / "a.h5")
