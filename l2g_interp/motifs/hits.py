"""Where each pattern occurs in the attributed sequences, not only where TF-MoDISco clustered a seqlet.

The trimmed CWM slides along the contributions of the bases that are there, on both strands. A place is a hit if it

* resembles the pattern: its cosine with the CWM is at least that of all but 5 % of the pattern's own seqlets,
* matters as much: its contributions sum to at least as much as those of all but 5 % of the seqlets, with their sign,
* is the best of its kind: where hits of one target and sign overlap by more than half of the shorter one, whether of
  one pattern or of several, the most similar one is kept.

Both thresholds are measured on each pattern's own seqlets, and recorded. Fi-NeMo answers the same question by fitting
all patterns at once; it is large and made for GPUs ('l2g-interp export --format chrombpnet' writes its input).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from l2g_core.errors import InputError
from l2g_interp.motifs.matrices import reverse_complement, trimmed
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.types import Attributions, Hit, Pattern, check_targets

BLOCK = 256  # sequences in memory at a time
QUANTILE = 0.05
ROUNDING = 1e-5  # subtracted from thresholds: float32 sums depend on their order, and a seqlet must pass its own
STRANDS = "+-"


@dataclass(frozen=True)
class Caller:
    """A trimmed pattern and its thresholds.

    ``similarity``: the least cosine; ``contribution``: the least sum of contributions, times the pattern's sign.
    """

    pattern: Pattern
    similarity: float
    contribution: float

    @property
    def width(self) -> int:
        return self.pattern.cwm.shape[1]

    @property
    def sign(self) -> int:
        return 1 if self.pattern.sign == "+" else -1


@dataclass(frozen=True)
class Places:
    """Candidates of one block, as parallel arrays with one row per candidate."""

    caller: Int[np.ndarray, " k"]
    row: Int[np.ndarray, " k"]
    start: Int[np.ndarray, " k"]
    end: Int[np.ndarray, " k"]
    strand: Int[np.ndarray, " k"]
    similarity: Float[np.ndarray, " k"]
    contribution: Float[np.ndarray, " k"]

    @classmethod
    def of(cls, parts: Sequence[Places]) -> Places:
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def take(self, which: Int[np.ndarray, " _"]) -> Places:
        return Places(*(getattr(self, f.name)[which] for f in fields(self)))


def call_hits(
    attributions: Attributions | str | Path, patterns: Sequence[Pattern], *, quantile: float = QUANTILE
) -> list[Hit]:
    """Every place where a pattern occurs in the contributions to its target.

    Parameters
    ----------
    attributions
        In memory, or the path of an ``attributions.h5``, which is then read in blocks.
    patterns
        Of any of its targets, as `discover_motifs` found them in these attributions; they are trimmed here.
    quantile
        Fraction of a pattern's own seqlets that may lie below each of its thresholds.

    Returns
    -------
    list of Hit
        By target (in the order of the patterns), sequence and position (0-based, half-open, bp).

    Raises
    ------
    InputError
        A pattern's target is missing, its seqlets lie outside the sequences, or the quantile is not in [0, 1).
    """
    callers = calibrate(attributions, patterns, quantile)
    return [hit for block in find_hits(attributions, callers) for hit in block]


def calibrate(
    attributions: Attributions | str | Path, patterns: Sequence[Pattern], quantile: float = QUANTILE
) -> list[Caller]:
    """Measure each pattern's thresholds on its own seqlets."""
    if not 0 <= quantile < 1:
        raise InputError(f"quantile {quantile}: it must be at least 0 and less than 1")
    callers: list[Caller] = []
    for target in _targets(patterns):
        mine = [trimmed(pattern) for pattern in patterns if pattern.target == target]
        found: list[list[np.ndarray]] = [[] for _ in mine]
        for block in _blocks(attributions, target):
            for pattern, parts in zip(mine, found, strict=True):
                parts.append(_seqlet_scores(pattern, *block))
        callers += [_caller(*each, quantile) for each in zip(mine, found, strict=True)]
    return callers


