"""Floors of likeness: what they trade, what they must not do, and whether the error rate they promise is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import Motif, Plant, planted

from l2g_interp.motifs.floors import GRID, MOST_TAKEN, OF_DATABASE, _of_database, _of_pattern
from l2g_interp.motifs.hits import calibrate, call_hits, find_hits, overlap
from l2g_interp.motifs.library import build_library
from l2g_interp.records.types import Attributions, Hit, Pattern, Seqlets
from motif_db import Motif as Known
from motif_db.elements import consensus_ppm

# Pairs that are taken for each other: they share a half, or differ in one base.
RIVALS = {"half": ("TATCGATA", "AGATAAG"), "one base": ("ATGACTCA", "ATGACGTCA")}


def test_a_floor_separates_own_seqlets_from_those_of_others() -> None:
    own, other = np.full(100, 0.9), np.full(100, 0.8)
    assert 0.8 < _of_pattern(own, [other]) <= 0.9
    assert _of_pattern(own, []) == GRID[0]
    assert _of_pattern(own, [np.zeros(50)]) == GRID[0]


def test_a_pattern_never_takes_a_large_share_of_another() -> None:
    """Not even where keeping from it costs many more of its own than are saved."""
    own, few = np.full(1000, 0.8), np.full(20, 0.85)
    floor = _of_pattern(own, [few])
    assert (few >= floor).mean() <= MOST_TAKEN
    assert _of_pattern(own, [np.full(20, 0.99)]) == 1.0


def test_a_databases_motif_keeps_its_distance() -> None:
    assert _of_database([np.full(100, 0.5)]) == OF_DATABASE
    assert _of_database([np.full(100, 0.88)]) > 0.88
    assert _of_database([np.full(10, 0.88)]) == OF_DATABASE  # too few to say
    assert _of_database([np.full(100, 0.99)]) == 1.0


@pytest.fixture(scope="module", params=list(RIVALS))
def rivals(request: pytest.FixtureRequest) -> tuple[Attributions, list[Plant], list[Pattern]]:
    return with_both(*RIVALS[request.param])


def with_both(first: str, second: str) -> tuple[Attributions, list[Plant], list[Pattern]]:
    """Sequences with both motifs of a pair, and their patterns as TF-MoDISco would find them."""
    motifs = (Motif("first", first, "dev", 1.0), Motif("second", second, "dev", 0.9))
    attributions, plants = planted(150, 120, seed=3, motifs=motifs, share=0.8)
    patterns = []
    for number, motif in enumerate(motifs):
        mine = [p for p in plants if p.motif == motif.name]
        rows, starts = np.array([p.row for p in mine]), np.array([p.start for p in mine])
        reverse = np.array([p.strand == "-" for p in mine])
        width, part = len(motif.consensus), attributions["dev"]
        means = {
            key: np.mean(
                [
                    stack[r, :, s : s + width][::-1, ::-1] if back else stack[r, :, s : s + width]
                    for r, s, back in zip(rows, starts, reverse, strict=True)
                ],
                axis=0,
            )
            for key, stack in (("ppm", part.one_hot), ("cwm", part.contributions), ("hcwm", part.hypothetical))
        }
        seqlets = Seqlets(rows, starts, starts + width, reverse)
        patterns.append(Pattern("dev", f"pos_patterns.pattern_{number}", "+", seqlets=seqlets, **means))
    return attributions, plants, patterns


def on(plant: Plant, width: int, hits: list[Hit]) -> list[Hit]:
    return [h for h in hits if h.row == plant.row and overlap(plant.start, plant.start + width, h.start, h.end)]


def test_rivals_are_told_apart_and_the_promised_error_rate_is_true(
    rivals: tuple[Attributions, list[Plant], list[Pattern]],
) -> None:
    attributions, plants, patterns = rivals
    names = {(p.target, p.name): (f"name {i}", "") for i, p in enumerate(patterns)}
    library = build_library(patterns, names=names)
    found = calibrate(attributions, library)
    hits = [h for block in find_hits(attributions, found) for h in block if h.tier == 1]
    for number, motif in enumerate(("first", "second")):
        mine = [(p, patterns[number].cwm.shape[1]) for p in plants if p.motif == motif]
        named = [{h.name for h in on(plant, width, hits)} for plant, width in mine]
        assert np.mean([f"name {number}" in found for found in named]) > 0.75
        assert np.mean([found == {f"name {1 - number}"} for found in named]) < 0.05
        keep = np.array([entry.name != f"name {number}" for entry in library])
        floors = replace(found.floors, first=found.floors.first[keep], second=found.floors.second[keep])
        less = replace(found, library=[e for e, k in zip(library, keep, strict=True) if k], floors=floors)
        wrong = [h for block in find_hits(attributions, less) for h in block if h.tier == 1]
        rate = np.mean([bool(on(plant, width, wrong)) for plant, width in mine])
        promised = found.floors.missing_named_wrong["dev", patterns[number].name]
        assert promised <= MOST_TAKEN
        assert rate == pytest.approx(promised, abs=0.08)


def test_of_motifs_that_cannot_be_told_apart_at_most_one_is_named() -> None:
    """One is a part of the other, under another name: every site still resembles one of them."""
    attributions, plants, patterns = with_both("CACGTGAC", "TCACGTGACC")
    names = {(p.target, p.name): (f"name {i}", "") for i, p in enumerate(patterns)}
    hits = call_hits(attributions, patterns, names=names)
    assert np.mean([bool(on(plant, 8, hits)) for plant in plants]) > 0.75
    assert len({h.name for h in hits if h.tier == 1}) <= 1
    assert np.mean([h.tier == 2 for h in hits]) > 0.4
    same = {(p.target, p.name): ("E-box", "") for p in patterns}
    named = [h for h in call_hits(attributions, patterns, names=same) if h.tier == 1]
    assert np.mean([bool(on(plant, 8, named)) for plant in plants]) > 0.75


def test_a_known_motif_gets_the_sites_that_no_pattern_was_found_for(
    rivals: tuple[Attributions, list[Plant], list[Pattern]],
) -> None:
    """Only one motif of the pair has a pattern; the other is in the database."""
    attributions, plants, patterns = rivals
    consensus = {"".join("ACGT"[i] for i in p.hcwm.argmax(axis=0)): p for p in patterns}
    second = next(text for text, p in consensus.items() if p is patterns[1])
    known = Known("K1", "known", "db", consensus_ppm(second), label="known")
    names = {("dev", patterns[0].name): ("name 0", "")}
    found = calibrate(attributions, build_library(patterns[:1], [known], names))
    hits = [h for block in find_hits(attributions, found) for h in block if h.tier == 1]
    mine = [p for p in plants if p.motif == "second"]
    named = [{h.name for h in on(plant, len(second), hits)} for plant in mine]
    assert np.mean(["known" in each for each in named]) > 0.5
    assert np.mean([each == {"name 0"} for each in named]) < 0.1
    assert {h.pattern for h in hits if h.name == "known"} == {"db/K1"}
