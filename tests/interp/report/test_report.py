"""The report's content: what is shown, also when something is missing, and that names stay text."""

import re
from dataclasses import replace

import numpy as np
import pytest
from explained_run import explained_run
from page_reader import HOSTILE, Page
from planted import planted
from planted_run import hostile_run, planted_run

from l2g_core.errors import InputError
from l2g_interp.drawing.numbers import decimals_for, fixed, format_number
from l2g_interp.motifs.co_occurrence import adjusted, chance, distances
from l2g_interp.motifs.naming import family
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.types import Match, Pattern, Run, Seqlets
from l2g_interp.report import SECTIONS, write_report
from l2g_interp.report.charts import MANY_POINTS, histogram, nice_ticks, scatter
from l2g_interp.report.checks import enough, pearson
from l2g_interp.report.context import ReportOptions, load_context
from l2g_interp.report.effects import warning
from l2g_interp.report.seqlets import seqlet_evidence
from l2g_interp.report.track_picture import Box, _box_text, _label, _lanes


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return planted_run(tmp_path_factory.mktemp("run"))


def page(run: Run, **options) -> Page:
    path = write_report(run.attributions.with_name("report.html"), run, **options)
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_is_well_formed_and_every_link_leads_somewhere(tmp_path):
    shown = page(explained_run(tmp_path))
    ids = [value for key, value in shown.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for key, value in shown.attributes if key == "href" and value.startswith("#")}
    assert links <= set(ids)
    assert set(SECTIONS) <= set(ids)


def test_nothing_is_fetched_and_only_our_script_may_run(run):
    shown = page(run)
    addresses = [v for key, v in shown.attributes if key in ("src", "href", "action", "data", "poster")]
    assert all(address.startswith(("#", "data:,")) for address in addresses)
    assert not [key for key, _ in shown.attributes if key.startswith("on") or key == "style"]
    (policy,) = [v for _, v in shown.attributes if v and v.startswith("default-src")]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_table_has_the_columns_of_the_papers_figures(run):
    text = page(run).text
    for target in ("dev", "hk"):
        assert target in text
    for column in ("Forward", "Reverse", "Seqlets", "Motif", "q-value", "Named after, or nearest"):
        assert column in text
    for word in ("AP-1", "GATA", "DRE", "Ohler1", "ATGACTCA", "0.0001", "raises", "lowers"):
        assert word in text
    assert f"{run.patterns['dev'][0].n_seqlets} in " in text


def test_effects_and_hits_have_columns_where_they_are_known(run):
    text = page(run).text
    for shown in (
        "Effect of one copy",
        "+8.00 [+7.80, +8.20]",
        "control 0.00",
        "Hits",
        "95 % intervals",
        "copies planted",
    ):
        assert shown in text
    hits = [hit for hit in run.hits if (hit.target, hit.pattern) == ("dev", run.patterns["dev"][0].name)]
    assert f"{len(hits)} hits in {len({hit.row for hit in hits})} sequences" in text
    assert "5 of 6 change the prediction beyond their scrambled control" in text
    assert "no more than control" in text


def test_columns_of_what_was_not_done_are_absent(run):
    text = page(replace(run, effects=[], hits=[])).text
    for absent in ("Effect", "effect", "Hits", " hits ", "control"):
        assert absent not in text


def test_a_pattern_that_was_not_validated_or_never_hits_is_shown(run):
    mine = run.patterns["dev"][0].name
    kept = replace(
        run,
        effects=[e for e in run.effects if e.pattern != mine and e.copies == 2],
        hits=[h for h in run.hits if h.pattern != mine],
    )
    text = page(kept).text
    assert "not measured" in text
    assert "0 hits in 0 sequences" in text


