"""Tables for spreadsheets and scripts: one row per sequence and target, one row per pattern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l2g_interp.motifs import consensus, trimmed
from l2g_interp.naming import best_name, ranked_matches, reason
from l2g_interp.records import Match, Pattern, check_targets, read_overview, write_table

SEQUENCES, PATTERNS = "sequences.tsv", "patterns.tsv"


@dataclass(frozen=True)
class SequenceRow:
    """A sequence and a target: a row of ``sequences.tsv``. ``coordinates`` are empty where unknown.

    ``delta`` is the completeness error, ``relative_error`` the same as a part of |prediction - reference_prediction|.
    """

    target: str
    id: str
    coordinates: str
    length: int
    prediction: float
    reference_prediction: float
    delta: float
    relative_error: float
    stability: float


@dataclass(frozen=True)
class PatternRow:
    """A pattern: a row of ``patterns.tsv``. The match is the best one, significant or not: ``reason`` tells.

    ``contribution`` is the sum of the trimmed CWM, ``q_value`` 1 where there is no match.
    """

    target: str
    pattern: str
    sign: str
    n_seqlets: int
    n_sequences: int
    contribution: float
    consensus: str
    name: str
    q_value: float
    database: str
    motif_id: str
    family: str
    flybase: str
    reason: str


def sequence_rows(attributions: str | Path, targets: Sequence[str] = ()) -> list[SequenceRow]:
    """What is known of whole sequences, target by target (all of them if none is given), in the order of the file."""
    overview = read_overview(attributions)
    check_targets(targets, list(overview.by_target), str(attributions))
    places = [str(place) for place in overview.coordinates or [""] * len(overview.ids)]
    rows = []
    for target in targets or overview.by_target:
        numbers = overview.by_target[target]
        difference = np.abs(numbers["prediction"] - numbers["reference_prediction"])
        relative = numbers["delta"] / np.maximum(difference, np.finfo(np.float32).tiny)
        columns = (*(numbers[key] for key in ("prediction", "reference_prediction", "delta")), relative)
        columns = [column.tolist() for column in (*columns, numbers["stability"])]
        for name, place, length, *values in zip(overview.ids, places, overview.lengths.tolist(), *columns, strict=True):
            rows.append(SequenceRow(target, name, place, length, *values))
    return rows


def pattern_rows(patterns: Iterable[Pattern], matches: Iterable[Match]) -> list[PatternRow]:
    """Patterns with their names and why they have them, in the order given."""
    ranked = ranked_matches(matches)
    return [_pattern_row(pattern, ranked.get((pattern.target, pattern.name), [])) for pattern in patterns]


def write_tables(
    patterns: Iterable[Pattern],
    matches: Iterable[Match],
    attributions: str | Path,
    folder: str | Path,
    targets: Sequence[str] = (),
) -> list[Path]:
    """Write ``sequences.tsv`` and ``patterns.tsv``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / SEQUENCES, sequence_rows(attributions, targets), SequenceRow)
    write_table(folder / PATTERNS, pattern_rows(patterns, matches), PatternRow)
    return [folder / SEQUENCES, folder / PATTERNS]


def _pattern_row(pattern: Pattern, ranked: Sequence[Match]) -> PatternRow:
    core = trimmed(pattern)
    best = ranked[0] if ranked else None
    return PatternRow(
        pattern.target,
        pattern.name,
        pattern.sign,
        pattern.n_seqlets,
        len(np.unique(pattern.seqlets.example)),
        float(core.cwm.sum()),
        consensus(core.ppm),
        best_name(pattern, ranked),
        best.q_value if best else 1.0,
        best.database if best else "",
        best.motif_id if best else "",
        best.family if best else "",
        best.flybase if best else "",
        reason(ranked),
    )
