"""Every command that writes, in trouble: one line and exit code 2 or 130; once it is over, the result is as ever.

The disk is full at ten sizes, the output's folder is removed at a random touch, it cannot be written, Ctrl-C or SIGTERM
comes at a random touch.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fork_server import Ended, Fault, ForkServer
from small_disk import change, may_mount, small_disk, used
from unbroken import Unbroken, results, unbroken
from writing_commands import CASES, write_data

pytestmark = pytest.mark.slow
FEW = ("l2g finetune", "l2g-interp attribute", "l2g-interp hits", "l2g-interp export --format npz")
SIZES = 10
ROUNDS = {"test_a_full_disk": (1, SIZES), "test_a_folder_that_is_removed": (1, 5), "test_a_stop": (2, 10)}
LARGE = 2**30


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" not in metafunc.fixturenames:
        return
    whole = metafunc.config.getoption("--whole")
    names = list(CASES) if whole else FEW
    rounds = range(ROUNDS.get(metafunc.function.__name__, (1, 1))[whole])
    cases = [(name, number) for name in names for number in rounds]
    metafunc.parametrize(("name", "number"), cases, ids=[f"{name}-{number}" for name, number in cases])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def programs(data: Path) -> Iterator[ForkServer]:
    with ForkServer(data, XDG_CACHE_HOME=str(data / "cache")) as server:
        yield server


@pytest.fixture(scope="module")
def work(programs: ForkServer, data: Path) -> Callable[[str], tuple[Unbroken, int]]:
    """The unbroken run of a command, made when it is first asked for, and the size of its files (bytes)."""
    made: dict[str, tuple[Unbroken, int]] = {}

    def of(name: str) -> tuple[Unbroken, int]:
        if name not in made:
            home = data / name.replace(" ", "_")
            make_anew(home)
            case = CASES[name]
            one = unbroken(programs, name, case.arguments(data / "one"), home / case.output, home)
            made[name] = one, used(home)
            shutil.rmtree(home)
        return made[name]

    return of


def drawn(name: str, number: int, one: Unbroken) -> int:
    """A touch, always the same one for the same name and number."""
    return int(np.random.default_rng([number, zlib.crc32(name.encode())]).integers(len(one.touches)))


def make_anew(folder: Path) -> None:
    """An empty folder, whatever there was."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def refused(ended: Ended, *texts: str) -> None:
    """It is one line, and says these."""
    last = ended.said.strip().splitlines()[-1]
    assert ended.status == 2, ended.said
    assert "Traceback" not in ended.said
    assert ended.said.count("Error: ") == 1, ended.said
    assert last.startswith("Error: "), ended.said
    assert all(text in last for text in texts), last


def again(programs: ForkServer, name: str, one: Unbroken) -> None:
    """The same command once more, with ``--resume`` if it has it; nothing shows what befell the first."""
    left = [path.name for path in one.home.rglob("*") if path.name.endswith(".unfinished")]
    assert not left
    ended = programs.run(name, [*one.arguments, *(["--resume"] if CASES[name].resumable else [])])
    assert ended.status == 0, ended.said
    assert results(one.home) == one.results


def test_a_full_disk(name: str, number: int, work: Callable, programs: ForkServer) -> None:
    one, size = work(name)
    share = (number + 0.5) / SIZES if number or SIZES == 1 else 0.05
    if may_mount():
        with small_disk(one.home, int(size * share)):
            ended = programs.run(name, one.arguments)
            if ended.status:
                refused(ended, "No space left on device; make room", str(one.home))
            change(one.home, f"size={LARGE}")
            again(programs, name, one)
        return
    make_anew(one.home)
    ended = programs.run(name, one.arguments, largest=int(size * share))
    if ended.status:
        refused(ended, "File too large", str(one.home))
    again(programs, name, one)


def test_an_output_that_cannot_be_written(name: str, number: int, work: Callable, programs: ForkServer) -> None:
    if not may_mount():
        pytest.skip("only who may mount can make a read-only disk; root is refused nothing by a folder's mode")
    one, _ = work(name)
    with small_disk(one.home, LARGE):
        change(one.home, "ro")
        refused(programs.run(name, one.arguments), str(one.home), "Read-only file system")
        change(one.home, "rw")
        again(programs, name, one)


def test_a_folder_that_is_removed(name: str, number: int, work: Callable, programs: ForkServer) -> None:
    one, _ = work(name)
    make_anew(one.home)
    ended = programs.run(name, one.arguments, fault=Fault("remove", drawn(name, number, one), str(one.home)))
    if ended.status:
        refused(ended)
    one.home.mkdir(exist_ok=True)
    again(programs, name, one)


def test_a_stop(name: str, number: int, work: Callable, programs: ForkServer) -> None:
    one, _ = work(name)
    make_anew(one.home)
    what, status, said = [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "stopped by SIGTERM")][number % 2]
    ended = programs.run(name, one.arguments, fault=Fault(what, drawn(name, number, one), str(one.home)))
    assert ended.status == status, ended.said
    then = "; the same command with --resume continues it" if CASES[name].resumable else ""
    assert ended.said.strip().splitlines()[-1] == f"Error: {said}{then}"
    assert "Traceback" not in ended.said
    again(programs, name, one)
