"""The motifs that compete for sites: the patterns of all targets, each motif once, and the motifs of databases.

A motif that is missing from the library gives its sites to a neighbour that is in it, under the wrong name. So the
patterns of every target are in it whichever target is asked about, and databases fill in what no pattern was found for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from l2g_interp.motifs.matrices import information_logo, informative_span, normalised, reverse_complement, trimmed
from l2g_interp.motifs.naming import family_keys
from l2g_interp.records.types import Pattern
from motif_db import Motif

CORE = 7  # columns that a pattern has at least: a shorter one is part of many others
SAME_PATTERN = 0.85  # cosine of two CWMs, best aligned, above which they are one motif found for two targets
PSEUDO_FREQUENCY = 0.01  # added to each base of a database's matrix: its zeros stand for few sites, not for never
NARROWEST = 6  # columns; shorter motifs of databases are parts of others, and everywhere
NEAR_COPY = 0.9  # cosine of two databases' centred log-odds, best aligned, above which they are one motif


@dataclass(frozen=True)
class Entry:
    """A motif that competes for sites.

    Attributes
    ----------
    name, family
        What people call it; empty where no known motif resembles a pattern.
    patterns
        The patterns that found it, most seqlets first; none for a motif of a database.
    motifs
        The motifs of databases, near copies of each other; none for a pattern.
    cwm
        Contributions at its bases, ``(4, width)``, of length 1, signed so that they sum to a positive number.
    centred
        Hypothetical contributions (a database's log-odds) less their mean over the bases, of length 1, likewise signed.
    """

    name: str
    family: str
    patterns: tuple[Pattern, ...]
    motifs: tuple[Motif, ...]
    cwm: Float[np.ndarray, "4 width"]
    centred: Float[np.ndarray, "4 width"]

    @property
    def width(self) -> int:
        return self.cwm.shape[1]

    def label(self, target: str) -> str:
        """How tables refer to it: a pattern of this target by its name, one of another with its target before it."""
        for pattern in self.patterns:
            if pattern.target == target:
                return pattern.name
        if self.patterns:
            return f"{self.patterns[0].target}/{self.patterns[0].name}"
        return f"{self.motifs[0].database}/{self.motifs[0].id}"


def build_library(
    patterns: Sequence[Pattern],
    motifs: Sequence[Motif] = (),
    names: Mapping[tuple[str, str], tuple[str, str]] | None = None,
) -> list[Entry]:
    """Every motif once: patterns, merged over the targets, then groups of near copies from databases.

    Parameters
    ----------
    patterns
        Of any number of targets and both signs; they are trimmed here.
    motifs
        Of databases. Those with fewer than 6 informative columns are left out.
    names
        Name and family by (target, pattern name), where they are known.
    """
    return [*_of_patterns(patterns, names or {}), *_of_databases(motifs)]


def _of_patterns(patterns: Sequence[Pattern], names: Mapping[tuple[str, str], tuple[str, str]]) -> list[Entry]:
    return [_pattern_entry(group, names) for group in grouped(patterns)]


def grouped(patterns: Sequence[Pattern]) -> list[list[Pattern]]:
    """The patterns, trimmed, with those of several targets that are one motif together; most seqlets first."""
    groups: list[list[Pattern]] = []
    for pattern in sorted((trimmed(p, narrowest=CORE) for p in patterns), key=lambda p: -p.n_seqlets):
        home = next((g for g in groups if _same(g, pattern)), None)
        groups.append([pattern]) if home is None else home.append(pattern)
    return groups


def _same(group: Sequence[Pattern], pattern: Pattern) -> bool:
    """Whether the pattern is one that another target found, too; the patterns of one target are all kept apart."""
    if any(pattern.target == other.target for other in group):
        return False
    return aligned_cosine(signed_cwm(group[0]), signed_cwm(pattern)) >= SAME_PATTERN


def _pattern_entry(group: Sequence[Pattern], names: Mapping[tuple[str, str], tuple[str, str]]) -> Entry:
    first = group[0]
    known = [names[p.target, p.name] for p in group if (p.target, p.name) in names]
    name, family = known[0] if known else ("", "")
    return Entry(name, family, tuple(group), (), unit(signed_cwm(first)), unit(centred(sign_of(first) * first.hcwm)))


def _of_databases(motifs: Sequence[Motif]) -> list[Entry]:
    cut = [replace(motif, ppm=motif.ppm[:, slice(*informative_span(motif.ppm))]) for motif in motifs]
    entries = [_database_entry(motif) for motif in cut if motif.ppm.shape[1] >= NARROWEST]
    groups, left = [], entries
    while left:
        near = aligned_cosines(left[0].centred, [entry.centred for entry in left]) >= NEAR_COPY
        near[0] = True
        groups.append([entry for entry, is_near in zip(left, near, strict=True) if is_near])
        left = [entry for entry, is_near in zip(left, near, strict=True) if not is_near]
    return [_merged(group) for group in groups]


def _database_entry(motif: Motif) -> Entry:
    name = motif.label or motif.name or motif.id
    return Entry(
        name, motif.family, (), (motif,), unit(information_logo(motif.ppm)), unit(centred(log_odds(motif.ppm)))
    )


def _merged(group: Sequence[Entry]) -> Entry:
    """Near copies as one: called by the family that most of them have, the first of those that tie."""
    votes = Counter(key for entry in group for key in family_keys(entry.name, entry.family))
    chosen = max(group, key=lambda entry: max(votes[key] for key in family_keys(entry.name, entry.family)))
    return replace(chosen, motifs=tuple(motif for entry in group for motif in entry.motifs))


def likeness_to(pattern: Pattern, motifs: Sequence[Motif]) -> Float[np.ndarray, " motifs"]:
    """How alike the pattern is to each motif: the mean of two cosines, best aligned.

    That of the CWM with the motif's letters in bits, and that of the centred hypothetical contributions with its
    log-odds. The second tells relatives apart, but says little of a network that learned nothing about absent bases.
    """
    core = trimmed(pattern, narrowest=CORE)
    looks = aligned_cosines(unit(signed_cwm(core)), [unit(information_logo(m.ppm)) for m in motifs])
    reads = aligned_cosines(unit(centred(sign_of(core) * core.hcwm)), [unit(centred(log_odds(m.ppm))) for m in motifs])
    return (looks + reads) / 2


def log_odds(ppm: Float[np.ndarray, "4 width"]) -> Float[np.ndarray, "4 width"]:
    """log2 of each base's frequency over a quarter, with `PSEUDO_FREQUENCY` added to each."""
    return np.log2((normalised(ppm) + PSEUDO_FREQUENCY) / (1 + 4 * PSEUDO_FREQUENCY) * 4)


def centred(matrix: Float[np.ndarray, "... 4 width"]) -> Float[np.ndarray, "... 4 width"]:
    """Less the mean over the four bases of each column: what is left says which base is better than which."""
    return matrix - matrix.mean(axis=-2, keepdims=True)


def unit(matrix: Float[np.ndarray, "4 width"]) -> Float[np.ndarray, "4 width"]:
    """The matrix divided by its length (Euclidean), as float32; zeros stay zeros."""
    return (matrix / max(np.linalg.norm(matrix), np.finfo(np.float64).tiny)).astype(np.float32)


def signed_cwm(pattern: Pattern) -> Float[np.ndarray, "4 width"]:
    return sign_of(pattern) * pattern.cwm


def sign_of(pattern: Pattern) -> int:
    return 1 if pattern.sign == "+" else -1


def aligned_cosine(first: Float[np.ndarray, "4 _"], second: Float[np.ndarray, "4 _"]) -> float:
    """The largest cosine of two matrices over all shifts and both strands; what sticks out counts as zero."""
    return float(aligned_cosines(unit(first), [unit(second)])[0])


def aligned_cosines(
    query: Float[np.ndarray, "4 width"], others: Sequence[Float[np.ndarray, "4 _"]]
) -> Float[np.ndarray, " others"]:
    """`aligned_cosine` with each of several matrices; all of them have length 1."""
    if not len(others):
        return np.zeros(0)
    width, widest = query.shape[1], max(other.shape[1] for other in others)
    stack = np.zeros((len(others), 4, widest + 2 * width), dtype=np.float32)
    for row, other in zip(stack, others, strict=True):
        row[:, width : width + other.shape[1]] = other
    both = np.stack([query, reverse_complement(query)]).astype(np.float32)
    best = np.zeros(len(others))
    for shift in range(1, widest + width):
        best = np.maximum(best, np.einsum("mbw,sbw->ms", stack[:, :, shift : shift + width], both).max(axis=1))
    return best