def find_hits(attributions: Attributions | str | Path, callers: Sequence[Caller]) -> Iterator[list[Hit]]:
    """The hits of calibrated patterns: target by target, block by block of sequences."""
    ids = attributions.ids if isinstance(attributions, Attributions) else read_overview(attributions).ids
    for target in _targets([caller.pattern for caller in callers]):
        mine = [caller for caller in callers if caller.pattern.target == target]
        seqlets = [_seqlet_starts(caller.pattern) for caller in mine]
        for first, contributions, lengths in _blocks(attributions, target):
            candidates = [_candidates(number, caller, contributions, lengths) for number, caller in enumerate(mine)]
            places = best(Places.of(candidates), np.array([caller.sign for caller in mine]))
            yield [
                _hit(places, i, mine[number], seqlets[number], first, ids)
                for i, number in enumerate(places.caller.tolist())
            ]


def n_blocks(n: int, patterns: Sequence[Pattern]) -> int:
    """How many blocks `find_hits` yields for ``n`` sequences."""
    return -(-n // BLOCK) * len(_targets(patterns))


def scores(
    contributions: Float[np.ndarray, "n 4 length"], cwm: Float[np.ndarray, "4 width"]
) -> tuple[Float[np.ndarray, "2 n places"], Float[np.ndarray, "n places"]]:
    """Cosine with the CWM on either strand, and the sum of the contributions, at every place where it fits."""
    windows = sliding_window_view(contributions, cwm.shape[1], axis=2)  # (n, 4, places, width)
    both = np.stack([cwm, reverse_complement(cwm)]).astype(contributions.dtype)
    product = np.einsum("nbpw,sbw->snp", windows, both)
    size = np.sqrt(np.einsum("nbpw,nbpw->np", windows, windows)) * np.linalg.norm(cwm)
    cosine = np.divide(product, size, out=np.zeros_like(product), where=size > 0)
    return cosine, windows.sum(axis=(1, 3))


def best(places: Places, signs: Int[np.ndarray, " callers"]) -> Places:
    """The places to keep, by row and start: the most similar where those of one sign overlap by more than half.

    Ties go to the place further left, then to the pattern that comes first.
    """
    order = np.lexsort((places.caller, places.start, -places.similarity)).tolist()
    groups = list(zip(places.row.tolist(), signs[places.caller].tolist(), strict=True))
    starts, ends = places.start.tolist(), places.end.tolist()
    taken: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    kept = []
    for i in order:
        if not any(_overlap(starts[i], ends[i], *other) for other in taken[groups[i]]):
            taken[groups[i]].append((starts[i], ends[i]))
            kept.append(i)
    kept.sort(key=lambda i: (groups[i][0], starts[i], places.caller[i]))
    return places.take(np.array(kept, dtype=np.int64))


def _overlap(start: int, end: int, other_start: int, other_end: int) -> bool:
    """Whether two stretches overlap by more than half of the shorter one."""
    shared = min(end, other_end) - max(start, other_start)
    return 2 * shared > min(end - start, other_end - other_start)


def recovered(patterns: Sequence[Pattern], hits: Sequence[Hit]) -> dict[tuple[str, str], float]:
    """Share of each pattern's seqlets on which one of its hits lies, by target and name."""
    places = defaultdict(list)
    for hit in hits:
        places[hit.target, hit.pattern, hit.row].append(hit.start)
    return {(p.target, p.name): _share_found(trimmed(p), places) for p in patterns}


def _share_found(pattern: Pattern, places: dict[tuple[str, str, int], list[int]]) -> float:
    seqlets, width = pattern.seqlets, pattern.cwm.shape[1]
    found = [
        any(
            _overlap(start, start + width, other, other + width)
            for other in places.get((pattern.target, pattern.name, row), ())
        )
        for row, start in zip(seqlets.example.tolist(), seqlets.start.tolist(), strict=True)
    ]
    return float(np.mean(found))


def _targets(patterns: Sequence[Pattern]) -> list[str]:
    return list(dict.fromkeys(pattern.target for pattern in patterns))


def _blocks(
    attributions: Attributions | str | Path, target: str
) -> Iterator[tuple[int, Float[np.ndarray, "n 4 length"], Int[np.ndarray, " n"]]]:
    """First row, contributions and lengths of each block of sequences."""
    in_memory = isinstance(attributions, Attributions)
    check_targets(
        [target], attributions.targets if in_memory else read_attributions(attributions, rows=[]).targets, "hits"
    )
    n = len(attributions if in_memory else read_overview(attributions).ids)
    for first in range(0, n, BLOCK):
        rows = range(first, min(first + BLOCK, n))
        if in_memory:
            block, at = attributions, slice(first, rows.stop)
        else:
            block, at = read_attributions(attributions, [target], rows), slice(None)
        part = block[target]
        yield first, part.hypothetical[at] * part.one_hot[at], block.lengths[at]


def _seqlet_scores(pattern: Pattern, first: int, contributions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(2, k): cosine and signed sum at those of the pattern's seqlets that lie in this block."""
    seqlets = pattern.seqlets
    here = (seqlets.example >= first) & (seqlets.example < first + len(contributions))
    rows, starts = seqlets.example[here] - first, seqlets.start[here]
    if (starts < 0).any() or (seqlets.end[here] > lengths[rows]).any():
        raise InputError(
            f"{pattern.target}, {pattern.name}: a seqlet lies outside its sequence; "
            "find the motifs again in these attributions"
        )
    places = np.arange(pattern.cwm.shape[1])
    windows = contributions[rows[:, None], :, starts[:, None] + places].transpose(0, 2, 1)
    cosine, total = scores(windows, pattern.cwm)
    strand = seqlets.is_revcomp[here].astype(np.int64)
    return np.stack([cosine[strand, np.arange(len(rows)), 0], total[:, 0]])


def _caller(pattern: Pattern, parts: Sequence[np.ndarray], quantile: float) -> Caller:
    """Thresholds from the scores of the pattern's seqlets; a hit's contributions always have the pattern's sign."""
    similarity, total = np.concatenate(parts, axis=1).astype(np.float64)
    sign = 1 if pattern.sign == "+" else -1
    least = float(np.quantile(similarity, quantile)), float(np.quantile(sign * total, quantile))
    return Caller(pattern, least[0] - ROUNDING, max(least[1] * (1 - ROUNDING), float(np.finfo(np.float32).tiny)))


def _candidates(number: int, caller: Caller, contributions: np.ndarray, lengths: np.ndarray) -> Places:
    """Every place that reaches both thresholds, on the strand that fits better."""
    if contributions.shape[2] < caller.width:
        raise InputError(f"{caller.pattern.name}: {caller.width} bp do not fit into {contributions.shape[2]} bp")
    cosine, total = scores(contributions, caller.pattern.cwm)
    strand = cosine.argmax(axis=0)
    similarity = cosine.max(axis=0)
    inside = np.arange(similarity.shape[1]) + caller.width <= lengths[:, None]
    fits = (similarity >= caller.similarity) & (caller.sign * total >= caller.contribution) & inside
    row, start = np.nonzero(fits)
    which = np.full(len(row), number)
    return Places(which, row, start, start + caller.width, strand[fits], similarity[fits], total[fits])


def _hit(places: Places, i: int, caller: Caller, seqlets: dict[int, list[int]], first: int, ids: Sequence[str]) -> Hit:
    row, start, end = first + int(places.row[i]), int(places.start[i]), int(places.end[i])
    pattern, strand = caller.pattern, STRANDS[places.strand[i]]
    seqlet = any(_overlap(start, end, other, other + caller.width) for other in seqlets.get(row, ()))
    similarity, contribution = float(places.similarity[i]), float(places.contribution[i])
    return Hit(
        pattern.target, pattern.name, pattern.sign, row, ids[row], start, end, strand, similarity, contribution,
        int(seqlet),
    )  # fmt: skip


def _seqlet_starts(pattern: Pattern) -> dict[int, list[int]]:
    starts = defaultdict(list)
    for row, start in zip(pattern.seqlets.example.tolist(), pattern.seqlets.start.tolist(), strict=True):
        starts[row].append(start)
    return dict(starts)
