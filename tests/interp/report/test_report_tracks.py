"""The contribution tracks of the report: boxes, axes, places in the genome, on a phone and on paper."""

import base64
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from browser import BROWSER, DRIVER, accessible, chrome, resize
from page_reader import Page
from planted_run import planted_run

from l2g_core.dna import Interval
from l2g_interp.drawing.logo import value_range
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.types import Run, Unexplained
from l2g_interp.report import write_report
from l2g_interp.report.charts import count_ticks, histogram
from l2g_interp.report.context import ReportOptions, load_context
from l2g_interp.report.track_picture import (
    Box,
    TrackView,
    _label,
    _lanes,
    axis_ticks,
    common_limits,
    genome_ticks,
    is_cut,
    scale_svg,
    strongest,
    track_svg,
)
from l2g_interp.report.tracks import PRINTED, Track, browser_link, tracks

__all__ = ["chrome"]  # the fixture
in_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed")

DATABASE = "jaspar-insects/MA0247.2"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return planted_run(tmp_path_factory.mktemp("run"))


def with_places(run: Run, folder: Path, extra: int = 0) -> Run:
    """The run with places in the genome, every second one on the minus strand, ``extra`` bp longer than they should."""
    attributions = read_attributions(run.attributions)
    length = attributions.one_hot.shape[2] + extra
    places = [Interval("chr2R", 1000 * i, 1000 * i + length, "+-"[i % 2]) for i in range(1, len(attributions) + 1)]
    path = folder / "places.h5"
    write_attributions(path, replace(attributions, coordinates=places))
    return replace(run, attributions=path)


def with_all_kinds(run: Run) -> Run:
    """The run with hits of database motifs and of the other target's patterns, weak ones, and what has no name."""
    others = {"dev": "hk", "hk": "dev"}
    hits = []
    for i, hit in enumerate(run.hits):
        hits.append(replace(hit, tier=2) if i % 4 == 1 else hit)
        if i % 5 == 0:
            moved = replace(hit, start=hit.start + 5, end=hit.end + 3)
            hits.append(replace(moved, pattern=DATABASE, name="tin", tier=2))
        if i % 7 == 3:
            hits.append(replace(hit, pattern=f"{others[hit.target]}/{run.patterns[others[hit.target]][0].name}"))
    return replace(run, hits=hits, unexplained=[unexplained(target, row) for target in others for row in range(60)])


def unexplained(target: str, row: int) -> Unexplained:
    return Unexplained(
        target, row, f"planted_{row}", 90, 102, "+", 1.2, 0.1, "ACGT", "DRE", "hk/pos_patterns.pattern_0", 0.41
    )


def drawn(run: Run, target: str, **options) -> list[Track]:
    groups = tracks(load_context(run, ReportOptions(**options))) or []
    return next(group.tracks for group in groups if group.target == target)


def page(run: Run, **options) -> str:
    return write_report(run.attributions.with_name("report.html"), run, **options).read_text(encoding="utf-8")


def view(totals: list[float], boxes: tuple[Box, ...] = (), **changes) -> TrackView:
    """A track of A of these heights."""
    heights = np.zeros((4, len(totals)))
    heights[0] = totals
    return TrackView("a track", heights, boxes, **changes)


def test_hits_of_any_motif_are_drawn_and_linked_if_the_page_has_it(run):
    hit = next(hit for hit in run.hits if hit.target == "dev")
    hits = [
        replace(hit, start=10, end=20, pattern=DATABASE, name="tin"),
        replace(hit, start=30, end=40, pattern=DATABASE, name=""),
        replace(hit, start=50, end=60, pattern=f"hk/{run.patterns['hk'][0].name}", name="DRE (Dref)"),
        replace(hit, start=70, end=80),
        replace(hit, start=90, end=100, tier=2),
    ]
    (track,) = drawn(replace(run, hits=hits), "dev", n_tracks=0, sequences=(hit.id,))
    assert track.n_boxes == 5
    found = re.findall(r'<(a|g)( href="#[^"]*")? class="(box[^"]*)"><title>([^<]*)<', track.picture)
    assert [title.split(",")[0] for *_, title in found] == ["tin", "MA0247.2", "DRE (Dref)", "AP-1", "resembles AP-1"]
    assert [(tag, link.strip()) for tag, link, *_ in found] == [
        ("g", ""), ("g", ""), ("a", 'href="#motif-1-0"'), ("a", 'href="#motif-0-0"'), ("a", 'href="#motif-0-0"'),
    ]  # fmt: skip
    assert ["weak" in look for _, _, look, _ in found] == [False] * 4 + [True]
    assert found[3][2] == found[4][2].removesuffix(" weak")  # one family, one colour
    assert "bases 11 to 20" in found[0][3]
    assert track.picture.count("AP-1? ") == 1


