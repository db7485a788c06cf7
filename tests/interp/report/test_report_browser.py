"""The report in a real browser: it opens without a complaint, fetches nothing, and its controls work."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from browser import BROWSER, DRIVER, HOSTILE, accessible, chrome, click, opened, pages, resize, texts, wait_until, write
from planted_run import hostile_run, planted_run

from l2g_interp.report import write_report

__all__ = ["chrome"]  # the fixture
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A run whose first dev match has a hostile name."""
    run = planted_run(tmp_path_factory.mktemp("run"), n=40)
    matches = [replace(run.matches[0], label=HOSTILE), *run.matches[1:]]
    return write_report(run.attributions.with_name("report.html"), replace(run, matches=matches), n_tracks=5)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A report in which everything is called by a name of 12,000 characters of markup."""
    run = hostile_run(tmp_path_factory.mktemp("hostile"), HOSTILE)
    return write_report(run.attributions.with_name("report.html"), run, title=HOSTILE, n_tracks=2)


@pytest.fixture
def shown(chrome, report):
    """The report, freshly opened at desktop width."""
    with opened(chrome, report):
        yield chrome


def choose(chrome, field: str, value: str) -> None:
    """Give a control of the motifs' toolbar a value, as a reader would."""
    script = (
        "const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))"
    )
    chrome.execute_script(script, f"[data-filter={field}]", value)


def test_it_opens_and_hostile_names_are_text(shown):
    assert shown.title == "Motif report"
    assert shown.execute_script("return document.querySelectorAll('script').length") == 1
    assert shown.execute_script("return document.querySelector('.motif-name .long').textContent") == HOSTILE
    assert texts(shown, "#tracks .track-box")


def test_a_name_of_ten_thousand_letters_is_cut_until_it_is_looked_at(shown):
    size = "const e = document.querySelector('.motif-name .long'); return [e.offsetHeight, e.offsetWidth]"
    height, width = shown.execute_script(size)
    assert height < 40
    assert width < 400
    shown.execute_script("document.querySelector('.motif-name .long').focus()")
    assert shown.execute_script(size)[0] > height


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_page(shown, width):
    resize(shown, width)
    shown.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width


def test_columns_sort_by_click_and_by_key(shown):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    table = "#table-motifs-1"
    names = f"{table} .motif-name"
    head = shown.find_element(By.XPATH, "//*[@id='table-motifs-1']//th/button[.='Effect of one copy']")
    values = f"return [...document.querySelectorAll('{table} [data-field=effect]')].map(e => +e.dataset.value)"
    head.click()
    ascending = shown.execute_script(values)
    assert ascending == sorted(ascending)
    head.send_keys(Keys.ENTER)
    assert shown.execute_script(values) == ascending[::-1]
    assert head.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    shown.find_element(By.CSS_SELECTOR, f"{table} th:nth-child(1) .sort").send_keys(Keys.SPACE)
    assert texts(shown, names) == sorted(texts(shown, names), key=str.lower)


def test_what_has_no_value_is_sorted_last_either_way(shown):
    from selenium.webdriver.common.by import By

    shown.execute_script("document.querySelector('#motif-1-1 [data-field=effect]').dataset.value = ''")
    head = shown.find_element(By.XPATH, "//*[@id='table-motifs-1']//th/button[.='Effect of one copy']")
    last = "return document.querySelector('#table-motifs-1').tBodies[2].id"
    for _ in range(2):
        head.click()
        assert shown.execute_script(last) == "motif-1-1"


def test_the_filter_hides_what_does_not_match(shown):

    assert len(texts(shown, ".motif-name")) == 6
    write(shown, "[data-filter=text]", "ohler1")
    assert texts(shown, ".motif-name") == ["Ohler1"]
    assert texts(shown, "#motif-count") == ["1 of 6 shown"]
    assert texts(shown, ".group h3") == ["hk", "dev", "hk"]  # the table of hk, the tracks of both
    write(shown, "[data-filter=text]", "<nothing>")
    assert texts(shown, ".motif-name") == []
    click(shown, "#clear-filters")
    assert len(texts(shown, ".motif-name")) == 6
    assert texts(shown, "#motif-count") == [""]


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("target", "motifs-1", ["DRE", "Ohler1", "pattern 2"]),
        ("sign", "-", ["pattern 2"]),
        ("named", "no", ["pattern 2", "pattern 2"]),
        ("seqlets", "1000", []),
    ],
)
def test_filters_by_what_a_motif_is(shown, field, value, names):
    choose(shown, field, value)
    assert texts(shown, ".motif-name") == names


def test_filters_act_together(shown):
    choose(shown, "target", "motifs-0")
    choose(shown, "named", "no")
    assert texts(shown, ".motif-name") == ["pattern 2"]
    choose(shown, "sign", "+")
    assert texts(shown, ".motif-name") == []


def test_details_open_with_their_evidence(shown):

    click(shown, "#motif-1-0 summary")
    detail = texts(shown, "#motif-1-0 .detail")[0]
    for words in ("Contributions (CWM)", "Hypothetical", "reverse complement", "Examples", "Further matches"):
        assert words in detail
    for words in ("Position in the sequence", "95 % intervals", "Copies"):
        assert words in detail
    assert len(texts(shown, "#motif-1-0 .logos svg.logo")) == 8
    click(shown, "#unfold")
    assert len(texts(shown, ".detail")) == 6


