"""Hashes of files and of folders of files, wherever they lie; and ``SHA256SUMS``, which holds what they should be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256, whole

SUMS = "SHA256SUMS"  # as `sha256sum` writes and checks it


def data_sha256(paths: Sequence[Path], root: Path) -> str:
    """One hash of several files and their names below ``root``; of a single file, the file's own.

    Raises
    ------
    InputError
        ``SHA256SUMS`` in ``root`` says otherwise of one of them.
    """
    found = {path.relative_to(root).as_posix() if path != root else path.name: file_sha256(path) for path in paths}
    check_recorded(found, root if root.is_dir() else root.parent)
    if len(found) == 1:
        return next(iter(found.values()))
    return hashlib.sha256("".join(f"{found[name]}  {name}\n" for name in sorted(found)).encode()).hexdigest()


def recorded(folder: Path) -> dict[str, str]:
    """What ``SHA256SUMS`` of a folder says: file to hash."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    hashes = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        sha256, _, name = line.partition(" ")
        if len(sha256) != 64 or not name.strip():
            raise InputError(f"{path}: line {number}: {line[:40]!r} is no 'hash  file'; write it with sha256sum")
        hashes[name.lstrip(" *").removeprefix("./")] = sha256.lower()
    return hashes


def record(folder: Path, hashes: Mapping[str, str]) -> None:
    """Add to ``SHA256SUMS`` of a folder."""
    known = recorded(folder) | dict(hashes)
    with whole(folder / SUMS) as unfinished:
        unfinished.write_text("".join(f"{known[name]}  {name}\n" for name in sorted(known)), encoding="utf-8")


def check_recorded(found: Mapping[str, str], folder: Path) -> None:
    """Refuse files that are not those that ``SHA256SUMS`` knows; files that it does not name are let through."""
    for name, sha256 in recorded(folder).items():
        if found.get(name, sha256) != sha256:
            raise InputError(
                f"{folder / name}: has sha256 {found[name]}, {folder / SUMS} says {sha256}; fetch it again, or take "
                "its line out if the new file is the right one"
            )