def test_what_no_motif_explains_is_marked_below_the_letters(run):
    (row,) = (int(track.id.removeprefix("planted_")) for track in drawn(run, "hk", n_tracks=1))
    (track,) = drawn(replace(run, unexplained=[unexplained("hk", row), unexplained("dev", row)]), "hk", n_tracks=1)
    assert track.picture.count("<title>unexplained, nearest DRE (likeness 0.41)</title>") == 1
    assert "unexplained" not in drawn(run, "hk", n_tracks=1)[0].picture
    nothing_near = replace(unexplained("hk", row), nearest="", motif="", likeness=float("nan"))
    assert "nearest to no motif<" in drawn(replace(run, unexplained=[nothing_near]), "hk", n_tracks=1)[0].picture


def test_the_measured_value_stands_beside_the_prediction_where_it_is_known(run):
    track = drawn(run, "dev")[0]
    row = int(track.id.removeprefix("planted_"))
    assert track.measured == pytest.approx(run.observed["dev"][row])
    text = Page(page(run, n_tracks=1)).text
    assert re.search(r"predicted [\d.]+ · measured [\d.]+ · shuffled", text)
    unknown = {"dev": np.full(60, np.nan)}
    assert (
        "measured" not in Page(page(replace(run, observed=unknown), n_tracks=1)).text.split("Contribution tracks")[-1]
    )


def test_a_track_speaks_of_completeness_only_where_it_fails(run):
    def captions(text):
        return " ".join(re.findall(r"<figcaption>\s*<span class=\"track-id\">.*?</figcaption>", text, re.DOTALL))

    assert "completeness" not in captions(page(run))
    assert captions(page(run, completeness_bound=1e-12)).count("completeness error") == 40


def test_the_scale_fits_the_letters_and_no_outlier_flattens_the_others():
    usual = [view([0.2, -0.3, height, 0]) for height in (0.8, 1.0, 1.2)]
    assert common_limits(usual) == pytest.approx((-0.3, 1.2))
    lowering = [*usual, view([0.1, -1.5, 0.9, 0])]  # as large as others are, on the other side
    assert common_limits(lowering) == pytest.approx((-1.5, 1.2))
    outlier = view([0.1, -4.0, 9.0, 0])
    limits = common_limits([*usual, outlier])
    assert limits == pytest.approx((-0.3, 1.2))
    assert [is_cut(track, limits) for track in [*usual, outlier]] == [False] * 3 + [True]
    drawing = track_svg(outlier, limits)
    assert drawing.count('class="cut"') == 2
    assert "<title>9, taller than the scale</title>" in drawing
    assert common_limits([outlier]) == value_range(outlier.heights)
    assert common_limits([view([0.0, 0.0])]) == (0.0, 1.0)
    assert common_limits([]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.3, 1.2, [0, 1]), (-1.1, 1.3, [-1, 0, 1]), (0.0, 1.0, [0, 1]), (-2.0, 0.01, [-2, 0]), (0.0, 3e-7, [0, 3e-7])],
)
def test_the_y_axis_has_two_or_three_numbers(low, high, expected):
    assert axis_ticks(low, high) == pytest.approx(expected)


def test_the_scale_stands_in_a_column_of_its_own(run):
    track = drawn(run, "dev")[0]
    assert "contribution</text>" in track.scale
    assert "contribution</text>" not in track.picture
    (one,), (other,) = (re.findall(r'<svg [^>]*height="(\d+)">', svg)[:1] for svg in (track.scale, track.picture))
    assert one == other


@pytest.mark.parametrize("strand", "+-.")
def test_positions_in_the_genome_are_those_of_the_letters(strand):
    place = Interval("chr2R", 12_345, 12_345 + 249, strand)
    ticks = genome_ticks(place)
    assert [name for _, name in ticks] == ["12,350", "12,400", "12,450", "12,500", "12,550"]
    for base, name in ticks:
        assert 0 <= base < 249
        assert f"{place.part(base, base + 1).start + 1:,}" == name


