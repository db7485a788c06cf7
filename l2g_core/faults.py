"""What the system refuses while files are written or read: a full disk, a folder that is gone; and the way on."""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from l2g_core.errors import InputError

REMEDIES = {
    errno.ENOSPC: "make room there, or choose another output",
    errno.EDQUOT: "make room in your quota, or choose another output",
    errno.EROFS: "choose an output that can be written",
    errno.EACCES: "change its permissions, or use another path",
    errno.EPERM: "change its permissions, or use another path",
    errno.ENOENT: "it or its folder is not there, or was removed meanwhile; put it back, or use another path",
    errno.ENOTDIR: "one of the folders in this path is a file; use another path",
    errno.EISDIR: "it is a folder; name a file",
    errno.EIO: "the disk or the network share fails; use another one",
    errno.ESTALE: "the network share fails or was mounted again; repeat it",
    errno.EFBIG: "files of this size are not allowed there; choose another output",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
}
STOPS = ("SIGTERM", "SIGHUP")  # of a scheduler whose time is up, of a terminal that is closed
_NUMBER = re.compile(r"\b(?:errno(?: = |\s)|os error )(\d+)", re.IGNORECASE)  # HDF5's, Python's and Rust's way


def fault_of(error: BaseException) -> OSError | None:
    """What the system refused, if that is what this exception is about: itself, or its cause, or said in its text.

    HDF5 and safetensors hide the number in a text (``errno = 28``, ``os error 28``) and may raise a RuntimeError.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in REMEDIES:
            return seen
        number = _NUMBER.search(str(seen)) if _hides_faults(seen) else None
        if number and int(number[1]) in REMEDIES:
            return OSError(int(number[1]), os.strerror(int(number[1])))
        seen = seen.__cause__ or seen.__context__
    return None


def remedy(fault: OSError) -> str:
    """What was refused, as one line: path, reason, way on."""
    where = f"{fault.filename}: " if fault.filename is not None else ""
    return f"{where}{fault.strerror}; {REMEDIES.get(fault.errno or 0, 'use another path, or fix this one')}"


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Within it, what the system refuses is raised as an OSError that names this path.

    Raises
    ------
    OSError
        Its ``errno`` is a key of `REMEDIES`.
    """
    try:
        yield
    except Exception as error:
        fault = fault_of(error)
        if fault is None or (fault is error and fault.filename is not None and not _about(fault, path)):
            raise
        raise OSError(fault.errno, fault.strerror or os.strerror(fault.errno or 0), str(path)) from error


def check_readable(path: str | Path) -> None:
    """Refuse a file that cannot be opened: what cannot be read is not damaged.

    Raises
    ------
    InputError
        No such file, no permission, a folder, ...
    """
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy(error).rpartition('; ')[2]}") from error


class Stopped(KeyboardInterrupt):
    """Another process told this one to end: ``number`` is that of the signal."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Within it, the signals of `STOPS` end the work as Ctrl-C does (`Stopped`): locks and temporary folders go.

    A signal that is ignored (``nohup``) or handled already is left so. It does nothing outside the main thread, where
    Python has no signals.
    """
    mine = [number for number in _stops() if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def signals_kept() -> Iterator[None]:
    """After it, the signals of `STOPS` do what they did before, whatever a library has made of them (Ray aborts)."""
    before = {number: signal.getsignal(number) for number in _stops()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stops() -> list[int]:
    """Their numbers on this system (Windows has no SIGHUP); none outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [getattr(signal, name) for name in STOPS if hasattr(signal, name)]


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def _hides_faults(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__module__.startswith("safetensors") or type(error) is RuntimeError


def _about(fault: OSError, path: str | Path) -> bool:
    """Whether the fault's file is this one, or the unfinished one beside it."""
    return str(fault.filename).startswith(str(path))
