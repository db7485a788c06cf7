"""The one name of a pattern, and the reason for it: tables, report, comparison and exports all use this."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from l2g_interp.records.tables import by_pattern
from l2g_interp.records.types import Match, Pattern

# Of random motifs with the columns of real ones, 3 to 13 % have a match at this q-value (OnTheFly and FlyFactorSurvey;
# widths 6 to 14, with and without flat columns; without TOMTOM's shuffles up to 100 %). The paper names patterns up to
# q = 0.051.
SIGNIFICANT_Q = 0.1


def significant(match: Match, max_q: float = SIGNIFICANT_Q) -> bool:
    """Whether the match is good enough to name the pattern: q of ``max_q`` or less."""
    return match.q_value <= max_q


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


def best_name(pattern: Pattern, ranked: Sequence[Match], max_q: float = SIGNIFICANT_Q) -> str:
    """What the naming match is called; the pattern's own number where no match is significant."""
    match = naming_match(ranked, max_q)
    return plain_name(pattern) if match is None else called(match)


def called(match: Match) -> str:
    """What people call the matched factor, or what its database calls the motif."""
    return match.label or match.motif_name or match.motif_id


def plain_name(pattern: Pattern) -> str:
    """``pos_patterns.pattern_3`` as ``pattern 3``, anything else as it is."""
    number = pattern.name.rsplit("pattern_", 1)[-1]
    return f"pattern {number}" if number.isdigit() else pattern.name


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
    agreeing = sum(_related(best, other) for other in ranked[1:] if significant(other, max_q))
    family = f"; {agreeing} more significant match{'es' * (agreeing > 1)} of the family {best.family}"
    return f"best match: {where}, q {best.q_value:.1e}, overlap {best.overlap} bp" + family * (agreeing > 0)


def _related(first: Match, second: Match) -> bool:
    """Whether they have a family in common; a dimer may have two, joined by `` / ``."""
    return bool(set(filter(None, first.family.split(" / "))) & set(second.family.split(" / ")))


def family(name: str) -> str:
    """``GATA (srp)`` as ``GATA``: by which the patterns of several targets are grouped."""
    return re.sub(r"(?<=\S)\s*\(.*\)$", "", name, flags=re.DOTALL)