@pytest.mark.parametrize("length", [40, 150, 249, 600, 1000, 3000])
def test_numbers_below_a_track_are_few(length):
    place = Interval("chr2R", 20_000_000, 20_000_000 + length)
    assert 1 <= len(genome_ticks(place)) <= 7
    below = re.findall(r">(\d+)</text>", track_svg(view([1.0] * length), (0.0, 1.0)))
    assert 2 <= len(below) <= 15
    assert all(int(position) <= length for position in below)


def test_a_place_in_the_genome_has_an_axis_and_a_link(run, tmp_path):
    track = drawn(with_places(run, tmp_path), "dev")[0]
    row = int(track.id.removeprefix("planted_"))
    assert track.browser == f"https://genome.ucsc.edu/cgi-bin/hgTracks?position=chr2R:{row + 1}001-{row + 1}150"
    assert ">chr2R</text>" in track.scale
    assert f">{row + 1},050</text>" in track.picture
    text = page(with_places(run, tmp_path), n_tracks=1)
    assert text.count('rel="noreferrer"') == text.count("open in UCSC browser") == 2
    assert "UCSC" not in page(run)


def test_a_place_that_is_not_as_long_as_the_sequence_has_no_axis(run, tmp_path):
    track = drawn(with_places(run, tmp_path, extra=10), "dev")[0]
    assert track.place.startswith("chr2R:")
    assert "chr2R" not in track.scale
    assert ",050</text>" not in track.picture


def test_a_chromosome_of_any_name_stays_within_its_link():
    place = Interval('chr"<&>1 2', 9, 20)
    assert browser_link(place).endswith("position=chr%22%3C%26%3E1%202:10-20")
    assert "chr&quot;&lt;&amp;" in scale_svg(view([1.0] * 11, place=place), (0.0, 1.0))


def test_a_name_stands_in_its_box_or_beside_it():
    inside, right, left = (_label(Box(start, end, "GATA", "", 0, False), 200) for start, end in _spans())
    assert (inside.side, inside.x, inside.left, inside.right) == ("middle", 50, 40, 60)
    assert (right.side, right.x, right.left) == ("start", 48, 40)
    assert right.right > right.x
    assert (left.side, left.x, left.right) == ("end", 190, 198)
    assert left.left < 190


def _spans() -> list[tuple[int, int]]:
    return [(40, 60), (40, 48), (190, 198)]


def test_names_and_boxes_of_a_row_never_overlap():
    rng = np.random.default_rng(0)
    starts, names = rng.integers(-5, 240, 60), rng.choice(["E", "GATA", "a very long name"], 60)
    boxes = [Box(int(s), int(s) + 9, str(n), "", 0, False) for s, n in zip(starts, names, strict=True)]
    labels = [_label(box, 249) for box in boxes]
    lanes = _lanes(labels)
    for i, k in combinations(range(60), 2):
        if lanes[i] == lanes[k]:
            assert labels[i].right <= labels[k].left or labels[k].right <= labels[i].left


def test_a_track_says_where_to_look_first():
    boxes = tuple(Box(start, start + 10, "x", "", 0, False) for start in (0, 60, 95))
    assert strongest(view([0.1] * 60 + [-0.5] * 10 + [0.2] * 30, boxes)) == pytest.approx(0.65)
    assert strongest(view([0.1] * 10 + [-0.5] + [0.2] * 9)) == pytest.approx(10.5 / 20)
    assert strongest(view([])) == 0.5


@pytest.mark.parametrize("largest", [1, 2, 3, 7, 10, 37, 99, 100, 12_345])
def test_an_axis_of_counts_has_two_or_three_round_numbers(largest):
    ticks = count_ticks(largest)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 3
    assert largest / 2 < ticks[-1] <= largest or ticks[-1] * 2.5 > largest
    assert str(ticks[1]).rstrip("0") in ("1", "2", "5")


def test_a_histogram_has_numbers_on_both_axes():
    drawn = histogram(np.repeat([1.0, 5.0], [3, 40]), "x", "x", limits=(0.0, 10.0), bins=10)
    beside = re.findall(r'text-anchor="end">([\d,]+)<', drawn)
    assert beside == ["0", "20", "40"]
    assert re.findall(r'text-anchor="middle">([\d.]+)<', drawn) == ["0", "5", "10"]


def test_the_record_is_folded_below_its_words(run):
    text = page(run).split('id="provenance"')[-1]
    assert text.index("60 sequences were explained") < text.index("<details><summary>Everything that was recorded")
    assert text.index("<details><summary>Everything") < text.index("l2g-interp run") < text.index("</details>")
    bare = page(replace(run, provenance={}, matches=[], motifs={}))
    assert "They have" in bare


