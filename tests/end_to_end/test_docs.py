"""The docs: they build without a warning and without a network, and what they tell people to type works.

Every ``bash`` block of the README and the guides is executed in order, on small made-up inputs and with the options of
``SMALL`` added; every ``python`` block too, all of one page in one namespace.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest
from browser import BROWSER, DRIVER, chrome  # noqa: F401
from click.testing import CliRunner
from dataset_files import publish

from l2g_core.cli import main as l2g
from l2g_core.datasets import DATASETS
from l2g_interp.cli import main as l2g_interp
from l2g_interp.demo.made_up import PLANTED, make_planted_sequences

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PROGRAMS: dict[str, click.Group] = {"l2g": l2g, "l2g-interp": l2g_interp}
GUIDES = sorted((DOCS / "guides").glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && .venv/bin/l2g-interp demo --output demo",
    "pip install -c constraints.txt -e '.[test]' && pytest -m '' -n auto --dist loadfile",
)
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*(?![\w-])")
LARGEST_IMAGE = 300_000  # bytes
LENGTH, N = 120, 1800
WITH_MOTIFS = 360  # so many sequences have enough seqlets

# What keeps a command of the docs small; for all else it runs as it stands there.
BRIEF = "--backbone-training none --epochs 1 --batch-size 32"
CNN = "--embedder deepsea --embedder-width 16 --tokens 20"
STAGES = (
    "--set model.embedder_width=4 --set model.backbone_training=none --set model.target_tokens=10 "
    "--set stages.search=false --set stages.align=false --set finetune.epochs=1"
)
SMALL = {
    "l2g finetune": f"{BRIEF} {CNN} --epochs 12 --new-lr 0.01",
    "l2g finetune --start": BRIEF,  # the rest is what it starts from
    "l2g search": "--skip-choice --embedder-width 4 --epochs 1 --fraction 0.2 --batch-size 32",
    "l2g align": "--embedder-width 4 --layers 1 --tokens 20 --epochs 3 --batch-size 32 --per-tag 50",
    "l2g train": STAGES,
    "l2g tune": f"--trials 2 --max-epochs 1 --cpus-per-trial 1 {STAGES}",
    "l2g-interp run": "--references 5 --backgrounds 10 --copies 1 --tracks 1",
    "l2g-interp attribute": "--references 5",
    "l2g-interp validate": "--backgrounds 10 --copies 1",
    "l2g-interp plant": "--backgrounds 10 --copies 1",
    "l2g-interp pairs": "--backgrounds 10 --most 2",
    "l2g-interp remove": "--draws 1",
    "l2g-interp variants": "--random 5 --strongest 3",
}
ELSEWHERE = {  # needs the published weights: executed by the test of that file
    "l2g import-deepstarr": ROOT / "tests/core/model/test_deepstarr.py",
}
WITH_ANOTHER_PROCESS = {"l2g tune"}  # Ray


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its title if it has one, and its text."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(language, "".join(re.findall(r'title="(.*?)"', rest)), text) for language, rest, text in found]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a ``bash`` block, each as its words."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word != "&&":
                words.append(word)
            elif words:
                yield words
                words = []


def ours(page: Path) -> list[list[str]]:
    """The commands of a page that are of our two programs, by their plain names."""
    found = [words for block in blocks(page) if block.language == "bash" for words in commands(block.text)]
    return [[Path(words[0]).name, *words[1:]] for words in found if Path(words[0]).name in PROGRAMS]


def public_modules() -> set[str]:
    """Those that the README promises."""
    (paragraph,) = re.findall(r"^Public are .*?\n\n", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([\w.]+)`", paragraph))


def parsed(words: list[str]) -> click.Context:
    """As the program would read it: unknown commands, options and choices, and missing ones, are errors."""
    program = PROGRAMS[words[0]]
    name, command, rest = program.resolve_command(program.context_class(program, info_name=words[0]), words[1:])
    assert command is not None
    return command.make_context(name, rest)


# --- what is written -------------------------------------------------------------------------------------------------


def test_the_readme_is_short_and_keeps_its_two_commands() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for command in COMMANDS:
        assert f"```bash\n{command}\n```" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(page: Path) -> None:
    for address in LINK.findall(page.read_text(encoding="utf-8")):
        target = address.partition("#")[0]
        if target and not target.startswith("https://"):
            place = (page.parent / target).resolve()
            assert place.exists() or made_in_the_build(place), f"{page}: {address}"


def made_in_the_build(place: Path) -> bool:
    if place.parent == DOCS / "notebooks":
        return (ROOT / "notebooks" / place.name).with_suffix(".ipynb").exists()
    return place.parent == DOCS / "reference" / "commands" and place.stem in PROGRAMS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_is_one_that_the_programs_take(page: Path) -> None:
    for words in ours(page):
        parsed(words)


def test_every_option_in_the_text_exists() -> None:
    known = {flag for program in PROGRAMS.values() for c in (program, *program.commands.values()) for p in c.params
             for flag in (*p.opts, *p.secondary_opts)}  # fmt: skip
    known |= {"--help", "--strict", "--dist", "--whole", "--hypothesis-profile"}  # of click, mkdocs and pytest
    for page in PAGES:
        if page.name not in ("benchmarks.md", "results.md"):  # they speak of scripts, which a test below asks
            text = re.sub(r"^(?:python|python3|pip|git) .*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert set(OPTION.findall(text)) <= known, page


def test_every_guide_is_listed_and_pictures_are_small() -> None:
    index, site = (DOCS / "guides" / "index.md").read_text(), (ROOT / "mkdocs.yml").read_text()
    for guide in GUIDES:
        assert guide.name == "index.md" or f"({guide.name})" in index
        assert f"guides/{guide.name}" in site
    pictures = list((DOCS / "images").iterdir())
    assert pictures
    assert all(picture.stat().st_size < LARGEST_IMAGE for picture in pictures)


# --- the site --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as contributors build it, with a proxy that nobody answers at in the place of a network."""
    folder = tmp_path_factory.mktemp("site")
    nobody = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "HTTP", "HTTPS", "all", "ALL")}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | nobody | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Asked(HTMLParser):
    """Addresses that a browser fetches by itself when it shows a page, and the ids in it."""

    FETCHED = ("script", "img", "iframe", "source", "video", "audio", "embed", "object", "link")

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if tag in self.FETCHED and given.get("rel") not in ("canonical", "next", "prev"):
            self.addresses += [given[name] or "" for name in ("src", "href", "data") if name in given]