@pytest.mark.parametrize(
    ("sign", "low", "high", "expected"),
    [
        ("+", 0.1, 0.3, ""),
        ("+", -0.1, 0.3, "no more than control"),
        ("+", -0.3, -0.1, "acts the other way"),
        ("-", -0.3, -0.1, ""),
        ("-", -0.3, 0.1, "no more than control"),
        ("-", 0.1, 0.3, "acts the other way"),
        ("+", float("nan"), float("nan"), "no more than control"),
    ],
)
def test_an_effect_must_go_beyond_its_control_in_the_direction_of_its_sign(run, sign, low, high, expected):
    effect = replace(run.effects[0], sign=sign, excess_low=low, excess_high=high)
    assert warning(effect) == expected


def test_targets_stand_side_by_side_by_the_name_of_the_factor(run):
    labels = {("dev", 0): "DRE (Dref)", ("hk", 0): "DRE (BEAF-32)"}
    named = [
        replace(m, label=labels.get((m.target, int(m.pattern[-1])), m.label)) if m.rank == 0 else m for m in run.matches
    ]
    found = SECTIONS["families"].build(load_context(replace(run, matches=named), ReportOptions()))
    assert found.targets == ["dev", "hk"]
    assert [row.name for row in found.families] == ["DRE", "Ohler1", "GATA", ""]
    both = found.families[0]
    assert [[member.n_seqlets for member in part] for part in both.members] == [
        [run.patterns[target][0].n_seqlets] for target in found.targets
    ]
    assert "Of 3 named motifs, 1 is found in both targets." in found.words
    one = SECTIONS["families"].build(load_context(replace(run, patterns={"hk": run.patterns["hk"]}), ReportOptions()))
    assert one.targets == ["hk"]
    assert one.words == ""
    bare = replace(run, patterns={}, hits=[], effects=[])
    assert SECTIONS["families"].build(load_context(bare, ReportOptions())) is None


def test_a_family_is_the_name_before_the_brackets():
    assert family("GATA (srp)") == "GATA"
    assert family("AP-1 (kay/Jra)") == "AP-1"
    assert family("(unknown)") == "(unknown)"


def test_a_match_that_is_not_significant_names_nothing(run):
    shown = page(run)
    assert shown.text.count("no significant match") == 2
    assert "nearest: repressor" in shown.text
    assert "no significant match" not in page(run, max_q=0.5).text
    assert page(run, max_q=1e-9).text.count("no significant match") == 6


def test_a_pattern_without_any_match_is_shown(run):
    text = page(replace(run, matches=[], motifs={})).text
    assert text.count("no match") == 6
    assert "none resembles a known motif" in text


def test_a_match_whose_matrix_is_missing_is_shown_without_it(run):
    assert "the database's matrix is not in this run" in page(replace(run, motifs={})).text


def test_a_target_without_patterns_says_why(run):
    note = "63 seqlets of positive sign, TF-MoDISco needs 100"
    text = page(replace(run, patterns={"hk": run.patterns["hk"]}, notes={"dev": note})).text
    assert "No motif was found for this target." in text
    assert text.count(note) == 2


def test_a_run_without_any_pattern_is_a_whole_report(run):
    shown = page(replace(run, patterns={}, matches=[], motifs={}, observed={}, provenance={}))
    assert "No recurring motif was found." in shown.text
    assert shown.text.count("No motif was found for this target.") == 2
    assert "planted_" in shown.text


def test_names_of_any_kind_stay_text(tmp_path):
    shown = page(hostile_run(tmp_path, HOSTILE), title=HOSTILE)
    assert shown.tags.count("script") == 1
    assert not {"img", "iframe", "object", "embed"} & set(shown.tags)
    assert not [key for key, _ in shown.attributes if key.startswith("on")]
    assert HOSTILE in " ".join(shown.words)
    assert "49🧬" not in shown.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["attributions.h5", "hostile.h5", "report.html"]


def test_completeness_above_the_bound_is_marked_loudly(run):
    assert "The contributions do not add up" not in page(run).text
    text = page(run, completeness_bound=1e-12).text
    assert text.count("The contributions do not add up.") == 2
    assert "CAUTION" in text


