"""Atomic writes: files that are complete and on the disk, or not there at all; and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.faults import check_readable, naming

_FORMULA = re.compile(r"'*[=@\t\r]|'*[+-].", re.DOTALL)
_NUMBER = re.compile(r"[+-](inf|nan|\d+\.?\d*(e[+-]?\d+)?)", re.IGNORECASE)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Atomic write: yields a temporary path in a folder beside ``path``; after the block it is renamed to ``path``.

    The folder, ``NAME.unfinished``, goes with whatever else a library leaves in it (safetensors writes to a file of its
    own first); one of a process that was killed is removed by the next write. The content is on the disk before the
    name is (fsync), so that a power cut leaves the old file or the new one. Its permissions are those of any new file
    (umask), whatever the library that wrote it chose. If the block raises, ``path`` stays as it was.

    Parameters
    ----------
    path
        The file to write; its folder must exist.

    Raises
    ------
    OSError
        The file cannot be written, or the block did not write it; it names ``path``.
    """
    path = Path(path)
    folder = path.with_name(path.name + ".unfinished")
    unfinished = folder / path.name
    with naming(path):
        try:
            _remove(folder)
            folder.mkdir()
            permissions = _of_a_new_file(unfinished)
            yield unfinished
            _flush(unfinished, permissions)
            unfinished.replace(path)
            flush_folder(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove(place: Path) -> None:
    """Remove what a killed process left: a folder, or a file of an older version."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _of_a_new_file(path: Path) -> int:
    """The permissions that the system gives to a new file at this path; none is left there."""
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    path.unlink()
    return mode


def _flush(path: Path, permissions: int) -> None:
    """Bring a file's content to the disk, and give it these permissions."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
    if stat.S_IMODE(path.stat().st_mode) != permissions:
        path.chmod(permissions)


def flush_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system has a way to do so (not Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON as an atomic write, indented, with a line end at the end.

    Raises
    ------
    TypeError
        Something in ``content`` has no form in JSON.
    OSError
        The file cannot be written.
    """
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | Path, made_by: str) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    made_by
        The command that makes such a file, such as ``l2g search``, for the message.

    Raises
    ------
    InputError
        The file is missing, or is not a JSON object.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path.parent}: has no {path.name}; give a finished folder of '{made_by}'")
    check_readable(path)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: is not what '{made_by}' writes ({error}); run it again") from error


def write_tsv(path: str | Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table as an atomic write. Cells are not quoted: they must not contain tabs or line ends.

    What a spreadsheet would take for a formula gets an apostrophe before it (`no_formula`).

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        for row in chain([header], rows):
            handle.write("\t".join(map(no_formula, row)) + "\n")


def no_formula(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: ``'=A1`` for ``=A1``; `from_cell` takes the apostrophe off.

    Names of sequences are other people's, and ``=HYPERLINK(...)`` is run when a table is opened. Numbers keep their
    signs, and a lone ``+`` or ``-`` (a strand) is no formula.
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def from_cell(cell: str) -> str:
    """The text that `no_formula` made a cell of."""
    return cell[1:] if cell.startswith("'") and no_formula(cell[1:]) == cell else cell


def file_sha256(path: Path) -> str:
    """The SHA-256 of one file, as 64 hexadecimal digits; the file is read in pieces.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
