"""What stands out and what of it has a name; motifs of every target and database side by side; hits beside seqlets."""

import math
from dataclasses import replace

import numpy as np
import pytest
from browser import BROWSER, DRIVER, HOSTILE, accessible, chrome, resize, texts
from explained_run import GENES, KNOWN, explained_run
from page_reader import Page
from planted_run import planted_run

from l2g_interp.motifs.co_occurrence import adjusted, chance, co_occurrences, occurrences
from l2g_interp.motifs.matrices import reverse_complement
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import Hit, Match, Run, Seqlets
from l2g_interp.report import SECTIONS, write_report
from l2g_interp.report.agreement import agreement, places_of
from l2g_interp.report.context import Context, ReportOptions, load_context
from l2g_interp.report.details import aligned_to
from l2g_interp.report.effects import effect_view
from l2g_interp.report.explained import percent
from l2g_interp.report.links import gene_links, jaspar_address, motif_link
from l2g_interp.report.seqlets import hit_cwms

__all__ = ["chrome"]  # the fixture
in_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return explained_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def context(run) -> Context:
    return load_context(run, ReportOptions(n_tracks=5))


@pytest.fixture(scope="module")
def text(run) -> str:
    return shown(run).text


def shown(run: Run) -> Page:
    return Page(write_report(run.attributions.with_name("report.html"), run, n_tracks=5).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.873, "87\xa0%"), (0.0, "0\xa0%"), (1.0, "100\xa0%"), (0.001, "under\xa01\xa0%"), (0.999, "over\xa099\xa0%"),
        (float("nan"), "–"),
    ],
)  # fmt: skip
def test_a_share_is_neither_none_nor_all_unless_it_is(share, words):
    assert percent(share) == words


def test_the_first_line_says_what_stands_out_and_what_of_it_has_a_name(run, text):
    first = (
        "For dev, 180 stretches stand out of shuffled sequences in 60 sequences; named motifs hold 87 % of their "
        "contribution, and 90 % of the sequences have one. For hk,"
    )
    assert first in text
    assert text.index(first) < text.index("What the model reads")
    assert "If their motif were unknown: sites given another name 9 %" in text
    assert "If their motif were unknown: sites given another name under 1 %" in text
    older = shown(replace(run, explained=[], unexplained=[], provenance={"steps": ["hits"]})).text
    assert "stand out" not in older
    assert "Sites of unknown" not in older


def test_completeness_is_in_the_headline_only_where_it_fails(context):
    assert "add up" not in SECTIONS["summary"].build(context).words
    strict = replace(context, options=replace(context.options, completeness_bound=1e-12))
    assert "CAUTION" in SECTIONS["summary"].build(strict).words


@pytest.mark.parametrize(("segments", "words"), [(0, "nothing stands out"), (1, "1 stretch stands out")])
def test_a_target_in_which_hardly_anything_stands_out(run, segments, words):
    rows = [replace(row, segments=0, standing_out=0.0, named=0.0, resembling=0.0, n_named=0) for row in run.explained]
    rows[0] = replace(rows[0], segments=segments, standing_out=float(segments))
    changed = replace(run, explained=rows, unexplained=[])
    assert words in shown(changed).text
    assert "nan" not in shown(changed).text


def test_what_stays_unexplained_is_measured(context):
    group = SECTIONS["explained"].build(context)[0]
    assert [(part.kind, part.share) for part in group.parts] == [
        ("named", "87\xa0%"), ("resembling", "5\xa0%"), ("left", "8\xa0%"),
    ]  # fmt: skip
    assert sum(part.width for part in group.parts) == pytest.approx(100)
    assert group.n_segments == 180


def test_unexplained_stretches_are_shown_with_their_surroundings(run, context):
    sequences = read_attributions(run.attributions)
    group = SECTIONS["explained"].build(context)[0]
    assert (len(group.stretches), group.n_stretches) == (15, 20)
    sizes = [abs(stretch.contribution) for stretch in group.stretches]
    assert sizes == sorted(sizes, reverse=True)
    for stretch in group.stretches:
        row = sequences.ids.index(stretch.id)
        bases = "".join("ACGT"[i] for i in sequences.one_hot[row, :, stretch.start : stretch.end].argmax(axis=0))
        assert stretch.letters == bases
        assert len(stretch.before) == min(5, stretch.start)
        assert len(stretch.after) == 5
        assert stretch.track == (context.track_anchor("dev", row) if row in context.drawn("dev") else "")
    assert any(stretch.track for stretch in group.stretches)


