"""The hit caller before motifs competed, for comparison: each pattern by itself, where its cosine is high enough.

A place is a hit if its cosine with the trimmed CWM and its sum of contributions reach what all but 5 % of the pattern's
own seqlets do; where hits of one sign overlap by more than half, the most similar stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from l2g_interp.motifs.hits import overlap
from l2g_interp.motifs.matrices import reverse_complement, trimmed
from l2g_interp.records.types import Attributions, Hit, Pattern

QUANTILE = 0.05


def call_hits(
    attributions: Attributions, patterns: Sequence[Pattern], names: Mapping[tuple[str, str], str],
    thresholds: Mapping[tuple[str, str], tuple[float, float]],
) -> list[Hit]:  # fmt: skip
    """The hits of patterns in the contributions to their own target."""
    found: list[Hit] = []
    for target in attributions.targets:
        contributions = attributions[target].contributions
        places = []
        for pattern in (trimmed(p) for p in patterns if p.target == target):
            similarity, total, strand = _scores(contributions, pattern.cwm)
            least = thresholds[target, pattern.name]
            sign = 1 if pattern.sign == "+" else -1
            rows, starts = np.nonzero((similarity >= least[0]) & (sign * total >= least[1]))
            places += [
                (similarity[r, s], r, s, s + pattern.cwm.shape[1], pattern, strand[r, s], total[r, s])
                for r, s in zip(rows.tolist(), starts.tolist(), strict=True)
            ]
        found += _best(attributions, target, places, names)
    return found


def thresholds_of(
    attributions: Attributions, patterns: Sequence[Pattern]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Least cosine and least signed sum of each pattern."""
    found = {}
    for pattern in map(trimmed, patterns):
        contributions, s = attributions[pattern.target].contributions, pattern.seqlets
        windows = np.stack([contributions[r, :, a:b] for r, a, b in zip(s.example, s.start, s.end, strict=True)])
        similarity, total, _ = _scores(windows, pattern.cwm)
        sign = 1 if pattern.sign == "+" else -1
        found[pattern.target, pattern.name] = (
            float(np.quantile(similarity, QUANTILE)) - 1e-5, float(np.quantile(sign * total, QUANTILE)) * (1 - 1e-5),
        )  # fmt: skip
    return found


def _scores(contributions: np.ndarray, cwm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    windows = sliding_window_view(contributions, cwm.shape[1], axis=2)
    product = np.einsum("nbpw,sbw->snp", windows, np.stack([cwm, reverse_complement(cwm)]))
    size = np.sqrt(np.einsum("nbpw,nbpw->np", windows, windows)) * np.linalg.norm(cwm)
    cosine = np.divide(product, size, out=np.zeros_like(product), where=size > 0)
    return cosine.max(axis=0), windows.sum(axis=(1, 3)), cosine.argmax(axis=0)


def _best(attributions: Attributions, target: str, places: list, names: Mapping[tuple[str, str], str]) -> list[Hit]:
    taken: dict[tuple[int, str], list[tuple[int, int]]] = {}
    found = []
    for similarity, row, start, end, pattern, strand, total in sorted(places, key=lambda place: (-place[0], place[2])):
        others = taken.setdefault((row, pattern.sign), [])
        if not any(overlap(start, end, *other) for other in others):
            others.append((start, end))
            name = names.get((target, pattern.name), "")
            found.append(
                Hit(target, pattern.name, pattern.sign, row, attributions.ids[row], start, end, "+-"[strand],
                    float(similarity), float(total), 0, name)
            )  # fmt: skip
    return found
