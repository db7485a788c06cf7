"""Both programs in forks of a process that has imported everything, so that a start costs nothing; and faults in them.

Run as a script it is that process: it reads one request a line (JSON) and answers with the child's number, then with
its exit status. A fault strikes when the child comes to touch its output for the n-th time: Python tells of every file
that it opens, renames or removes (`sys.addaudithook`), so that each state of a disk can be reached, again and again.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from processes import MARK

TOUCHES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree")
IMPORTED = (
    "h5py", "matplotlib.pyplot", "memelite", "pandas", "scipy.stats", "sklearn.metrics", "torch",
    "transformers.models.bert.modeling_bert", "l2g_core", "l2g_interp", "motif_db", "counting_model",
)  # fmt: skip
LEFT_OUT = ("worker", "ray_run", "integrated_gradients", "captum_deep_lift_shap")  # scripts, and other people's extras
REPOSITORY = Path(__file__).resolve().parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Fault:
    """What befalls a process when it touches ``under`` for the ``touch``-th time (from 0).

    ``what``: the name of a signal to itself, or "remove" for the folder ``under``.
    """

    what: str
    touch: int
    under: str


@dataclass(frozen=True)
class Ended:
    """The exit status (minus the signal's number), what the program said, and how long it took (s)."""

    status: int
    said: str
    seconds: float


class ForkServer:
    """The process, for use in a ``with`` statement; it runs one program at a time.

    Parameters
    ----------
    folder
        What programs say is kept there; processes that they start have its name as their mark (`processes`).
    environment
        Variables of theirs.
    """

    def __init__(self, folder: Path, **environment: str):
        self.folder, self.said, self._environment = folder, folder / "said.txt", environment

    def __enter__(self) -> ForkServer:
        paths = [str(REPOSITORY), str(REPOSITORY / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            **ONE_THREAD,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        } | self._environment
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def start(
        self, command: str, arguments: Sequence[object], fault: Fault | None = None, largest: int | None = None,
        touches: Path | None = None, kill_after: float | None = None,
    ) -> int:  # fmt: skip
        """Start a program; its number.

        Parameters
        ----------
        command
            ``l2g-interp run``, with options if need be.
        largest
            The system refuses it larger files (bytes).
        touches
            Where to note what it touched: a line for each, with the time since its start (s).
        kill_after
            ``kill -9`` so long after its start (s), if it has not ended by then.
        """
        request = {
            "arguments": [*command.split(), *map(str, arguments)], "fault": asdict(fault) if fault else None,
            "largest": largest, "touches": str(touches or ""), "said": str(self.said), "mark": str(self.folder),
            "kill_after": kill_after,
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        self._began = time.monotonic()
        return int(self._answer())

    def wait(self) -> Ended:
        """Until the program has ended."""
        status = int(self._answer())
        return Ended(status, self.said.read_text(), time.monotonic() - self._began)

    def run(self, command: str, arguments: Sequence[object], **how: Any) -> Ended:
        """Start a program, and wait for its end; parameters as in `start`."""
        self.start(command, arguments, **how)
        return self.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _serve() -> None:
    for name in IMPORTED:
        _import_all(name)
    assert threading.active_count() == 1, "a fork would lose the other threads"
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _run(request)
        print(child, flush=True)
        print(_ended(child, request["kill_after"]), flush=True)


def _ended(child: int, kill_after: float | None) -> int:
    """Wait for it; its exit status."""
    deadline = time.monotonic() + (kill_after or 0)
    while kill_after is not None and time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    if kill_after is not None:
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _import_all(name: str) -> None:
    package = importlib.import_module(name)
    if name in ("l2g_core", "l2g_interp", "motif_db"):
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith(LEFT_OUT):
                importlib.import_module(module.name)


def _run(request: dict[str, Any]) -> None:
    """The child: the program of this name, until it ends this process."""
    code = 70
    try:
        with Path(request["said"]).open("w") as said, Path(os.devnull).open() as nothing:
            for number, file in enumerate((nothing, said, said)):
                os.dup2(file.fileno(), number)
        os.environ[MARK] = request["mark"]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["largest"] is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"],) * 2)
        _watch(request["fault"], request["touches"])
        program, *arguments = request["arguments"]
        main = importlib.import_module({"l2g": "l2g_core.cli", "l2g-interp": "l2g_interp.cli"}[program]).main
        sys.argv = request["arguments"]
        main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watch(fault: dict[str, Any] | None, touches: str) -> None:
    """Strike, or note, as this process touches its output."""
    if not fault:
        return
    under, began, count = fault["under"], time.monotonic(), 0
    notes = Path(touches).open("w") if touches else None  # noqa: SIM115

    def touch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in TOUCHES or not str(arguments[0]).startswith(under):
            return
        number, count = count, count + 1
        if notes:
            notes.write(f"{time.monotonic() - began:.4f}\t{event}\t{arguments[0]}\n")
            notes.flush()
        if number == fault["touch"]:
            if fault["what"] == "remove":
                shutil.rmtree(under, ignore_errors=True)
            else:
                os.kill(os.getpid(), signal.Signals[fault["what"]])

    sys.addaudithook(touch)


if __name__ == "__main__":
    _serve()
