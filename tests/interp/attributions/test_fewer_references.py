"""The control variate, and as many references as a sequence needs: no bias, honest errors, and the number is told."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from deeplift_models import Net, around, sequences, settled
from torch import nn
from torch.nn import functional as F

from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_interp import attribute
from l2g_interp.attributions.adaptive import FIRST, until_stable
from l2g_interp.attributions.deeplift import deep_lift_shap
from l2g_interp.attributions.references.number import references_needed, would_do
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles, expected_composition
from l2g_interp.records.attributions_file import read_attributions, read_overview, write_attributions


def all_shuffles(sequence: str, distinct: int) -> np.ndarray:
    drawn = np.unique(dinucleotide_shuffles(one_hot([sequence])[0], 100 * distinct, 0), axis=0)
    assert len(drawn) == distinct
    return drawn


def small() -> nn.Module:
    """Far from linear in what varies."""
    torch.manual_seed(1)
    layers = {"conv": nn.Conv1d(4, 5, 3, padding=1), "head": nn.Linear(5, 2)}
    return settled(Net(lambda m, x: m["head"](torch.tanh(3 * F.gelu(m["conv"](x)).amax(2)) ** 2), **layers))


def there(result, x) -> np.ndarray:
    return (result.hypothetical * np.asarray(x)[:, None]).sum(2)


def test_over_all_possible_draws_the_control_variate_has_no_bias():
    """Two references of the 72 possible ones in every way, so that nothing is left to chance."""
    x, possible = one_hot(["ACCCACGATGATA"]), all_shuffles("ACCCACGATGATA", 72)
    model = small().double()
    exact = deep_lift_shap(model, torch.from_numpy(x), torch.from_numpy(possible[None]), [0, 1])
    pairs = np.array(list(product(range(72), repeat=2)))
    many = torch.from_numpy(x).expand(len(pairs), -1, -1)
    expected = torch.from_numpy(possible.mean(0)).expand(len(pairs), -1, -1)
    drawn = torch.from_numpy(possible[pairs])
    controlled = deep_lift_shap(model, many, drawn, [0, 1], expected=expected)
    np.testing.assert_allclose(controlled.hypothetical.mean(0, dtype=np.float64), exact.hypothetical[0], atol=1e-6)
    plain = deep_lift_shap(model, many, drawn, [0, 1])
    np.testing.assert_allclose(plain.hypothetical.mean(0, dtype=np.float64), exact.hypothetical[0], atol=1e-6)


def test_of_a_linear_model_it_leaves_no_noise():
    x, references = sequences(4, 3)
    expected = torch.from_numpy(expected_composition(x.numpy(), 0))
    model = around(lambda h: h)
    first = deep_lift_shap(model, x, references, [0, 1], expected=expected)
    other = deep_lift_shap(
        model, x, torch.from_numpy(dinucleotide_shuffles(x.numpy(), 9, 5)), [0, 1], expected=expected
    )
    np.testing.assert_allclose(first.hypothetical, other.hypothetical, atol=1e-5)
    assert first.standard_error.max() < 1e-3 * np.abs(there(first, x)).max()  # rounding
    assert first.stability.min() > 0.999


@pytest.mark.parametrize("control_variate", [False, True])
def test_the_standard_error_is_that_of_fresh_draws(control_variate):
    x, _ = sequences(1, 1)
    many = x.expand(400, -1, -1)
    drawn = np.stack([dinucleotide_shuffles(x[0].numpy(), 12, seed) for seed in range(400)])
    expected = torch.from_numpy(expected_composition(x.numpy(), 0)).expand(400, -1, -1) if control_variate else None
    result = deep_lift_shap(around(F.gelu), many, torch.from_numpy(drawn), [0, 1], expected=expected)
    claimed = np.square(result.standard_error).mean((0, 2))
    seen = there(result, many).var(0, ddof=1).mean(1)
    np.testing.assert_allclose(claimed, seen, rtol=0.15)


def test_unknown_bases_get_nothing():
    x = one_hot(["ACGTTGCAAGGTNNNNACCAGGATTACAGG"])
    found = attribute(small(), x, n_references=6, control_variate=True)["0"]
    assert not found.contributions[0, :, 12:16].any()
    assert found.contributions.any()


def of(model: nn.Module, x: torch.Tensor, references: torch.Tensor):
    return lambda rows, part: deep_lift_shap(model, x[rows], references[rows, part], [0, 1])


def test_rounds_are_the_same_as_all_at_once():
    x, references = sequences(3, 70)
    model = around(F.gelu)
    adaptive = until_stable(of(model, x, references), x.numpy(), 70, 0.999999)
    once = deep_lift_shap(model, x, references, [0, 1])
    assert (adaptive.n_references == 70).all()
    for name, values in once.arrays().items():
        np.testing.assert_allclose(adaptive.arrays()[name], values, rtol=1e-3, atol=1e-6, err_msg=name)


def test_each_sequence_takes_what_it_needs_whatever_its_neighbours():
    x, references = sequences(6, 200)
    x[0] = 0  # nothing to explain
    references[0] = 0
    model = around(F.gelu)
    together = until_stable(of(model, x, references), x.numpy(), 200, 0.985)
    number = together.n_references
    assert number is not None
    assert number[0].tolist() == [FIRST, FIRST]
    assert len(set(number[:, 0].tolist())) > 2
    stopped = number[1:, 0] < 200
    assert (together.stability[1:][stopped] >= 0.985).all()
    alone = until_stable(of(model, x[4:5], references[4:5]), x[4:5].numpy(), 200, 0.985)
    np.testing.assert_allclose(alone.hypothetical[0], together.hypothetical[4], atol=1e-6)


def test_what_is_asked_for_is_reached_against_the_truth():
    x, _ = sequences(20, 1)
    model = around(F.gelu)
    codes = x.numpy()
    truth = there(deep_lift_shap(model, x, torch.from_numpy(dinucleotide_shuffles(codes, 1000, 99)), [0, 1]), x)
    for control_variate in (False, True):
        found = attribute(model, codes, n_references=300, stability=0.9, control_variate=control_variate)
        for t in ("0", "1"):
            contributions = found[t].contributions.sum(1)
            reached = [np.corrcoef(a, b)[0, 1] for a, b in zip(contributions, truth[:, int(t)], strict=True)]
            assert np.mean(np.array(reached) >= 0.9) >= 0.95
            assert found[t].n_references.mean() < 300


def test_number_and_wish_are_stored(tmp_path):
    x, _ = sequences(3, 1)
    found = attribute(around(F.gelu), x, n_references=60, stability=0.8)
    write_attributions(tmp_path / "a.h5", found)
    back = read_attributions(tmp_path / "a.h5")
    np.testing.assert_array_equal(back["0"].n_references, found["0"].n_references)
    assert back.provenance["wanted_stability"] == 0.8
    assert back.provenance["n_references"] == 60
    assert read_overview(tmp_path / "a.h5").by_target["1"]["n_references"].min() >= FIRST
    assert attribute(around(F.gelu), x, n_references=4)["0"].n_references is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stability": 1.5}, "between 0 and 1"),
        ({"stability": 0.0}, "between 0 and 1"),
        ({"control_variate": True, "method": "input_x_gradient"}, "deep_lift_shap"),
        ({"control_variate": True, "references": sequences()[1]}, "shuffles"),
    ],
)
def test_what_does_not_go_together_is_refused(more, words):
    with pytest.raises(InputError, match=words):
        attribute(around(F.gelu), sequences()[0], **more)


def test_a_reference_with_a_base_where_the_sequence_has_none_is_refused():
    x, references = sequences(2, 3)
    x[1, :, 5:9] = 0
    with pytest.raises(InputError, match=r"sequence 1 has no base .* position 5"):
        attribute(around(F.gelu), x, references=references.numpy())
    with pytest.raises(InputError, match="sequence 1 has no base"):
        attribute(around(F.gelu), x, references=references)
    references[1, :, :, 5:9] = 0
    found = attribute(around(F.gelu), x, references=references)["0"]
    sums = found.contributions.sum((1, 2))
    np.testing.assert_allclose(sums, found.prediction - found.reference_prediction, atol=1e-5)


def test_the_number_that_would_do():
    np.testing.assert_allclose(references_needed(np.array([0.5, 0.95]), 100, 0.95), [1900, 100])
    assert np.isinf(references_needed(np.array([0.0]), 100, 0.95))[0]
    assert would_do(np.array([0.9] * 10), 20, 0.95) == "about 43 references would do for nine in ten of them"
    assert would_do(np.array([0.9] * 9 + [0.0]), 100, 0.95).startswith("about 220 ")
    assert would_do(np.array([0.0, 0.0]), 100, 0.95).startswith("no number")
    assert would_do(np.array([np.nan]), 100, 0.95) == ""
