"""TOMTOM: which known factors a pattern resembles (paper, appendix A.8). The only file that uses memelite.

memelite's TOMTOM compares columns by **Euclidean distance** and uses the complete score; MEME's own ``tomtom`` defaults
to Pearson correlation, so p-values differ between the two. As in MEME's tool the search is corrected per pattern: the
q-value is over all motifs that the pattern was compared with, all databases together (MEME also estimates the
share of true nulls, which makes its q-values a little smaller; ours are plain Benjamini-Hochberg).

Euclidean distance has a flaw: a flat column is close to every flat column, so a pattern with flat columns matches
long, flat motifs with tiny p-values. Two things guard against it. Flat columns at the ends of a pattern are left out.
And every pattern is compared 100 more times with the letters of each column shuffled, which keeps its
shape and destroys its meaning: where these match as well more than twice as often as the p-value predicts, q is at
least the fraction of them that do.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from l2g_core.errors import InputError
from l2g_interp.motifs.library import grouped, likeness_to
from l2g_interp.motifs.matrices import informative_span, normalised, similarity, trim_span
from l2g_interp.motifs.naming import SIGNIFICANT_Q as SIGNIFICANT_Q
from l2g_interp.motifs.naming import best_matches as best_matches
from l2g_interp.motifs.naming import family_scores, reason, vote
from l2g_interp.motifs.naming import significant as significant
from l2g_interp.records.types import Match, Pattern
from motif_db.expression import expressed
from motif_db.motif import Motif

log = logging.getLogger(__name__)

N_SHUFFLES = 100
MIN_TARGETS = 25  # columns of the targets are the background distribution: with fewer motifs p-values are erratic
VOTERS = 15  # best matches of a pattern that vote for its name
NEAR_IDENTICAL = 0.95  # similarity above which two motifs count as the same


@dataclass(frozen=True)
class Comparison:
    """Every pattern against every motif; ``offset`` is where the (oriented) motif starts on the pattern, in bp."""

    p_value: Float[np.ndarray, "patterns motifs"]
    q_value: Float[np.ndarray, "patterns motifs"]
    offset: Int[np.ndarray, "patterns motifs"]
    overlap: Int[np.ndarray, "patterns motifs"]
    reverse: Int[np.ndarray, "patterns motifs"]


def match_motifs(
    patterns: Sequence[Pattern],
    motifs: Sequence[Motif],
    *,
    n_matches: int = 5,
    genes: Collection[str] | None = None,
) -> list[Match]:
    """The motifs that resemble each pattern most, significant or not (see `naming.significant`).

    The first is the one that names the pattern (`naming.vote`), the others follow by p-value.

    Patterns are trimmed where sum|CWM| falls below 0.3 of its largest, then compared by base frequencies: the sign
    of a contribution does not matter. Motifs with one label count as one, and a near-copy without a known factor
    counts as the factor it copies, so the matches of a pattern are different factors.

    Parameters
    ----------
    patterns
        Of any number of targets.
    motifs
        All databases together. If there are fewer than 25, made-up motifs complete the background; they are left out of
        the result.
    n_matches
        Matches per pattern, as far as there are any.
    genes
        Those that are expressed (`motif_db.expression.read_genes`): a pattern is named by a member of its family that
        is, if any is.

    Returns
    -------
    list of Match
        In the order of the patterns; the best match of each has the ``reason`` for its name. ``strand`` is that of
        the motif relative to the pattern; the motif in that orientation starts at column ``offset`` of the trimmed
        pattern (negative: before it) and shares ``overlap`` columns with it.

    Raises
    ------
    InputError
        No motifs, or compiled code cannot be cached anywhere.
    """
    if not motifs:
        raise InputError("no database motifs to match with; give --database a name or a motif file")
    log.info(
        "TOMTOM: %d patterns, %d motifs (the first search on a machine compiles first)", len(patterns), len(motifs)
    )
    spans = [compared_span(pattern) for pattern in patterns]
    queries = [normalised(pattern.ppm[:, a:b]) for pattern, (a, b) in zip(patterns, spans, strict=True)]
    comparison = compare(queries, [motif.ppm for motif in motifs])
    left = [a - trim_span(pattern.cwm)[0] for pattern, (a, _) in zip(patterns, spans, strict=True)]
    found: dict[tuple[str, str], list[Match]] = {}
    for i, pattern in enumerate(patterns):
        able = _distinct(comparison.p_value[i], motifs, max(n_matches, VOTERS))
        alike = likeness_to(pattern, [motifs[j] for j in able])
        found[pattern.target, pattern.name] = [
            replace(
                _match(pattern, motifs[j], rank, comparison, (i, j), left[i]),
                likeness=score,
                expressed=_expressed(motifs[j], genes),
            )
            for rank, (j, score) in enumerate(zip(able, alike.tolist(), strict=True), start=1)
        ]
    return _named(patterns, found, n_matches)


def _named(patterns: Sequence[Pattern], found: dict[tuple[str, str], list[Match]], n_matches: int) -> list[Match]:
    """The matches of each pattern in the order of the vote, in which the other targets' patterns of its motif join."""
    ranked: dict[tuple[str, str], list[Match]] = {}
    for group in grouped(patterns):
        keys = [(pattern.target, pattern.name) for pattern in group]
        scores = {key: family_scores(found[key]) for key in keys}
        for key in keys:
            others = Counter[str]()
            for other in keys:
                if other != key:
                    others.update(scores[other])
            ranked[key] = vote(found[key], others=others)
    made = []
    for pattern in patterns:
        first, *rest = ranked[pattern.target, pattern.name]
        made += [replace(first, reason=reason([first, *rest])), *rest[: n_matches - 1]]
    return made


