"""Tables for spreadsheets and scripts: one row per sequence and target, per pattern, and per pair of patterns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from l2g_interp.motifs.co_occurrence import CoOccurrence, co_occurrences, occurrences
from l2g_interp.motifs.matrices import consensus, trimmed
from l2g_interp.motifs.naming import best_name, ranked_matches, reason
from l2g_interp.records.attributions_file import read_overview
from l2g_interp.records.tables import by_pattern, write_table
from l2g_interp.records.types import Effect, Hit, Match, Pattern, Seqlets, check_targets, completeness_error
from motif_db.links import links

SEQUENCES, PATTERNS, PAIRS = "sequences.tsv", "patterns.tsv", "pairs.tsv"
OF_EFFECT = ("effect", "effect_low", "effect_high", "control", "excess", "excess_low", "excess_high")
NAN = float("nan")


@dataclass(frozen=True)
class SequenceRow:
    """A sequence and a target: a row of ``sequences.tsv``. ``coordinates`` are empty where unknown.

    ``delta`` is the completeness error, ``relative_error`` that as a fraction of |prediction - reference_prediction|.
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
    """A pattern: a row of ``patterns.tsv``. The match is the best one, significant or not: see ``reason``.

    ``contribution`` is the sum of the trimmed CWM, ``q_value`` 1 where there is no match. What one planted copy does
    (`l2g_interp.records.types.Effect`) is NaN, and the number of hits -1, where it is not known.
    ``links``: addresses of the gene and of the motif on the web, with spaces between them.
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
    effect: float = NAN
    effect_low: float = NAN
    effect_high: float = NAN
    control: float = NAN
    excess: float = NAN
    excess_low: float = NAN
    excess_high: float = NAN
    n_hits: int = -1
    n_sequences_hit: int = -1
    links: str = ""


@dataclass(frozen=True)
class PairRow(CoOccurrence):
    """A row of ``pairs.tsv``, with what people call the two patterns."""

    first_name: str = ""
    second_name: str = ""


def sequence_rows(attributions: str | Path, targets: Sequence[str] = ()) -> list[SequenceRow]:
    """The numbers that are known per sequence.

    Parameters
    ----------
    attributions
        Path of an ``attributions.h5``.
    targets
        Names; all of them by default.

    Returns
    -------
    list of SequenceRow
        Target by target, sequences in the order of the file.

    Raises
    ------
    InputError
        The attributions cannot be read or lack a target.
    """
    overview = read_overview(attributions)
    check_targets(targets, list(overview.by_target), str(attributions))
    places = [str(place) for place in overview.coordinates or [""] * len(overview.ids)]
    rows = []
    for target in targets or overview.by_target:
        numbers = overview.by_target[target]
        difference = np.abs(numbers["prediction"] - numbers["reference_prediction"])
        relative = completeness_error(numbers["delta"], difference)
        columns = (*(numbers[key] for key in ("prediction", "reference_prediction", "delta")), relative)
        columns = [column.tolist() for column in (*columns, numbers["stability"])]
        for name, place, length, *values in zip(overview.ids, places, overview.lengths.tolist(), *columns, strict=True):
            rows.append(SequenceRow(target, name, place, length, *values))
    return rows


def pattern_rows(
    patterns: Iterable[Pattern], matches: Iterable[Match], effects: Iterable[Effect] = (), hits: Sequence[Hit] = ()
) -> list[PatternRow]:
    """Patterns with their names and the reasons for them, and the evidence.

    Parameters
    ----------
    patterns, matches
        The patterns, and the matches that name them.
    effects, hits
        What `validate_motifs` and `call_hits` returned; empty if not known.

    Returns
    -------
    list of PatternRow
        In the order of the patterns.
    """
    ranked, called = ranked_matches(matches), by_pattern(hits)
    one_copy = {(e.target, e.pattern): e for e in effects if e.copies == 1}
    rows = []
    for pattern in patterns:
        key = (pattern.target, pattern.name)
        row = _pattern_row(pattern, ranked.get(key, []))
        if key in one_copy:
            row = replace(row, **{name: getattr(one_copy[key], name) for name in OF_EFFECT})
        if hits:
            mine = called.get(key, [])
            row = replace(row, n_hits=len(mine), n_sequences_hit=len({hit.row for hit in mine}))
        rows.append(row)
    return rows


def pair_rows(
    patterns: Iterable[Pattern], n: int, hits: Sequence[Hit] = (), matches: Iterable[Match] = ()
) -> list[PairRow]:
    """How often every two motifs of a target occur together among ``n`` sequences.

    Parameters
    ----------
    patterns
        Of any number of targets.
    n
        Sequences in all.
    hits
        Where the motifs occur; without any, their seqlets are counted.
    matches
        What names the patterns.

    Returns
    -------
    list of PairRow
        Target by target, pairs furthest from chance first.
    """
    called, ranked = by_pattern(hits), ranked_matches(matches)
    places: dict[str, dict[str, Seqlets]] = {}
    names = {}
    for pattern in patterns:
        key = (pattern.target, pattern.name)
        names[key] = best_name(pattern, ranked.get(key, []))
        mine = called.get(key, []) if hits else None
        places.setdefault(pattern.target, {})[pattern.name] = occurrences(pattern, mine)
    of_hits = bool(hits)
    rows = [row for target, mine in places.items() for row in co_occurrences(target, mine, n, of_hits=of_hits)]
    return [
        PairRow(**vars(row), first_name=names[row.target, row.first], second_name=names[row.target, row.second])
        for row in rows
    ]


def write_tables(
    patterns: Iterable[Pattern],
    matches: Iterable[Match],
    attributions: str | Path,
    folder: str | Path,
    targets: Sequence[str] = (),
    effects: Iterable[Effect] = (),
    hits: Sequence[Hit] = (),
) -> list[Path]:
    """Write ``sequences.tsv``, ``patterns.tsv`` and ``pairs.tsv``.

    Parameters
    ----------
    patterns, matches
        The patterns, and the matches that name them.
    attributions
        Path of the ``attributions.h5`` in which they were found.
    folder
        Where to write; made if missing.
    targets
        Whose sequences to list; all by default.
    effects, hits
        See `pattern_rows`.

    Returns
    -------
    list of pathlib.Path
        The three tables.

    Raises
    ------
    InputError
        The attributions cannot be read or lack a target.
    """
    patterns, matches = list(patterns), list(matches)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / SEQUENCES, sequence_rows(attributions, targets), SequenceRow)
    write_table(folder / PATTERNS, pattern_rows(patterns, matches, effects, hits), PatternRow)
    n = len(read_overview(attributions).ids)
    write_table(folder / PAIRS, pair_rows(patterns, n, hits, matches), PairRow)
    return [folder / SEQUENCES, folder / PATTERNS, folder / PAIRS]


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
        links=" ".join(links(best.motif_id, best.flybase).values()) if best else "",
    )
