"""A process of another program, which ends with ours: Ctrl-C, SIGTERM, ``kill -9`` or a crash leave none behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")


def run_process(command: list[str]) -> tuple[int, str]:
    """Run a command in its own process group; it gets no input, and its output is dropped.

    A guard (``guard.py``) runs it and holds one end of a pipe. Ours closes when this function or this process ends:
    then the guard kills the whole group, with what the command itself has started.

    Returns
    -------
    Its exit status (minus the number of the signal that ended it), and what it wrote to standard error.
    """
    theirs, ours = os.pipe()
    pipe = os.fdopen(ours, "wb")
    with os.fdopen(theirs, "rb") as end:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), *command], stdin=end, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
    with process, pipe:  # the pipe is closed first
        _, messages = process.communicate()
    return process.returncode, messages