def test_a_sequence_is_found_by_its_id(shown):
    first = texts(shown, "#tracks .track-id")[0].split()[-1]
    write(shown, "[data-find=tracks]", first.upper())
    found = texts(shown, "#tracks .track-id")
    assert found
    assert all(first in name for name in found)


def test_tracks_zoom_and_lead_to_their_motif(shown):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    width = "return document.querySelector('.track').getBoundingClientRect().width"
    before = shown.execute_script(width)
    shown.find_element(By.CSS_SELECTOR, "[data-zoom]").send_keys(Keys.END)
    assert shown.execute_script(width) > 2 * before
    box = shown.find_element(By.CSS_SELECTOR, ".track .box")
    anchor = shown.execute_script("return arguments[0].href.baseVal", box)
    write(shown, "[data-filter=text]", "nothing like it")
    shown.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", box)
    shown.execute_async_script("setTimeout(arguments[0], 100)")
    target = shown.find_element(By.CSS_SELECTOR, anchor)
    assert target.is_displayed()
    assert -50 < target.rect["y"] - shown.execute_script("return scrollY") < 900


def test_a_motif_leads_to_its_places_in_a_track(shown):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    write(shown, "[data-find=tracks]", "nothing like it")
    assert texts(shown, ".track-box") == []
    click(shown, "#motif-1-0 summary")
    link = shown.find_element(By.CSS_SELECTOR, "#motif-1-0 .facts a")
    anchor = shown.execute_script("return arguments[0].hash", link)
    name = link.text.split()[0]
    resize(shown, 390)  # where the track is wider than the screen
    link.send_keys(Keys.ENTER)
    wait_until(shown, lambda _: texts(shown, f"{anchor} .box.marked"))
    assert name in texts(shown, f"{anchor} .track-id")[0]
    place = f"const r = document.querySelector('{anchor} .marked').getBoundingClientRect(); return [r.x, r.y]"
    wait_until(shown, lambda _: 0 <= shown.execute_script(place)[0] < 390 and 0 <= shown.execute_script(place)[1] < 900)


def test_targets_stand_side_by_side(shown):
    rows = texts(shown, ".families tbody tr")
    assert len(rows) == 5  # four names, one of them hostile, and what has none
    assert sum("–" in row.split("\t") for row in rows) == 4  # neither a pattern nor hits
    names = "return [...document.querySelectorAll('.families tbody th')].map(e => e.textContent)"
    assert set(shown.execute_script(names)) == {HOSTILE, "GATA", "DRE", "Ohler1", "without a name"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["report", "hostile"])
def test_an_accessibility_checker_finds_nothing(chrome, request, which, width, scheme):
    resize(chrome, width)
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    chrome.get(request.getfixturevalue(which).as_uri())
    chrome.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    accessible(chrome)


def test_hostile_names_are_text_everywhere(chrome, hostile):
    resize(chrome, 1280)
    chrome.get_log("browser")
    chrome.get(hostile.as_uri())
    assert chrome.title.startswith("<script>document.title='owned'")
    assert chrome.execute_script("return document.querySelectorAll('script').length") == 1
    for selector in ("h1", ".families thead th + th", ".motif-name", "#motifs-0", "[data-field=closest_known_motif]"):
        text = f"return document.querySelector({json.dumps(selector)}).textContent"
        assert chrome.execute_script(text).strip() == HOSTILE
    for width in (1280, 390):
        resize(chrome, width)
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    assert chrome.get_log("browser") == []


def test_it_is_readable_without_scripts(chrome, report):

    resize(chrome, 1280)
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(report.as_uri())
        assert len(texts(chrome, ".motif-name")) == 6
        assert len(texts(chrome, ".track-box")) == 10
        assert texts(chrome, ".tools") == []
        assert len(texts(chrome, ".families svg.logo")) == 6
        click(chrome, "#motif-1-0 summary")
        assert "Further matches" in texts(chrome, "#motif-1-0 .detail")[0]
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_it_prints_with_the_details_that_are_open(shown):

    folded = pages(shown)
    click(shown, "#unfold")
    assert pages(shown) > folded > 2


def test_the_table_is_saved_as_text(shown, tmp_path):

    shown.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    choose(shown, "target", "motifs-1")
    click(shown, "#save-table")
    saved = tmp_path / "motifs.tsv"
    wait_until(shown, lambda _: saved.exists() and saved.read_text().count("\n") == 4)
    head, *rows = [line.split("\t") for line in saved.read_text().splitlines()]
    assert head[:5] == ["target", "name", "consensus", "pattern", "sign"]
    assert {"seqlets", "hits", "sequences_hit", "effect", "effect_low", "control", "q_value"} <= set(head)
    assert [row[1] for row in rows] == ["DRE", "Ohler1", "pattern 2"]
    assert all(len(row) == len(head) for row in rows)


def test_a_logo_is_saved_as_a_picture_of_its_own(shown, tmp_path):

    shown.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    click(shown, "#motif-1-0 summary")
    click(shown, "#motif-1-0 .save")
    saved = tmp_path / "logo.svg"
    wait_until(shown, lambda _: saved.exists() and saved.read_text().endswith("</svg>"))
    assert ET.fromstring(saved.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
