"""Atomic writes: files that are complete or not there at all; and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Atomic write: yields a temporary path beside ``path``; after the block it is renamed to ``path``.

    If the block raises, ``path`` stays as it was and the temporary file is removed.

    Parameters
    ----------
    path
        The file to write; its folder must exist.

    Raises
    ------
    OSError
        The file cannot be written, or the block did not write it.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


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
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{path.parent}: has no {path.name}; give a finished folder of '{made_by}'") from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not what '{made_by}' writes ({error}); run it again") from error


def write_tsv(path: str | Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table as an atomic write. Cells are not quoted: they must not contain tabs or line ends.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        for row in chain([header], rows):
            handle.write("\t".join(row) + "\n")


def file_sha256(path: Path) -> str:
    """The SHA-256 of one file, as 64 hexadecimal digits; the file is read in pieces.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