def test_the_nearest_motif_is_named_and_linked(run, context, text):
    assert "nearest: Ets21C , likeness 0.61 jaspar-insects/MA0916.1" in text
    assert "nearest: none" in text
    assert "unexplained stretch" not in shown(replace(run, unexplained=[])).text.lower()
    there = motif_link(context, "hk", "dev/pos_patterns.pattern_0")
    assert (there.id, there.anchor) == ("dev pattern 0", "motif-0-0")
    assert motif_link(context, "dev", "pos_patterns.pattern_0").id == "pattern 0"
    assert motif_link(context, "dev", KNOWN).address.startswith("https://jaspar.elixir.no/matrix/MA0247.2")


def test_the_section_is_left_out_where_nothing_is_known(tmp_path):
    older = planted_run(tmp_path, n=20)
    assert SECTIONS["explained"].build(load_context(older, ReportOptions())) is None
    assert SECTIONS["explained"].title not in shown(older).text


def family_of(context: Context, name: str):
    found = SECTIONS["families"].build(context)
    return next(row for row in [*found.families, *found.others] if row.name == name)


def test_every_motif_has_a_cell_for_every_target(run, context):
    here, there = family_of(context, "AP-1").cells
    mine = [h for h in run.hits if (h.target, h.pattern) == ("dev", "pos_patterns.pattern_0") and h.tier == 1]
    assert (here.n_hits, here.n_sequences) == (len(mine), len({hit.row for hit in mine}))
    assert here.strength == pytest.approx(sum(abs(hit.contribution) for hit in mine) / 600)
    assert here.members[0].effect.effect.effect == 8.0
    assert (there.members, there.n_hits) == ([], 0)
    (planted,) = there.planted
    assert (planted.name, planted.anchor) == ("dev pattern 0", "motif-0-0")
    assert (planted.effect.effect.effect, planted.effect.warning) == (0.1, "no more than control")


def test_motifs_of_databases_with_hits_follow(run, context, text):
    known = family_of(context, "bin")
    assert [cell.n_hits for cell in known.cells] == [12, 12]
    assert known.motif.id == KNOWN
    assert "CACAATCG" not in known.name
    assert "1 known motif with hits, of which no pattern was found" in text
    assert "not found" not in text
    without = shown(replace(run, explained=[])).text
    assert "their share of the contribution that stands out" not in without


def test_hits_of_a_pattern_of_another_target_count_for_its_family(run):
    borrowed = [replace(hit, target="hk", pattern=f"dev/{hit.pattern}") for hit in run.hits if hit.name == "AP-1"]
    context = load_context(replace(run, hits=[*run.hits, *borrowed]), ReportOptions())
    cell = family_of(context, "AP-1").cells[1]
    assert cell.n_hits == sum(hit.tier == 1 for hit in borrowed)
    assert cell.members == []


def test_one_target_has_its_matrix_too(run):
    alone = replace(run, patterns={"dev": run.patterns["dev"]}, hits=[hit for hit in run.hits if hit.target == "dev"])
    found = SECTIONS["families"].build(load_context(replace(alone, effects=[], explained=[]), ReportOptions()))
    assert found.targets == ["dev"]
    assert [row.name for row in found.families] == ["AP-1", "GATA", ""]
    assert all(cell.share == "" for row in found.families for cell in row.cells)


def test_hits_are_counted_by_tier(run, context, text):
    row = SECTIONS["motifs"].build(context).groups[0].rows[0]
    mine = [hit for hit in run.hits if (hit.target, hit.pattern) == ("dev", "pos_patterns.pattern_0")]
    assert row.hits.n + row.hits.n_alike == len(mine)
    assert row.hits.n_alike == sum(hit.tier == 2 for hit in mine) > 0
    assert f"{row.hits.n} + {row.hits.n_alike} alike" in text


def test_near_ties_stand_beside_the_name(run):
    best = replace(run.matches[0], likeness=0.8)
    rival = replace(best, rank=1, motif_id="r", label="Sry-beta", likeness=0.79)
    shown_text = shown(replace(run, matches=[best, rival, *run.matches[2:]])).text
    assert "AP-1 or Sry-beta ? pattern 0" in shown_text
    assert " or Sry-beta" not in shown(replace(run, matches=[best, replace(rival, q_value=0.5)])).text


