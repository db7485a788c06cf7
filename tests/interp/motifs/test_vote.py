"""Names by vote: the family that the evidence supports, one name for one motif, near ties told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matrices import random_motifs

import motif_db
from l2g_interp.motifs import naming
from l2g_interp.motifs.library import build_library, grouped, likeness_to
from l2g_interp.motifs.tomtom import match_motifs
from l2g_interp.records.types import Match, Pattern, Seqlets
from motif_db import Motif
from motif_db.elements import consensus_ppm

DATABASES = ("jaspar-insects", "core-promoter")
# What people call a site, and how the name of a pattern made of it may begin. Several of them were once called by a
# neighbour: TATCGATA is filed under pnr, a GATA factor; GAGAGAG resembles Clamp.
SITES = {
    "TATCGATA": "DRE",
    "TATCGATT": "DRE",
    "AGATAAGA": "GATA",
    "ATGAGTCA": "AP-1",
    "AGTGTGACC": "Ohler1",
    "CAGCTGTT": "E-box",
    "GTTGGTATATTT": "Ohler6",
    "GAGAGAGAG": "GA",
}


def pattern_of(consensus: str, target: str = "dev", n_seqlets: int = 50, number: int = 0) -> Pattern:
    """A pattern that a network would have that learned this motif: the letters contribute, others lower the output."""
    ppm = consensus_ppm(consensus, 0.9)
    preference = np.where(ppm > 0.5, 1.0, -0.5)
    rows = np.arange(n_seqlets)
    seqlets = Seqlets(rows, rows * 0, rows * 0 + len(consensus), rows < 0)
    return Pattern(target, f"pos_patterns.pattern_{number}", "+", ppm, preference * ppm, preference, seqlets)


@pytest.fixture(scope="module")
def motifs() -> list[Motif]:
    return [motif for name in DATABASES for motif in motif_db.load(name)]


@pytest.fixture(scope="module")
def named(motifs: list[Motif]) -> dict[str, list[Match]]:
    patterns = [pattern_of(site, number=number) for number, site in enumerate(SITES)]
    ranked = naming.ranked_matches(match_motifs(patterns, motifs))
    return {site: ranked["dev", p.name] for site, p in zip(SITES, patterns, strict=True)}


@pytest.mark.parametrize("site", list(SITES))
def test_sites_are_called_what_people_call_them(named: dict[str, list[Match]], site: str) -> None:
    match = naming.naming_match(named[site])
    assert match is not None
    assert naming.called(match).startswith(SITES[site])
    assert [m.rank for m in named[site]] == list(range(1, len(named[site]) + 1))
    assert named[site][0].reason.startswith("named by")


def test_one_motif_has_one_name_in_all_targets(motifs: list[Motif]) -> None:
    """What two targets call it, each by itself, may differ; together they have one name."""
    shifted = pattern_of("ATCGATAG", "hk", 30)
    patterns = [pattern_of("TATCGATA", "dev", 200), shifted, pattern_of("AGATAAGA", "hk", 90, number=1)]
    groups = grouped(patterns)
    assert [sorted(p.target for p in group) for group in groups] == [["dev", "hk"], ["hk"]]
    names = naming.names_of(match_motifs(patterns, motifs))
    dre = {name.split(" ")[0] for (target, pattern), (name, _) in names.items() if pattern.endswith("_0")}
    assert dre == {"DRE"}
    library = build_library(patterns, motifs, names)
    (entry,) = [e for e in library if len(e.patterns) == 2]
    assert entry.name.startswith("DRE")
    assert (entry.label("dev"), entry.label("hk")) == ("pos_patterns.pattern_0", "pos_patterns.pattern_0")
    (gata,) = [e for e in library if e.patterns and e is not entry]
    assert gata.label("dev") == "hk/pos_patterns.pattern_1"


def match(label: str, family: str, likeness: float, q_value: float = 0.01, **more: object) -> Match:
    known = Match("dev", "p", "+", 50, 1, label, "", label, "db", q_value / 100, q_value, "+", 0, 8, family)
    return replace(known, likeness=likeness, **more)  # type: ignore[arg-type]


def test_the_vote() -> None:
    rivals = [match("pnr", "GATA", 0.77, 1e-4), match("Dref", "DRE", 0.85), match("BEAF", "DRE", 0.80)]
    assert [m.label for m in naming.vote(rivals)] == ["Dref", "pnr", "BEAF"]
    assert [m.label for m in naming.vote([replace(m, q_value=0.5) for m in rivals])] == ["pnr", "Dref", "BEAF"]
    together = naming.vote([match("a", "A", 0.81), match("b", "B", 0.80)], others={"B": 0.9, "A": 0.7})
    assert together[0].label == "b"
    unlike = [match("a", "A", 0.3), match("b", "B", 0.6, 0.05)]
    assert naming.vote(unlike)[0].label == "b", "a pattern that asks for other bases is not that motif"
    assert naming.best_matches([unlike[0]]) == {}


def test_a_class_of_protein_is_no_family() -> None:
    """Zinc fingers bind all kinds of sites: their number supports none of them."""
    fingers = [match(f"z{i}", "C2H2 zinc finger factors", 0.80) for i in range(4)]
    assert naming.vote([*fingers, match("x", "MADF", 0.82)])[0].label == "x"
    ets = [match(f"e{i}", "ETS", 0.80) for i in range(4)]
    assert naming.vote([*ets, match("x", "MADF", 0.82)])[0].label == "e0"
    assert naming.family_keys("a/b", "bHLH (E-box) / GATA") == {"E-box"}
    assert naming.family_keys("a/b", "ETS / GATA") == {"ETS", "GATA"}


def test_near_ties_are_told() -> None:
    close = naming.vote([match("a", "A", 0.83), match("b", "B", 0.82), match("c", "C", 0.70)])
    assert [m.label for m in naming.near_ties(close)] == ["b"]
    assert "near tie with b (0.82)" in naming.reason(close)
    assert naming.near_ties([match("a", "A", 0.83), match("b", "B", 0.75)]) == []


def test_an_expressed_member_names_the_family(motifs: list[Motif]) -> None:
    pattern = pattern_of("AGATAAGA")
    for gene in ("srp", "grn"):
        first = match_motifs([pattern], motifs, genes={gene})[0]
        assert (first.label, first.expressed) == (f"GATA ({gene})", "yes")
    first = match_motifs([pattern], motifs, genes={"nothing"})[0]
    assert (first.family, first.expressed) == ("GATA", "no")
    assert "none of its genes is expressed" in first.reason
    assert match_motifs([pattern], motifs)[0].expressed == ""


def test_likeness_is_one_for_the_motif_itself_and_low_for_others() -> None:
    pattern = pattern_of("ATGAGTCA")
    itself = Motif("x", "", "db", consensus_ppm("ATGAGTCA"))
    others = random_motifs(30)
    alike = likeness_to(pattern, [itself, *others])
    assert alike[0] > 0.95
    assert alike[0] > alike[1:].max() + 0.2
    negative = replace(pattern, sign="-", cwm=-pattern.cwm, hcwm=-pattern.hcwm)
    np.testing.assert_allclose(likeness_to(negative, [itself, *others]), alike, atol=1e-6)
