"""One process at a time per output: an advisory lock, which the system releases when the process that holds it ends."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from l2g_core.errors import InputError
from l2g_core.faults import naming

FOREVER = -1.0  # as the seconds to wait
ATTEMPTS = 100  # to make the folder and lock in it, while others remove it


@contextmanager
def lock(path: Path, what: object, wait: float = 0.0, keep_folder: bool = False) -> Iterator[None]:
    """Hold the advisory lock on the file ``path``; the same process may take it more than once (reentrant).

    Parameters
    ----------
    path
        The lock file. Its folder is created.
    what
        The output that the lock is about, for the message.
    wait
        Seconds to wait for another process to finish, or `FOREVER`.
    keep_folder
        Do not remove the folder of the lock at the end if it is empty.

    Raises
    ------
    InputError
        Another process holds it. The message names that process.
    """
    held = FileLock(path, timeout=wait, is_singleton=True)
    try:
        with naming(path):
            _acquire(held, path)
    except Timeout as error:
        raise InputError(f"{what}: another process is writing it ({_holder(path)}); wait for it, or stop it") from error
    try:
        if held.lock_counter == 1:
            with naming(path):
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}: {_program()}", encoding="utf-8")
        yield
    finally:
        if held.lock_counter == 1:  # removed while still held: a waiting process notices and locks a new file
            path.unlink(missing_ok=True)
        held.release()
        if not keep_folder:
            with suppress(OSError):  # not empty: it has other locks or the ledger
                path.parent.rmdir()


def _acquire(held: FileLock, path: Path) -> None:
    """Take the lock in a folder that its last holder may remove at any moment: then it is made again."""
    for _ in range(ATTEMPTS - 1):
        with suppress(FileNotFoundError, FileExistsError):  # the latter: removed between mkdir and its check
            path.parent.mkdir(parents=True, exist_ok=True)
            held.acquire()
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    held.acquire()


def _program() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "of unknown number"
    except OSError:
        return "of unknown number"
