"""Where each motif occurs in the explained sequences, not only where TF-MoDISco clustered a seqlet.

All motifs of the library (the patterns of all targets, and those of databases) compete for every site of every target,
on both strands and with either sign. A stretch of contributions can be a hit of a motif if

* it matters: its contributions sum to at least what one in five shuffled sequences reaches in some window that wide;
* it looks like the motif: the contributions of its bases have a cosine of at least 0.5 with the CWM;
* it reads like the motif: its *likeness*, the cosine of the hypothetical contributions (less their mean over the bases)
  with the motif's own, reaches the floor of the motif (`l2g_interp.motifs.floors`). This is what tells a motif from its
  neighbours: it asks what the other bases would have done, not only which are there.

Of all candidates of a sequence the one with the largest gain (product with the CWM of length 1) times likeness is
taken, its bases are silenced, and what overlaps it is scored again without them (matching pursuit). A cosine alone
would prefer the shorter motif: GATA on the TATCGATA of DRE. First all hits of tier 1 are taken, then, in what is left,
those of tier 2, which only *resemble* their motif: down to what all but 5 % of the pattern's own seqlets reach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from l2g_core.errors import InputError
from l2g_interp.motifs.candidates import Block, Candidates, Matrices, Needed, find_candidates, score_again
from l2g_interp.motifs.floors import LOWEST, Floors, Sites, calibrated, sites_of, some_seqlets
from l2g_interp.motifs.library import Entry, build_library, sign_of
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.motifs.standing_out import SIGNS, strongest_windows
from l2g_interp.records.attributions_file import read_attributions, read_controls, read_overview
from l2g_interp.records.types import Attributions, Hit, Overview, Pattern, check_targets
from motif_db import Motif

BLOCK = 256  # sequences in memory at a time
QUANTILE = 0.05  # of a pattern's own seqlets that may read less like it than its tier 2 asks for
ROUNDING = 1e-5  # of thresholds: float32 sums depend on their order, and a seqlet must pass its own
STRANDS = "+-"


@dataclass(frozen=True)
class Calibration:
    """A library, and what its motifs must reach.

    ``contribution``: by target, the least sum of contributions times its sign, by (sign, width); ``controlled``: that
    of shuffled sequences, not of the patterns' own seqlets.
    """

    library: list[Entry]
    floors: Floors
    contribution: dict[str, dict[tuple[int, int], float]]
    controlled: bool


def call_hits(
    attributions: Attributions | str | Path,
    patterns: Sequence[Pattern],
    *,
    motifs: Sequence[Motif] = (),
    names: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    controls: Attributions | None = None,
    floor: float | None = None,
    quantile: float = QUANTILE,
) -> list[Hit]:
    """Every place where a motif occurs, for each target.

    Parameters
    ----------
    attributions
        In memory, or the path of an ``attributions.h5``, which is then read in blocks.
    patterns
        Of any of its targets, as `discover_motifs` found them in these attributions; they are trimmed here.
    motifs
        Of databases (`motif_db.load`): they compete with the patterns, so that the site of a motif that was not found
        is not given to a neighbour that was.
    names
        Name and family of each pattern by (target, pattern name), as `names_of` takes them from matches.
    controls
        Shuffled sequences, explained in the same way: what they reach is chance. By default those in the file, if
        ``attributions`` is one; without any, what matters is what all but 5 % of the seqlets of the target's weakest
        pattern reach.
    floor
        Likeness of tier 1 for all motifs; by default each has its own, from the seqlets of the run.
    quantile
        Share of a pattern's own seqlets that may fall below the likeness of its tier 2.

    Returns
    -------
    list of Hit
        By target (in the order of the attributions), sequence and position (0-based, half-open, bp).

    Raises
    ------
    InputError
        A pattern's target is missing, its seqlets lie outside the sequences, or ``floor`` or ``quantile`` is not in
        [0, 1).
    """
    library = build_library(patterns, motifs, names)
    found = calibrate(attributions, library, controls=controls, floor=floor, quantile=quantile)
    return [hit for block in find_hits(attributions, found) for hit in block]


def calibrate(
    attributions: Attributions | str | Path,
    library: Sequence[Entry],
    *,
    controls: Attributions | None = None,
    floor: float | None = None,
    quantile: float = QUANTILE,
) -> Calibration:
    """Measure what hits must reach: on the controls, and on the patterns' own seqlets. See `call_hits`."""
    for name, value in (("quantile", quantile), ("floor", floor)):
        if value is not None and not 0 <= value < 1:
            raise InputError(f"{name} {value}: it must be at least 0 and less than 1")
    overview = _overview(attributions)
    check_targets([p.target for entry in library for p in entry.patterns], list(overview.by_target), "hits")
    if controls is None and not isinstance(attributions, Attributions):
        controls = read_controls(attributions)
    matrices = Matrices(library)
    widths = sorted({entry.width for entry in library})
    contribution, sites = {}, []
    for target in overview.by_target if library else ():
        own = [(i, p) for i, entry in enumerate(library) for p in entry.patterns if p.target == target]
        least = _by_chance(controls, target, widths) if controls else _by_weakest(attributions, target, own, widths)
        needed = Needed(least, np.full(len(library), LOWEST))
        sites += [_sites(attributions, i, pattern, overview.lengths, matrices, needed) for i, pattern in own]
        contribution[target] = least
    return Calibration(list(library), calibrated(library, sites, quantile, floor), contribution, controls is not None)


