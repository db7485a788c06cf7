"""Which motifs a variant makes or breaks: the hits in the contributions of both alleles, side by side.

Both alleles are explained against the same references, the shuffles of the reference allele, so that what their
contributions differ by sums to the difference of the predictions, without the noise of two draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from l2g_core.dna import one_hot
from l2g_interp.attributions.attribute import attribute
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles
from l2g_interp.motifs.hits import Calibration, find_hits, overlap
from l2g_interp.motifs.naming import family
from l2g_interp.records.types import Attributions, Hit
from l2g_interp.variants.rows import MotifChange
from l2g_interp.variants.score import Placed

if TYPE_CHECKING:
    from torch import nn

ALLELES = ("reference", "alternative")
PART = 8  # variants explained together
LEAST_SHARE = 0.2  # of a hit's own contribution that must be won or lost, for it to be told
LEAST_OF_DIFFERENCE = 0.1  # and of the difference of the predictions
GONE = 0.5  # a hit that keeps more than this of its contribution is weakened, not lost
MOST_TOLD = 3  # motifs in the words about a variant


@dataclass(frozen=True)
class Explained:
    """Contributions of both alleles of some variants, in the order of these; the left end of the window is fixed."""

    reference: Attributions
    alternative: Attributions


@dataclass(frozen=True)
class Aligned:
    """Where bases of the two windows of a variant lie in one another, as boundaries between bases.

    The change is at ``at`` of both; ``shared``: how far (bp) the reference is seen in both windows.
    """

    at: int
    n_ref: int
    n_alt: int
    length: int

    @property
    def shared(self) -> int:
        return self.length - max(0, self.n_alt - self.n_ref)

    def in_alternative(self, place: int) -> int:
        if place <= self.at:
            return place
        return place + self.n_alt - self.n_ref if place >= self.at + self.n_ref else self.at + self.n_alt

    def in_reference(self, place: int) -> int:
        if place <= self.at:
            return place
        return place - self.n_alt + self.n_ref if place >= self.at + self.n_alt else self.at + self.n_ref


def aligned(each: Placed) -> Aligned:
    assert each.change is not None
    assert each.window is not None
    return Aligned(each.at, each.change.n_ref, len(each.change.alt), each.window.length)


def explain_alleles(
    network: nn.Module,
    targets: Sequence[str],
    placed: Sequence[Placed],
    settings: Mapping[str, Any],
    seed: int,
    padded: int | None = None,
) -> Iterator[Explained]:
    """Contributions of both alleles, `PART` variants at a time.

    Parameters
    ----------
    network
        From ``(batch, 4, length)`` to ``(batch, outputs)``, with names of targets.
    placed
        Variants that are scored.
    settings
        As for `l2g_interp.attribute`: method, n_references, stability, batch_size, ...
    seed
        Of the references.
    padded
        As in `ScoreOptions`.
    """
    for first in range(0, len(placed), PART):
        some = placed[first : first + PART]
        texts = [each.window.reference for each in some if each.window], [each.alternatives()[0] for each in some]
        reference, alternative = (one_hot(of_allele, padded) for of_allele in texts)
        names = [str(each.variant) for each in some]
        given = _references(reference, alternative, settings, seed)
        both = (
            attribute(network, each, targets=list(targets), ids=names, seed=seed, references=given, **settings)
            for each in (reference, alternative)
        )
        yield Explained(*both)


def _references(
    reference: np.ndarray, alternative: np.ndarray, settings: Mapping[str, Any], seed: int
) -> np.ndarray | None:
    """Shuffles of the reference alleles; none where each allele needs its own.

    That is with a control variate, which knows the composition of an allele's own shuffles, and where letters other
    than A, C, G and T are moved by the variant.
    """
    moved = (reference.any(1) != alternative.any(1)).any()
    if moved or settings.get("control_variate"):
        return None
    return dinucleotide_shuffles(reference, settings["n_references"], seed)


def motif_changes(
    explained: Explained,
    calibration: Calibration,
    placed: Sequence[Placed],
    differences: Float[np.ndarray, "n t"],
    targets: Sequence[str],
) -> tuple[dict[tuple[int, str], list[MotifChange]], dict[tuple[int, str, str], list[Hit]]]:
    """What each variant makes or breaks for each target, the largest change first; and all hits.

    Parameters
    ----------
    explained, placed
        The variants, explained.
    differences
        Of their predictions, by variant and target.

    Returns
    -------
    changes
        By the variant's row and target.
    hits
        By the variant's row, target and allele (``reference`` or ``alternative``), in that allele's own window.
    """
    hits: dict[tuple[int, str, str], list[Hit]] = defaultdict(list)
    for allele in ALLELES:
        for block in find_hits(getattr(explained, allele), calibration):
            for hit in block:
                hits[hit.row, hit.target, allele].append(hit)
    changes = {}
    for row, each in enumerate(placed):
        for t, target in enumerate(targets):
            if target in calibration.contribution:
                before, after = (_Track(getattr(explained, a), target, row, hits[row, target, a]) for a in ALLELES)
                found = _changes(before, after, each, target, float(differences[row, t]))
                changes[row, target] = sorted(found, key=lambda change: -abs(change.change))
    return changes, hits


class _Track:
    """The contributions of one allele to a target, and its hits."""

    def __init__(self, attributions: Attributions, target: str, row: int, hits: Sequence[Hit]) -> None:
        profile = attributions[target].contributions[row].sum(0, dtype=np.float64)
        self.running, self.hits = np.concatenate([[0.0], profile.cumsum()]), hits

    def sum(self, start: int, end: int) -> float:
        return float(self.running[end] - self.running[start])


def _changes(
    reference: _Track, alternative: _Track, each: Placed, target: str, difference: float
) -> Iterator[MotifChange]:
    """Hits of either allele whose contribution the variant changes enough."""
    places, v = aligned(each), each.variant
    moved = [replace(h, start=places.in_reference(h.start), end=places.in_reference(h.end)) for h in alternative.hits]
    left = {i: hit for i, hit in enumerate(moved) if hit.end <= places.shared}
    pairs: list[tuple[Hit, float, float, str]] = []
    for hit in reference.hits:
        if hit.end > places.shared:  # in the other window it may have left at the end
            continue
        partner = next((i for i, other in left.items() if _same(hit, other)), None)
        if partner is None:
            there = alternative.sum(places.in_alternative(hit.start), places.in_alternative(hit.end))
            pairs.append((hit, hit.contribution, there, "lost"))
        else:
            pairs.append((hit, hit.contribution, left.pop(partner).contribution, ""))
    pairs += [(hit, reference.sum(hit.start, hit.end), hit.contribution, "gained") for hit in left.values()]
    assert each.window is not None
    first = each.window.start
    for hit, before, after, only in pairs:
        change = after - before
        least = max(LEAST_SHARE * max(abs(before), abs(after)), LEAST_OF_DIFFERENCE * abs(difference))
        if change and abs(change) >= least:
            touches = hit.start < places.at + max(places.n_ref, 1) and hit.end > places.at
            yield MotifChange(
                target, each.window.chrom, v.position, v.id, v.ref, v.alt, _what(before, after, only), hit.name,
                hit.pattern, hit.tier, first + hit.start, first + hit.end, hit.strand, before, after, change,
                difference, int(touches),
            )  # fmt: skip


def _same(one: Hit, other: Hit) -> bool:
    """Whether hits of the two alleles are of one motif in one place."""
    alike = one.pattern == other.pattern or (one.name and family(one.name) == family(other.name))
    return bool(alike) and one.sign == other.sign and overlap(one.start, one.end, other.start, other.end)


def _what(before: float, after: float, only: str) -> str:
    """``only``: lost or gained, where one allele alone has the hit; which must also be most of its contribution."""
    sign = np.sign(before if abs(before) >= abs(after) else after)
    if only == "lost" and sign * after <= GONE * sign * before:
        return only
    if only == "gained" and sign * before <= GONE * sign * after:
        return only
    return "weakened" if abs(after) < abs(before) else "strengthened"


def in_words(changes: Sequence[MotifChange]) -> str:
    """``AP-1 (kay/Jra) lost, -0.62 of -0.71``: what a variant makes or breaks for a target, the largest first.

    The second number is the difference of the predictions. A motif that the site only resembles has a question mark.
    """
    told = [f"{called(each)} {each.what}, {each.change:+.2g} of {each.difference:+.2g}" for each in changes[:MOST_TOLD]]
    return "; ".join(told + ([f"{len(changes) - MOST_TOLD} more"] if len(changes) > MOST_TOLD else []))


def called(change: MotifChange) -> str:
    """The motif's name, or its pattern where it has none; with a question mark where the site only resembles it."""
    return (change.name or change.pattern) + ("?" if change.tier > 1 else "")
