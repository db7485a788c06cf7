"""Processes of other programs end with ours, however it ends; temporary folders go, too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import MARK, gone, processes

from l2g_core.runs.child import run_process
from l2g_core.runs.scratch import scratch_folder

REPOSITORY = Path(__file__).resolve().parents[3]
WORK = """
import sys, click
from pathlib import Path
from l2g_core.console import Program
from l2g_core.runs.child import run_process
from l2g_core.runs.scratch import scratch_folder

@click.group(cls=Program)
def main(): pass
@main.command()
def work():
    with scratch_folder("x-", Path(sys.argv[2])) as folder:
        both = f"import os, time; os.fork(); open({str(folder)!r} + '/both', 'a').write('.'); time.sleep(60)"
        run_process([sys.executable, "-c", both])
main(["work"])
"""


def test_its_exit_status_and_messages_are_told() -> None:
    status, messages = run_process([sys.executable, "-c", "import sys; print('so', file=sys.stderr); sys.exit(3)"])
    assert (status, messages) == (3, "so\n")
    assert run_process([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == (-9, "")


@pytest.mark.parametrize(
    ("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGKILL", -signal.SIGKILL)]
)
def test_a_process_and_all_that_it_started_end_with_ours(name: str, status: int, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), MARK: str(tmp_path)}
    script = WORK.replace("main([", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nmain([")
    process = subprocess.Popen(
        [sys.executable, "-c", script, "work", str(tmp_path)], stderr=subprocess.PIPE, env=environment, text=True
    )
    deadline = time.monotonic() + 60
    while not any(both.read_text() == ".." for both in tmp_path.glob("x-*/both")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.Signals[name])
    _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert gone(str(tmp_path), 20), processes(str(tmp_path))
    if name == "SIGKILL":
        (left,) = (path for path in tmp_path.glob("x-*") if path.is_dir())
        with scratch_folder("x-", tmp_path):
            assert not left.exists()
    else:
        assert said == f"Error: {'interrupted' if name == 'SIGINT' else f'stopped by {name}'}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_or_of_others_stays(tmp_path: Path) -> None:
    with scratch_folder("x-", tmp_path) as used:
        with scratch_folder("x-", tmp_path) as inner:
            assert inner != used
        assert used.is_dir()
        (tmp_path / "x-of-another-program").mkdir()
        program = "import sys; from l2g_core.runs.scratch import scratch_folder as s\nwith s('x-', sys.argv[1]): pass"
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment)
        assert used.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["x-of-another-program"]


def test_many_make_and_remove_folders_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from l2g_core.runs.scratch import scratch_folder as s\n"
        "for i in range(40):\n with s('x-', sys.argv[1]) as f: (f / 'y').touch(); assert (f / 'y').exists()"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert list(tmp_path.iterdir()) == []