def find_hits(attributions: Attributions | str | Path, found: Calibration) -> Iterator[list[Hit]]:
    """The hits of calibrated motifs: target by target, block by block of sequences."""
    return (scanned.hits for scanned in scan(attributions, found))


@dataclass(frozen=True)
class Scanned:
    """A block of sequences for one target: the row it starts with, the contribution of every base, and its hits."""

    target: str
    first: int
    profile: Float[np.ndarray, "n length"]
    lengths: Int[np.ndarray, " n"]
    hits: list[Hit]


def scan(attributions: Attributions | str | Path, found: Calibration) -> Iterator[Scanned]:
    """As `find_hits`, with what the hits were called in."""
    ids = _overview(attributions).ids
    matrices = Matrices(found.library)
    for target, least in found.contribution.items():
        seqlets = [_seqlet_places(entry, target) for entry in found.library]
        labels = [entry.label(target) for entry in found.library]
        for first in range(0, len(ids), BLOCK):
            block = read_block(attributions, target, range(first, min(first + BLOCK, len(ids))))
            profile = block.contributions.sum(axis=1)
            hits = [
                _hit(places, i, tier, found.library, labels, target, seqlets, first, ids)
                for tier, places in enumerate(pursue(block, matrices, least, found.floors), start=1)
                for i in range(len(places))
            ]
            hits.sort(key=lambda hit: (hit.row, hit.start, hit.tier))
            yield Scanned(target, first, profile, block.lengths, hits)


