"""How much of what stands out has a name, and what the rest looks like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from l2g_core.dna import decode
from l2g_interp.motifs.candidates import Candidates, Matrices, Needed, find_candidates
from l2g_interp.motifs.hits import Calibration, profiles, read_block
from l2g_interp.motifs.standing_out import SIGNS, Bar, Segment, bars, segments
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import Attributions, Explained, Hit, Unexplained, evenly_spaced

MOST_MEASURED = 2000  # sequences, evenly spaced, on which the bars are measured
HALF = 0.5  # a segment is unexplained if less than this share of it lies in hits of any kind
AROUND = 5  # bp on either side of an unexplained stretch in which its nearest motif may begin or end
STRONGEST = 100  # unexplained stretches to keep per target


def bars_of(attributions: Attributions | str | Path, controls: Attributions, target: str, n: int) -> list[Bar]:
    """What stands out for a target, measured on its controls and on some of its ``n`` sequences."""
    rows = evenly_spaced(n, MOST_MEASURED).tolist()
    if isinstance(attributions, Attributions):
        every = profiles(attributions, target)
        some = [every[row] for row in rows]
    else:
        some = profiles(read_attributions(attributions, [target], rows), target)
    return bars(some, profiles(controls, target))


def explain(
    profile: Float[np.ndarray, "n length"],
    lengths: Int[np.ndarray, " n"],
    hits: Sequence[Hit],
    bars: Sequence[Bar],
    target: str,
    ids: Sequence[str],
    first: int = 0,
) -> tuple[list[Explained], list[tuple[Segment, float]]]:
    """What stands out in some sequences, and how much of it lies in hits.

    Parameters
    ----------
    profile
        Contribution of every base.
    hits
        Those of these sequences, whose first row in the attributions is ``first``.
    bars
        As `bars_of` measured them.
    ids
        Of these sequences.

    Returns
    -------
    explained
        A row per sequence.
    unexplained
        The segments of which less than half lies in hits, and that share; their rows count from ``first``.
    """
    named = [hit for hit in hits if is_named(hit)]
    masks = [_under(profile.shape, these, first) for these in (named, hits)]
    rows, left = [], []
    for i, name in enumerate(ids):
        found = segments(profile[i, : lengths[i]], bars, first + i)
        inside = [[_share(profile[i], mask[i], s) for s in found] for mask in masks]
        sizes = np.array([abs(s.total) for s in found])
        total = float(sizes.sum())
        with_name, with_any = (float((sizes * np.array(shares)).sum()) for shares in inside)
        others = max(0.0, with_any - with_name)  # bases of the other sign within a hit may make it less
        n_named = sum(hit.row == first + i for hit in named)
        rows.append(Explained(target, first + i, name, len(found), total, with_name, others, n_named))
        left += [(s, share) for s, share in zip(found, inside[1], strict=True) if share < HALF]
    return rows, left


def is_named(hit: Hit) -> bool:
    """Whether the hit has a name that counts: of tier 1, and of a motif that has one."""
    return hit.tier == 1 and bool(hit.name)


def _under(shape: tuple[int, ...], hits: Sequence[Hit], first: int) -> Bool[np.ndarray, "n length"]:
    mask = np.zeros(shape, dtype=bool)
    for hit in hits:
        mask[hit.row - first, hit.start : hit.end] = True
    return mask


def _share(profile: np.ndarray, mask: np.ndarray, segment: Segment) -> float:
    """Of a segment's contribution, the part under the mask; 0 to 1, for a part may outweigh a whole with gaps."""
    here = slice(segment.start, segment.end)
    return float(np.clip(profile[here][mask[here]].sum() / segment.total, 0.0, 1.0))


def strongest_of(left: Sequence[tuple[Segment, float]]) -> list[tuple[Segment, float]]:
    """Those that `strongest` keeps: the others can be dropped as they come."""
    return sorted(left, key=lambda each: (-abs(each[0].total) * (1 - each[1]), each[0].row))[:STRONGEST]


def strongest(
    attributions: Attributions | str | Path,
    found: Calibration,
    target: str,
    left: Sequence[tuple[Segment, float]],
    ids: Sequence[str],
) -> list[Unexplained]:
    """The strongest unexplained stretches of a target, and the motif that each resembles most, however little."""
    chosen = strongest_of(left)
    rows = np.unique([segment.row for segment, _ in chosen]).astype(int)
    if not len(rows):
        return []
    block = read_block(attributions, target, rows.tolist())
    letters = _letters(attributions, rows)
    matrices = Matrices(found.library)
    anything = Needed({(sign, int(w)): 0.0 for sign in SIGNS for w in matrices.widths}, np.zeros(len(found.library)))
    near = find_candidates(block, matrices, anything)
    by_row = defaultdict(list)
    for i, row in enumerate(near.row.tolist()):
        by_row[row].append(i)
    made = []
    for segment, share in chosen:
        at = int(np.searchsorted(rows, segment.row))
        best = _nearest(near, by_row[at], segment)
        entry = found.library[int(near.entry[best])] if best is not None else None
        made.append(
            Unexplained(
                target, segment.row, ids[segment.row], segment.start, segment.end, "+" if segment.total > 0 else "-",
                segment.total, share, letters[at][max(0, segment.start - AROUND) : segment.end + AROUND],
                (entry.name or "no name") if entry else "", entry.label(target) if entry else "",
                float(near.likeness[best]) if best is not None else float("nan"),
            )
        )  # fmt: skip
    return made


def _nearest(near: Candidates, these: Sequence[int], segment: Segment) -> int | None:
    """The candidate of the segment's sign with the largest gain x likeness that lies on half of it or in half of it."""
    able = [
        i
        for i in these
        if near.sign[i] * segment.total > 0
        and 2 * (min(near.end[i], segment.end) - max(near.start[i], segment.start))
        >= min(near.end[i] - near.start[i], segment.end - segment.start)
    ]
    return max(able, key=lambda i: near.gain[i] * near.likeness[i], default=None)


def _letters(attributions: Attributions | str | Path, rows: np.ndarray) -> list[str]:
    if isinstance(attributions, Attributions):
        part = attributions
        return [decode(part.one_hot[row], int(part.lengths[row])) for row in rows]
    part = read_attributions(attributions, [], rows.tolist())
    return [decode(x, int(n)) for x, n in zip(part.one_hot, part.lengths, strict=True)]


@dataclass
class Shares:
    """Of a target's sequences, added up as they come: how much of what stands out has a name."""

    rows: int = 0
    standing_out: float = 0.0
    named: float = 0.0
    resembling: float = 0.0
    with_a_name: int = 0
    segments: int = 0

    def add(self, rows: Iterable[Explained]) -> None:
        for row in rows:
            self.rows += 1
            self.standing_out += row.standing_out
            self.named += row.named
            self.resembling += row.resembling
            self.with_a_name += row.n_named > 0
            self.segments += row.segments

    def as_dict(self) -> dict[str, float]:
        """The share of what stands out that has a name, that hits without one hold, and how many sequences have a name
        at all."""
        total = self.standing_out
        return {
            "standing_out": total,
            "named": self.named / total if total else float("nan"),
            "resembling": self.resembling / total if total else float("nan"),
            "sequences_with_a_name": self.with_a_name / self.rows if self.rows else float("nan"),
            "segments": float(self.segments),
        }


def shares(rows: Iterable[Explained]) -> dict[str, float]:
    """`Shares` of rows that are all there."""
    added = Shares()
    added.add(rows)
    return added.as_dict()
