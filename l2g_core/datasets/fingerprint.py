"""Hashes of files and folders, independent of where they lie; and ``SHA256SUMS``, which has the expected ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write, file_sha256
from l2g_core.text import open_text

SUMS = "SHA256SUMS"  # as `sha256sum` writes and checks it


def data_sha256(paths: Sequence[Path], root: Path) -> str:
    """One hash of several files and their names below ``root``; of a single file, the file's own.

    Raises
    ------
    InputError
        One of them differs from ``SHA256SUMS`` in ``root``.
    """
    found = {path.relative_to(root).as_posix() if path != root else path.name: file_sha256(path) for path in paths}
    check_recorded(found, root if root.is_dir() else root.parent)
    if len(found) == 1:
        return next(iter(found.values()))
    return hashlib.sha256("".join(f"{found[name]}  {name}\n" for name in sorted(found)).encode()).hexdigest()


def recorded(folder: Path) -> dict[str, str]:
    """The contents of a folder's ``SHA256SUMS``: file to hash."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    hashes = {}
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            sha256, _, name = line.rstrip("\n").partition(" ")
            if len(sha256) != 64 or not name.strip():
                raise InputError(f"{path}: line {number}: {line[:40]!r} is not 'hash  file'; write it with sha256sum")
            hashes[name.lstrip(" *").removeprefix("./")] = sha256.lower()
    return hashes


def record(folder: Path, hashes: Mapping[str, str]) -> None:
    """Add hashes to a folder's ``SHA256SUMS``."""
    known = recorded(folder) | dict(hashes)
    with atomic_write(folder / SUMS) as unfinished:
        unfinished.write_text("".join(f"{known[name]}  {name}\n" for name in sorted(known)), encoding="utf-8")


def check_recorded(found: Mapping[str, str], folder: Path) -> None:
    """Refuse files whose hash differs from ``SHA256SUMS``; files that it does not list are accepted."""
    for name, sha256 in recorded(folder).items():
        if found.get(name, sha256) != sha256:
            raise InputError(
                f"{folder / name}: has sha256 {found[name]}, {folder / SUMS} says {sha256}; fetch it again, or delete "
                "its line if the new file is the right one"
            )