def test_undefined_numbers_are_shown_as_undefined(run, tmp_path):
    attributions = read_attributions(run.attributions)
    nothing = np.full(len(attributions), np.nan, dtype=np.float32)
    by_target = {t: replace(attributions[t], delta=nothing, stability=nothing) for t in attributions.targets}
    path = tmp_path / "attributions.h5"
    write_attributions(path, replace(attributions, by_target=by_target))
    text = page(replace(run, attributions=path)).text
    assert text.count("The contributions of this method need not add up") == 2
    assert "enough" not in text
    assert "nan" not in text.lower().replace("dominant", "")


def test_observed_values_give_a_correlation_over_what_is_known(run):
    observed = {"dev": run.observed["dev"].astype(float).copy()}
    observed["dev"][::2] = np.nan
    text = page(replace(run, observed=observed)).text
    prediction = read_attributions(run.attributions)["dev"].prediction
    r = np.corrcoef(prediction[1::2], observed["dev"][1::2])[0, 1]
    assert f"PCC = {r:.3g} (30 sequences)" in text
    assert text.count("Predicted against observed") == 1


def test_one_sentence_says_whether_there_are_enough_references(run):
    assert enough(np.array([0.99, 0.97, 0.9]), 100) == (
        "100 shuffles are enough here: a fresh draw would give contributions that correlate with these at 0.970 "
        "(median over sequences); for 1 of 3 sequences it is less than 0.95; about 220 references would do for nine in "
        "ten of them."
    )
    some = enough(np.array([0.96, 0.97, 0.99]), 500, np.array([20.0, 90.0, 30.0]))
    assert some.startswith("20 to 90 shuffles (median 30) are enough here")
    assert enough(np.array([0.5]), 5).startswith("5 shuffles are too few here")
    assert "every one of them" in enough(np.array([0.99, np.nan]), None)
    assert enough(np.array([np.nan]), 100) == ""


@pytest.mark.parametrize(
    ("value", "shown"), [(float("nan"), "–"), (-1.5, "−1.5"), (2.34e-7, "2.34×10⁻⁷"), (0.0, "0"), (1e20, "1×10²⁰")]
)
def test_numbers_are_written_for_people(value, shown):
    assert format_number(value) == shown


@pytest.mark.parametrize(("largest", "decimals"), [(0.85, 2), (2.4, 2), (15.0, 1), (400.0, 0), (0.03, 3), (0.0, 2)])
def test_a_column_has_as_many_decimals_as_its_largest_number_needs(largest, decimals):
    assert decimals_for(largest) == decimals
    assert [fixed(value, 2) for value in (-0.5, 0.5, -0.004)] == ["−0.50", "+0.50", "0.00"]
    assert fixed(float("nan"), 2) == "–"


def test_pearson_is_undefined_for_constants():
    assert np.isnan(pearson(np.ones(3), np.arange(3.0))[0])
    assert pearson(np.array([1.0, np.nan]), np.array([1.0, 2.0]))[1] == 1


def test_tracks_are_the_strongest_sequences_in_order(run):
    context = load_context(run, ReportOptions(n_tracks=3))
    for group in SECTIONS["tracks"].build(context):
        prediction = context.numbers(group.target, "prediction")
        best = np.argsort(-prediction)[:3]
        assert [track.id for track in group.tracks] == [f"planted_{i}" for i in best]
        assert [track.prediction for track in group.tracks] == pytest.approx(prediction[best])
    assert SECTIONS["tracks"].build(load_context(run, ReportOptions(n_tracks=0))) is None


def test_sequences_that_are_asked_for_come_first(run):
    options = ReportOptions(n_tracks=2, sequences=("planted_7", "planted_3"))
    for group in SECTIONS["tracks"].build(load_context(run, options)):
        assert [track.id for track in group.tracks[:2]] == ["planted_7", "planted_3"]
        strongest = [track for track in group.tracks if track.rank <= 2]
        assert len(strongest) == 2
        assert len({track.id for track in group.tracks}) == len(group.tracks)
    assert SECTIONS["tracks"].build(load_context(run, replace(options, n_tracks=0)))
    with pytest.raises(InputError, match="no sequence 'nobody'"):
        page(run, sequences=["nobody"])


