"""One process at a time per output: a lock that the system drops with the process that holds it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from l2g_core.errors import InputError


@contextmanager
def lock(path: Path, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path`` while ``what`` (an output, for the message) is being written.

    The same process may take it several times. ``wait``: seconds to wait for another process.

    Raises
    ------
    InputError
        Another process holds it; says which, where it left its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path, timeout=wait, is_singleton=True)
    try:
        held.acquire()
    except Timeout as error:
        raise InputError(f"{what}: another process is writing it ({_holder(path)}); wait for it, or stop it") from error
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}: {Path(sys.argv[0]).name}", encoding="utf-8")
        yield
    finally:
        held.release()


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "unknown"
    except OSError:
        return "unknown"