def compare(
    queries: Sequence[Float[np.ndarray, "4 _"]],
    targets: Sequence[Float[np.ndarray, "4 _"]],
    n_shuffles: int = N_SHUFFLES,
) -> Comparison:
    """TOMTOM of every query PPM against every target PPM; arrays ``(queries, targets)``.

    ``p_value`` is TOMTOM's own. The first call on a machine compiles for one to two minutes; numba keeps the result
    next to the package, in the user's cache folder or in ``NUMBA_CACHE_DIR``.

    Parameters
    ----------
    queries, targets
        Columns need not sum to 1 exactly. Fewer than 25 targets are completed with made-up ones, which moves
        p-values towards those of a whole database (by one to two orders of magnitude for a good match).
    n_shuffles
        Shuffled versions of each query that its q-values are checked against; 0 for none.
    """
    from scipy.stats import false_discovery_control

    if not queries:
        return Comparison(*np.empty((2, 0, len(targets))), *np.empty((3, 0, len(targets)), dtype=np.int64))
    filled = [_laid_out(target) for target in [*targets, *_background(MIN_TARGETS - len(targets))]]
    result = np.stack([_search([query], filled, len(targets))[:, 0] for query in queries], axis=1)
    p_value, _, offset, overlap, reverse = result
    q_value = false_discovery_control(p_value, axis=1)
    for i, query in enumerate(queries if n_shuffles else []):
        chance = _search(_shuffled(query, n_shuffles), filled, len(targets))[0].min(axis=1)
        q_value[i] = np.maximum(q_value[i], _floor(p_value[i], chance))
    integers = [values.astype(np.int64) for values in (-offset, overlap, reverse)]
    return Comparison(p_value, q_value, *integers)  # memelite's offset: where the query starts on the target


def warm_up() -> None:
    """Compile memelite's code (a minute or two, once per machine), so that the next search starts at once."""
    compare(_background(1), _background(MIN_TARGETS), n_shuffles=0)


def compared_span(pattern: Pattern) -> tuple[int, int]:
    """The columns of a pattern to compare, half-open: trimmed by contributions, then of flat columns at the ends."""
    start, end = trim_span(pattern.cwm)
    left, right = informative_span(pattern.ppm[:, start:end])
    return (start + left, start + right) if right else (start, end)


def _search(queries: Sequence[np.ndarray], targets: list[np.ndarray], n: int) -> np.ndarray:
    """p-value, score, offset, overlap and strand ``(5, queries, n)`` against the first ``n`` targets."""
    result = _tomtom()([_laid_out(query) for query in queries], targets)[:, :, :n]
    result[0] = np.clip(result[0], 0.0, 1.0)
    return result


