"""Pairs and removals in the report: shown where they are known, with their sizes, intervals and names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explained_run import explained_run, pair_effects
from page_reader import HOSTILE, Page
from planted_run import hostile_run

from l2g_interp.records.types import ALL_NAMED, Run
from l2g_interp.report import write_report
from l2g_interp.report.context import ReportOptions, load_context
from l2g_interp.report.interactions import interactions, strongest
from l2g_interp.report.removals import removal_of, words_on
from l2g_interp.report.spacing_picture import mark, spacing_picture


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return explained_run(tmp_path_factory.mktemp("run"))


def page(run: Run) -> Page:
    return Page(write_report(run.attributions.with_name("report.html"), run).read_text(encoding="utf-8"))


def test_sections_and_column_appear_where_the_tables_are(run: Run) -> None:
    shown = page(run)
    ids = {value for key, value in shown.attributes if key == "id"}
    assert {"interactions", "removals"} <= ids
    for text in (
        "Motifs planted together", "synergistic → →, 10 bp; 1 of 12 not additive", "+3.00 [+2.80, +3.20]",
        "What is lost without them", "all named hits", "93 % [90, 96]", "no more than elsewhere", "Needed",
        "each alone only 2.5 in sum", "10 % of the draws read as the motif again", "no room",
    ):  # fmt: skip
        assert text in shown.text, text
    without = page(replace(run, pairs=[], removals=[]))
    assert not {"interactions", "removals"} & {value for key, value in without.attributes if key == "id"}
    assert "Needed" not in without.text


def test_the_matrix_has_every_pair_once_with_its_strongest_arrangement(run: Run) -> None:
    (of_dev,) = interactions(load_context(run, ReportOptions())) or []
    assert [motif.name for motif in of_dev.motifs] == ["AP-1", "GATA"]
    assert [[cell is not None for cell in row] for row in of_dev.matrix] == [[True, True], [False, True]]
    cell = of_dev.matrix[0][1]
    assert cell is not None
    assert (cell.row.spacing, cell.row.kind) == (10, "synergistic")
    assert 'class="raised"' in cell.mark
    assert (of_dev.pairs[0].first.name, of_dev.pairs[0].second.name) == ("AP-1", "GATA")
    assert (of_dev.n_pairs, of_dev.n_tested) == (3, 30)


def test_what_is_found_together_stands_beside_what_acts_together(run: Run) -> None:
    (of_dev,) = interactions(load_context(run, ReportOptions())) or []
    found = of_dev.pairs[0].found
    assert found is not None
    rows = [
        {h.row for h in run.hits if (h.target, h.pattern, h.tier) == ("dev", p.name, 1)} for p in run.patterns["dev"]
    ]
    assert found.together == len(rows[0] & rows[1])
    assert of_dev.pairs[1].found is None, "a motif with itself"
    none = interactions(load_context(replace(run, hits=[]), ReportOptions()))
    assert none is not None
    assert none[0].pairs[0].found is None


def test_a_pattern_shows_its_own_removal(run: Run) -> None:
    context = load_context(run, ReportOptions())
    views = [removal_of(context, pattern) for pattern in run.patterns["dev"]]
    assert [view.badge for view in views if view] == ["", "", "no more than elsewhere"]
    assert [view.numbers.loss for view in views if view] == [1.0, 1.5, 0.05]


def test_words_on_redundancy(run: Run) -> None:
    joint = next(row for row in run.removals if row.pattern == ALL_NAMED)
    assert "stand in for each other" in words_on(joint)
    assert "need each other" in words_on(replace(joint, singly=15.0))
    assert "about the same" in words_on(replace(joint, singly=7.0))
    assert words_on(replace(joint, loss_low=-1.0, share=np.nan)) == ""


def test_the_strongest_is_looked_for_among_what_is_not_additive(run: Run) -> None:
    rows = pair_effects(run.patterns)
    weak = [replace(row, excess=9.0) if row.kind == "additive" else row for row in rows]
    assert strongest(weak).kind == "synergistic"
    assert strongest([row for row in weak if row.kind == "additive"]).excess == 9.0


def test_pictures_have_a_panel_per_orientation_and_survive_zeros(run: Run) -> None:
    rows = [row for row in pair_effects(run.patterns) if row.first != row.second]
    picture = spacing_picture(rows, "x")
    assert picture.count('class="curve"') == 4
    assert picture.count("<circle") == 12
    assert picture.count('<circle class="raised"') == 1
    zero = [replace(row, excess=0.0, excess_low=0.0, excess_high=0.0) for row in rows[:1]]
    assert "nan" not in spacing_picture(zero, "x") + mark(zero[0], 0.0)


@pytest.mark.slow
def test_names_of_pairs_and_removals_stay_text(run: Run, tmp_path: Path) -> None:
    named = [
        replace(row, target=HOSTILE, first=HOSTILE, second="x", first_name=HOSTILE)
        for row in pair_effects(run.patterns)
    ]
    removed = [replace(run.removals[0], target=HOSTILE, pattern="unknown", name=HOSTILE)]
    shown = page(replace(hostile_run(tmp_path, HOSTILE), pairs=named, removals=removed))
    assert not [key for key, _ in shown.attributes if key.startswith("on")]
    assert shown.tags.count("script") == 1
    assert {"interactions", "removals"} <= {value for key, value in shown.attributes if key == "id"}
