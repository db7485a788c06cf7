"""What the system refuses while files are written or read: a full disk, a folder that is gone; and the way on."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def _hides_faults(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__module__.startswith("safetensors") or type(error) is RuntimeError


def _about(fault: OSError, path: str | Path) -> bool:
    """Whether the fault's file is this one, or the unfinished one beside it."""
    return str(fault.filename).startswith(str(path))
