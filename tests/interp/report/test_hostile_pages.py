"""Both pages in a real browser, with hostile names wherever a name can come from: text, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from browser import BROWSER, DRIVER, chrome, resize
from compared import match, pattern
from explained_run import explained_run

from l2g_core.dna import Interval
from l2g_interp import compare
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.types import Run
from l2g_interp.report import write_report

__all__ = ["chrome"]  # the fixture
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver is installed"),
]
PAYLOADS = {
    "markup": (
        "<script>owned=1</script><img data-owned src=http://x.invalid/a onerror=owned=1><svg data-owned onload=owned=1>"
        "</svg></td></table><b data-owned>&lt;b&gt;<!-- --><style>*{display:none}</style></script></style></title>"
    ),
    "attributes": (
        "\" data-owned onmouseover=\"owned=1\" x='1' data-owned onfocus='owned=1' autofocus `onclick=owned=1` "
        "url(http://x.invalid/b) javascript:owned=1 {{7*7}}{% raw %}${owned=1}\\u003cb data-owned> \u202e\x7f\u2028=A1"
    ),
}
KEPT = {"sign", "strand", "letters", "expressed", "kind", "scale", "consensus"}  # not names of anything
COUNT = """const counts = {};
for (const e of document.querySelectorAll('*')) counts[e.tagName] = (counts[e.tagName] || 0) + 1;
return counts"""
HANDLERS = """const outside = (a) => /^(href|src|xlink:href)$/.test(a.name) && !/^(#|https:|data:)/.test(a.value);
return [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])
  .filter(a => a.name.startsWith('on') || outside(a)).map(a => a.name + '=' + a.value)"""
Rename = Callable[[str], str]


def renamed(run: Run, name: Rename) -> Run:
    """The run with another name for everything, the same in all places where it stands."""
    parts = {*run.patterns, *(p.name for found in run.patterns.values() for p in found), *sum(run.motifs, ())}

    def reference(text: str) -> str:
        """``name``, or the two names of ``database/motif`` or ``target/pattern``."""
        first, slash, second = text.partition("/")
        return f"{name(first)}/{name(second)}" if slash and {first, second} <= parts else name(text) if text else text

    def rows(table: list) -> list:
        return [
            replace(row, **{f.name: reference(getattr(row, f.name)) for f in fields(row)
                            if f.type == "str" and f.name not in KEPT})
            for row in table
        ]  # fmt: skip

    found = read_attributions(run.attributions)
    path = run.attributions.with_name("renamed.h5")
    places = [Interval(name("chr1"), 100 * i, 100 * i + int(n)) for i, n in enumerate(found.lengths)]
    provenance = {name("key"): name("value"), "model": name("model"), "sequences": name("x.fa"), "method": name("m")}
    write_attributions(path, replace(
        found, ids=[name(i) for i in found.ids], by_target={name(t): found[t] for t in found.targets},
        coordinates=places, provenance=found.provenance | provenance,
    ))  # fmt: skip
    steps: Any = {
        "motifs": {"command": name("command"), "attributions": name("a.h5"), "options": {name("o"): [name("p")]}}
    }
    return Run(
        path,
        {name(t): [replace(p, target=name(t), name=name(p.name)) for p in mine] for t, mine in run.patterns.items()},
        rows(run.matches),
        {(name(database), name(motif)): ppm for (database, motif), ppm in run.motifs.items()},
        {"command": name("run"), "versions": {name("torch"): name("2.13")}, "steps": steps, name("other"): [name("x")]},
        {name(t): name("note") for t in run.patterns},
        {name(t): values for t, values in run.observed.items()},
        rows(run.effects), rows(run.hits), rows(run.explained), rows(run.unexplained),
    )  # fmt: skip


def report(folder: Path, name: Rename) -> Path:
    return write_report(
        folder / "report.html", renamed(explained_run(folder, 30), name), title=name("title"), n_tracks=3
    )


def comparison(folder: Path, name: Rename) -> Path:
    sites = (("DRE", "dev"), ("AP-1", "hk"), ("DRE", "x"))
    found = [replace(pattern(site, target=name(target)), name=name(site)) for site, target in sites]
    sets = [
        compare.MotifSet(
            name(f"set {i}"), (one,), (match(one, name("label")),), {name("Model"): name("m"), "b": name("f")}
        )
        for i, one in enumerate(found)
    ]
    made = compare.compare_motifs(sets)
    return compare.write_comparison(folder / "compare.html", made, title=name("title"), command=name("command"))


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("page", [report, comparison])
def test_names_are_text(chrome: Any, tmp_path: Path, page: Callable[[Path, Rename], Path], payload: str) -> None:
    text = PAYLOADS[payload]
    harmless = re.sub(r"[^A-Za-z/]", "x", text)  # a slash parts names
    counts = []
    for kind, said in (("harmless", harmless), ("hostile", text)):
        (tmp_path / kind).mkdir()
        path = page(tmp_path / kind, lambda given, said=said: f"{given}{said}")
        assert path.read_text(encoding="utf-8").count("x.invalid" if kind == "hostile" else said) > 5
        counts.append(shown(chrome, path))
    assert counts[0] == counts[1]  # the same elements


def shown(chrome: Any, path: Path) -> dict[str, int]:
    """Open it, and everything in it; how many elements of each kind it has. No complaint, request or handler."""
    resize(chrome, 1280)
    chrome.get_log("browser")
    chrome.get_log("performance")
    chrome.get(path.as_uri())
    chrome.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    counts = chrome.execute_script(COUNT)
    for event in ("mouseover", "focus", "click", "keydown"):
        script = "document.querySelectorAll('*:not(a)').forEach(e => e.dispatchEvent(new Event(arguments[0])))"
        chrome.execute_script(script, event)
    assert chrome.execute_script("return document.querySelectorAll('[data-owned]').length") == 0
    assert chrome.execute_script("return typeof owned") == "undefined"
    assert chrome.execute_script(HANDLERS) == []
    assert chrome.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    return counts
