"""The one name of a pattern, and the reason for it: tables, report, comparison and exports all use this.

A pattern is named by a vote of the families of its significant matches, not by the first of them: a matrix may be
filed under the wrong factor (JASPAR's pnr, a GATA factor, is TATCGATA, the DRE), and TOMTOM sees only base frequencies.
What a family counts is how alike the pattern is to its best motif (`library.likeness_to`), and a little for every
further member that matches. Patterns of several targets that are one motif vote together and get one name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from l2g_interp.records.tables import by_pattern
from l2g_interp.records.types import Match, Pattern

# Of random motifs with the columns of real ones, 3 to 13 % have a match at this q-value (OnTheFly and FlyFactorSurvey;
# widths 6 to 14, with and without flat columns; without TOMTOM's shuffles up to 100 %). The paper names patterns up to
# q = 0.051.
SIGNIFICANT_Q = 0.1
LEAST_LIKENESS = 0.5  # a pattern whose contributions ask for other bases is not that motif
CURATED, IS_CURATED = 0.05, "core-promoter"  # of likeness: elements known to act in promoters and enhancers count more
SUPPORT = 0.02  # of likeness: what a further significant member of a family counts for it
MOST_SUPPORT = 3  # members; large families would outvote the right one
NEAR_TIE = 0.03  # of likeness: families closer to the first than this are told beside the name
# classes of protein whose members bind different sites
STRUCTURAL = re.compile(r"(C2H2 |BTB |ZAD )?zinc finger|insulator|BTB|.*\b(factors|domains?)\b.*", re.IGNORECASE)
SITE = re.compile(r"\bE-box\b")  # families of many members that bind one site are called by it


def significant(match: Match, max_q: float = SIGNIFICANT_Q) -> bool:
    """Whether the match is good enough to name the pattern: q of ``max_q`` or less, and not unlike what it reads."""
    return match.q_value <= max_q and not match.likeness < LEAST_LIKENESS  # NaN, in older tables, is not less


def ranked_matches(matches: Iterable[Match]) -> dict[tuple[str, str], list[Match]]:
    """The matches by (target, pattern name), best first."""
    return by_pattern(sorted(matches, key=lambda match: (match.rank, match.p_value)))


def naming_match(ranked: Sequence[Match], max_q: float = SIGNIFICANT_Q) -> Match | None:
    """Of a pattern's matches, best first, the one that names it: the best, if it is significant."""
    return ranked[0] if ranked and significant(ranked[0], max_q) else None


def best_matches(matches: Iterable[Match], max_q: float = SIGNIFICANT_Q) -> dict[tuple[str, str], Match]:
    """The match that names each pattern.

    Parameters
    ----------
    matches
        As `match_motifs` returned them.
    max_q
        Largest q-value of a match that names a pattern.

    Returns
    -------
    dict
        By (target, pattern name); patterns without a significant match are absent.
    """
    named = {key: naming_match(ranked, max_q) for key, ranked in ranked_matches(matches).items()}
    return {key: match for key, match in named.items() if match is not None}


def family_keys(name: str, family: str) -> set[str]:
    """What motifs of one family have in common; a dimer may have two families, joined by `` / ``.

    A class of protein whose members bind different sites is none: its members have only their names. Empty for a motif
    without a name.
    """
    if SITE.search(f"{name} {family}"):
        return {"E-box"}
    known = {part for part in family.split(" / ") if part and not STRUCTURAL.fullmatch(part)}
    return known or ({name} if name else set())


def vote(
    matches: Sequence[Match], max_q: float = SIGNIFICANT_Q, others: Mapping[str, float] | None = None
) -> list[Match]:
    """The matches of one pattern in the order of the vote: first the one that names it, then its family's rivals.

    Parameters
    ----------
    matches
        By p-value, best first, with their ``likeness``.
    others
        What each family counts for the same motif in other targets (`family_scores`, summed).

    Returns
    -------
    list of Match
        The best member of the winning family (one that is expressed, if any is), then the others as they came, with
        their new ranks. The order is that of the p-values where no match is significant.
    """
    scores = family_scores(matches, max_q)
    if scores:
        winner = max(scores, key=lambda key: scores[key] + (others or {}).get(key, 0.0))
        able = [m for m in matches if significant(m, max_q) and winner in _keys(m)]
        first = max(able, key=lambda match: (match.expressed != "no", match.likeness))
        matches = [first, *(match for match in matches if match is not first)]
    return [replace(match, rank=rank) for rank, match in enumerate(matches, start=1)]


