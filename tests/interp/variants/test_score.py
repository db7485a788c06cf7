"""Scores of variants against plain forward passes, and against a network whose answer is known by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from counting_model import ACTIVATOR, EFFECTS, Counter
from torch import nn

from l2g_core import dna
from l2g_core.errors import InputError
from l2g_interp.variants import Variant, VariantEffect, score_variants

LENGTH = 60


def background(length: int, seed: int = 3) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv1d(4, 8, 7), nn.ReLU(), nn.Flatten(), nn.Linear(8 * (LENGTH - 6), 2)
    return nn.Sequential(*layers)


def forward(model: nn.Module, sequence: str) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(torch.from_numpy(dna.one_hot([sequence])).float()).numpy()[0]


def test_differences_are_those_of_two_plain_forward_passes() -> None:
    model, chrom = network(), background(300)
    variants = [Variant("c", at, ".", chrom[at - 1], "ACGT".replace(chrom[at - 1], "")[0]) for at in range(1, 301, 7)]
    variants += [Variant("c", 100, ".", chrom[99:102], dna.reverse_complement(chrom[99:102]))]
    effects, rest = score_variants(model.train(), {"c": chrom}, variants, length=LENGTH, n_random=0)
    assert model.training
    assert not rest
    assert len(effects) == 2 * len(variants)
    for v, first in zip(variants, effects[::2], strict=True):
        window = slice(first.window_start, first.window_end)
        changed = chrom[: v.position - 1] + v.alt + chrom[v.position - 1 + len(v.ref) :]
        before, after = forward(model, chrom[window]), forward(model, changed[window])
        both = [e for e in effects if (e.position, e.alt) == (v.position, v.alt)]
        np.testing.assert_allclose([e.difference for e in both], after - before, atol=1e-6)
        np.testing.assert_allclose([e.reference for e in both], before, atol=1e-6)
        assert np.isnan([e.p_value for e in both]).all()
        assert {(e.n_random, e.edge) for e in both} == {(0, 0.0)}
    middle = next(e for e in effects if e.position == 141 + 7)
    assert (middle.window_start, middle.window_end) == (147 - 30, 147 + 30)


def test_indels_are_means_over_both_ends_fixed() -> None:
    model, chrom = network(), background(200)
    insertion, deletion = (
        Variant("c", 100, ".", chrom[99], chrom[99] + "ACT"),
        Variant("c", 90, ".", chrom[89:93], chrom[89]),
    )
    effects, _ = score_variants(model, {"c": chrom}, [insertion, deletion], length=LENGTH, n_random=0)
    for v, longer, e in ((insertion, 3, effects[0]), (deletion, -3, effects[2])):
        changed = chrom[: v.position - 1] + v.alt + chrom[v.position - 1 + len(v.ref) :]
        reference = forward(model, chrom[e.window_start : e.window_end])[0]
        left = forward(model, changed[e.window_start : e.window_end])[0] - reference
        right = forward(model, changed[e.window_start + longer : e.window_end + longer])[0] - reference
        assert e.difference == pytest.approx((left + right) / 2, abs=1e-6)
        assert e.edge == pytest.approx(abs(left - right) / 2, abs=1e-6)
        assert e.edge > 1e-3


def with_sites(sites: dict[int, str], length: int = 400) -> str:
    letters = list(background(length, seed=11))
    for start, site in sites.items():
        letters[start : start + len(site)] = site
    return "".join(letters)


def test_indels_far_from_a_site_score_nothing_in_a_network_that_does_not_see_shifts() -> None:
    chrom = with_sites({200: ACTIVATOR, 215: dna.reverse_complement(ACTIVATOR)})
    variants = [
        Variant("c", at, ".", chrom[at - 1], chrom[at - 1] + "GATTC"[:n]) for at in (180, 190, 230, 240) for n in (1, 5)
    ]
    variants += [
        Variant("c", at, ".", chrom[at - 1 : at + n], chrom[at - 1]) for at in (180, 190, 230, 240) for n in (1, 5)
    ]
    variants += [
        Variant("c", 203, ".", chrom[202], chrom[202] + "G"),
        Variant("c", 203, ".", chrom[202:204], chrom[202]),
    ]
    effects, _ = score_variants(Counter(), {"c": chrom}, variants, length=100, n_random=0, targets=["act"])
    far, broken = effects[:-2], effects[-2:]
    assert max(abs(e.difference) for e in far) < 1e-5
    assert max(e.edge for e in far) < 1e-5
    np.testing.assert_allclose([e.difference for e in broken], -EFFECTS[ACTIVATOR], atol=1e-5)


def test_a_site_that_leaves_at_an_end_shows_as_an_effect_of_the_end() -> None:
    chrom = with_sites({241: ACTIVATOR})
    v = Variant("c", 200, ".", chrom[199], chrom[199] + "GGG")
    (e, _), _ = score_variants(Counter(), {"c": chrom}, [v], length=100, n_random=0)
    assert e.window_end == 249
    assert e.difference == pytest.approx(-1, abs=1e-5)
    assert e.edge == pytest.approx(1, abs=1e-5)


def test_p_values_place_a_variant_among_random_changes() -> None:
    chrom = with_sites({200: ACTIVATOR})
    breaks = Variant("c", 203, "hit", chrom[202], "C" if chrom[202] != "C" else "G")
    beside = Variant("c", 230, "far", chrom[229], "C" if chrom[229] != "C" else "G")
    effects, _ = score_variants(Counter(), {"c": chrom}, [breaks, beside], length=100, n_random=199, targets=["act"])
    hit, far = effects
    assert hit.p_value == pytest.approx(8 / 100, abs=0.06)
    assert far.p_value == 1
    assert hit.q_value == pytest.approx(min(1.0, 2 * hit.p_value))
    again, _ = score_variants(Counter(), {"c": chrom}, [breaks, beside], length=100, n_random=199, targets=["act"])
    assert again == effects
    other, _ = score_variants(Counter(), {"c": chrom}, [breaks], length=100, n_random=199, targets=["act"], seed=1)
    assert other[0].p_value != hit.p_value


class Counted(nn.Module):
    """Counts the windows that it is given."""

    longest = shortest = 100

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.seen = Counter(), 0

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        self.seen += len(one_hot)
        return self.inner(one_hot)


def test_a_window_is_predicted_once() -> None:
    model, chrom = Counted(), background(100)
    variants = [
        Variant("c", at, ".", chrom[at - 1], "ACGT".replace(chrom[at - 1], "")[k]) for at in (30, 50) for k in range(3)
    ]
    score_variants(model, {"c": chrom}, variants[:1], n_random=0)
    for_one = model.seen
    effects, _ = score_variants(model, {"c": chrom}, variants, n_random=0)
    assert len(effects) == 12
    assert model.seen - for_one == for_one + 5


def test_what_is_not_scored_is_returned_with_the_reason() -> None:
    chrom = background(120)
    variants = [
        Variant("c", 5, ".", chrom[4], "<DEL>"),
        Variant("d", 5, ".", "A", "C"),
        Variant("c", 5, ".", chrom[4:7], "A"),
    ]
    effects, rest = score_variants(Counted(), {"c": chrom}, variants, n_random=0)
    assert not effects or all(isinstance(e, VariantEffect) for e in effects)
    assert [r.reason.split()[0] for r in rest[:2]] == ["symbolic", "no"]
    with pytest.raises(InputError, match="give length"):
        score_variants(Counter(), {"c": chrom, "d": chrom[:50]}, variants)
