"""Marginalisation against a network whose answer is known by arithmetic."""

from __future__ import annotations

import logging
from itertools import permutations

import numpy as np
import pytest
import torch
from counting_model import ACTIVATOR, EFFECTS, PALINDROME, REPRESSOR, Counter
from evidence_run import exact_ppm, pattern

import l2g_interp
from l2g_core import dna
from l2g_core.errors import InputError
from l2g_interp.effects.backgrounds import (
    NO_CONTROL,
    UNLIKE,
    draw_backgrounds,
    draw_planting,
    draw_rows,
    likeness,
    plant,
    sample,
    stream,
    unlike_orders,
)
from l2g_interp.effects.randomised import correlation, randomised
from l2g_interp.effects.validate import interval
from l2g_interp.records.types import Effect

LENGTH = 120


@pytest.fixture(scope="module")
def one_hot() -> np.ndarray:
    codes = np.random.default_rng(0).integers(0, 4, (30, LENGTH))
    return np.eye(4, dtype=np.int8)[codes].transpose(0, 2, 1).copy()


@pytest.fixture(scope="module")
def effects(one_hot: np.ndarray) -> dict[tuple[str, int], Effect]:
    names = {ACTIVATOR: "act", PALINDROME: "act", REPRESSOR: "rep"}
    patterns = [pattern(motif, target, i) for i, (motif, target) in enumerate(names.items())]
    found = l2g_interp.validate_motifs(Counter(), patterns, one_hot)
    assert [(e.pattern, e.copies) for e in found] == [(p.name, c) for p in patterns for c in (1, 2, 3)]
    return {(motif, e.copies): e for motif, e in zip(np.repeat(list(names), 3), found, strict=True)}


@pytest.mark.parametrize("motif", list(EFFECTS))
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_the_effect_is_what_arithmetic_says(effects: dict, motif: str, copies: int) -> None:
    e = effects[motif, copies]
    per_site = EFFECTS[motif] * (2 if motif == PALINDROME else 1)
    assert e.n_backgrounds == 100
    assert e.effect == pytest.approx(per_site * copies, abs=0.1)
    assert e.control == pytest.approx(0, abs=0.1)
    assert e.excess == pytest.approx(e.effect - e.control, abs=1e-6)
    assert e.effect_low <= e.effect <= e.effect_high
    assert min(e.excess_low * per_site, e.excess_high * per_site) > 0, "the interval excludes zero on the right side"


def test_letters_are_drawn_from_the_frequencies(one_hot: np.ndarray) -> None:
    """The network answers to whole sites alone, and 0.9 ** 8 of the instances are whole."""
    soft = pattern(ACTIVATOR, "act", ppm=exact_ppm(ACTIVATOR) * 0.86667 + 0.03333)
    (e,) = l2g_interp.validate_motifs(Counter(), [soft], one_hot, n_backgrounds=2000, copies=[1])
    assert e.effect == pytest.approx(2 * 0.9**8, abs=4 * 2 * np.sqrt(0.43 * 0.57 / 2000))
    drawn = sample(soft.ppm, (3000, 2), np.random.default_rng(0))
    np.testing.assert_allclose(np.eye(4)[drawn].mean(axis=(0, 1)).T, soft.ppm, atol=0.03)


def test_the_seed_and_nothing_else_decides(one_hot: np.ndarray) -> None:
    soft = pattern(ACTIVATOR, "act", ppm=exact_ppm(ACTIVATOR) * 0.8 + 0.05)
    other = pattern(PALINDROME, "act", 1)

    def run(patterns: list, **changed: int) -> list[Effect]:
        found = l2g_interp.validate_motifs(Counter(), patterns, one_hot, **({"n_backgrounds": 20} | changed))
        return [e for e in found if e.pattern == soft.name]

    first = run([soft])
    assert run([other, soft], batch_size=7) == first, "neither the other patterns nor the batch"
    assert run([soft], seed=1) != first
    assert run([soft], seed=-1) != first


def test_copies_never_overlap_and_stay_off_gaps_and_padding() -> None:
    codes = dna.one_hot(["ACGT" * 3 + "N" * 5 + "CAGT" * 9 + "A", "ACGGT" * 11], 60)
    backgrounds = draw_backgrounds(codes[np.repeat([0, 1], 50)], seed=0)
    assert set(zip(backgrounds.start.tolist(), backgrounds.end.tolist(), strict=True)) == {(17, 54), (0, 55)}
    planting = draw_planting(exact_ppm(ACTIVATOR), backgrounds, 4, stream(0))
    starts = np.sort(planting.starts, axis=1)
    assert (np.diff(starts, axis=1) >= 8).all()
    assert (starts[:, 0] >= backgrounds.start).all()
    assert (starts[:, -1] + 8 <= backgrounds.end).all()
    planted = plant(backgrounds.one_hot, planting.starts, planting.motif)
    np.testing.assert_array_equal(planted.any(axis=1), backgrounds.one_hot.any(axis=1))
    texts = [dna.decode(x) for x in planted]
    forward = np.array(
        [[t[s : s + 8] == ACTIVATOR for s in row] for t, row in zip(texts, planting.starts, strict=True)]
    )
    other = dna.reverse_complement(ACTIVATOR)
    reverse = np.array([[t[s : s + 8] == other for s in row] for t, row in zip(texts, planting.starts, strict=True)])
    assert (forward ^ reverse).all()
    assert forward.sum(axis=0).tolist() == [50] * 4, "half of the copies on either strand"


