"""Contributions add up on whole models, and are the same however the work is cut up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import completeness, residual, sequences, transformer, unet
from settled_models import settled
from torch import nn
from whole_models import BOUND, LANGUAGE_MODELS, errors

from l2g_core.model.embedders import EMBEDDERS
from l2g_interp.attributions.deeplift import deep_lift_shap

KINDS = ("bert", "roberta", "electra", "distilbert", "albert", "gpt2", "modernbert")


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("make", [residual, unet])
def test_cnns_add_up(make, dtype):
    assert completeness(deep_lift_shap(make().to(dtype), *sequences(), [0, 1])) < BOUND[dtype]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_language_models_add_up(kind, attention):
    model = transformer(kind, attention, padded=True).double()
    assert completeness(deep_lift_shap(model, *sequences(2, 3), [0, 1])) < BOUND[torch.float64]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_language_models_add_up_in_every_combination(kind, attention, padded, dtype):
    model = transformer(kind, attention, padded).to(dtype)
    assert completeness(deep_lift_shap(model, *sequences(20, 20), [0, 1])) < BOUND[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("language_model", LANGUAGE_MODELS)
@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_l2g_models_add_up(embedder, language_model, tmp_path):
    """Both kinds of attention, padded or not, both precisions; ``benchmarks/completeness.py`` takes 20 x 20."""
    found = errors(embedder, language_model, 3, 48, tmp_path)
    assert [(kind, dtype, e) for kind, dtype, e in found if e > BOUND[dtype]] == []


@pytest.mark.slow
def test_a_prediction_of_both_strands_adds_up():
    from l2g_core.model.config import L2GConfig
    from l2g_core.model.l2g import L2G

    config = L2GConfig(("a", "b"), 60, embedder_width=8, target_tokens=15, backbone="minilm", backbone_layers=1)
    model = settled(L2G(config), 60)
    x, references = sequences(2, 3, length=60)
    result = deep_lift_shap(model, x, references, [0, 1])
    assert completeness(result) < BOUND[torch.float32]
    with torch.no_grad():
        np.testing.assert_allclose(result.prediction, model(x.float()).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [unet, lambda: transformer("bert", padded=True)])
@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_batch_size_does_not_matter(make, batch_size):
    model, (x, references) = make().double(), sequences(4, 5)
    whole = deep_lift_shap(model, x, references, [0, 1])
    cut = deep_lift_shap(model, x, references, [0, 1], batch_size=batch_size)
    for name in ("hypothetical", "prediction", "reference_prediction", "standard_error", "stability"):
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), rtol=1e-5, atol=1e-7)


def test_neighbours_and_targets_do_not_matter():
    model, (x, references) = transformer("roberta").double(), sequences(4, 3)
    together = deep_lift_shap(model, x, references, [0, 1], batch_size=12)
    alone = deep_lift_shap(model, x[2:3], references[2:3], [1])
    np.testing.assert_allclose(together.hypothetical[2, 1], alone.hypothetical[0, 0], rtol=1e-5, atol=1e-8)
    backwards = deep_lift_shap(model, x.flip(0), references.flip(0), [1, 0], batch_size=6)
    np.testing.assert_allclose(backwards.hypothetical[::-1, ::-1], together.hypothetical, rtol=1e-5, atol=1e-8)


def test_equal_to_captum_where_captum_is_exact():
    from l2g_interp.attributions.captum_deep_lift_shap import captum_deep_lift_shap

    x, references = sequences()
    ours = deep_lift_shap(residual(), x, references, [0, 1])
    theirs = captum_deep_lift_shap(residual(), x, references, [0, 1])
    assert completeness(theirs) < 1e-4
    np.testing.assert_allclose(ours.hypothetical, theirs.hypothetical, atol=1e-4 * np.abs(ours.hypothetical).max())


def test_nothing_is_left_on_the_model():
    model = transformer("bert")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    deep_lift_shap(model, *sequences(1, 2), [0])
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in model.modules())


def test_half_precision_agrees_to_its_digits():
    x, references = sequences()
    coarse = deep_lift_shap(unet().to(torch.bfloat16), x, references, [0]).hypothetical
    fine = deep_lift_shap(unet(), x, references, [0]).hypothetical
    assert np.corrcoef(coarse.ravel(), fine.ravel())[0, 1] > 0.98


def test_a_compiled_model_is_attributed_through_its_original():
    model, (x, references) = residual(), sequences(1, 2)
    compiled = torch.compile(model, backend="eager")
    nested = nn.Sequential(compiled)  # pyright: ignore
    expected = deep_lift_shap(model, x, references, [0]).hypothetical
    np.testing.assert_array_equal(deep_lift_shap(compiled, x, references, [0]).hypothetical, expected)  # pyright: ignore
    np.testing.assert_array_equal(deep_lift_shap(nested.eval(), x, references, [0]).hypothetical, expected)


def test_stability_foretells_the_agreement_of_two_draws():
    model = unet()
    x, references = sequences(30, 40, seed=3)
    first = deep_lift_shap(model, x, references[:, :20], [0])
    second = deep_lift_shap(model, x, references[:, 20:], [0])
    c1, c2 = ((r.hypothetical[:, 0] * x.numpy()).sum(1) for r in (first, second))
    observed = [np.corrcoef(a, b)[0, 1] for a, b in zip(c1, c2, strict=True)]
    assert abs(np.mean(observed) - first.stability.mean()) < 0.05