def test_the_first_tracks_and_those_asked_for_are_printed(run):
    assert [track.printed for track in drawn(run, "dev", n_tracks=5)] == [True] * PRINTED + [False] * 2
    asked = tuple(f"planted_{i}" for i in range(5))
    printed = [track.id for track in drawn(run, "dev", sequences=asked) if track.printed]
    assert printed == list(asked)
    assert page(run).count("The first 3 of 20 tracks are printed.") == 2
    assert "tracks are printed" not in page(run, n_tracks=3)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of everything that a track may show."""
    folder = tmp_path_factory.mktemp("tracks")
    run = with_places(with_all_kinds(planted_run(folder)), folder)
    return write_report(folder / "report.html", run, n_tracks=6)


def rectangles(chrome, selector: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of elements."""
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.getBoundingClientRect().toJSON())"
    return [(r["left"], r["top"], r["right"], r["bottom"]) for r in chrome.execute_script(script, selector)]


@in_browser
def test_a_long_sequence_is_as_wide_as_its_letters_need(chrome, tmp_path):
    resize(chrome, 1280)
    path = write_report(tmp_path / "report.html", planted_run(tmp_path, n=10, length=1000), n_tracks=1)
    chrome.get(path.as_uri())
    ((left, _, right, _), *_) = rectangles(chrome, "#tracks .track")
    assert right - left == pytest.approx(4000)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= 1280


@in_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_no_name_covers_another(chrome, report, width):
    resize(chrome, width)
    chrome.get(report.as_uri())
    for one, other in combinations(rectangles(chrome, "#tracks .track-box:nth-of-type(-n+4) .box text"), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] + 4 or other[3] <= one[1] + 4
        assert apart, (one, other)


@in_browser
def test_a_phone_opens_tracks_at_the_strongest_stretch_with_the_axis_in_view(chrome, report):
    resize(chrome, 390)
    chrome.get(report.as_uri())
    script = """return [...document.querySelectorAll(".track-view")].map(view => {
        const [scale, track] = [...view.children].map(e => e.getBoundingClientRect());
        const at = track.left + Number(view.dataset.strongest) * track.width;
        return [at, scale.left - view.getBoundingClientRect().left, scale.right, view.scrollLeft];
    })"""
    seen = chrome.execute_script(script)
    assert len(seen) == 12
    for at, offset, axis_ends, _ in seen:
        assert axis_ends < at < 390
        assert abs(offset) < 1
    assert max(left for *_, left in seen) > 100


@in_browser
def test_zooming_keeps_the_middle_of_what_is_seen(chrome, report):
    resize(chrome, 390)
    chrome.get(report.as_uri())
    middle = """const view = document.querySelector(".track-view"), [scale, track] = view.children;
        return (view.scrollLeft + (view.clientWidth - scale.clientWidth) / 2) / track.clientWidth"""
    chrome.execute_script("document.querySelector('.track-view').scrollLeft = 150")
    before = chrome.execute_script(middle)
    zoom = (
        "const e = document.querySelector('[data-zoom]'); e.value = arguments[0]; e.dispatchEvent(new Event('input'))"
    )
    chrome.execute_script(zoom, 3)
    assert chrome.execute_script(middle) == pytest.approx(before, abs=0.01)
    hidden = "return [...document.querySelectorAll('.track .box text')].every(e => !e.checkVisibility())"
    assert not chrome.execute_script(hidden)
    chrome.execute_script(zoom, 0.25)
    assert chrome.execute_script(hidden)  # names would cover each other


def printed(chrome, path: Path) -> int:
    """Pages of the PDF."""
    chrome.get(path.as_uri())
    pdf = base64.b64decode(chrome.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    return pdf.count(b"/Type /Page\n")


@in_browser
def test_four_motifs_and_forty_tracks_print_on_six_pages(chrome, run, tmp_path):
    patterns = {target: found[:2] for target, found in run.patterns.items()}
    kept = {pattern.name for found in patterns.values() for pattern in found}
    four = replace(run, patterns=patterns, hits=[hit for hit in run.hits if hit.pattern in kept])
    assert 3 <= printed(chrome, write_report(tmp_path / "report.html", four)) <= 6


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_an_accessibility_checker_finds_nothing_in_tracks_with_everything(chrome, report, width, scheme):
    resize(chrome, width)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    chrome.get(report.as_uri())
    accessible(chrome)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
