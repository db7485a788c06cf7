"""Files that are whole or not there, and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; it becomes ``path`` if nothing went wrong, and is removed if it did."""
    path = Path(path)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_tsv(path: str | Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table whole or not at all; cells hold neither tabs nor line ends."""
    with whole(path) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        for row in chain([header], rows):
            handle.write("\t".join(row) + "\n")


def file_sha256(path: Path) -> str:
    """The hash of one file, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
