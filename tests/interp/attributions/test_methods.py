"""The contract of every attribution method, and what each is by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import around, completeness, residual, sequences, transformer, unet
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional as F

from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_interp.attributions import METHODS, load_method
from l2g_interp.attributions.mutagenesis import mutant_predictions

EXACT = {"deep_lift_shap": 1e-4, "captum_deep_lift_shap": 1e-4, "integrated_gradients": 0.3}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_the_contract(name):
    model, (x, references) = residual(), sequences(2, 3)
    result = load_method(name)(model, x, references, [1, 0], batch_size=4)
    assert result.hypothetical.shape == (2, 2, 4, 40)
    assert np.isfinite(result.hypothetical).all()
    assert {array.dtype for array in result.arrays().values()} == {np.dtype(np.float32)}
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
    np.testing.assert_allclose(ours - ours.mean(2, keepdims=True), mutagenesis, atol=1e-4)
    gradient = load_method("input_x_gradient")(model, x, references, [0]).hypothetical
    np.testing.assert_allclose(gradient, mutagenesis, atol=1e-4)


@pytest.mark.parametrize("build", [residual, unet])
def test_mutagenesis_is_the_change_of_the_prediction(build):
    model, (x, references) = build(), sequences(2, 1)
    raw = mutant_predictions(model, x, [1, 0], batch_size=5)
    assert raw.shape == (2, 2, 4, 40)
    mutants = x[:1].repeat(4, 1, 1)
    mutants[:, :, 11] = torch.eye(4)
    with torch.no_grad():
        outputs, plain = model(mutants.float()).flip(1).T.numpy(), model(x.float()).flip(1).numpy()
    np.testing.assert_allclose(raw[0, :, :, 11], outputs, atol=1e-5)
    there = raw.transpose(0, 2, 3, 1)[x.bool().numpy()]
    np.testing.assert_allclose(there, plain.repeat(40, 0), atol=1e-5)
    got = load_method("mutagenesis")(model, x, references, [1, 0], batch_size=5)
    np.testing.assert_allclose(got.hypothetical[0, :, :, 11], outputs - outputs.mean(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(got.prediction, plain, atol=1e-5)


def test_mutagenesis_changes_no_column_without_a_base():
    model, (x, references) = unet(), sequences(2, 1)
    x[0, :, 3:7] = 0
    x[1] = 0
    raw = mutant_predictions(model, x, [0])
    unknown = ~x.bool().any(1).numpy()
    assert np.array_equal(np.isnan(raw[:, 0]).all(1), unknown)
    assert np.array_equal(np.isnan(raw[:, 0]).any(1), unknown)
    got = load_method("mutagenesis")(model, x, references, [0])
    assert np.array_equal((got.hypothetical[:, 0] == 0).all(1), unknown)


@pytest.mark.parametrize("method", ["input_x_gradient", "mutagenesis"])
@pytest.mark.parametrize("offset", [0.5, -3.0])
def test_models_that_agree_on_all_dna_are_explained_alike(method, offset):
    """Four weights of a tap all larger by a number, and the bias smaller by it: the same model of DNA."""
    model, other, (x, references) = residual(), residual(), sequences(2, 1)
    with torch.no_grad():
        convolution = other.layers["c1"]  # pyright: ignore
        convolution.weight[:, :, 2] += offset  # the middle tap, which padding never meets
        convolution.bias -= offset
    first, second = (load_method(method)(m, x, references, [0]) for m in (model, other))
    np.testing.assert_allclose(first.prediction, second.prediction, rtol=1e-4)
    np.testing.assert_allclose(first.hypothetical, second.hypothetical, atol=1e-4 * np.abs(first.hypothetical).max())


@pytest.mark.parametrize(("seed", "motif"), [(0, "TGACTCA"), (3, "AGATAAGA")])
def test_gradients_find_a_planted_motif_better_without_what_no_dna_can_do(seed, motif):
    x, planted = with_motif(motif, 256, seed)
    model = trained(x, torch.from_numpy(planted.any(1)).float(), seed)
    x, planted = x[::2], planted[::2]
    got = load_method("input_x_gradient")(model, x, x[:, None], [0]).hypothetical[:, 0]
    leaf = x.float().requires_grad_()
    (plain,) = torch.autograd.grad(model(leaf).sum(), leaf)
    ours, uncorrected = (
        average_precision_score(planted.ravel(), (scores * x.numpy()).sum(1).ravel()) for scores in (got, plain.numpy())
    )
    assert ours > 0.99
    assert 1 - ours < 0.5 * (1 - uncorrected)  # at least half of the error is gone


def with_motif(motif: str, n: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Random DNA ``(n, 4, 40)`` with the motif in every other row, and where it lies ``(n, 40)``."""
    rng = np.random.default_rng(seed)
    letters, planted = rng.choice(list("ACGT"), (n, 40)), np.zeros((n, 40), dtype=bool)
    for row in range(0, n, 2):
        start = rng.integers(0, 40 - len(motif))
        letters[row, start : start + len(motif)] = list(motif)
        planted[row, start : start + len(motif)] = True
    return torch.from_numpy(one_hot(["".join(row) for row in letters])), planted


def trained(x: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """A small network that tells rows with the motif from the rest."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv1d(4, 8, 9, padding=4), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(8, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(x.float())[:, 0], labels).backward()
        optimizer.step()
    return model.eval()


def test_captum_misses_its_sum_where_ours_does_not():
    model, (x, references) = transformer("bert"), sequences(2, 4)
    assert completeness(load_method("captum_deep_lift_shap")(model, x, references, [0])) > 0.05
    assert completeness(load_method("deep_lift_shap")(model, x, references, [0])) < 1e-4


def test_captum_cannot_take_a_module_used_twice():
    with pytest.raises(InputError, match="use deep_lift_shap"):
        load_method("captum_deep_lift_shap")(unet(), *sequences(1, 2), [0])
