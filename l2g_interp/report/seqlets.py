"""The contributions under the seqlets of patterns, read from the attributions in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.motifs.matrices import reverse_complement, trimmed
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import Attributions, Pattern, Seqlets

BLOCK = 512  # rows in memory at a time
QUANTILES = (1.0, 0.75, 0.5, 0.25)  # of the contribution: which seqlets are shown as examples
CONTEXT = 8  # bp on either side of an example


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