@pytest.mark.slow
def test_the_pages_ask_for_nothing_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        for address in Asked(page.read_text(encoding="utf-8")).addresses:
            assert not re.match(r"(?:[a-z]+:)?//", address), f"{page}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder behind a web server on this machine; its address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver")
def test_the_search_works_where_the_site_is_served(site: Path, chrome) -> None:  # noqa: F811
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with served(site) as address:
        chrome.get(f"{address}/guides/explain.html")
        chrome.find_element(By.CSS_SELECTOR, "input[name=query]").send_keys("seqlet")
        wait = WebDriverWait(chrome, 30)
        wait.until(lambda c: c.find_elements(By.CSS_SELECTOR, ".md-search-result__item"))
    assert not [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.slow
def test_everything_public_is_in_the_reference(site: Path) -> None:
    ids = {i for page in (site / "reference").glob("*.html") for i in Asked(page.read_text(encoding="utf-8")).ids}
    for module in public_modules():
        names = getattr(__import__(module, fromlist=["x"]), "__all__", None)
        for name in names or ():
            assert f"{module}.{name}" in ids, f"docs/reference lacks {module}.{name}"
        assert names or any(i.startswith(f"{module}.") for i in ids), module


@pytest.mark.slow
def test_every_command_is_in_the_reference(site: Path) -> None:
    for name, program in PROGRAMS.items():
        text = (site / "reference" / "commands" / f"{name}.html").read_text(encoding="utf-8")
        for command in program.commands:
            assert f"Usage: {name} {command}" in text


@pytest.mark.slow
def test_scripts_behind_the_figures_take_the_options_given_there() -> None:
    shown: dict[str, str] = {}
    for page in (DOCS / "benchmarks.md", DOCS / "results.md"):
        for block in blocks(page):
            for words in commands(block.text):
                if words[0] == "python":
                    script = words[1]
                    if script not in shown:
                        asked = [sys.executable, script, "--help"]
                        shown[script] = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True).stdout
                    for option in OPTION.findall(" ".join(words)):
                        assert option in shown[script], f"{page}: {' '.join(words)}"
    assert len(shown) >= 7


# --- what people type ------------------------------------------------------------------------------------------------


