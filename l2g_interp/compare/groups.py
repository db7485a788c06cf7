"""Patterns that are the same motif: TOMTOM of each against all others, and connected components.

Two patterns are one motif if all of this holds; similarity is not enough, since TOMTOM finds GATAA inside TATCGATA:

* they have the same sign;
* each finds the other with q of `SIGNIFICANT_Q` or less, over all other patterns, with the guard against flat
  columns (see `l2g_interp.motifs.tomtom`);
* they share `MIN_OVERLAP` columns, or all of a shorter pattern, and `MIN_SHARE` of the shorter one's columns;
* over these columns their base frequencies correlate with `MIN_CORRELATION` or more.

Patterns that are linked, directly or through others, are a group; a group may have several patterns of one set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Float

from l2g_core.errors import InputError
from l2g_interp.compare.sets import MotifSet
from l2g_interp.motifs.matrices import consensus, normalised, padded, place
from l2g_interp.motifs.naming import SIGNIFICANT_Q
from l2g_interp.motifs.tomtom import Comparison, compare, compared_span
from l2g_interp.records.types import Match, Pattern

MIN_OVERLAP = 5  # columns: GATAA is as short as a motif gets, and CGAT occurs in too many
MIN_SHARE = 0.6
MIN_CORRELATION = 0.85


@dataclass(frozen=True)
class Member:
    """A pattern in its set. ``ppm`` and ``cwm``: the columns that were compared; ``match``: what names it, if any."""

    set_name: str
    pattern: Pattern
    name: str
    match: Match | None
    ppm: Float[np.ndarray, "4 width"]
    cwm: Float[np.ndarray, "4 width"]

    @property
    def consensus(self) -> str:
        return consensus(self.ppm)


@dataclass(frozen=True)
class Link:
    """How two patterns (indices into `MotifComparison.members`) are aligned, and how similar they are.

    The second, reverse-complemented for strand ``-``, starts at column ``offset`` of the first. ``q_value`` is the
    larger of both directions, ``correlation`` Pearson's over the base frequencies of the ``overlap``.
    """

    first: int
    second: int
    q_value: float
    correlation: float
    overlap: int
    strand: str
    offset: int


@dataclass(frozen=True)
class Group:
    """One motif: its ``members`` (indices), most seqlets first, and the names of the sets that have it.

    ``starts`` (columns) and ``reverse`` place every member on one axis, on the strand of the first.
    """

    name: str
    named: bool
    members: tuple[int, ...]
    sets: tuple[str, ...]
    starts: tuple[int, ...]
    reverse: tuple[bool, ...]


@dataclass(frozen=True)
class MotifComparison:
    """All patterns of all sets, which of them are one motif, and why.

    ``nearest``: the alignment of each pattern with the most similar one of another set; None where none has its sign.
    """

    sets: tuple[MotifSet, ...]
    members: tuple[Member, ...]
    groups: tuple[Group, ...]
    links: tuple[Link, ...]
    nearest: tuple[Link | None, ...]
    max_q: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(s.name for s in self.sets)

    @cached_property
    def regions(self) -> dict[tuple[str, ...], list[Group]]:
        """Groups by the sets that have them: the regions of a Venn diagram, those of most sets first."""
        found: dict[tuple[str, ...], list[Group]] = {}
        for group in self.groups:
            found.setdefault(group.sets, []).append(group)
        order = {name: i for i, name in enumerate(self.names)}
        return dict(sorted(found.items(), key=lambda item: (-len(item[0]), [order[name] for name in item[0]])))

    @property
    def shared(self) -> list[Group]:
        """The motifs that two sets or more have."""
        return [group for sets, groups in self.regions.items() if len(sets) > 1 for group in groups]

    def only(self, set_name: str) -> list[Group]:
        """The motifs that this set alone has."""
        return self.regions.get((set_name,), [])


def compare_motifs(
    sets: Sequence[MotifSet] | Mapping[str, Sequence[Pattern]], *, max_q: float = SIGNIFICANT_Q
) -> MotifComparison:
    """Which motifs are shared, and which are unique to one set (paper, Figure 4B).

    Parameters
    ----------
    sets
        `MotifSet` (from `read_sets`, or your own) or simply patterns by the name of their set. A set may be empty.
    max_q
        Largest q-value, in both directions, of patterns that are one motif; and of matches that name a pattern.

    Returns
    -------
    MotifComparison
        Every pattern, the motifs (groups of patterns), and the evidence for each pair.

    Raises
    ------
    InputError
        Fewer than two sets, or two of one name.
    """
    if isinstance(sets, Mapping):
        sets = [MotifSet(name, tuple(patterns)) for name, patterns in sets.items()]
    if len({s.name for s in sets}) < max(2, len(sets)):
        raise InputError(f"comparing takes two sets or more, each with its own name; got {[s.name for s in sets]}")
    members = tuple(_members(sets, max_q))
    alike = _alike(members)
    links = tuple(link for link in alike if _is_one_motif(members, link, max_q))
    groups = tuple(_groups(members, links, [s.name for s in sets]))
    nearest = tuple(_nearest(members, alike, i) for i in range(len(members)))
    return MotifComparison(tuple(sets), members, groups, links, nearest, max_q)


def _members(sets: Sequence[MotifSet], max_q: float) -> Iterator[Member]:
    for s in sets:
        for pattern, (name, match) in zip(s.patterns, s.called(max_q), strict=True):
            start, end = compared_span(pattern)
            ppm = normalised(pattern.ppm[:, start:end].astype(np.float64))
            yield Member(s.name, pattern, name, match, ppm, pattern.cwm[:, start:end])


def _alike(members: Sequence[Member]) -> list[Link]:
    """Every two patterns of one sign, aligned by the better of the two directions."""
    if len(members) < 2:
        return []
    others = [[j for j in range(len(members)) if j != i] for i in range(len(members))]
    found = [compare([members[i].ppm], [members[j].ppm for j in others[i]]) for i in range(len(members))]
    return [
        _link(members, found, i, j)
        for i, j in combinations(range(len(members)), 2)
        if members[i].pattern.sign == members[j].pattern.sign
    ]


def _link(members: Sequence[Member], found: Sequence[Comparison], i: int, j: int) -> Link:
    """``found[i]``: pattern i against all others, so j is in column j - 1 of it, and i in column i of ``found[j]``."""
    there, back = (found[i], j - 1), (found[j], i)
    better, column = min(there, back, key=lambda side: side[0].p_value[0, side[1]])
    q_value = max(float(side.q_value[0, k]) for side, k in (there, back))
    strand = "-" if better.reverse[0, column] else "+"
    offset, overlap = int(better.offset[0, column]), int(better.overlap[0, column])
    if better is found[j]:
        offset = _turned(Link(j, i, q_value, 0.0, overlap, strand, offset), members)
    correlation = _correlation(members[i].ppm, members[j].ppm, offset, strand)
    return Link(i, j, q_value, correlation, overlap, strand, offset)


def _correlation(first: np.ndarray, second: np.ndarray, offset: int, strand: str) -> float:
    """Pearson's r of the base frequencies over the columns where the two overlap; 0 where one of them is all flat."""
    start, other_start, drawn = place(first.shape[1], second, offset, strand)
    width = max(start + first.shape[1], other_start + drawn.shape[1])
    one, other = padded(first, start, width), padded(drawn, other_start, width)
    both = one.any(axis=0) & other.any(axis=0)
    x, y = one[:, both].ravel(), other[:, both].ravel()
    return float(np.corrcoef(x, y)[0, 1]) if len(x) and x.std() > 0 and y.std() > 0 else 0.0


