"""A real headless browser."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSER, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")


FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


HOSTILE = "<script>document.title='owned'</script>\"'&🧬" * 250


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chrome')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(180)  # the accessibility checker on a whole report takes half a minute on a busy machine
    yield driver
    driver.quit()


def resize(chrome, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def texts(chrome, selector: str) -> list[str]:
    """Text of the visible elements, in the order of the page."""
    return chrome.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)",
        selector,
    )


@contextmanager
def opened(chrome, page: Path, width: int = 1280):
    """The page at this width; afterwards: no complaint in the console, no request over the network."""
    resize(chrome, width)
    chrome.get_log("browser")
    chrome.get_log("performance")
    chrome.get(page.as_uri())
    yield
    assert chrome.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def write(chrome, selector: str, text: str) -> None:
    from selenium.webdriver.common.by import By

    field = chrome.find_element(By.CSS_SELECTOR, selector)
    field.clear()
    field.send_keys(text)


def click(chrome, selector: str) -> None:
    """Bring an element to the middle of the window, where the bar of sections does not cover it, and click it."""
    from selenium.webdriver.common.by import By

    found = chrome.find_element(By.CSS_SELECTOR, selector)
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    found.click()


def wait_until(chrome, condition) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chrome, 10, poll_frequency=0.05).until(condition)


def pages(chrome) -> int:
    import base64

    pdf = base64.b64decode(chrome.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    return pdf.count(b"/Type /Page\n")


def accessible(chrome) -> None:
    """An accessibility checker finds nothing on the page that is open."""
    from selenium_axe_python import Axe

    axe = Axe(chrome)
    axe.inject()
    found = axe.run()
    assert found["passes"]
    assert found["violations"] == [], axe.report(found["violations"])


def fits(chrome) -> bool:
    """Whether nothing of the page is wider than the window."""
    return chrome.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