def test_motifs_and_tracks_lead_to_one_another(run):
    context = load_context(run, ReportOptions(n_tracks=4))
    (dev, _) = SECTIONS["motifs"].build(context).groups
    shown = {track.anchor: track for track in SECTIONS["tracks"].build(context)[0].tracks}
    hits = [hit.row for hit in run.hits if (hit.target, hit.pattern) == ("dev", run.patterns["dev"][0].name)]
    expected = {f"planted_{row}": hits.count(row) for row in context.drawn("dev") if row in hits}
    links = dev.rows[0].details.tracks
    assert {link.id: link.count for link in links} == expected
    assert [shown[link.anchor].id for link in links] == [link.id for link in links]
    assert all(f'href="#{dev.rows[0].anchor}"' in shown[link.anchor].picture for link in links)


def test_tracks_show_hits_or_else_seqlets(run):
    def boxes(changed):
        groups = SECTIONS["tracks"].build(load_context(changed, ReportOptions(n_tracks=60)))
        return sum(track.n_boxes for group in groups for track in group.tracks)

    assert boxes(run) == len(run.hits)
    seqlets = sum(pattern.n_seqlets for patterns in run.patterns.values() for pattern in patterns)
    assert boxes(replace(run, hits=[])) == seqlets < len(run.hits)


def test_more_tracks_than_sequences_are_not_asked_for(run):
    groups = SECTIONS["tracks"].build(load_context(run, ReportOptions(n_tracks=10_000)))
    assert [len(group.tracks) for group in groups] == [60, 60]


def test_padding_is_not_drawn(tmp_path):
    attributions, _ = planted(4, 120)
    short = replace(attributions, lengths=np.array([70, 120, 120, 120]))
    short.one_hot[0, :, 70:] = 0
    write_attributions(tmp_path / "attributions.h5", short)
    run = Run(tmp_path / "attributions.h5", {}, [], {}, {})
    groups = SECTIONS["tracks"].build(load_context(run, ReportOptions()))
    assert {t.id: t.length for t in groups[0].tracks}["planted_0"] == 70
    assert "4 sequences of 70 to 120 bp" in page(run).text


def test_boxes_that_overlap_or_whose_names_would_get_rows_of_their_own():
    def boxes(*starts):
        return [_label(Box(start, start + 8, "GATA", "motif-0-0", 0, False), 249) for start in starts]

    assert _lanes(boxes(0, 100)) == [0, 0]
    assert _lanes(boxes(0, 4)) == [0, 1]
    assert _lanes(boxes(50, 0, 4)) == [0, 0, 1]


def test_seqlets_carry_the_contribution_under_the_trimmed_pattern(run):
    pattern = run.patterns["hk"][1]
    evidence = seqlet_evidence(run.attributions, "hk", [pattern])[0]
    whole = read_attributions(run.attributions)["hk"].contributions.sum(axis=1)
    at = 7
    row, start = pattern.seqlets.example[at], pattern.seqlets.start[at] + 6  # the flank of a planted pattern
    assert evidence.contributions[at] == pytest.approx(whole[row, start : start + 9].sum(), rel=1e-5)
    assert len(evidence.examples) == 4
    strongest = np.abs(evidence.contributions).max()
    assert abs(evidence.examples[0].contribution) == pytest.approx(strongest)


def test_reading_in_blocks_changes_nothing(run, monkeypatch):
    patterns = run.patterns["dev"]
    whole = seqlet_evidence(run.attributions, "dev", patterns)
    monkeypatch.setattr("l2g_interp.report.seqlets.BLOCK", 7)
    for first, second in zip(whole, seqlet_evidence(run.attributions, "dev", patterns), strict=True):
        np.testing.assert_allclose(first.contributions, second.contributions, rtol=1e-5, atol=1e-6)
        assert first.examples == second.examples


