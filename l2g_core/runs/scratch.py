"""Temporary folders that go, also those of processes that were killed: the next one removes what they left."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from l2g_core.errors import InputError
from l2g_core.runs.lock import lock

WAIT = 60.0  # seconds; another process holds a lock this new only for as long as it takes to find no folder
_own: set[Path] = set()  # locks that this process holds, and could take once more


@contextmanager
def scratch_folder(prefix: str, home: str | Path | None = None) -> Iterator[Path]:
    """A new folder, which is removed after the block; before it, those of this prefix that nobody uses any more.

    A lock beside it says that it is in use. It is there before the folder and goes after it.

    Parameters
    ----------
    prefix
        What its name begins with.
    home
        The folder to make it in; the system's for temporary files by default.

    Raises
    ------
    OSError
        It cannot be made.
    """
    home = Path(tempfile.gettempdir() if home is None else home)
    for left in set(home.glob(f"{prefix}*.lock")) - _own:
        _remove_unused(left)
    folder = home / f"{prefix}{secrets.token_hex(8)}"
    file = folder.with_suffix(".lock")
    _own.add(file)
    try:
        with lock(file, folder, WAIT, keep_folder=True):
            folder.mkdir(mode=0o700)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        _own.remove(file)


def _remove_unused(file: Path) -> None:
    """Remove the folder that this lock was for, if the process that held it is gone."""
    with suppress(InputError, OSError), lock(file, file, keep_folder=True):  # in use, or another user's
        shutil.rmtree(file.with_suffix(""), ignore_errors=True)