def test_links_lead_to_the_databases_and_nothing_else(run):
    page = shown(run)
    outside = {v for key, v in page.attributes if key == "href" and v.startswith("http")}
    assert {address.split("/")[2] for address in outside} == {"flybase.org", "jaspar.elixir.no"}
    assert {f"https://flybase.org/reports/{gene}" for gene in GENES.split("/")} <= outside
    assert [v for key, v in page.attributes if key == "rel"].count("noreferrer") >= len(outside)
    assert not [v for key, v in page.attributes if key in ("src", "action", "poster") and v.startswith("http")]


def test_ids_that_are_none_make_no_addresses():
    assert jaspar_address("jaspar-insects", "MA0247.2").startswith("https://jaspar.elixir.no/matrix/MA0247.2")
    assert jaspar_address("jaspar-insects", "../MA0247.2") == ""
    assert jaspar_address("mine", "MA0247.2") == ""
    match = Match("t", "p", "+", 1, 1, "m", "", "", "db", 0.0, 0.0, "+", 0, 8, flybase="javascript:x/FBgn0003507/FBgn1")
    assert gene_links(match) == [("FBgn0003507", "https://flybase.org/reports/FBgn0003507")]


def test_the_mean_under_hits_is_read_on_the_strand_of_each(run, monkeypatch):
    whole = read_attributions(run.attributions)["hk"].contributions
    mine = [hit for hit in run.hits if (hit.target, hit.pattern) == ("hk", "pos_patterns.pattern_1")]
    odd = replace(mine[0], end=mine[0].end + 3)
    cuts = [whole[hit.row, :, hit.start : hit.end] for hit in mine]
    expected = np.mean([reverse_complement(c) if h.strand == "-" else c for c, h in zip(cuts, mine, strict=True)], 0)
    monkeypatch.setattr("l2g_interp.report.seqlets.BLOCK", 7)
    found, none = hit_cwms(run.attributions, "hk", [[*mine, odd], []])
    np.testing.assert_allclose(found.cwm, expected, rtol=1e-5, atol=1e-6)
    assert (found.n, none.n, none.cwm.shape) == (len(mine), 0, (4, 0))
    monkeypatch.setattr("l2g_interp.report.seqlets.MOST_HITS", 3)
    assert hit_cwms(run.attributions, "hk", [mine])[0].n == 3


def test_the_mean_under_hits_is_drawn_where_the_pattern_has_it():
    cwm = np.random.default_rng(0).normal(size=(4, 20))
    part = cwm[:, 6:14]
    expected = np.zeros_like(cwm)
    expected[:, 6:14] = part
    np.testing.assert_array_equal(aligned_to(cwm, part), expected)
    np.testing.assert_array_equal(aligned_to(cwm, reverse_complement(part)), expected)
    wide = np.pad(cwm, ((0, 0), (3, 2)))
    np.testing.assert_array_equal(aligned_to(cwm, wide), cwm)
    assert not aligned_to(cwm, np.zeros((4, 0))).any()


def test_seqlets_and_hits_are_compared(run, context, text):
    pattern = run.patterns["dev"][0]
    places = list(zip(pattern.seqlets.example.tolist(), (pattern.seqlets.start + 6).tolist(), strict=True))
    template = next(h for h in run.hits if (h.target, h.pattern) == ("dev", pattern.name))

    def hit(at: int, shift: int = 0, **changes: object) -> Hit:
        row, start = places[at]
        return replace(template, row=row, start=start + shift, end=start + shift + 8, seqlet=1, **changes)

    hits = [
        hit(0), hit(1, 3), hit(2, 4), hit(3, pattern=KNOWN, name="bin"), hit(3, 3, pattern="hk/none", name="other"),
        hit(4, 2, tier=2), hit(4, pattern=KNOWN, name="bin"), replace(hit(5, 20), seqlet=0),
    ]  # fmt: skip
    changed = load_context(replace(run, hits=hits), ReportOptions())
    found = agreement(changed, pattern, places_of(hits))
    n = pattern.n_seqlets
    assert (found.n_seqlets, found.own, found.other, found.none) == (n, 3, 1, n - 4)
    assert found.others == [("bin", 1)]  # it covers all of the seqlet, the other one only a part
    assert (found.n_hits, found.beyond) == (5, 1)
    assert f"Of {n} seqlets, {n} have a hit of this motif, 0 one of another, 0 none" in text