def n_blocks(n: int, found: Calibration) -> int:
    """How many blocks `find_hits` yields for ``n`` sequences."""
    return -(-n // BLOCK) * len(found.contribution)


def pursue(
    block: Block, matrices: Matrices, least: Mapping[tuple[int, int], float], floors: Floors
) -> tuple[Candidates, Candidates]:
    """The hits of tier 1 and of tier 2 in one block (matching pursuit); the block's bases under them are silenced."""
    needed = Needed(least, np.minimum(floors.first, floors.second))
    left = find_candidates(block, matrices, needed)
    first, left = _take(left, block, matrices, needed, floors.first)
    second, _ = _take(left, block, matrices, needed, needed.likeness)
    return first, second


def _take(
    left: Candidates, block: Block, matrices: Matrices, needed: Needed, floor: Float[np.ndarray, " entries"]
) -> tuple[Candidates, Candidates]:
    """Hits whose likeness reaches the floor, best first in each row, and the candidates that are left."""
    taken = [Candidates.none()]
    while len(able := np.flatnonzero(left.likeness >= floor[left.entry] - ROUNDING)):
        score = (left.gain * left.likeness)[able]
        order = able[np.lexsort((left.entry[able], left.start[able], -score))]
        _, best = np.unique(left.row[order], return_index=True)
        winners = left.take(order[best])
        taken.append(winners)
        block.silence(winners)
        touched = _overlapping(left, winners, len(block.lengths))
        left = Candidates.of([left.take(~touched), score_again(left.take(touched), block, matrices, needed)])
    return Candidates.of(taken), left


def _overlapping(found: Candidates, winners: Candidates, n: int) -> np.ndarray:
    """Which candidates share a base with the winner of their row."""
    start, end = np.full(n, np.iinfo(np.int64).max), np.full(n, -1)
    start[winners.row], end[winners.row] = winners.start, winners.end
    return (found.start < end[found.row]) & (found.end > start[found.row])


def overlap(start: int, end: int, other_start: int, other_end: int) -> bool:
    """Whether two stretches overlap by more than half of the shorter one."""
    shared = min(end, other_end) - max(start, other_start)
    return 2 * shared > min(end - start, other_end - other_start)


def recovered(patterns: Sequence[Pattern], hits: Sequence[Hit]) -> dict[tuple[str, str], float]:
    """Share of each pattern's seqlets on which one of its hits lies, by target and name."""
    places = defaultdict(list)
    for hit in hits:
        places[hit.target, hit.pattern, hit.row].append((hit.start, hit.end))
    return {(p.target, p.name): _share_found(trimmed(p), places) for p in patterns}


def _share_found(pattern: Pattern, places: dict[tuple[str, str, int], list[tuple[int, int]]]) -> float:
    s = pattern.seqlets
    found = [
        any(overlap(start, end, *other) for other in places.get((pattern.target, pattern.name, row), ()))
        for row, start, end in zip(s.example.tolist(), s.start.tolist(), s.end.tolist(), strict=True)
    ]
    return float(np.mean(found))


def _overview(attributions: Attributions | str | Path) -> Attributions | Overview:
    return attributions if isinstance(attributions, Attributions) else read_overview(attributions)


def read_block(attributions: Attributions | str | Path, target: str, rows: range | Sequence[int]) -> Block:
    """The contributions to one target of some sequences."""
    if isinstance(attributions, Attributions):
        block, at = attributions, np.asarray(rows, dtype=np.int64)
    else:
        block, at = read_attributions(attributions, [target], rows), slice(None)
    part = block[target]
    return Block.of(part.hypothetical[at], part.one_hot[at], block.lengths[at])


def profiles(attributions: Attributions, target: str) -> list[Float[np.ndarray, " _"]]:
    """The contribution of every base of each sequence, without padding."""
    sums = attributions[target].contributions.sum(axis=1)
    return [row[:n] for row, n in zip(sums, attributions.lengths.tolist(), strict=True)]


def _by_chance(controls: Attributions, target: str, widths: Sequence[int]) -> dict[tuple[int, int], float]:
    """What one in five shuffled sequences reaches."""
    tiny = float(np.finfo(np.float32).tiny)
    return {key: max(least, tiny) for key, least in strongest_windows(profiles(controls, target), widths).items()}


def _by_weakest(
    attributions: Attributions | str | Path, target: str, own: Sequence[tuple[int, Pattern]], widths: Sequence[int]
) -> dict[tuple[int, int], float]:
    """What all but 5 % of the seqlets of the weakest pattern of a sign reach; infinite where there is none."""
    weakest: dict[int, float] = dict.fromkeys(SIGNS, float("inf"))
    for _, every in own:
        pattern = some_seqlets(every)
        sign = sign_of(pattern)
        s = pattern.seqlets
        rows = np.unique(s.example)
        profile = read_block(attributions, target, rows.tolist()).contributions.sum(axis=1)
        where = np.searchsorted(rows, s.example)
        total = [profile[r, a:b].sum() for r, a, b in zip(where, s.start, s.end, strict=True)]
        weakest[sign] = min(weakest[sign], float(np.quantile(sign * np.array(total), QUANTILE)))
    tiny = float(np.finfo(np.float32).tiny)
    return {(sign, width): max(weakest[sign] * (1 - ROUNDING), tiny) for sign in SIGNS for width in widths}


def _sites(
    attributions: Attributions | str | Path,
    entry: int,
    pattern: Pattern,
    lengths: np.ndarray,
    matrices: Matrices,
    needed: Needed,
) -> Sites:
    s = pattern.seqlets
    inside = (s.example >= 0) & (s.example < len(lengths)) & (s.start >= 0)
    if not inside.all() or (s.end > lengths[s.example]).any():
        raise InputError(
            f"{pattern.target}, {pattern.name}: a seqlet lies outside its sequence; "
            "find the motifs again in these attributions"
        )
    some = some_seqlets(pattern)
    rows = np.unique(some.seqlets.example)
    block = read_block(attributions, pattern.target, rows.tolist())
    return sites_of(entry, some, block, rows, matrices, needed)


def _hit(
    places: Candidates,
    i: int,
    tier: int,
    library: Sequence[Entry],
    labels: Sequence[str],
    target: str,
    seqlets: Sequence[Mapping[int, list[tuple[int, int]]]],
    first: int,
    ids: Sequence[str],
) -> Hit:
    number, row = int(places.entry[i]), first + int(places.row[i])
    start, end = int(places.start[i]), int(places.end[i])
    return Hit(
        target=target,
        pattern=labels[number],
        sign="+" if places.sign[i] > 0 else "-",
        row=row,
        id=ids[row],
        start=start,
        end=end,
        strand=STRANDS[places.strand[i]],
        similarity=float(places.similarity[i]),
        contribution=float(places.contribution[i]),
        seqlet=int(any(overlap(start, end, *other) for other in seqlets[number].get(row, ()))),
        name=library[number].name,
        tier=tier,
        gain=float(places.gain[i]),
        likeness=float(places.likeness[i]),
    )


def _seqlet_places(entry: Entry, target: str) -> dict[int, list[tuple[int, int]]]:
    found = defaultdict(list)
    for pattern in entry.patterns:
        if pattern.target == target:
            s = pattern.seqlets
            for row, start, end in zip(s.example.tolist(), s.start.tolist(), s.end.tolist(), strict=True):
                found[row].append((start, end))
    return dict(found)
