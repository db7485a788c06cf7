"""Seqlets that reach into padding or N: no motif lies there, so they are taken out of TF-MoDISco's file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int8

MEANS = ("sequence", "contrib_scores", "hypothetical_contribs")  # of a pattern, over the arrays of its seqlets


def count_gaps(one_hot: Int8[np.ndarray, "n 4 length"]) -> Int[np.ndarray, "n ends"]:
    """How many columns without a base (N, padding) there are in each row before each place."""
    gaps = np.zeros((len(one_hot), one_hot.shape[2] + 1), dtype=np.int32)
    np.cumsum(~one_hot.any(axis=1), axis=1, out=gaps[:, 1:])
    return gaps


def lie_on_bases(
    example: Int[np.ndarray, " k"],
    start: Int[np.ndarray, " k"],
    end: Int[np.ndarray, " k"],
    gaps: Int[np.ndarray, "n ends"],
) -> Bool[np.ndarray, " k"]:
    """Which seqlets lie within the sequence, on bases only; ``gaps`` is that of `count_gaps`."""
    n, length = gaps.shape[0], gaps.shape[1] - 1
    inside = (example >= 0) & (example < n) & (start >= 0) & (end <= length)
    row, start, end = (np.where(inside, each, 0) for each in (example, start, end))
    return inside & (gaps[row, start] == gaps[row, end])


def drop_gapped(file: Any, one_hot: Int8[np.ndarray, "n 4 length"]) -> tuple[int, int]:
    """Take the seqlets that do not lie on bases out of a TF-MoDISco file, and patterns that have none left.

    What is left of a pattern is the mean over its remaining seqlets.

    Parameters
    ----------
    file
        An ``h5py.File``, open for writing; its seqlets' ``example_idx`` are rows of ``one_hot``.
    one_hot
        The sequences; columns without a base are all zero.

    Returns
    -------
    dropped, found
        Seqlets of patterns; those of subpatterns, which are the same ones, are not counted.
    """
    gaps = count_gaps(one_hot)
    dropped = found = 0
    for group, is_pattern in list(_groups(file)):
        if group not in file:
            continue  # its pattern is gone
        seqlets = file[group]["seqlets"]
        kept = lie_on_bases(*(seqlets[name][...].astype(np.int64) for name in ("example_idx", "start", "end")), gaps)
        if is_pattern:
            dropped, found = dropped + int((~kept).sum()), found + len(kept)
        if not kept.any():
            del file[group]
        elif not kept.all():
            _keep(file[group], kept)
    return dropped, found


def _groups(file: Any) -> Iterator[tuple[str, bool]]:
    """Patterns, and after each its subpatterns."""
    for sign in file:
        for name in file[sign]:
            path = f"{sign}/{name}"
            yield path, True
            yield from ((f"{path}/{part}", False) for part in file[path] if part.startswith("subpattern_"))


def _keep(pattern: Any, kept: Bool[np.ndarray, " k"]) -> None:
    seqlets = pattern["seqlets"]
    for name in [name for name in seqlets if name != "n_seqlets"]:
        _replace(seqlets, name, seqlets[name][...][kept])
    _replace(seqlets, "n_seqlets", np.array([int(kept.sum())]))
    for name in MEANS:
        _replace(pattern, name, seqlets[name][...].mean(axis=0, dtype=np.float64))


def _replace(group: Any, name: str, values: np.ndarray) -> None:
    before = group[name]
    dtype, compression = before.dtype, before.compression
    del group[name]
    group.create_dataset(name, data=values.astype(dtype), compression=compression)