def test_effects_of_all_targets_share_a_scale_with_an_axis(run):
    def strip(target: str, changed: Run) -> str:
        context = load_context(changed, ReportOptions())
        view = effect_view(context, context.patterns(target)[0])
        assert view is not None
        return str(view.strip)

    larger = [replace(e, effect=2 * e.effect, effect_high=30.0) if e.target == "hk" else e for e in run.effects]
    assert [part for part in (">−10<", ">0<", ">10<") if part not in strip("dev", run)] == []
    assert ">30<" in strip("dev", replace(run, effects=larger))
    assert strip("dev", replace(run, effects=larger)).count("<text") == 3


def test_chance_goes_both_ways():
    from scipy.stats import false_discovery_control, hypergeom

    sizes = np.array([[200, 100], [200, 100], [50, 50], [7, 993], [0, 10]])
    together, n = np.array([9, 20, 40, 0, 0]), 1000
    more = hypergeom.sf(together - 1, n, sizes[:, 0], sizes[:, 1])
    fewer = hypergeom.cdf(together, n, sizes[:, 0], sizes[:, 1])
    expected = np.minimum(1.0, 2 * np.minimum(more, fewer))
    np.testing.assert_allclose(chance(together, sizes, n, two_sided=True), expected, rtol=1e-9)
    np.testing.assert_allclose(adjusted(expected), false_discovery_control(expected), rtol=1e-9)


def in_rows(*rows: int) -> Seqlets:
    where = np.array(rows)
    return Seqlets(where, np.full(len(rows), 10), np.full(len(rows), 20), np.zeros(len(rows), dtype=bool))


def test_fewer_than_chance_counts_for_hits_only():
    """9 together where chance gives 20."""
    places = {"one": in_rows(*range(200)), "two": in_rows(*range(191, 291))}
    (of_hits,) = co_occurrences("t", places, 1000, of_hits=True)
    assert (of_hits.together, of_hits.expected, of_hits.direction) == (9, 20.0, "fewer")
    assert of_hits.q_value < 0.01
    (of_seqlets,) = co_occurrences("t", places, 1000)
    assert of_seqlets.q_value > 0.99


def test_pairs_are_marked_as_more_or_fewer(run):
    template = run.hits[0]
    rows = {"pos_patterns.pattern_0": range(30), "pos_patterns.pattern_1": range(30, 60)}
    hits = [replace(template, pattern=name, row=row, tier=1) for name, some in rows.items() for row in some]
    context = load_context(replace(run, hits=hits, patterns={"dev": run.patterns["dev"][:2]}), ReportOptions())
    (group,) = SECTIONS["pairs"].build(context)
    assert (group.pairs[0].badge, group.pairs[0].numbers.together) == ("fewer", 0)
    seqlets = SECTIONS["pairs"].build(load_context(replace(run, hits=[]), ReportOptions()))
    assert all(pair.badge in ("", "more") for found in seqlets for pair in found.pairs)


def test_what_only_resembles_a_motif_is_no_occurrence(run):
    pattern = run.patterns["dev"][0]
    mine = [hit for hit in run.hits if (hit.target, hit.pattern) == ("dev", pattern.name)]
    assert len(occurrences(pattern, mine)) == sum(hit.tier == 1 for hit in mine) < len(mine)
    assert math.isclose(len(occurrences(pattern, None)), pattern.n_seqlets)


@pytest.fixture(scope="module")
def hostile(run) -> Run:
    """Names of 12,000 characters of markup wherever rows of the newer tables have one."""
    return replace(
        run,
        hits=[
            replace(hit, name=HOSTILE, pattern=f"{HOSTILE}/{HOSTILE}") if hit.name == "bin" else hit for hit in run.hits
        ],
        unexplained=[replace(row, nearest=HOSTILE, motif=HOSTILE, id=HOSTILE) for row in run.unexplained],
    )


@in_browser
@pytest.mark.parametrize(
    ("which", "width", "scheme"),
    [("run", 1280, "light"), ("run", 390, "dark"), ("hostile", 1280, "dark"), ("hostile", 390, "light")],
)
def test_an_accessibility_checker_finds_nothing_and_the_page_is_not_too_wide(chrome, request, which, width, scheme):
    changed = request.getfixturevalue(which)
    path = write_report(changed.attributions.with_name(f"{which}.html"), changed, n_tracks=2)
    resize(chrome, width)
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    chrome.get_log("browser")
    chrome.get(path.as_uri())
    chrome.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert len(texts(chrome, "#explained .stretches tbody tr")) == 30
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    accessible(chrome)
    assert chrome.get_log("browser") == []
