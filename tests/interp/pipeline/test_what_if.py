"""Pairs and removals of a run folder, through the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from counting_model import ACTIVATOR, PALINDROME, REPRESSOR
from evidence_run import N, evidence_run, interp, write_motifs

from l2g_core.errors import InputError
from l2g_interp.cli import main
from l2g_interp.commands.pairs import spacings_of
from l2g_interp.effects.pairs import PairOptions
from l2g_interp.effects.removals import RemoveOptions
from l2g_interp.effects.scales import SCALES
from l2g_interp.pipeline import pairs as pairs_stage
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import ALL_HITS, Hit, PairEffect
from l2g_interp.run_folder import evidence_stamp, read_all_patterns, read_run, record

MODEL = ("--model", "counting_model:build")
FEW = ("--spacings", "0,20", "--backgrounds", 10)
KEYS = {ACTIVATOR: "act/pos_patterns.pattern_0", PALINDROME: "act/pos_patterns.pattern_1",
        REPRESSOR: "rep/neg_patterns.pattern_0"}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = evidence_run(tmp_path_factory.mktemp("run"))
    run("hits", "--run", folder, "--quantile", 0)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(made, tmp_path / "run"))
    noted = json.loads((copy / "run.json").read_text())
    noted["steps"]["motifs"]["attributions"] = str(copy / "attributions.h5")
    (copy / "run.json").write_text(json.dumps(noted))
    return copy


def run(*arguments: object) -> str:
    result = interp(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object, words: tuple[str, ...]) -> None:
    result = interp(*arguments)
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.output


def step(folder: Path, name: str) -> dict:
    return json.loads((folder / "run.json").read_text())["steps"][name]


@pytest.mark.slow
def test_pairs_writes_every_pair_and_what_was_done(folder: Path) -> None:
    printed = run("pairs", *MODEL, "--run", folder, *FEW)
    rows = read_run(folder).pairs
    assert {(r.first, r.second) for r in rows} == {
        (a, b) for i, a in enumerate(KEYS.values()) for b in list(KEYS.values())[i:]
    }
    assert len(rows) == (3 * 3 + 3 * 4) * 2 * 2
    assert {row.kind for row in rows} == {"additive"}, "the network only counts"
    assert "0 of 84 arrangements are not additive" in printed
    act = [r for r in rows if (r.target, r.first, r.second) == ("act", KEYS[ACTIVATOR], KEYS[PALINDROME])]
    assert {(round(r.first_effect), round(r.second_effect), round(r.joint_effect)) for r in act} == {(2, 2, 4)}
    noted = step(folder, "pairs")
    assert (noted["pairs"], noted["tested"], noted["kinds"]) == (6, 84, {"additive": 84})
    assert (noted["spacings"], noted["scale"], noted["n_backgrounds"]) == ([0, 20], "output", 10)
    assert not list(folder.glob("*.journal"))


@pytest.mark.slow
def test_a_killed_run_of_pairs_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("pairs", *MODEL, "--run", folder, *FEW)
    run(*command)
    whole = (folder / "pairs.tsv").read_bytes()
    real, asked = pairs_stage.measured, []

    def killed(*given, done: int, **more):
        asked.append(done)
        for i, numbers in enumerate(real(*given, done=done, **more)):
            if i == 2 and len(asked) == 1:
                raise KeyboardInterrupt
            yield numbers

    monkeypatch.setattr(pairs_stage, "measured", killed)
    command = (*command, "--output", folder / "again.tsv")
    assert interp(*command).exit_code != 0
    assert (folder / "again.tsv.journal").exists()
    refused(*command, words=("unfinished", "--resume"))
    run(*command, "--resume")
    assert asked == [0, 2]
    assert (folder / "again.tsv").read_bytes() == whole


@pytest.mark.slow
def test_some_motifs_of_the_run_or_of_databases_are_planted(folder: Path) -> None:
    common = ("pairs", *MODEL, "--run", folder, "--spacings", 5, "--backgrounds", 10)
    run(*common, "--pattern", "PATTERN 1", "--output", folder / "one.tsv")
    assert {(r.first, r.second) for r in read_table(folder / "one.tsv", PairEffect, "x")} == {(KEYS[PALINDROME],) * 2}
    run(*common, "--pattern", KEYS[ACTIVATOR], "--motif", "DRE", "--database", "core-promoter")
    rows = read_table(folder / "planted_pairs.tsv", PairEffect, "x")
    assert {KEYS[ACTIVATOR], "core-promoter DRE DRE (Dref)"} <= {r.first for r in rows}
    assert not read_run(folder).pairs, "the table of the run's own motifs is another"
    refused(*common, "--pattern", "Trl", words=("no motif of the run is called 'Trl'", KEYS[ACTIVATOR]))
    run("pairs", *MODEL, "--run", folder, *FEW)
    run(*common, "--pattern", "pattern 1", "--output", folder / "finer.tsv")
    assert read_run(folder).pairs, "a table of another name leaves this one valid"
    run(*common, "--most", 2, "--output", folder / "two.tsv")
    assert len({r.first for r in read_table(folder / "two.tsv", PairEffect, "x")}) == 2


@pytest.mark.slow
def test_remove_tells_what_is_lost(folder: Path) -> None:
    printed = run("remove", *MODEL, "--run", folder)
    rows = {(r.target, r.pattern): r for r in read_run(folder).removals}
    losses = {key: (round(row.loss, 1), row.needed, row.n_sequences) for key, row in rows.items()}
    assert losses == {
        ("act", "pos_patterns.pattern_0"): (2.0, "yes", N),
        ("act", "pos_patterns.pattern_1"): (2.0, "yes", N),
        ("act", ALL_HITS): (4.0, "yes", N),
        ("rep", "neg_patterns.pattern_0"): (-1.0, "yes", N),
        ("rep", ALL_HITS): (-1.0, "yes", N),
    }
    for row in rows.values():
        assert row.contribution == pytest.approx(row.loss, abs=0.1), "what the contributions said"
    assert rows["act", ALL_HITS].share == pytest.approx(1, abs=0.1)
    assert rows["act", ALL_HITS].singly == pytest.approx(4, abs=0.1)
    assert "lost -1.000 [-1.000, -1.000]" in printed
    assert step(folder, "remove")["removals"] == 5
    again = (folder / "removals.tsv").read_bytes()
    run("remove", *MODEL, "--run", folder, "--overwrite", "--batch-size", 3)
    assert (folder / "removals.tsv").read_bytes() == again


@pytest.mark.slow
def test_tables_about_other_motifs_or_hits_are_not_shown(folder: Path) -> None:
    run("pairs", *MODEL, "--run", folder, *FEW)
    run("remove", *MODEL, "--run", folder)
    write_table(folder / "hits.tsv", read_run(folder).hits[1:], Hit)  # as if hits had been called in another way
    record(folder, "hits", evidence_stamp(folder / "hits.tsv", read_all_patterns(folder)))
    shown = read_run(folder)
    assert shown.pairs
    assert not shown.removals, "of the hits before"
    write_motifs(folder, leave_out=3)
    assert not read_run(folder).pairs


@pytest.mark.slow
def test_what_is_missing_is_told(folder: Path) -> None:
    (folder / "hits.tsv").unlink()
    refused("remove", *MODEL, "--run", folder, words=("no hits of the motifs here", "l2g-interp hits"))
    refused("pairs", "--model", "counting_model:other", "--run", folder, words=("--other-model",))
    refused("pairs", *MODEL, "--run", folder, "--spacings", "400", words=("attributions.h5", "have no room"))


@pytest.mark.parametrize(
    ("text", "spacings"), [("0,5,15", (0, 5, 15)), ("0-3", (0, 1, 2, 3)), ("20,0-10:5", (0, 5, 10, 20)), ("7", (7,))]
)
def test_spacings(text: str, spacings: tuple[int, ...]) -> None:
    assert spacings_of(text) == spacings


@pytest.mark.parametrize("text", ["", "a", "5-2", "0-10:0", "-3", "1,,2", "0-10:-5"])
def test_spacings_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--spacings"):
        spacings_of(text)


def test_the_command_offers_what_the_functions_take() -> None:
    """Its options are written out, because importing the functions would slow down every ``--help``."""
    given = {option.name: option for option in main.commands["pairs"].params}
    assert list(given["scale"].type.choices) == list(SCALES)  # type: ignore[attr-defined]
    assert spacings_of(str(given["spacings"].default)) == PairOptions().spacings
    assert given["backgrounds"].default == PairOptions().n_backgrounds
    removing = {option.name: option.default for option in main.commands["remove"].params}
    assert (removing["sequences"], removing["draws"]) == (RemoveOptions().n_sequences, RemoveOptions().n_draws)
