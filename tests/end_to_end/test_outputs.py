"""The rule for what lies in an output already, run over every command of both programs that writes.

Nothing there: it is done. The same work, finished: said, exit 0, nothing touched. The same work, unfinished: refused,
naming ``--resume``. Other settings or data: refused, naming the difference; ``--overwrite`` replaces it. Another
process at it: refused, naming that process.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from writing_commands import CASES, COUNTER, PROGRAMS, Case, invoke, write_data

from l2g_core.runs.ledger import PLACE, Ledger
from l2g_core.runs.lock import lock

pytestmark = pytest.mark.slow
EXEMPT = {
    "l2g push": "writes to the Hub; with --output a copy of a checkpoint and a card (tests/core/model/test_hub.py)",
    "l2g fetch": "continues by itself: what it downloads is checked against hashes (tests/core/datasets/test_fetch.py)",
    "l2g-interp demo": "a chain of the stages below with fixed settings; its own test runs it twice",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Another process holds every lock of this folder; its number."""
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(folder, ready, release))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    yield process.pid
    release.set()
    process.join()


def _hold(folder: Path, ready, release) -> None:
    from contextlib import ExitStack

    with ExitStack() as locks:
        for entry in Ledger(folder).entries():
            name = entry.identity["kind"].replace(" ", "-") if entry.output == "." else Path(entry.output).name
            locks.enter_context(lock(folder / PLACE / f"{name}.lock", folder))
        ready.set()
        release.wait(120)


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, but those of the ledger."""
    files = [path for path in folder.rglob("*") if path.is_file() and PLACE not in path.parts]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def mark_unfinished(folder: Path) -> None:
    """As a killed run leaves the ledgers of its folders."""
    for path in folder.rglob(f"{PLACE}/outputs.json"):
        entries = json.loads(path.read_text())
        for entry in entries:
            entry["finished"] = not entry["partial"]  # what cannot be resumed is recorded when it is finished
        path.write_text(json.dumps(entries))


def test_every_command_that_writes_is_in_the_table() -> None:
    writing = {
        f"{program} {name}"
        for program, main in PROGRAMS.items()
        for name, command in main.commands.items()
        if any(option.name in ("output", "overwrite") for option in command.params)
    }
    covered = {" ".join(name.split()[:2]) for name in CASES} | set(EXEMPT)
    assert writing <= covered
    for name in covered - {"l2g fetch", "l2g push"}:
        program, _, command = name.partition(" ")
        options = {option.name for option in PROGRAMS[program].commands[command].params}
        assert "overwrite" in options
        assert ("resume" in options) == (name in EXEMPT or CASES.get(name, Case(list, "")).resumable)


@pytest.mark.parametrize("name", CASES)
def test_the_rule(name: str, data: Path, tmp_path: Path) -> None:
    case, folder = CASES[name], tmp_path / "f"
    folder.mkdir()
    output = folder / case.output
    home = output.parent if output.suffix else output

    def run(*more: object, of: str = "one") -> Result:
        return invoke(name, *case.arguments(data / of), "--output", output, *more)

    done = run()  # nothing there
    assert done.exit_code == 0, done.output
    assert not done.exception
    before = content(folder)
    assert before

    again = run()  # the same, finished
    assert again.exit_code == 0, again.output
    assert content(folder) == before

    others = [{"of": "other"}] + ([{}] if case.setting else [])
    flags = [(), ("--resume",)] if case.resumable else [()]
    for how, flag in itertools.product(others, flags):  # other data, other settings
        refused = run(*(case.setting if not how else ()), *flag, **how)
        assert refused.exit_code == 2, refused.output
        assert " then, " in refused.output
        assert "--overwrite" in refused.output
        assert refused.output.count("Error") == 1
        assert content(folder) == before

    with held(home) as pid:  # another process at it
        refused = run()
        assert refused.exit_code == 2, refused.output
        assert f"another process is writing it (process {pid} on " in refused.output
        assert content(folder) == before

    if case.resumable:  # the same, unfinished
        mark_unfinished(folder)
        refused = run()
        assert refused.exit_code == 2, refused.output
        assert "add --resume" in refused.output
        assert content(folder) == before
        resumed = run("--resume")
        assert resumed.exit_code == 0, resumed.output

    replaced = run("--overwrite", of="other")
    assert replaced.exit_code == 0, replaced.output
    assert content(folder) != before
    assert run(of="other").exit_code == 0


def test_files_that_nobody_knows_are_not_replaced(data: Path, tmp_path: Path) -> None:
    """A user's own file, or one of another program, under the name of an output."""
    for name in ("l2g predict", "l2g-interp attribute", "l2g-interp hits", "l2g-interp report"):
        case = CASES[name]
        output = tmp_path / case.output
        output.write_text("mine")
        refused = invoke(name, *case.arguments(data / "one"), "--output", output)
        assert refused.exit_code == 2, refused.output
        assert "exists already, and nothing says what made it" in refused.output
        assert output.read_text() == "mine"
        replaced = invoke(name, *case.arguments(data / "one"), "--output", output, "--overwrite")
        assert replaced.exit_code == 0, replaced.output
        assert output.read_bytes() != b"mine"


def test_a_second_plant_does_not_erase_the_first(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(data / "one" / "run", run)
    common = [*COUNTER, "--run", run, "--backgrounds", 10, "--database", "core-promoter"]
    assert invoke("l2g-interp plant", *common, "--motif", "DRE").exit_code == 0
    before = (run / "planted.tsv").read_bytes()
    refused = invoke("l2g-interp plant", *common, "--motif", "E-box")
    assert refused.exit_code == 2, refused.output
    assert "motifs" in refused.output
    assert (run / "planted.tsv").read_bytes() == before
