"""``kill -9`` at random moments of everything long: with ``--resume`` the result is the same to the bit.

Half of the moments are those at which the output is touched (a file opened, renamed, removed), half are times; one in
three resumed runs is killed as well. Nothing that a killed program has started goes on without it. Many kills, and on
what they fell:

    pytest -m '' tests/faults --whole -rP
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fork_server import Fault, ForkServer
from long_commands import LONG, write_small
from processes import gone, processes
from unbroken import Unbroken, results, unbroken

from l2g_core.cli import main as l2g
from l2g_core.runs.ledger import PLACE

pytestmark = pytest.mark.slow
ROUNDS = {  # always, and with --whole
    "l2g-interp run --sensitivity standard": (1, 40),
    "l2g-interp run --sensitivity sensitive": (0, 10),
    "l2g search": (0, 20),
    "l2g align": (0, 20),
    "l2g finetune": (0, 20),
    "l2g train": (2, 20),  # search, align and finetune in turn
}
KILLED = -signal.SIGKILL


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "round_number" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--whole")
        rounds = [(name, number) for name, counts in ROUNDS.items() for number in range(counts[whole])]
        metafunc.parametrize(("name", "round_number"), rounds, ids=[f"{name}-{number}" for name, number in rounds])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kills")
    write_small(made)
    return made


@pytest.fixture(scope="module")
def programs(folder: Path) -> Iterator[ForkServer]:
    with ForkServer(folder, XDG_CACHE_HOME=str(folder / "cache")) as server:
        yield server


@pytest.fixture(scope="module")
def work(programs: ForkServer, folder: Path) -> Callable[[str], Unbroken]:
    """The unbroken run of a command, made when it is first asked for."""
    made: dict[str, Unbroken] = {}

    def of(name: str) -> Unbroken:
        if name not in made:
            output = folder / name.replace(" ", "_")
            made[name] = unbroken(programs, name, LONG[name](folder), output, output)
        shutil.rmtree(made[name].home, ignore_errors=True)
        return made[name]

    return of


def killed(programs: ForkServer, work: Unbroken, rng: np.random.Generator, *more: str) -> tuple[int, str]:
    """Start it, and kill it at a random moment: the exit status, and the moment in words."""
    if rng.random() < 0.5:
        touch = int(rng.integers(len(work.touches)))
        ended = programs.run(work.command, [*work.arguments, *more], fault=Fault("SIGKILL", touch, str(work.home)))
        return ended.status, f"touch {touch} of {len(work.touches)}"
    after = float(rng.uniform(0, work.seconds))
    ended = programs.run(work.command, [*work.arguments, *more], kill_after=after)
    return ended.status, f"{after:.2f} s of {work.seconds:.2f} s"


def test_kill_9(
    name: str, round_number: int, work: Callable[[str], Unbroken], programs: ForkServer, folder: Path
) -> None:
    one = work(name)
    rng = np.random.default_rng([round_number, sorted(ROUNDS).index(name)])
    for attempt in range(1 + (round_number % 3 == 2)):
        status, moment = killed(programs, one, rng, *(["--resume"] if attempt else []))
        assert status in (KILLED, 0), moment
        print(f"{name}: {'killed' if status else 'over'} at {moment}, next {next_file(one)}")  # pytest -rP shows it
        assert gone(str(folder), 10), f"{moment}: what it started goes on: {processes(str(folder))}"
    resumed = programs.run(name, [*one.arguments, "--resume"])
    assert resumed.status == 0, f"{moment}\n{resumed.said}"
    assert results(one.home) == one.results, moment


def test_a_process_that_stands_still_keeps_its_output(work: Callable[[str], Unbroken], programs: ForkServer) -> None:
    """SIGSTOP while it writes: a second process is refused, whatever it wants; the first then ends as ever."""
    one = work("l2g finetune")
    writes = [
        number for number, (_, event, path) in enumerate(one.touches) if event == "os.rename" and PLACE not in path
    ]
    pid = programs.start(one.command, one.arguments, fault=Fault("SIGSTOP", writes[1], str(one.home)))
    while b"T" not in subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, check=True).stdout:
        time.sleep(0.02)
    for more in ([], ["--resume"], ["--overwrite"]):
        refused = CliRunner().invoke(l2g, [*one.command.split()[1:], *map(str, one.arguments), *more])
        assert refused.exit_code == 2, refused.output
        assert f"another process is writing it (process {pid} on " in refused.output
    os.kill(pid, signal.SIGCONT)
    ended = programs.wait()
    assert ended.status == 0, ended.said
    assert results(one.home) == one.results


def next_file(work: Unbroken) -> str:
    """The first of its results that is not there, in the order in which it writes them."""
    written = [path for _, event, path in work.touches if event == "os.rename" and PLACE not in path]
    names = [
        str(Path(path).relative_to(work.home)).partition(".unfinished")[0].removesuffix(".partial") for path in written
    ]
    return next((name for name in names if name in work.results and not (work.home / name).exists()), "nothing")