def run_page(page: Path, extra: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute all blocks of a page in the current folder, in order."""
    monkeypatch.syspath_prepend(str(Path.cwd()))
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python" and block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, str(page), "exec"), namespace)
        elif block.language == "bash":
            for words in commands(block.text):
                run_command(words, extra)


def run_command(words: list[str], extra: dict[str, str]) -> None:
    """One command with what keeps it small; those of other programs (pip, git, ...) are left out."""
    if words[0] not in PROGRAMS:
        return
    name = " ".join(words[:2])
    if name in ELSEWHERE:
        assert name.split()[1] in ELSEWHERE[name].read_text(encoding="utf-8")
        return
    small = SMALL | extra
    key = f"{name} --start" if "--start" in words else name
    arguments = [*words[1:], *shlex.split(small.get(key, ""))]
    if name in WITH_ANOTHER_PROCESS:
        call = f"from {PROGRAMS[words[0]].callback.__module__} import main; main()"  # type: ignore[union-attr]
        done = subprocess.run([sys.executable, "-c", call, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr[-3000:]}"
        return
    result = CliRunner().invoke(PROGRAMS[words[0]], arguments)
    assert result.exit_code == 0, f"{shlex.join(words)}: {result.output}" + repr(result.exception)


def write_inputs(folder: Path, n: int, n_enhancers: int) -> None:
    """The files that the docs speak of, made up: two motifs, each with an effect on one target."""
    motifs = tuple(motif for motif in PLANTED if motif.label in ("AP-1", "DRE"))
    made = make_planted_sequences(n, LENGTH, seed=0, motifs=motifs)
    splits = ["val" if i % 10 == 8 else "test" if i % 10 == 9 else "train" for i in range(n)]
    rows = zip(made.sequences, made.activities["dev"], made.activities["hk"], splits, strict=True)
    lines = [f"e{i}\t{s}\t{dev:.3f}\t{hk:.3f}\t{split}\n" for i, (s, dev, hk, split) in enumerate(rows)]
    (folder / "activity.tsv").write_text("id\tsequence\tdev\thk\tsplit\n" + "".join(lines))
    classes = [f"{s}\t{int(a > 1)}\n" for s, a in zip(made.sequences, made.activities["dev"], strict=True)]
    (folder / "classes.tsv").write_text("sequence\tclass\n" + "".join(classes))
    new = make_planted_sequences(n_enhancers, LENGTH, seed=1, motifs=motifs).sequences
    (folder / "enhancers.fa").write_text("".join(f">x{i}\n{s}\n" for i, s in enumerate(new)))
    (folder / "genome.fa").write_text(">chr2L\n" + "".join(new) + "\n")
    peaks = [f"chr2L\t{start}\t{start + LENGTH}\n" for start in range(0, LENGTH * n_enhancers, LENGTH)]
    (folder / "peaks.bed").write_text("".join(peaks))
    changes = [(i, 20 + i % 80, new[i][19 + i % 80]) for i in range(min(n_enhancers, 40))]
    table = [f"x{i}\t{at}\t{base}\t{'C' if base == 'A' else 'A'}\n" for i, at, base in changes]
    (folder / "changes.tsv").write_text("id\tposition\tref\talt\n" + "".join(table))
    snps = [f"chr2L\t{LENGTH * i + at}\t.\t{base}\t{'C' if base == 'A' else 'A'}\t.\t.\t.\n" for i, at, base in changes]
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / "snps.vcf").write_text(head + "".join(snps))
    matrix = "".join(" ".join("0.85" if b == base else "0.05" for b in "ACGT") + "\n" for base in "TATCGATA")
    head = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF mine DRE\nletter-probability matrix: alength= 4 w= 8\n"
    (folder / "mymotifs.meme").write_text(head + matrix)


@pytest.fixture(scope="session")
def readme_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything was done that the README says: it has ``model`` and ``results``."""
    folder = tmp_path_factory.mktemp("readme")
    write_inputs(folder, N, WITH_MOTIFS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_page(README, {}, patch)
    return folder


@pytest.mark.slow
def test_the_readme_does_what_it_says(readme_folder: Path) -> None:
    matches = (readme_folder / "results" / "matches.tsv").read_text(encoding="utf-8")
    found = [name for name in ("AP-1", "DRE") if name in matches]
    assert found, "neither of the planted motifs was found"
    report = (readme_folder / "results" / "report.html").read_text(encoding="utf-8")
    assert all(name in report for name in found)
    assert (readme_folder / "compare.html").exists()


@pytest.fixture(scope="session")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has a small DeepSTARR, in the layout of the published one."""
    folder = publish(DATASETS["deepstarr"], tmp_path_factory.mktemp("published"))
    for path in folder.glob("Sequences_activity_*.txt"):  # there hk is always the same
        header, *rows = path.read_text().splitlines()
        varied = [f"{row.rpartition(chr(9))[0]}\t{i % 7}" for i, row in enumerate(rows)]
        path.write_text("\n".join([header, *varied]) + "\n")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Quiet(*given, directory=str(folder)))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


FROM_README = {  # what a guide takes for granted: folders that the README's commands made
    "explain": ("model",),
    "compare": ("model", "results"),
    "export": ("model", "results"),
    "outputs": ("model",),
    "mutations": ("model", "results"),
    "variants": ("model", "results"),
    "what_if": ("model", "results"),
    "index": ("model",),
}


@pytest.mark.slow
@pytest.mark.parametrize("page", [DOCS / "index.md", *GUIDES], ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_does_what_it_says(
    page: Path, readme_folder: Path, publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_inputs(tmp_path, 200, WITH_MOTIFS if page.name == "explain.md" else 40)
    for name in FROM_README.get(page.stem, ()):
        shutil.copytree(readme_folder / name, tmp_path / name)
    if page.name == "compare.md":
        shutil.copytree(readme_folder / "results", tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    extra = {"l2g finetune": f"{BRIEF} {CNN}", "l2g fetch": f"--address {publisher}"}
    run_page(page, extra, monkeypatch)
