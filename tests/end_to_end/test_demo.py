"""The demo as people run it: every planted motif is found, and its report works in a real browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from browser import BROWSER, DRIVER, accessible, chrome, click, opened, pages, texts, wait_until, write

from l2g_core.errors import InputError
from l2g_interp.demo.demo import run_demo
from l2g_interp.run_folder import read_run

__all__ = ["chrome"]  # the fixture
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    call = "from l2g_interp.cli import main; main()"
    command = [sys.executable, "-c", call, "demo", "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "5 of 5 planted motifs recovered" in done.stdout
    return folder


def test_it_recovers_every_planted_motif_and_is_not_done_twice(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (demo / "report.html").stat().st_size > 100_000
    found = read_run(demo)
    assert all(e.excess_low > 0 for e in found.effects if e.sign == "+" and e.copies == 3)
    assert {h.target for h in found.hits} == {e.target for e in found.effects} == {"dev", "hk"}
    names = ("model/model.safetensors", "attributions.h5", "matches.tsv", "hits.tsv", "report.html")
    before = [(demo / name).stat().st_mtime_ns for name in names]
    assert run_demo(demo, shown=False)  # finished: nothing is done again, and it says the same
    assert "5 of 5 planted motifs recovered" in capsys.readouterr().out
    assert [(demo / name).stat().st_mtime_ns for name in names] == before
    with pytest.raises(InputError, match=r"was made from other settings, data or another model: .*--overwrite"):
        run_demo(demo, seed=1, shown=False)


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed")
def test_its_report_works_in_a_browser(chrome, demo):
    """Sort, filter, open a pattern, search a sequence, follow a link to its track, print; then the checker."""
    with opened(chrome, demo / "report.html"):
        names = texts(chrome, ".motif-name")
        assert len(names) > 3
        assert any("DRE" in name for name in names)
        click(chrome, "#table-motifs-1 th:nth-child(1) .sort")
        assert texts(chrome, "#table-motifs-1 .motif-name") == sorted(
            texts(chrome, "#table-motifs-1 .motif-name"), key=str.lower
        )
        write(chrome, "[data-filter=text]", "dre")
        assert 0 < len(texts(chrome, ".motif-name")) < len(names)
        click(chrome, "#clear-filters")
        click(chrome, "#motif-1-0 summary")
        assert "Copies" in texts(chrome, "#motif-1-0 .detail")[0]  # validated by the run itself
        anchor = chrome.execute_script("return document.querySelector('#motif-1-0 .facts a').hash")
        click(chrome, "#motif-1-0 .facts a")
        wait_until(chrome, lambda _: texts(chrome, f"{anchor} .box.marked"))
        name = texts(chrome, f"{anchor} .track-id")[0].split()[-1]
        write(chrome, "[data-find=tracks]", name)
        assert all(name in found for found in texts(chrome, "#tracks .track-id"))
        assert pages(chrome) > 2
        write(chrome, "[data-find=tracks]", "")
        chrome.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        accessible(chrome)
