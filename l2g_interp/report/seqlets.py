"""The contributions under the seqlets and hits of patterns, read from the attributions in blocks of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.motifs.matrices import reverse_complement, trimmed
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import Attributions, Hit, Pattern, Seqlets, evenly_spaced

BLOCK = 512  # rows in memory at a time
QUANTILES = (1.0, 0.75, 0.5, 0.25)  # of the contribution: which seqlets are shown as examples
CONTEXT = 8  # bp on either side of an example
MOST_HITS = 2000  # of a pattern, evenly spaced, whose contributions are averaged


@dataclass(frozen=True)
class Example:
    """One seqlet with its surroundings, on the strand of its pattern."""

    id: str
    start: int
    end: int
    strand: str
    contribution: float
    logo: Markup


@dataclass(frozen=True)
class Evidence:
    """The summed contribution of each seqlet (under the trimmed pattern), and a few of them drawn."""

    contributions: Float[np.ndarray, " k"]
    examples: list[Example]


@dataclass(frozen=True)
class HitCwm:
    """Mean contributions ``(4, width)`` under ``n`` hits of one pattern."""

    cwm: Float[np.ndarray, "4 width"]
    n: int


def seqlet_evidence(path: Path, target: str, patterns: list[Pattern]) -> list[Evidence]:
    """What the seqlets of each pattern contribute to the target; memory: one block of rows and the examples."""
    seqlets = [trimmed(pattern).seqlets for pattern in patterns]
    sums = [np.full(len(s), np.nan) for s in seqlets]
    rows = np.unique(np.concatenate([s.example for s in seqlets])) if seqlets else np.empty(0, int)
    for block, part in _blocks(path, target, rows):
        running = np.cumsum(part[target].contributions.sum(axis=1), axis=1, dtype=np.float64)
        running = np.pad(running, ((0, 0), (1, 0)))
        for known, wanted in zip(sums, seqlets, strict=True):
            inside = np.flatnonzero((wanted.example >= block[0]) & (wanted.example <= block[-1]))
            row = np.searchsorted(block, wanted.example[inside])
            start, end = (np.clip(x[inside], 0, running.shape[1] - 1) for x in (wanted.start, wanted.end))
            known[inside] = running[row, end] - running[row, start]
    return _with_examples(path, target, seqlets, sums)


def _with_examples(path: Path, target: str, seqlets: list[Seqlets], sums: list[np.ndarray]) -> list[Evidence]:
    chosen = [_quantiles(contributions) for contributions in sums]
    wanted = [s.example[c] for s, c in zip(seqlets, chosen, strict=True)]
    rows = np.unique(np.concatenate(wanted)) if wanted else np.empty(0, int)
    drawn: list[dict[int, Example]] = [{} for _ in seqlets]
    for block, part in _blocks(path, target, rows):
        for examples, s, picks, total in zip(drawn, seqlets, chosen, sums, strict=True):
            for pick in picks:
                if block[0] <= s.example[pick] <= block[-1]:
                    row = int(np.searchsorted(block, s.example[pick]))
                    examples[pick] = _example(part, target, row, s, pick, float(total[pick]))
    return [
        Evidence(total, [examples[pick] for pick in picks])
        for total, examples, picks in zip(sums, drawn, chosen, strict=True)
    ]


def hit_cwms(path: Path, target: str, hits: list[list[Hit]]) -> list[HitCwm]:
    """Mean contributions under the hits of each pattern, on the strand of each; memory: one block of rows."""
    chosen = [_of_one_width(of_pattern) for of_pattern in hits]
    arrays = [np.array([(h.row, h.start, h.strand == "-") for h in c], dtype=int).reshape(-1, 3) for c in chosen]
    sums = [np.zeros((4, c[0].end - c[0].start if c else 0)) for c in chosen]
    rows = np.unique(np.concatenate([a[:, 0] for a in arrays])) if arrays else np.empty(0, int)
    for block, part in _blocks(path, target, rows):
        contributions = part[target].contributions
        for known, places in zip(sums, arrays, strict=True):
            row, start, reverse = places[(places[:, 0] >= block[0]) & (places[:, 0] <= block[-1])].T
            at = np.searchsorted(block, row)[:, None]
            cut = contributions[at, :, start[:, None] + np.arange(known.shape[1])].transpose(0, 2, 1)
            other = reverse.astype(bool)
            known += cut[~other].sum(axis=0) + reverse_complement(cut[other].sum(axis=0))
    return [HitCwm(known / max(1, len(c)), len(c)) for known, c in zip(sums, chosen, strict=True)]


def _of_one_width(hits: list[Hit]) -> list[Hit]:
    """At most `MOST_HITS` hits, all as wide as most of them are, so that they can be averaged."""
    widths = Counter(hit.end - hit.start for hit in hits)
    width = max(widths, key=lambda w: widths[w], default=0)
    able = [hit for hit in hits if hit.end - hit.start == width]
    picks = evenly_spaced(len(able), MOST_HITS)
    return [able[i] for i in picks.tolist()]


def _blocks(path: Path, target: str, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Attributions]]:
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        yield block, read_attributions(path, targets=[target], rows=block.tolist())


def _quantiles(contributions: np.ndarray) -> list[int]:
    """Seqlets at the quantiles of their absolute contribution, strongest first, none twice."""
    order = np.argsort(np.abs(contributions), kind="stable")
    picks = [int(order[round(q * (len(order) - 1))]) for q in QUANTILES] if len(order) else []
    return list(dict.fromkeys(picks))


def _example(part: Attributions, target: str, row: int, seqlets: Seqlets, pick: int, contribution: float) -> Example:
    start, end = int(seqlets.start[pick]), int(seqlets.end[pick])
    left, right = max(0, start - CONTEXT), min(int(part.lengths[row]), end + CONTEXT)
    letters = part[target].hypothetical[row, :, left:right] * part[target].one_hot[row, :, left:right]
    shade = (max(0, start) - left, min(end, right) - left)
    if seqlets.is_revcomp[pick]:
        letters, shade = reverse_complement(letters), (right - left - shade[1], right - left - shade[0])
    strand = "−" if seqlets.is_revcomp[pick] else "+"
    logo = logo_svg(
        letters,
        f"Contributions around an example, {start} to {end}",
        height=48,
        pitch=11,
        limits=value_range(letters),
        shade=shade,
    )
    return Example(part.ids[row], start, end, strand, contribution, Markup(logo))