def test_provenance_shows_whatever_it_is_given(run):
    record = {"seed": 0, "none": None, "flag": True, "steps": [{"name": "attribute", "n": 12_345}], "empty": {}}
    record["many"] = list(range(1000))
    text = page(replace(run, provenance=record)).text
    for shown in ("seed 0", "none not given", "flag yes", "12,345", "empty none", "… and 950 more", "planted"):
        assert shown in text


def test_the_steps_are_described_with_their_counts(run):
    seqlets = sum(pattern.n_seqlets for patterns in run.patterns.values() for pattern in patterns)
    sequences = len({hit.row for hit in run.hits})
    assert SECTIONS["provenance"].build(load_context(run, ReportOptions())).words == (
        f"60 sequences were explained by planted (seed 0). TF-MoDISco made 6 motifs of {seqlets} seqlets. "
        "TOMTOM named 4 of them (q ≤ 0.1). Each was planted into 100 shuffled sequences. "
        f"They have {len(run.hits)} hits in {sequences} sequences."
    )


def test_a_report_is_the_same_every_time(run, tmp_path):
    first, second = (write_report(tmp_path / name, run).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_paths_that_cannot_be_used_give_one_line(run, tmp_path):
    with pytest.raises(InputError, match=r"no-folder.*cannot be written"):
        write_report(tmp_path / "no-folder" / "report.html", run)
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path, run)
    with pytest.raises(InputError, match="no such file"):
        write_report(tmp_path / "report.html", replace(run, attributions=tmp_path / "none.h5"))
    assert list(tmp_path.iterdir()) == []


def test_one_sequence_and_one_seqlet_are_enough(tmp_path):
    attributions, _ = planted(1, 100)
    write_attributions(tmp_path / "attributions.h5", attributions)
    seqlets = Seqlets(np.array([0]), np.array([-3]), np.array([7]), np.array([False]))  # reaches over the edge
    matrix = np.full((4, 10), 0.25)
    pattern = Pattern("dev", "pos_patterns.pattern_0", "+", matrix, matrix, matrix, seqlets)
    match = Match("dev", pattern.name, "+", 1, 1, "m", "", "", "db", 0.0, 0.0, "-", -2, 6)
    motifs = {("db", "m"): np.full((4, 6), 0.25)}
    run = Run(tmp_path / "attributions.h5", {"dev": [pattern]}, [match], motifs, {})
    assert "1 motif recurs in the bases that matter; it resembles" in page(run).text


def test_a_histogram_counts_what_is_finite_and_piles_up_the_rest_at_its_ends():
    drawn = histogram(np.array([np.nan, 0.0, 5.0, 50.0]), "x", "x", limits=(0.0, 10.0), bins=10)
    tops = [float(t) for t in re.findall(r"v-([\d.]+)h", drawn)]
    assert len(tops) == 3
    assert len(set(tops)) == 1
    assert "bar" in histogram(np.array([]), "x", "x")
    assert 'class="mark"' in histogram(np.array([1e-6, 0.0]), "x", "x", limits=(-9.0, 1.0), log=True, mark=1e-3)


def test_many_points_become_a_density():
    rng = np.random.default_rng(0)
    few, many = (scatter(x, x, "l", "x", "y") for x in (rng.normal(size=10), rng.normal(size=MANY_POINTS + 1)))
    assert few.count("h0") == 10
    assert "dots" not in many
    assert len(many) < 60_000


def seqlets_of(*places: tuple[int, int, bool]) -> Seqlets:
    """Seqlets of 10 bp at (row, start, reverse)."""
    rows, starts, reverse = (np.array(column) for column in zip(*places, strict=True))
    return Seqlets(rows, starts, starts + 10, reverse.astype(bool))