def _is_one_motif(members: Sequence[Member], link: Link, max_q: float) -> bool:
    shorter = min(members[link.first].ppm.shape[1], members[link.second].ppm.shape[1])
    enough = link.overlap >= min(MIN_OVERLAP, shorter) and link.overlap >= MIN_SHARE * shorter
    return enough and link.q_value <= max_q and link.correlation >= MIN_CORRELATION


def _nearest(members: Sequence[Member], links: Sequence[Link], i: int) -> Link | None:
    """The most similar pattern (of the same sign) in another set."""
    others = [k for k in links if i in (k.first, k.second)]
    others = [k for k in others if members[k.first].set_name != members[k.second].set_name]
    return min(others, key=lambda k: (k.q_value, -k.correlation), default=None)


def _groups(members: Sequence[Member], links: Sequence[Link], set_names: Sequence[str]) -> Iterator[Group]:
    """Connected components, those with the most seqlets first."""
    placed: list[dict[int, tuple[int, bool]]] = []
    for i in sorted(range(len(members)), key=lambda i: -members[i].pattern.n_seqlets):
        if not any(i in found for found in placed):
            placed.append(_spread(i, members, links))
    placed.sort(key=lambda found: -sum(members[i].pattern.n_seqlets for i in found))
    for found in placed:
        order = sorted(found, key=lambda i: -members[i].pattern.n_seqlets)
        name, named = _called([members[i] for i in order])
        have = {members[i].set_name for i in order}
        starts, reverse = zip(*(found[i] for i in order), strict=True)
        first = min(starts)
        yield Group(
            name,
            named,
            tuple(order),
            tuple(s for s in set_names if s in have),
            tuple(s - first for s in starts),
            reverse,
        )


def _called(members: Sequence[Member]) -> tuple[str, bool]:
    """The name with the smallest q-value among the members'; their consensus where none has a name."""
    matches = [(m.match.q_value, m.name) for m in members if m.match is not None]
    return (min(matches)[1], True) if matches else (members[0].consensus, False)


def _spread(root: int, members: Sequence[Member], links: Sequence[Link]) -> dict[int, tuple[int, bool]]:
    """Everything connected to ``root``: where it starts on the axis of ``root``, and whether on the other strand."""
    placed, waiting = {root: (0, False)}, [root]
    while waiting:
        i = waiting.pop(0)
        start, reverse = placed[i]
        for link in sorted(links, key=lambda link: link.q_value):
            if i not in (link.first, link.second):
                continue
            j = link.second if i == link.first else link.first
            if j in placed:
                continue
            offset, flipped = _seen_from(i, link, members)
            widths = members[i].ppm.shape[1], members[j].ppm.shape[1]
            placed[j] = (start + (widths[0] - offset - widths[1] if reverse else offset), reverse != flipped)
            waiting.append(j)
    return placed


def _seen_from(i: int, link: Link, members: Sequence[Member]) -> tuple[int, bool]:
    """Where the other pattern of the link starts on pattern ``i``, and whether it is reverse-complemented there."""
    return (link.offset if i == link.first else _turned(link, members)), link.strand == "-"


def _turned(link: Link, members: Sequence[Member]) -> int:
    """Where the first pattern of the link (in the link's orientation) starts on the second."""
    first, second = members[link.first].ppm.shape[1], members[link.second].ppm.shape[1]
    return link.offset + second - first if link.strand == "-" else -link.offset
