"""The contract of every attribution method, and what each is by definition."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from deeplift_models import around, completeness, residual, sequences, transformer, unet

from l2g_core.errors import InputError
from l2g_interp.attributions import METHODS, load_method

EXACT = {"deep_lift_shap": 1e-4, "captum_deep_lift_shap": 1e-4, "integrated_gradients": 0.3}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_the_contract(name):
    model, (x, references) = residual(), sequences(2, 3)
    result = load_method(name)(model, x, references, [1, 0], batch_size=4)
    assert result.hypothetical.shape == (2, 2, 4, 40)
    assert np.isfinite(result.hypothetical).all()
    assert all(getattr(result, f.name).dtype == np.float32 for f in fields(result) if f.name != "unruled")
    assert result.unruled == ()
    assert result.standard_error.shape == (2, 2, 40)
    with torch.no_grad():
        np.testing.assert_allclose(result.prediction, model(x.float()).flip(1).numpy(), atol=1e-5)
    if name in EXACT:
        assert completeness(result) < EXACT[name]
        assert ((result.stability > 0) & (result.stability <= 1)).all()
    else:
        assert np.isnan(result.delta).all()
        assert np.isnan(result.reference_prediction).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_refuses_what_does_not_fit(name):
    x, references = sequences(1, 2)
    with pytest.raises(InputError, match="no target 7"):
        load_method(name)(residual(), x, references, [7])
    with pytest.raises(InputError, match="training mode"):
        load_method(name)(residual().train(), x, references, [0])


def test_on_a_linear_model_all_methods_agree():
    model, (x, references) = around(lambda h: h * 2), sequences(2, 3)
    ours = load_method("deep_lift_shap")(model, x, references, [0]).hypothetical
    for name in ("captum_deep_lift_shap", "integrated_gradients"):
        np.testing.assert_allclose(load_method(name)(model, x, references, [0]).hypothetical, ours, atol=1e-4)
    mutagenesis = load_method("mutagenesis")(model, x, references, [0]).hypothetical
    gradient = load_method("input_x_gradient")(model, x, references, [0]).hypothetical
    for each in (ours, gradient):
        np.testing.assert_allclose(each - each.mean(2, keepdims=True), mutagenesis, atol=1e-4)


def test_mutagenesis_is_the_change_of_the_prediction():
    model, (x, references) = unet(), sequences(1, 1)
    got = load_method("mutagenesis")(model, x, references, [1], batch_size=5).hypothetical[0, 0]
    mutants = x.repeat(4, 1, 1)
    mutants[:, :, 11] = torch.eye(4)
    with torch.no_grad():
        outputs = model(mutants.float())[:, 1].numpy()
    np.testing.assert_allclose(got[:, 11], outputs - outputs.mean(), atol=1e-5)


def test_captum_misses_its_sum_where_ours_does_not():
    model, (x, references) = transformer("bert"), sequences(2, 4)
    assert completeness(load_method("captum_deep_lift_shap")(model, x, references, [0])) > 0.05
    assert completeness(load_method("deep_lift_shap")(model, x, references, [0])) < 1e-4


def test_captum_cannot_take_a_module_used_twice():
    with pytest.raises(InputError, match="use deep_lift_shap"):
        load_method("captum_deep_lift_shap")(unet(), *sequences(1, 2), [0])