def family_scores(matches: Sequence[Match], max_q: float = SIGNIFICANT_Q) -> dict[str, float]:
    """What each family of the significant matches counts: likeness of its best, and support by the others."""
    found: dict[str, list[float]] = {}
    for match in matches:
        for key in _keys(match) if significant(match, max_q) else ():
            curated = CURATED * (match.database == IS_CURATED)
            found.setdefault(key, []).append(np.nan_to_num(match.likeness) + curated)
    return {key: max(alike) + SUPPORT * min(len(alike) - 1, MOST_SUPPORT) for key, alike in found.items()}


def near_ties(ranked: Sequence[Match], max_q: float = SIGNIFICANT_Q) -> list[Match]:
    """Matches of other families that came close to naming the pattern, the best of each family, best first."""
    scores = family_scores(ranked, max_q)
    if not scores or np.isnan(ranked[0].likeness):
        return []
    winner = _keys(ranked[0])
    least = max(scores.get(key, 0.0) for key in winner) - NEAR_TIE
    close = sorted((key for key in scores if scores[key] >= least and key not in winner), key=lambda key: -scores[key])
    best = [next(m for m in ranked if significant(m, max_q) and key in _keys(m)) for key in close]
    return list(dict.fromkeys(best))


def _keys(match: Match) -> set[str]:
    return family_keys(match.label, match.family)


def names_of(matches: Iterable[Match], max_q: float = SIGNIFICANT_Q) -> dict[tuple[str, str], tuple[str, str]]:
    """Name and family of each named pattern, by (target, pattern name)."""
    return {key: (called(match), match.family) for key, match in best_matches(matches, max_q).items()}


def best_name(pattern: Pattern, ranked: Sequence[Match], max_q: float = SIGNIFICANT_Q) -> str:
    """What the naming match is called; the pattern's own number where no match is significant."""
    match = naming_match(ranked, max_q)
    return plain_name(pattern) if match is None else called(match)


def called(match: Match) -> str:
    """What people call the matched factor, or what its database calls the motif; members of the many families that
    bind E-boxes by that, such as ``E-box (da)``."""
    name = match.label or match.motif_name or match.motif_id
    if SITE.search(match.family) and not SITE.match(name):
        return f"E-box ({family(name)})"
    return name


def plain_name(pattern: Pattern) -> str:
    """``pos_patterns.pattern_3`` as ``pattern 3``, anything else as it is."""
    return plain(pattern.name)


def plain(name: str) -> str:
    """The same of a name."""
    number = name.rsplit("pattern_", 1)[-1]
    return f"pattern {number}" if number.isdigit() else name


def reason(ranked: Sequence[Match], max_q: float = SIGNIFICANT_Q) -> str:
    """One sentence on why the pattern has its name, or has none."""
    if not ranked:
        return "no significant match: it was compared with no motif"
    best = ranked[0]
    where = f"{best.motif_id} of {best.database}"
    if not significant(best, max_q):
        return (
            f"no significant match: the nearest, {called(best)} ({where}), has q {best.q_value:.1e} (limit {max_q:g})"
        )
    agreeing = sum(bool(_keys(best) & _keys(m)) for m in ranked[1:] if significant(m, max_q))
    said = f"named by {where}, q {best.q_value:.1e}, overlap {best.overlap} bp"
    if not math.isnan(best.likeness):
        said += f", likeness {best.likeness:.2f}"
    if agreeing:
        said += f"; {agreeing} more significant match{'es' * (agreeing > 1)} of the family {best.family or best.label}"
    if best.expressed == "no":
        said += "; none of its genes is expressed"
    if ties := near_ties(ranked, max_q):
        said += f"; near tie with {' and '.join(f'{called(m)} ({m.likeness:.2f})' for m in ties)}"
    return said


def family(name: str) -> str:
    """``GATA (srp)`` as ``GATA``: by which the patterns of several targets are grouped."""
    return re.sub(r"(?<=\S)\s*\(.*\)$", "", name, flags=re.DOTALL)
