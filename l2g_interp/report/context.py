"""What every section of the report starts from: the run, small arrays read once, and the options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from l2g_core.errors import InputError
from l2g_interp.motifs.co_occurrence import occurrences
from l2g_interp.motifs.naming import (
    SIGNIFICANT_Q,
    best_name,
    called,
    naming_match,
    near_ties,
    plain_name,
    ranked_matches,
)
from l2g_interp.records.attributions_file import read_overview
from l2g_interp.records.tables import by_pattern
from l2g_interp.records.types import (
    COMPLETENESS_BOUND,
    Effect,
    Explained,
    Hit,
    Match,
    Overview,
    PairEffect,
    Pattern,
    Removal,
    Run,
    Seqlets,
    Unexplained,
    completeness_error,
)


@dataclass(frozen=True)
class ReportOptions:
    """How the report is drawn.

    ``n_tracks``: strongest sequences to draw per target. ``max_q``: largest q-value of a match that names a
    pattern. ``completeness_bound``: largest completeness error, as a fraction of the output difference, that passes.
    ``n_matches``: matches listed per pattern. ``sequences``: ids of sequences to draw before the strongest.
    """

    title: str = "Motif report"
    n_tracks: int = 20
    max_q: float = SIGNIFICANT_Q
    completeness_bound: float = COMPLETENESS_BOUND
    n_matches: int = 5
    sequences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """A run, its numbers per sequence (read once), and the options."""

    run: Run
    overview: Overview
    options: ReportOptions

    @property
    def targets(self) -> list[str]:
        """The targets of the attributions, then those that only have patterns or notes."""
        others = [*self.run.patterns, *self.run.notes]
        return list(dict.fromkeys([*self.overview.by_target, *others]))

    def numbers(self, target: str, key: str) -> Float[np.ndarray, " n"]:
        """One number per sequence: see `l2g_interp.records.types.PER_SEQUENCE`; NaN where there is none."""
        found = self.overview.by_target.get(target, {}).get(key)
        return np.full(len(self.overview.ids), np.nan) if found is None else found.astype(np.float64)

    def drawn(self, target: str) -> list[int]:
        """Rows of the sequences whose tracks are shown: those asked for, then those with the highest prediction."""
        return self._drawn[target]

    @cached_property
    def _drawn(self) -> dict[str, list[int]]:
        """Sorted once: every pattern and every track asks for them."""
        strongest = {t: np.argsort(-self.numbers(t, "prediction"), kind="stable") for t in self.targets}
        n = self.options.n_tracks
        return {t: list(dict.fromkeys([*self._asked_for, *order[:n].tolist()])) for t, order in strongest.items()}

    @cached_property
    def _asked_for(self) -> list[int]:
        rows = {name: row for row, name in enumerate(self.overview.ids)}
        for name in self.options.sequences:
            if name not in rows:
                raise InputError(
                    f"{self.run.attributions}: no sequence {name!r}; give the id of one that was explained"
                )
        return [rows[name] for name in self.options.sequences]

    def track_anchor(self, target: str, row: int) -> str:
        """The HTML id of a track in the page, made of numbers only."""
        return f"track-{self.targets.index(target)}-{row}"

    def patterns(self, target: str) -> list[Pattern]:
        return self.run.patterns.get(target, [])

    def matches(self, pattern: Pattern) -> list[Match]:
        """The matches of a pattern, best first."""
        return self._matches.get((pattern.target, pattern.name), [])

    @cached_property
    def _matches(self) -> dict[tuple[str, str], list[Match]]:
        return ranked_matches(self.run.matches)

    def effects(self, pattern: Pattern) -> list[Effect]:
        """What planting the pattern did, fewest copies first; empty where it was not validated."""
        return self._effects.get((pattern.target, pattern.name), [])

    @cached_property
    def _effects(self) -> dict[tuple[str, str], list[Effect]]:
        return by_pattern(sorted(self.run.effects, key=lambda effect: effect.copies))

    def hits(self, pattern: Pattern) -> list[Hit]:
        """Of both tiers, of the pattern's own target."""
        return self._hits.get((pattern.target, pattern.name), [])

    @cached_property
    def _hits(self) -> dict[tuple[str, str], list[Hit]]:
        return by_pattern(self.run.hits)

    def hits_of(self, target: str) -> list[Hit]:
        """Every hit in the sequences for a target: of its patterns, of those of other targets and of databases."""
        return self._hits_of.get(target, [])

    @cached_property
    def _hits_of(self) -> dict[str, list[Hit]]:
        return {t: [hit for hit in self.run.hits if hit.target == t] for t in self.targets}

    def explained(self, target: str) -> list[Explained]:
        """A row per sequence; empty in runs without shuffled controls and in older ones."""
        return [row for row in self.run.explained if row.target == target]

    def unexplained(self, target: str) -> list[Unexplained]:
        """Stretches without a motif, strongest first; empty in older runs."""
        mine = [row for row in self.run.unexplained if row.target == target]
        return sorted(mine, key=lambda row: -abs(row.contribution) * (1 - row.in_hits))

    def pairs(self, target: str) -> list[PairEffect]:
        """What every two motifs do together to a target; empty where they were not planted."""
        return [row for row in self.run.pairs if row.target == target]

    def removals(self, target: str) -> list[Removal]:
        """What the target loses without hits; empty where none were removed."""
        return [row for row in self.run.removals if row.target == target]

    def recorded(self, step: str) -> dict[str, Any]:
        """What run.json tells of a step, such as ``hits``; empty where it tells nothing."""
        steps = self.run.provenance.get("steps")
        found = steps.get(step) if isinstance(steps, dict) else None
        return found if isinstance(found, dict) else {}

    def resolved(self, target: str, reference: str) -> Pattern | None:
        """The pattern that a row about a target refers to, which may be one of another target; None for other motifs.

        ``reference``: as in `l2g_interp.records.types.Hit`.
        """
        return self._references.get((target, reference)) or self._references.get(("", reference))

    @cached_property
    def _references(self) -> dict[tuple[str, str], Pattern]:
        everything = [(t, p) for t, patterns in self.run.patterns.items() for p in patterns]
        return {(t, p.name): p for t, p in everything} | {("", f"{t}/{p.name}"): p for t, p in everything}

    def label(self, target: str, reference: str, name: str) -> str:
        """What to call the motif that a row about a target refers to; ``name`` is what the row calls it."""
        pattern = self.resolved(target, reference)
        return name or reference if pattern is None else self.name(pattern)

    def other_names(self, pattern: Pattern) -> list[str]:
        """Names of other families that the pattern might have had as well."""
        return (
            [called(m) for m in near_ties(self.matches(pattern), self.options.max_q)] if self.is_named(pattern) else []
        )

    def distinct_name(self, pattern: Pattern) -> str:
        """The name, followed by the number where several patterns of the target have that name."""
        name = self.name(pattern)
        namesakes = [p for p in self.patterns(pattern.target) if self.name(p) == name]
        return f"{name} ({plain_name(pattern)})" if len(namesakes) > 1 else name

    def occurrences(self, pattern: Pattern) -> Seqlets:
        """See `l2g_interp.motifs.co_occurrence.occurrences`."""
        return occurrences(pattern, self.hits(pattern) if self.run.hits else None)

    def name(self, pattern: Pattern) -> str:
        """See `l2g_interp.motifs.naming.best_name`."""
        return best_name(pattern, self.matches(pattern), self.options.max_q)

    def is_named(self, pattern: Pattern) -> bool:
        return naming_match(self.matches(pattern), self.options.max_q) is not None

    def anchor(self, pattern: Pattern) -> str:
        """The pattern's HTML id in the page, made of numbers only: names never become markup."""
        index = next(i for i, other in enumerate(self.patterns(pattern.target)) if other is pattern)
        return f"motif-{self.targets.index(pattern.target)}-{index}"


def load_context(run: Run, options: ReportOptions) -> Context:
    return Context(run, read_overview(run.attributions), options)


def relative_error(context: Context, target: str) -> Float[np.ndarray, " n"]:
    """Completeness error of every sequence as a fraction of |f(x) - f(reference)|; NaN where undefined."""
    difference = context.numbers(target, "prediction") - context.numbers(target, "reference_prediction")
    return completeness_error(context.numbers(target, "delta"), difference)
