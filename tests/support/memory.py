"""How much memory this process has taken at most: how much it grew is asked, for tests before have had their share."""

from __future__ import annotations

import resource


def peak_memory() -> int:
    """Of this process, whatever ran in it before (bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
