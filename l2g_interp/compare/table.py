"""``compare.tsv``: the evidence for every two patterns that are one motif."""

from __future__ import annotations

from dataclasses import dataclass

from l2g_interp.compare.groups import MotifComparison


@dataclass(frozen=True)
class Pair:
    """Two patterns that are one motif: a row of ``compare.tsv``.

    ``motif`` is what the group is called. The second pattern, on ``strand`` relative to the first, starts at column
    ``offset`` of it; ``q_value`` is the larger of both directions. Labels are empty where no match is significant.
    """

    motif: str
    sign: str
    set_1: str
    target_1: str
    pattern_1: str
    consensus_1: str
    label_1: str
    n_seqlets_1: int
    set_2: str
    target_2: str
    pattern_2: str
    consensus_2: str
    label_2: str
    n_seqlets_2: int
    q_value: float
    correlation: float
    overlap: int
    strand: str
    offset: int


def pairs(comparison: MotifComparison) -> list[Pair]:
    """The rows of ``compare.tsv``: group by group, most similar pairs first."""
    group_of = {i: n for n, group in enumerate(comparison.groups) for i in group.members}
    links = sorted(comparison.links, key=lambda link: (group_of[link.first], link.q_value))
    return [
        Pair(
            comparison.groups[group_of[link.first]].name,
            comparison.members[link.first].pattern.sign,
            *_half(comparison, link.first),
            *_half(comparison, link.second),
            link.q_value,
            link.correlation,
            link.overlap,
            link.strand,
            link.offset,
        )
        for link in links
    ]


def _half(comparison: MotifComparison, i: int) -> tuple[str, str, str, str, str, int]:
    member = comparison.members[i]
    label = member.name if member.match else ""
    pattern = member.pattern
    return member.set_name, pattern.target, pattern.name, member.consensus, label, pattern.n_seqlets
