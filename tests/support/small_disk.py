"""A disk of a size of our choice, that can be made larger or read-only: a file system in memory, where that may be."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = 4096  # bytes: the least that a file takes


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[None]:
    """Within it, the folder is a disk of this size (bytes), which is gone afterwards."""
    place.mkdir(parents=True, exist_ok=True)
    _mount(["-t", "tmpfs", "-o", f"size={size}", "none", str(place)])
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)


def change(place: Path, option: str) -> None:
    """Give such a disk another size (``size=...``), or make it read-only (``ro``) and writable again (``rw``)."""
    _mount(["-o", f"remount,{option}", str(place)])


@functools.cache
def may_mount() -> bool:
    """Whether this user can make one."""
    with TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder), PAGE):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def used(place: Path) -> int:
    """What the files of a folder take of such a disk (bytes)."""
    return sum(PAGE + -(-path.stat().st_size // PAGE) * PAGE for path in place.rglob("*") if path.is_file())


def _mount(arguments: list[str]) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
