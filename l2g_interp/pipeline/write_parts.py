"""Results of consecutive rows, as they come, into a growing file; what is less than a block, into its journal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np

from l2g_core.runs.journal import Journal
from l2g_interp.attributions.result import MethodResult, joined
from l2g_interp.records.growing_file import GrowingFile, Size

SAVE_EVERY = 1.0  # seconds of work that a killed run loses at most, or one part


def write_parts(
    parts: Iterable[MethodResult], growing: GrowingFile, journal: Journal, size: Size, part: int, targets: Sequence[str]
) -> None:
    """Write the results of the rows that follow those in the journal.

    Where the blocks are cut does not depend on interruptions, so that the file is the same to the bit.

    Parameters
    ----------
    parts
        Of ``part`` sequences each, but for the last.
    journal
        Started; it holds the rows after those in ``growing``.
    """
    block, first = size.block(part), journal.first
    held = [_from_record(arrays) for arrays in journal.records()]
    unsaved: list[MethodResult] = []
    stop = first + sum(len(each.prediction) for each in held)
    saved = time.monotonic()
    for result in parts:
        unsaved.append(result)
        stop += len(result.prediction)
        if stop - first == block or stop == size.rows:
            whole = joined([*held, *unsaved])
            first = growing.append(size, first, min(block, size.rows), targets, whole.arrays(), whole.unruled)
            journal.begin_again(first)
            held, unsaved, saved = [], [], time.monotonic()
        elif time.monotonic() - saved >= SAVE_EVERY:
            some = joined(unsaved)
            journal.append(range(stop - len(some.prediction), stop), _as_record(some))
            held, unsaved, saved = [*held, some], [], time.monotonic()


def _as_record(result: MethodResult) -> dict[str, np.ndarray]:
    return {**result.arrays(), "unruled": np.asarray(result.unruled)}


def _from_record(arrays: dict[str, np.ndarray]) -> MethodResult:
    unruled = tuple(map(str, arrays.pop("unruled").tolist()))
    return MethodResult(**arrays, unruled=unruled)
