"""Runs a command, and kills it with everything that it has started once our standard input ends.

``python -I -S guard.py COMMAND ...``: whoever starts this holds the other end of a pipe, which closes when that process
ends, however it ends. We end as the command ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def watch() -> None:
    """Wait for the end of the process that started us; then end this whole group of processes."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def main(command: list[str]) -> None:
    """Run it, and end with its exit status, or by the signal that ended it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=watch, daemon=True).start()
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
