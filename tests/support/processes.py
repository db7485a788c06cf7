"""Which processes go on: those that were started, by whatever detours, with a mark in their environment (Linux)."""

from __future__ import annotations

import time
from pathlib import Path

MARK = "L2G_TEST_MARK"


def processes(mark: str) -> list[str]:
    """Their command lines."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def gone(mark: str, seconds: float = 60) -> bool:
    """Whether all of them end in time."""
    deadline = time.monotonic() + seconds
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes(mark)
