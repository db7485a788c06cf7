"""The report in a real browser: it opens without a complaint, fetches nothing, and its controls work."""

import json
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from planted_run import planted_run

from l2g_interp.report import write_report

BROWSER, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
HOSTILE = "<script>document.title='owned'</script>\"'&🧬" * 250
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A run whose first dev match has a hostile name."""
    run = planted_run(tmp_path_factory.mktemp("run"), n=40)
    matches = [replace(run.matches[0], label=HOSTILE), *run.matches[1:]]
    return write_report(run.attributions.with_name("report.html"), replace(run, matches=matches), n_tracks=5)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chrome')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def shown(chrome, report):
    """The report, freshly opened at desktop width."""
    resize(chrome, 1280)
    chrome.get_log("browser")
    chrome.get_log("performance")
    chrome.get(report.as_uri())
    yield chrome
    assert chrome.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def resize(chrome, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def texts(chrome, selector: str) -> list[str]:
    """Text of the visible elements, in the order of the page."""
    return chrome.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)",
        selector,
    )


def write(chrome, selector: str, text: str) -> None:
    from selenium.webdriver.common.by import By

    field = chrome.find_element(By.CSS_SELECTOR, selector)
    field.clear()
    field.send_keys(text)


def wait_until(chrome, condition) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chrome, 10, poll_frequency=0.05).until(condition)


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
    head = shown.find_element(By.CSS_SELECTOR, f"{table} th:nth-child(5) .sort")  # contribution
    values = f"return [...document.querySelectorAll('{table} [data-label=Contribution]')].map(e => +e.dataset.value)"
    head.click()
    ascending = shown.execute_script(values)
    assert ascending == sorted(ascending)
    head.send_keys(Keys.ENTER)
    assert shown.execute_script(values) == ascending[::-1]
    assert head.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    shown.find_element(By.CSS_SELECTOR, f"{table} th:nth-child(1) .sort").send_keys(Keys.SPACE)
    assert texts(shown, names) == sorted(texts(shown, names), key=str.lower)


def test_the_filter_hides_what_does_not_match(shown):
    field = "[data-filter=table-motifs-1]"
    assert len(texts(shown, "#table-motifs-1 .motif-name")) == 3
    write(shown, field, "ohler1")
    assert texts(shown, "#table-motifs-1 .motif-name") == ["Ohler1"]
    assert texts(shown, "[data-count=table-motifs-1]") == ["1 of 3 shown"]
    write(shown, field, "<nothing>")
    assert texts(shown, "#table-motifs-1 .motif-name") == []
    assert len(texts(shown, "#table-motifs-0 .motif-name")) == 3


def test_details_open_with_their_evidence(shown):
    from selenium.webdriver.common.by import By

    shown.find_element(By.CSS_SELECTOR, "#motif-1-0 summary").click()
    detail = texts(shown, "#motif-1-0 .detail")[0]
    for words in ("Contributions (CWM)", "Hypothetical", "Position in the sequence", "Examples", "Further matches"):
        assert words in detail
    shown.find_element(By.CSS_SELECTOR, "[data-unfold=table-motifs-1]").click()
    assert len(texts(shown, "#table-motifs-1 .detail")) == 3


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
    write(shown, "[data-filter=table-motifs-0]", "nothing like it")
    shown.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", box)
    shown.execute_async_script("setTimeout(arguments[0], 100)")
    target = shown.find_element(By.CSS_SELECTOR, anchor)
    assert target.is_displayed()
    assert -50 < target.rect["y"] - shown.execute_script("return scrollY") < 900


def test_it_is_readable_without_scripts(chrome, report):
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(report.as_uri())
        assert len(texts(chrome, ".motif-name")) == 6
        assert len(texts(chrome, ".track-box")) == 10
        assert texts(chrome, ".tools") == []
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_it_prints(shown):
    import base64

    pdf = base64.b64decode(shown.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") > 2


def test_the_table_is_saved_as_text(shown, tmp_path):
    from selenium.webdriver.common.by import By

    shown.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    shown.find_element(By.CSS_SELECTOR, "[data-save=table-motifs-1]").click()
    saved = tmp_path / "motifs.tsv"
    wait_until(shown, lambda _: saved.exists() and saved.read_text().count("\n") == 4)
    head, *rows = [line.split("\t") for line in saved.read_text().splitlines()]
    assert head[:4] == ["name", "pattern", "sign", "consensus"]
    assert [row[0] for row in rows] == ["DRE", "Ohler1", "pattern 2"]
    assert all(len(row) == len(head) for row in rows)


def test_a_logo_is_saved_as_a_picture_of_its_own(shown, tmp_path):
    from selenium.webdriver.common.by import By

    shown.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    shown.find_element(By.CSS_SELECTOR, "#motif-1-0 summary").click()
    shown.find_element(By.CSS_SELECTOR, "#motif-1-0 .save").click()
    saved = tmp_path / "logo.svg"
    wait_until(shown, lambda _: saved.exists() and saved.read_text().endswith("</svg>"))
    assert ET.fromstring(saved.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
