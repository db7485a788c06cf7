"""What every section of the report starts from: the run, small arrays read once, and the reader's choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from l2g_interp.naming import SIGNIFICANT_Q, best_name, naming_match, ranked_matches
from l2g_interp.naming import plain_name as plain_name
from l2g_interp.records import Match, Overview, Pattern, Run, read_overview


@dataclass(frozen=True)
class ReportOptions:
    """How the report is drawn.

    ``n_tracks``: strongest sequences to draw per target. ``max_q``: largest q-value of a match that names a
    pattern. ``completeness_bound``: largest completeness error, as a part of the output difference, that passes.
    ``n_matches``: matches listed per pattern.
    """

    title: str = "Motif report"
    n_tracks: int = 20
    max_q: float = SIGNIFICANT_Q
    completeness_bound: float = 1e-3
    n_matches: int = 5


@dataclass(frozen=True)
class Context:
    """A run, what is known of whole sequences (read once), and the options."""

    run: Run
    overview: Overview
    options: ReportOptions

    @property
    def targets(self) -> list[str]:
        """The targets of the attributions, then those that only have patterns or notes."""
        others = [*self.run.patterns, *self.run.notes]
        return list(dict.fromkeys([*self.overview.by_target, *others]))

    def numbers(self, target: str, key: str) -> Float[np.ndarray, " n"]:
        """One number per sequence: see `l2g_interp.records.PER_SEQUENCE`; NaN where there is none."""
        found = self.overview.by_target.get(target, {}).get(key)
        return np.full(len(self.overview.ids), np.nan) if found is None else found.astype(np.float64)

    def patterns(self, target: str) -> list[Pattern]:
        return self.run.patterns.get(target, [])

    def matches(self, pattern: Pattern) -> list[Match]:
        """The matches of a pattern, best first."""
        return self._matches.get((pattern.target, pattern.name), [])

    @cached_property
    def _matches(self) -> dict[tuple[str, str], list[Match]]:
        return ranked_matches(self.run.matches)

    def name(self, pattern: Pattern) -> str:
        """See `l2g_interp.naming.best_name`."""
        return best_name(pattern, self.matches(pattern), self.options.max_q)

    def is_named(self, pattern: Pattern) -> bool:
        return naming_match(self.matches(pattern), self.options.max_q) is not None

    def anchor(self, pattern: Pattern) -> str:
        """The pattern's address in the page, made of numbers only: names never become markup."""
        index = next(i for i, other in enumerate(self.patterns(pattern.target)) if other is pattern)
        return f"motif-{self.targets.index(pattern.target)}-{index}"


def load_context(run: Run, options: ReportOptions) -> Context:
    return Context(run, read_overview(run.attributions), options)


def shortened(text: str, length: int = 60) -> str:
    """For pictures and tooltips, where a long name would not fit; tables have it in full."""
    return text if len(text) <= length else text[: length - 1] + "…"


def relative_error(context: Context, target: str) -> Float[np.ndarray, " n"]:
    """Completeness error of every sequence as a part of |f(x) - f(reference)|; NaN where undefined."""
    difference = np.abs(context.numbers(target, "prediction") - context.numbers(target, "reference_prediction"))
    return context.numbers(target, "delta") / np.maximum(difference, np.finfo(np.float32).tiny)


def overall_error(context: Context, target: str) -> float:
    """mean |delta| / mean |f(x) - f(reference)|, as `TargetAttributions.completeness_error`."""
    difference = np.abs(context.numbers(target, "prediction") - context.numbers(target, "reference_prediction"))
    if not len(difference):
        return float("nan")
    return float(context.numbers(target, "delta").mean() / max(difference.mean(), np.finfo(np.float32).tiny))
