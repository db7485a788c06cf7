"""Motifs made and broken: named as they were planted, with the right sign, and none where nothing was changed."""

from __future__ import annotations

import numpy as np
import pytest
from counting_model import ACTIVATOR, EFFECTS, PALINDROME, REPRESSOR, Counter
from evidence_run import evidence_run, sequences
from variant_truth import broken_sites, outside_sites, pattern_of

from l2g_interp.motifs.hits import Calibration
from l2g_interp.pipeline.variant_motifs import RunMotifs, motifs_of_run
from l2g_interp.variants import MotifChange, Variant
from l2g_interp.variants.changes import letters_of
from l2g_interp.variants.motifs import Aligned, explain_alleles, in_words, motif_changes
from l2g_interp.variants.score import ScoreOptions, place, scores_of

TARGETS = ["act", "rep"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunMotifs, Calibration]:
    motifs = motifs_of_run(evidence_run(tmp_path_factory.mktemp("run")))
    return motifs, motifs.calibration()


def changes_of(
    run: tuple[RunMotifs, Calibration], variants: list[Variant], length: int = 90
) -> list[dict[str, list[MotifChange]]]:
    """For each variant, what it makes or breaks by target."""
    motifs, calibration = run
    letters = letters_of({f"s{i}": s for i, s in enumerate(sequences()[0])})
    placed = [place(v, letters, length) for v in variants]
    assert not any(each.reason for each in placed)
    network = Counter().eval()
    difference = scores_of(network, [0, 1], placed, ScoreOptions(n_random=0)).difference
    found: list[dict[str, list[MotifChange]]] = []
    for part in explain_alleles(network, TARGETS, placed, motifs.settings(), 0):
        here = slice(len(found), len(found) + len(part.reference))
        changes, _ = motif_changes(part, calibration, placed[here], difference[here], TARGETS)
        found += [{t: changes[row, t] for t in TARGETS} for row in range(len(part.reference))]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_planted_sites_are_named_with_their_sign_and_nothing_else_is(
    run: tuple[RunMotifs, Calibration], seed: int
) -> None:
    truth, outside = broken_sites(seed), outside_sites(seed)
    right = 0
    for (_, motif), found in zip(truth, changes_of(run, [v for v, _ in truth]), strict=True):
        target, pattern = pattern_of(motif)
        first = found[target][0] if found[target] else None
        right += (
            first is not None and first.pattern == pattern and first.what in ("lost", "weakened")
            and np.sign(first.change) == -np.sign(EFFECTS[motif]) and bool(first.overlaps)
        )  # fmt: skip
    false = sum(any(found.values()) for found in changes_of(run, outside))
    assert right >= 0.95 * len(truth)
    assert false <= 0.05 * len(outside)


@pytest.mark.slow
def test_changes_of_contributions_add_up_to_the_difference(run: tuple[RunMotifs, Calibration]) -> None:
    truth = [(v, motif) for v, motif in broken_sites(1) if motif == ACTIVATOR and len(v.alt) == 1][:10]
    for found in changes_of(run, [v for v, _ in truth]):
        (change,) = [c for c in found["act"] if c.overlaps]
        assert change.difference == pytest.approx(-EFFECTS[ACTIVATOR], abs=1e-5)
        assert change.change == pytest.approx(change.difference, abs=0.15)


@pytest.mark.slow
def test_a_site_that_a_variant_makes_is_gained(run: tuple[RunMotifs, Calibration]) -> None:
    row, start, _ = sequences()[1][PALINDROME][0]
    sequence = sequences()[0][row]
    at = next(p for p in range(45, 95) if sequence[p] == "A" and not start - 10 < p < start + 18)
    (found,) = changes_of(run, [Variant(f"s{row}", at + 1, ".", "A", "A" + ACTIVATOR)], length=60)
    first = found["act"][0]
    assert (first.what, first.pattern) == ("gained", pattern_of(ACTIVATOR)[1])
    assert first.change > 0


def test_places_in_the_other_allele() -> None:
    insertion, deletion = Aligned(10, 0, 3, 50), Aligned(10, 4, 0, 50)
    assert [insertion.in_alternative(p) for p in (5, 10, 11, 47)] == [5, 10, 14, 50]
    assert [insertion.in_reference(p) for p in (5, 10, 12, 13, 50)] == [5, 10, 10, 10, 47]
    assert (insertion.shared, deletion.shared) == (47, 50)
    assert [deletion.in_alternative(p) for p in (5, 10, 12, 14, 20)] == [5, 10, 10, 10, 16]
    assert [deletion.in_reference(p) for p in (5, 10, 11, 16)] == [5, 10, 15, 20]


def test_words() -> None:
    def change(name: str, what: str, tier: int, by: float) -> MotifChange:
        return MotifChange("t", "c", 1, ".", "A", "C", what, name, "p", tier, 0, 8, "+", 1.0, 1 + by, by, -0.71, 1)

    changes = [change("AP-1 (kay/Jra)", "lost", 1, -0.62), change("", "weakened", 2, -0.1)]
    assert in_words(changes[:1]) == "AP-1 (kay/Jra) lost, -0.62 of -0.71"
    assert in_words(changes * 3) == (
        "AP-1 (kay/Jra) lost, -0.62 of -0.71; p? weakened, -0.1 of -0.71; AP-1 (kay/Jra) lost, -0.62 of -0.71; 3 more"
    )
    assert in_words([]) == ""


@pytest.mark.slow
def test_the_repressor_is_told_for_its_own_target(run: tuple[RunMotifs, Calibration]) -> None:
    variant = next(v for v, motif in broken_sites(2) if motif == REPRESSOR and len(v.alt) == 1)
    (found,) = changes_of(run, [variant])
    assert not found["act"]
    assert found["rep"][0].change > 0
