"""The page of a comparison in a real browser: no complaint, no request, nothing wider than the page."""

import json

import pytest
from browser import BROWSER, DRIVER, HOSTILE, chrome, resize, texts
from compared import match, pattern

from l2g_interp import compare

__all__ = ["chrome"]  # the fixture
COLORS = """const style = (selector) => getComputedStyle(document.querySelector(selector));
return [style('.venn text').fill, style('body').backgroundColor]"""
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Three sets, one of them with a hostile name, as have its target and its motif."""
    odd = pattern("DRE", target=HOSTILE)
    sets = [
        compare.MotifSet("dev", (pattern("DRE"), pattern("AP-1")), (), {"Model": "one"}),
        compare.MotifSet(HOSTILE, (odd,), (match(odd, HOSTILE),), {"Model": HOSTILE}),
        compare.MotifSet("hk", (pattern("Ohler1"),), (), {"Model": "one"}),
    ]
    path = tmp_path_factory.mktemp("page") / "compare.html"
    return compare.write_comparison(path, compare.compare_motifs(sets), command=f"l2g-interp compare {HOSTILE}")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_it_opens_without_a_complaint_and_fetches_nothing(chrome, page, width, scheme):
    resize(chrome, width)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    chrome.get_log("browser")
    chrome.get_log("performance")
    chrome.get(page.as_uri())
    assert chrome.title == "Motifs compared"
    assert chrome.execute_script("return document.querySelectorAll('script, img').length") == 0
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    assert texts(chrome, ".compared .pattern-number") == ["pattern 0"] * 4
    assert chrome.execute_script("return [...document.querySelectorAll('.venn .count')].map(e => +e.textContent)") == [
        1, 0, 1, 1, 0, 0, 0,
    ]  # fmt: skip
    ink, paper = chrome.execute_script(COLORS)
    assert ink != paper
    assert chrome.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