def test_distances_follow_the_strand_of_the_first_motif():
    first = seqlets_of((0, 50, False), (1, 50, True), (2, 50, False))
    second = seqlets_of((1, 80, False), (0, 80, False), (0, 20, True))
    assert sorted(distances(first, second)) == [-30.0, -30.0, 30.0]
    assert len(distances(first, seqlets_of((9, 0, False)))) == 0


def test_chance_is_the_hypergeometric_test_for_more_than_chance():
    from scipy.stats import false_discovery_control, hypergeom

    sizes = np.array([[50, 50], [50, 50], [50, 50], [7, 93], [20, 30]])
    together, n = np.array([50, 0, 25, 7, 9]), 100
    expected = hypergeom.sf(together - 1, n, sizes[:, 0], sizes[:, 1])
    np.testing.assert_allclose(chance(together, sizes, n), expected, rtol=1e-9)
    np.testing.assert_allclose(adjusted(expected), false_discovery_control(expected), rtol=1e-9)


def test_motifs_that_always_occur_together_come_first(run):
    one, two, three = run.patterns["dev"]
    rows = np.arange(20)
    here = Seqlets(rows, np.full(20, 10), np.full(20, 10 + one.ppm.shape[1]), np.zeros(20, dtype=bool))
    there = Seqlets(rows, here.start + 30, here.end + 30, here.is_revcomp)
    patterns = [replace(one, seqlets=here), replace(two, seqlets=there), three]
    context = load_context(replace(run, patterns={"dev": patterns}, hits=[]), ReportOptions())
    (group,) = SECTIONS["pairs"].build(context)
    best = group.pairs[0]
    assert {best.first, best.second} == {"AP-1", "GATA"}
    assert best.numbers.together == 20
    assert best.numbers.expected == pytest.approx(20 * 20 / 60)
    assert best.numbers.q_value < 1e-9
    assert best.numbers.distance == pytest.approx(30, abs=2)


def test_motifs_with_the_same_name_are_distinguished(run):
    one, two, _ = run.patterns["dev"]
    namesake = replace(run.matches[0], pattern=two.name)
    changed = replace(run, hits=[], patterns={"dev": [one, two]}, matches=[run.matches[0], namesake])
    (group,) = SECTIONS["pairs"].build(load_context(changed, ReportOptions()))
    assert {group.pairs[0].first, group.pairs[0].second} == {"AP-1 (pattern 0)", "AP-1 (pattern 1)"}


@pytest.mark.parametrize(("low", "high"), [(0.0, 249.0), (-9.0, 1.0), (0.8, 1.0), (-1e-7, 3e-7), (1e6, 1e6 + 1)])
def test_ticks_are_few_round_and_inside(low, high):
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-9 * abs(low) <= tick <= high * (1 + 1e-9) for tick in ticks)


@pytest.mark.parametrize("key", SECTIONS)
def test_every_section_has_a_template_and_stands_a_run_without_patterns(key, run):
    bare = replace(run, patterns={}, matches=[], motifs={}, provenance={}, observed={}, effects=[], hits=[])
    shown = page(bare)
    if SECTIONS[key].build(load_context(bare, ReportOptions())) is None:
        assert SECTIONS[key].title not in shown.text
    else:
        assert ("id", key) in shown.attributes


def test_names_above_tracks_leave_out_what_is_in_brackets():
    def text(name, reverse):
        return _box_text(Box(0, 8, name, "motif-0-0", 0, reverse))

    assert text("AP-1 (kay/Jra)", False) == "AP-1 →"
    assert text("(nothing else)", True) == "(nothing else) ←"
    assert text("x" * 100, True) == "x" * 15 + "… ←"


def test_databases_of_the_catalogue_are_shown_with_their_licence(run):
    matches = [replace(match, database="flyfactorsurvey") for match in run.matches]
    text = page(replace(run, matches=matches)).text
    assert "CC BY-NC 2.5" in text
    assert "user-supplied file" not in text
    assert "planted user-supplied file" in page(run).text