def _floor(p_values: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The least q-value of each match, given the best p-values that shuffled queries reached; 0 where those agree
    with the p-values. It never falls as p rises."""
    share = (chance[:, None] <= p_values).mean(axis=0)
    promised = np.minimum(1.0, len(p_values) * p_values)
    floor = np.where(share > 2 * promised + 2 / len(chance), share, 0.0)
    order = np.argsort(p_values, kind="stable")
    floor[order] = np.maximum.accumulate(floor[order])
    return floor


def _shuffled(query: np.ndarray, n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.permuted(query, axis=0) for _ in range(n)]


def _laid_out(ppm: np.ndarray) -> np.ndarray:
    """The same memory layout for all: memelite recompiles for each new one."""
    return np.asfortranarray(normalised(ppm), dtype=np.float64)


def _background(n: int) -> list[np.ndarray]:
    """``n`` made-up motifs whose columns are as peaked as those of real ones."""
    rng = np.random.default_rng(0)
    return [rng.dirichlet([0.25] * 4, size=10).T for _ in range(n)]


def _tomtom():
    try:
        from memelite import tomtom
    except RuntimeError as error:  # numba finds no folder that it may write to
        raise InputError(
            f"TOMTOM: its compiled code cannot be cached ({error}); set NUMBA_CACHE_DIR to a writable folder"
        ) from error
    return tomtom


def _distinct(p_values: np.ndarray, motifs: Sequence[Motif], n: int) -> list[int]:
    """Indices of the ``n`` best motifs, one per factor: an unnamed motif is replaced by a named near-copy of it."""
    kept: list[int] = []
    for j in _ranked(p_values, motifs):
        if any(_label(motifs[j]) == _label(motifs[k]) for k in kept):
            continue
        twin = next((k for k in kept if _copies(motifs[j], motifs[k])), None)
        if twin is None and len(kept) == n:
            break
        if twin is None:
            kept.append(j)
        elif _is_named(motifs[j]):
            kept[kept.index(twin)] = j
    return kept


def _ranked(p_values: np.ndarray, motifs: Sequence[Motif]) -> list[int]:
    """Best first. Ties (a matrix that several factors share) go to the factor whose other motifs match best, too."""
    by_label: dict[str, list[float]] = {}
    for p_value, motif in zip(p_values.tolist(), motifs, strict=True):
        by_label.setdefault(_label(motif), []).append(p_value)
    support = {label: (*sorted(values)[1:], 1.0) for label, values in by_label.items()}
    return sorted(range(len(motifs)), key=lambda j: (p_values[j], support[_label(motifs[j])]))


def _copies(first: Motif, second: Motif) -> bool:
    """Whether the matrices are near-identical and at most one of them has a known factor."""
    if _is_named(first) and _is_named(second):
        return False
    return similarity(first.ppm, second.ppm) >= NEAR_IDENTICAL


def _is_named(motif: Motif) -> bool:
    return bool(motif.symbol or motif.family)


def _label(motif: Motif) -> str:
    return label_of(motif).casefold()


def label_of(motif: Motif) -> str:
    """What to call the motif: its label, or what its database calls it."""
    return motif.label or motif.name or motif.id


def _match(pattern: Pattern, motif: Motif, rank: int, comparison: Comparison, at: tuple[int, int], left: int) -> Match:
    return Match(
        target=pattern.target,
        pattern=pattern.name,
        sign=pattern.sign,
        n_seqlets=pattern.n_seqlets,
        rank=rank,
        motif_id=motif.id,
        motif_name=motif.name,
        label=label_of(motif),
        database=motif.database,
        p_value=float(comparison.p_value[at]),
        q_value=float(comparison.q_value[at]),
        strand="-" if comparison.reverse[at] else "+",
        offset=int(comparison.offset[at]) + left,
        overlap=int(comparison.overlap[at]),
        family=motif.family,
        flybase=motif.flybase,
    )


def _expressed(motif: Motif, genes: Collection[str] | None) -> str:
    known = None if genes is None else expressed(motif.symbol, motif.flybase, genes)
    return "" if known is None else "yes" if known else "no"
