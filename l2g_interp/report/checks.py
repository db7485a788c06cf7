"""Can the numbers be trusted: completeness, stability over the references, prediction against measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from l2g_interp.attributions.references.number import would_do
from l2g_interp.drawing.numbers import format_number
from l2g_interp.records.types import overall_completeness_error
from l2g_interp.report.charts import histogram, scatter
from l2g_interp.report.context import Context, relative_error

STABLE = 0.95  # expected correlation with a fresh draw of references; below it, more are advised


@dataclass(frozen=True)
class TargetChecks:
    """Checks of one target; a chart is None where its numbers are not known."""

    target: str
    error: float
    passes: bool | None
    n_above: int
    error_chart: Markup | None
    stability: float
    stable: bool | None
    enough: str
    stability_chart: Markup | None
    folds: str
    pearson: float
    n_observed: int
    observed_chart: Markup | None


def checks(context: Context) -> list[TargetChecks] | None:
    targets = [target for target in context.targets if target in context.overview.by_target]
    return [target_checks(context, target) for target in targets] if context.overview.ids else None


def target_checks(context: Context, target: str) -> TargetChecks:
    """Judge one target: a check that its method does not define neither passes nor fails."""
    bound = context.options.completeness_bound
    errors = relative_error(context, target)
    overall = overall_completeness_error(context.overview.by_target[target])
    stability = context.numbers(target, "stability")
    median = float(np.nanmedian(stability)) if np.isfinite(stability).any() else float("nan")
    predicted = context.numbers(target, "prediction")
    observed = observed_values(context, target)
    r, n = pearson(predicted, observed)
    return TargetChecks(
        target=target,
        error=overall,
        passes=None if np.isnan(overall) else overall <= bound,
        n_above=int((errors > bound).sum()),
        error_chart=_error_chart(errors, target, bound),
        stability=median,
        stable=None if np.isnan(median) else median >= STABLE,
        enough=enough(
            stability,
            context.overview.provenance.get("n_references"),
            context.numbers(target, "n_references"),
        ),
        stability_chart=_stability_chart(stability, target),
        folds=agreement_of_folds(
            predicted, context.numbers(target, "prediction_spread"), context.overview.provenance.get("folds")
        ),
        pearson=r,
        n_observed=n,
        observed_chart=Markup(
            scatter(predicted, observed, f"Predicted against observed {target}", "predicted", "observed")
        )
        if n
        else None,
    )


def enough(stability: np.ndarray, n_references: int | None, used: np.ndarray | None = None) -> str:
    """Whether there are enough references, and how many would be; empty where the method uses none.

    ``used``: how many each sequence took, where that was found out; NaN where it was not.
    """
    known = stability[np.isfinite(stability)]
    if not len(known):
        return ""
    taken = np.full(len(stability), n_references or np.nan, dtype=np.float64) if used is None else used
    taken = np.where(np.isnan(taken), n_references or np.nan, taken)[np.isfinite(stability)]
    many = f"{n_references:,} shuffles" if n_references else "this many references"
    if np.ptp(taken) > 0:
        many = f"{taken.min():,.0f} to {taken.max():,.0f} shuffles (median {np.median(taken):,.0f})"
    median, below = float(np.median(known)), int((known < STABLE).sum())
    answer = f"{many} are {'enough' if median >= STABLE else 'too few'} here: ".capitalize()
    again = f"a fresh draw would give contributions that correlate with these at {median:.3f} (median over sequences)"
    if not below:
        return f"{answer}{again}, and at {STABLE} or more for every one of them."
    few = f"{answer}{again}; for {below:,} of {len(known):,} sequences it is less than {STABLE}"
    more = would_do(known, taken, STABLE)
    return f"{few}; {more}." if more and (known < STABLE).mean() > 0.1 else f"{few}."


def agreement_of_folds(predicted: np.ndarray, spread: np.ndarray, n_folds: int | None) -> str:
    """How far the folds' predictions differ, in one sentence; empty where there was one model."""
    if n_folds is None or not np.isfinite(spread).any():
        return ""
    between, of_one = format_number(float(np.std(predicted))), format_number(float(np.nanmedian(spread)))
    return (
        f"The mean of {n_folds} folds was explained. Their predictions of one sequence differ by {of_one} (standard "
        f"deviation, median over sequences); those of different sequences by {between}."
    )


def observed_values(context: Context, target: str) -> np.ndarray:
    values = context.run.observed.get(target)
    unknown = np.full(len(context.overview.ids), np.nan)
    return unknown if values is None or len(values) != len(unknown) else np.asarray(values, dtype=np.float64)


def pearson(x: np.ndarray, y: np.ndarray) -> tuple[float, int]:
    """Correlation over the rows where both are known, and their number; NaN where it is not defined."""
    both = np.isfinite(x) & np.isfinite(y)
    n = int(both.sum())
    if n < 2 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return float("nan"), n
    return float(np.corrcoef(x[both], y[both])[0, 1]), n


def _error_chart(errors: np.ndarray, target: str, bound: float) -> Markup | None:
    if not np.isfinite(errors).any():
        return None
    label = f"Completeness error of each sequence for {target}, as a fraction of the output difference"
    return Markup(histogram(errors, label, "error / output difference", limits=(-9.0, 1.0), log=True, mark=bound))


def _stability_chart(stability: np.ndarray, target: str) -> Markup | None:
    if not np.isfinite(stability).any():
        return None
    low = min(0.8, float(np.nanmin(stability)))
    label = f"Expected correlation with a fresh draw of references for {target}"
    return Markup(histogram(stability, label, "correlation", limits=(low, 1.0), mark=STABLE))
