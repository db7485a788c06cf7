"""The ledger of a folder: ``.l2g/outputs.json`` records which work made which of its files.

With it a command can tell its own finished result from another's, or from a file of unknown origin. Deleting it loses
no result: the files then count as unknown, and are not replaced without ``--overwrite``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256, write_json
from l2g_core.runs.lock import lock

PLACE, FILE = ".l2g", "outputs.json"
PATIENCE = 60.0  # seconds to wait for another command that is writing the ledger


@dataclass(frozen=True)
class Entry:
    """One piece of work.

    Attributes
    ----------
    output
        What ``--output`` named, relative to the folder (``.`` is the folder itself).
    identity
        ``Identity.as_json()`` of the work.
    files
        By name: sha256, size (bytes) and mtime_ns of each file that the finished work left.
    partial
        Names of the files that it leaves while it is unfinished.
    versions
        Package to version.
    """

    output: str
    identity: dict[str, Any]
    finished: bool
    files: dict[str, dict[str, Any]]
    partial: list[str]
    versions: dict[str, str]

    @property
    def key(self) -> tuple[str, str]:
        """Command and output: a folder has at most one entry with the same two."""
        return self.identity["kind"], self.output

    @property
    def names(self) -> set[str]:
        """All files of this work, finished or partial."""
        return {*self.files, *self.partial}


class Ledger:
    """What is known about the files of one folder; ``place`` is its hidden folder, ``path`` the ledger's file."""

    def __init__(self, folder: Path):
        self.folder, self.place = folder, folder / PLACE
        self.path = self.place / FILE

    def entries(self) -> list[Entry]:
        """All entries, oldest first; none if there is no ledger yet.

        Raises
        ------
        InputError
            The file is damaged.
        """
        if not self.path.exists():
            return []
        try:
            return [Entry(**entry) for entry in json.loads(self.path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self.path}: damaged ({error}); remove it, and use --overwrite where results may be replaced"
            ) from error

    def name(self, path: Path) -> str:
        """The path relative to the folder; absolute if it is outside the folder."""
        path, folder = path.absolute(), self.folder.absolute()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()

    def paths(self, names: Iterable[str]) -> list[Path]:
        """The files of these names: the inverse of `name`."""
        return [self.folder / name for name in names]

    def described(self, files: Iterable[Path]) -> dict[str, dict[str, Any]]:
        """By name: hash, size (bytes) and modification time (ns); nothing for a file that does not exist yet."""
        return {self.name(path): _described(path) if path.exists() else {} for path in files}

    def changed(self, entry: Entry) -> list[str]:
        """Names of the files that are missing, or are not what the finished work left."""
        return [name for name, then in entry.files.items() if not _is(self.folder / name, then)]

    def put(self, entry: Entry) -> None:
        """Record a piece of work; its files are taken out of every other entry.

        Raises
        ------
        InputError
            The ledger is damaged, or another process has kept it locked for ``PATIENCE`` seconds.
        """
        with lock(self.place / f"{FILE}.lock", self.path, PATIENCE):
            kept = [_without(e, entry.names) for e in self.entries() if e.key != entry.key]
            self._write([*(e for e in kept if e.names), entry])

    def remove(self, key: tuple[str, str]) -> None:
        """Delete the entry of a piece of work.

        Raises
        ------
        InputError
            As `put`.
        """
        with lock(self.place / f"{FILE}.lock", self.path, PATIENCE):
            self._write([e for e in self.entries() if e.key != key])

    def restore(self, key: tuple[str, str], before: Iterable[Entry], names: Collection[str]) -> None:
        """Undo `put`: of the entries that there were before, put back those of this work and of these files.

        Raises
        ------
        InputError
            As `put`.
        """
        self.remove(key)
        for entry in before:
            if entry.key == key or not entry.names.isdisjoint(names):
                self.put(entry)

    def _write(self, entries: list[Entry]) -> None:
        if entries:
            write_json(self.path, [asdict(e) for e in entries])
        else:
            self.path.unlink(missing_ok=True)


def known_sha256(path: Path) -> str:
    """The SHA-256 of a file, from its folder's ledger if size and modification time are still those recorded there.

    Raises
    ------
    InputError
        The ledger is damaged.
    OSError
        The file cannot be read.
    """
    ledger = Ledger(path.parent)
    stat = path.stat()
    for entry in ledger.entries():
        then = entry.files.get(ledger.name(path), {})
        if (then.get("size"), then.get("mtime_ns")) == (stat.st_size, stat.st_mtime_ns):
            return then["sha256"]
    return file_sha256(path)


def _without(entry: Entry, names: set[str]) -> Entry:
    files = {name: value for name, value in entry.files.items() if name not in names}
    return replace(entry, files=files, partial=[name for name in entry.partial if name not in names])


def _described(path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {"sha256": file_sha256(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _is(path: Path, then: Mapping[str, Any]) -> bool:
    """Whether the file is the one described; it is hashed only if its size is the same and its time is not."""
    if not path.is_file() or path.stat().st_size != then["size"]:
        return False
    return path.stat().st_mtime_ns == then["mtime_ns"] or file_sha256(path) == then["sha256"]