def test_backgrounds_keep_the_composition_and_are_all_different(one_hot: np.ndarray) -> None:
    rows = draw_rows(30, 75, seed=0)
    assert sorted(set(np.bincount(rows).tolist())) == [2, 3]
    backgrounds = draw_backgrounds(one_hot[rows], seed=0)
    np.testing.assert_array_equal(backgrounds.one_hot.sum(axis=2), one_hot[rows].sum(axis=2))
    assert len({dna.decode(x) for x in backgrounds.one_hot}) == 75


@pytest.mark.parametrize("motif", [ACTIVATOR, PALINDROME, "GATAA", "AGTGTGACC"])
def test_controls_are_neither_the_motif_nor_its_reverse(motif: str) -> None:
    orders, alike = unlike_orders(exact_ppm(motif), 300, np.random.default_rng(0))
    assert alike <= UNLIKE
    made = {"".join(motif[i] for i in order) for order in orders}
    assert len(made) >= 5
    assert not made & {motif, dna.reverse_complement(motif)}
    assert all(sorted(each) == sorted(motif) for each in made)


def test_likeness_is_the_largest_share_of_equal_letters_over_shifts_and_strands() -> None:
    motif = "GATAC"
    orders = np.array(list(permutations(range(5))))
    for order, found in zip(orders, likeness(exact_ppm(motif), orders), strict=True):
        mine = "".join(motif[i] for i in order)
        best = max(
            sum(mine[i] == other[i + shift] for i in range(5) if 0 <= i + shift < 5)
            for other in (motif, dna.reverse_complement(motif))
            for shift in range(-2, 3)
        )
        assert found == pytest.approx(best / 5)


def test_a_motif_without_another_order_gets_a_warning(one_hot: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    assert unlike_orders(exact_ppm("AAAAAA"), 10, np.random.default_rng(0))[1] > NO_CONTROL
    with caplog.at_level(logging.WARNING):
        (e,) = l2g_interp.validate_motifs(Counter(), [pattern("AAAAAA", "act")], one_hot, copies=[1])
    assert "much the same in any order" in caplog.text
    assert e.excess == 0, "the control is the motif itself"


def test_doses_without_room_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    codes = dna.one_hot(["ACGTTGCAAC" * 2, "ACGTTGCAAC" * 3], 30)
    with caplog.at_level(logging.WARNING):
        found = l2g_interp.validate_motifs(Counter(), [pattern(ACTIVATOR, "act")], codes, n_backgrounds=40)
    assert [(e.copies, e.n_backgrounds) for e in found] == [(1, 40), (2, 40), (3, 20)]
    assert "20 of 40 backgrounds are too short for 3 x 8 bp and were left out" in caplog.text
    with caplog.at_level(logging.WARNING):
        found = l2g_interp.validate_motifs(Counter(), [pattern(ACTIVATOR, "act")], codes, copies=[4])
    assert found == []
    assert "100 of 100 backgrounds are too short for 4 x 8 bp, so there is no effect of 4 copies" in caplog.text


def test_intervals_are_those_of_a_mean() -> None:
    values = np.stack([np.random.default_rng(0).normal(3, 2, 400), np.full(400, 1.5)])
    low, high = interval(values, np.random.default_rng(1))
    error = values[0].std() / 20
    assert low[0] == pytest.approx(values[0].mean() - 1.96 * error, abs=0.1 * error)
    assert high[0] == pytest.approx(values[0].mean() + 1.96 * error, abs=0.1 * error)
    assert low[1] == high[1] == 1.5


def test_what_makes_no_sense_is_refused(one_hot: np.ndarray) -> None:
    given = (Counter(), [pattern(ACTIVATOR, "act")], one_hot)
    with pytest.raises(InputError, match="no target 'liver'; it has act, rep"):
        l2g_interp.validate_motifs(Counter(), [pattern(ACTIVATOR, "liver")], one_hot)
    with pytest.raises(InputError, match="9 backgrounds: at least 10"):
        l2g_interp.validate_motifs(*given, n_backgrounds=9)
    for copies in ([], [0, 1], [1, 1]):
        with pytest.raises(InputError, match="different whole numbers"):
            l2g_interp.validate_motifs(*given, copies=copies)
    assert l2g_interp.validate_motifs(Counter(), [], one_hot) == []


def test_a_randomised_copy_has_other_weights_and_leaves_the_model_and_the_random_state() -> None:
    model = torch.nn.Sequential(torch.nn.Conv1d(4, 3, 5), torch.nn.BatchNorm1d(3), torch.nn.Flatten()).eval()
    model.register_parameter("offset", torch.nn.Parameter(torch.ones(7)))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    other, kept = randomised(model, seed=3)
    assert kept == 7, "what nothing redraws is counted"
    assert not torch.equal(other[0].weight, model[0].weight)  # type: ignore[index]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(randomised(model, seed=3)[0][0].weight, other[0].weight)  # type: ignore[index]


def test_correlation_is_the_median_over_sequences_with_variation() -> None:
    first = np.array([[1.0, 2, 3, 9], [1, 2, 3, 9], [0, 0, 0, 9], [1, 3, 2, 9]])
    second = np.array([[1.0, 2, 3, -9], [3, 2, 1, -9], [1, 2, 3, -9], [1, 2, 3, -9]])
    known = np.array([[True, True, True, False]] * 4)
    assert correlation(first, second, known) == pytest.approx(0.5)
    assert correlation(first * 0, second, known) is None
