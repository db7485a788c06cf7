"""Where motifs occur, as a stage on files: ``hits.tsv``, ``hits.bed``, ``explained.tsv`` and ``unexplained.tsv``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import progress
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import known_sha256
from l2g_interp.exports.genome import growing_hits_bed
from l2g_interp.motifs.hits import QUANTILE, Calibration, calibrate, n_blocks, recovered, scan
from l2g_interp.motifs.library import build_library
from l2g_interp.motifs.naming import names_of
from l2g_interp.motifs.unexplained import Shares, bars_of, explain, is_named, strongest, strongest_of
from l2g_interp.records.attributions_file import read_controls, read_overview
from l2g_interp.records.tables import growing_table
from l2g_interp.records.types import Explained, Hit, Overview, Pattern, Unexplained
from l2g_interp.run_folder import (
    EXPLAINED,
    HITS,
    UNEXPLAINED,
    attributions_of,
    evidence_stamp,
    known_matches,
    known_motifs,
    motifs_sha256,
    read_all_patterns,
    record,
)

log = logging.getLogger(__name__)


@dataclass
class _Tally:
    """What is counted while hits come: memory does not grow with their number, but for what seqlets have on them.

    ``hits``: by (target, pattern, tier); ``sequences``: by (target, pattern); ``explained``, ``left`` (the strongest
    unexplained stretches) and ``by_rate`` (whether the false discovery rate says what stands out): by target; ``near``:
    the hits in rows that have seqlets.
    """

    with_seqlets: set[tuple[str, int]]
    hits: Counter = field(default_factory=Counter)
    sequences: Counter = field(default_factory=Counter)
    named: int = 0
    rows: set[int] = field(default_factory=set)
    near: list[Hit] = field(default_factory=list)
    explained: dict[str, Shares] = field(default_factory=dict)
    left: dict[str, list] = field(default_factory=dict)
    by_rate: dict[str, bool] = field(default_factory=dict)

    def add(self, hits: Sequence[Hit]) -> None:
        """Count the hits of a block of sequences, which comes once for each target."""
        self.hits.update((hit.target, hit.pattern, hit.tier) for hit in hits)
        self.sequences.update((t, pattern) for t, pattern, _ in {(h.target, h.pattern, h.row) for h in hits})
        self.named += sum(is_named(hit) for hit in hits)
        self.rows.update(hit.row for hit in hits)
        self.near += [hit for hit in hits if (hit.target, hit.row) in self.with_seqlets]


def hit_files(
    folder: Path,
    output: Path,
    bed: Path | None = None,
    *,
    floor: float | None = None,
    quantile: float = QUANTILE,
    overwrite: bool = False,
    shown: bool = True,
) -> None:
    """Find where every motif occurs, and how much of what stands out the named ones hold.

    The motifs are the patterns of the run folder and those of the databases that they were compared with
    ('l2g-interp match'). ``explained.tsv`` and ``unexplained.tsv`` are written beside ``output``, after whose name they
    are called if it is not ``hits.tsv``; they are empty where the attributions have no shuffled controls. Rows are
    written as they come, and the BED file is sorted on the disk: what is held of all sequences are their ids and
    coordinates.

    Parameters
    ----------
    bed
        Write the hits as BED, too.
    floor
        Likeness of a named hit, for all motifs; by default each has its own, measured on the run's seqlets.
    quantile
        Share of a pattern's own seqlets that may fall below the likeness of its second tier.
    overwrite
        Replace what other settings left (the rule of `l2g_core.runs.identity`).

    Raises
    ------
    InputError
        The folder has no motifs, its matches are about other motifs, or ``output`` holds other work.
    """
    found = read_all_patterns(folder)
    patterns = [p for of_target in found.values() for p in of_target]
    path = attributions_of(folder)
    matches, known = known_matches(folder, found), known_motifs(folder)
    if not known:
        log.warning("%s: no matches, so hits have no names; run 'l2g-interp match' first", folder)
    content = {
        "attributions": known_sha256(path), "motifs": motifs_sha256(found), "quantile": quantile, "floor": floor,
        "names": sorted([*key, *name] for key, name in names_of(matches).items()), "known_motifs": len(known),
    }  # fmt: skip
    before = "" if output.name == HITS else f"{output.stem}."
    beside = [output.with_name(before + name) for name in (EXPLAINED, UNEXPLAINED)]
    files = [output, *beside, *([] if bed is None else [bed])]
    with claim(output, Identity("l2g-interp hits", content), files, overwrite=overwrite) as claimed:
        if claimed.finished:
            return
        library = build_library(patterns, known, names_of(matches))
        calibration = calibrate(path, library, floor=floor, quantile=quantile)
        overview = read_overview(path)
        with ExitStack() as stack:
            kinds = (Hit, Explained, Unexplained)
            tables = [stack.enter_context(growing_table(*each)) for each in zip((output, *beside), kinds, strict=True)]
            bed_rows = [] if bed is None else [stack.enter_context(growing_hits_bed(overview.coordinates, bed))]
            tally = _call(path, calibration, overview.ids, patterns, tables, bed_rows, shown)
        noted = _noted(calibration, patterns, tally, overview, quantile, floor)
        record(output.parent, "hits", noted | evidence_stamp(output, found))
        _log(tally, noted)


def _call(
    path: Path,
    calibration: Calibration,
    ids: Sequence[str],
    patterns: Sequence[Pattern],
    tables: Sequence[Callable[[Iterable[Any]], None]],
    bed: Sequence[Callable[[Iterable[Hit]], None]],
    shown: bool,
) -> _Tally:
    """Call hits block by block, and write them to the tables (hits, explained, unexplained) and the BED file."""
    add_hits, add_explained, add_unexplained = tables
    controls = read_controls(path)
    bars = {t: bars_of(path, controls, t, len(ids)) for t in calibration.contribution} if controls else {}
    tally = _Tally({(p.target, row) for p in patterns for row in p.seqlets.example.tolist()})
    tally.by_rate = {target: all(bar.by_rate for bar in of_target) for target, of_target in bars.items()}
    blocks = scan(path, calibration)
    for block in progress(blocks, "calling hits (blocks)", n_blocks(len(ids), calibration), shown):
        tally.add(block.hits)
        for add in (add_hits, *bed):
            add(block.hits)
        if bars:
            here = ids[block.first : block.first + len(block.lengths)]
            rows, without = explain(
                block.profile, block.lengths, block.hits, bars[block.target], block.target, here, block.first
            )
            add_explained(rows)
            tally.explained.setdefault(block.target, Shares()).add(rows)
            tally.left[block.target] = strongest_of([*tally.left.get(block.target, []), *without])
    for target, segments in tally.left.items():
        add_unexplained(strongest(path, calibration, target, segments, ids))
    return tally


def _noted(
    found: Calibration,
    patterns: Sequence[Pattern],
    tally: _Tally,
    overview: Overview,
    quantile: float,
    floor: float | None,
) -> dict[str, Any]:
    """What run.json tells: settings, what motifs must reach, counts, error rates, and how much has a name."""
    targets = list(found.contribution)
    return {
        "quantile": quantile,
        "floor": "of each motif, from the run's seqlets" if floor is None else floor,
        "score": "gain x likeness; all motifs compete, the best is taken and its bases are silenced",
        "contribution_at_least": "what one in five shuffled sequences reaches"
        if found.controlled
        else "what all but 5 % of the weakest pattern's seqlets reach: there are no shuffled controls",
        "sequences": len(overview.ids),
        "hits": tally.hits.total(),
        "named_hits": tally.named,
        "motifs_competing": len(found.library),
        "patterns": _counts(found, patterns, tally),
        "missing_named_wrong": {t: _overall(found, patterns, t) for t in targets},
        "explained": {t: {**added.as_dict(), "by_rate": tally.by_rate[t]} for t, added in tally.explained.items()},
    }


def _counts(
    found: Calibration, patterns: Sequence[Pattern], tally: _Tally
) -> dict[str, dict[str, dict[str, float | None]]]:
    """By target and pattern: floors, counts, error rate, and the share of seqlets with a hit on them."""
    seqlets = recovered(patterns, tally.near)
    entries = {(p.target, p.name): i for i, entry in enumerate(found.library) for p in entry.patterns}
    counts: dict[str, dict[str, dict[str, float | None]]] = {}
    for (target, name), i in entries.items():
        second = float(found.floors.second[i])
        counts.setdefault(target, {})[name] = {
            "likeness_at_least": float(found.floors.first[i]),
            "resembles_at_least": second if np.isfinite(second) else None,
            "missing_named_wrong": found.floors.missing_named_wrong.get((target, name)),
            "hits": tally.hits[target, name, 1],
            "resembling": tally.hits[target, name, 2],
            "sequences": tally.sequences[target, name],
            "seqlets_recovered": seqlets[target, name],
        }
    return counts


def _overall(found: Calibration, patterns: Sequence[Pattern], target: str) -> float | None:
    """The error rate of a target: the mean over its patterns, each weighing as many as it has seqlets."""
    mine = [p for p in patterns if p.target == target and (target, p.name) in found.floors.missing_named_wrong]
    sizes = np.array([p.n_seqlets for p in mine], dtype=float)
    wrong = np.array([found.floors.missing_named_wrong[target, p.name] for p in mine])
    return float((sizes * wrong).sum() / sizes.sum()) if len(mine) else None


def _log(tally: _Tally, noted: dict[str, Any]) -> None:
    log.info(
        "%d hits of %d competing motifs in %d of %d sequences", noted["hits"], noted["motifs_competing"],
        len(tally.rows), noted["sequences"],
    )  # fmt: skip
    for target, part in noted["explained"].items():
        log.info(
            "%s: named motifs hold %.0f %% of the contribution that stands out; %.0f %% of the sequences have one",
            target, 100 * part["named"], 100 * part["sequences_with_a_name"],
        )  # fmt: skip
