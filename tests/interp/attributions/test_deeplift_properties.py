"""Random compositions of torch functions add up or are refused, and do not care how the work is cut up."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest
import torch
from deeplift_models import Net, around, sequences, settled
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch_functions import CHANNELS, FUNCTIONS, POSITIONS, SIZE, UNARY, fitted

from l2g_core.errors import InputError
from l2g_interp.attributions.deeplift import deep_lift_shap
from l2g_interp.attributions.deeplift.refusals import UnsupportedFunction
from l2g_interp.attributions.result import MethodResult

ONE = {
    "relu": F.relu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "in-place": lambda h: h.clone().sigmoid_(),
    "softmax": lambda h: torch.softmax(h, 2),
    "layer norm": lambda h: F.layer_norm(h, (40,)),
    "group norm": lambda h: F.group_norm(h, 2),
    "flip": lambda h: h.flip(2),
    "max pool": lambda h: F.max_pool1d(h, 3, 1, 1),
    "pool and upsample": lambda h: F.interpolate(F.max_pool1d(h, 2), scale_factor=2),
    "folded": lambda h: torch.tanh(h.reshape(-1, 3, 40)).reshape(h.shape),
    "tokens first": lambda h: torch.softmax(h.permute(2, 0, 1), 0).permute(1, 2, 0),
    "masked": lambda h: h.masked_fill(torch.arange(40) % 5 == 0, 0.3),
}
TWO = {
    "add": torch.add,
    "mul": torch.mul,
    "divide": lambda a, b: a / (1 + b * b),
    "maximum": torch.maximum,
    "attention": lambda a, b: F.scaled_dot_product_attention(a, b, b - a),
    "products": lambda a, b: torch.softmax(a @ b.mT, -1) @ b,
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(ONE)), st.integers(0, 9)),
        st.tuples(st.sampled_from(sorted(TWO)), st.integers(0, 9), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=7,
)


def graph(steps):
    """Each step takes earlier results, so tensors have several consumers."""

    def run(h):
        known = [h]
        for name, *which in steps:
            inputs = [known[i % len(known)] for i in which]
            known.append(ONE[name](*inputs) if name in ONE else TWO[name](*inputs))
        return known[-1] + 0.1 * known[len(known) // 2]

    return run


@settings(deadline=None, max_examples=15)
@given(STEPS, st.integers(1, 12), st.permutations(range(3)))
def test_the_cut_and_the_order_do_not_matter(steps, batch_size, order):
    model, (x, references) = around(graph(steps)).double(), sequences(3, 3)
    whole = deep_lift_shap(model, x, references, [0, 1])
    cut = deep_lift_shap(model, x[order], references[order], [1], batch_size=batch_size)
    scale = np.abs(whole.hypothetical).max()
    np.testing.assert_allclose(cut.hypothetical[:, 0], whole.hypothetical[order, 1], rtol=1e-4, atol=1e-6 * scale)


COMPOSITIONS = st.lists(
    st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.integers(0, 11), st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
    max_size=4,
)


def composition(steps) -> nn.Module:
    """conv -> functions, each of two earlier results at most -> two targets."""

    def run(m, x):
        known = [m["conv"](x)]
        for name, k, *which in steps:
            inputs = [known[i % len(known)] for i in which[: 1 if name in UNARY else 2]]
            known.append(fitted(FUNCTIONS[name](*inputs, k)))
        return m["head"](known[-1].flatten(1) + 0.1 * known[len(known) // 2].flatten(1))

    return settled(Net(run, conv=nn.Conv1d(4, CHANNELS, 5, padding=2), head=nn.Linear(SIZE, 2)))


def explained_or_refused(model: nn.Module, x: Tensor, references: Tensor) -> MethodResult | str:
    """The result, or what the refusal says."""
    try:
        return deep_lift_shap(model, x, references, [0, 1])
    except (UnsupportedFunction, InputError) as error:
        return str(error)


def check(steps, dtype: torch.dtype, seed: int) -> None:
    """The composition adds up, to what its own precision allows, or it is refused in one line."""
    x, references = sequences(2, 3, POSITIONS, seed)
    model = composition(steps)
    rows = torch.cat([x[:, None], references], 1).flatten(0, 1)
    with torch.no_grad():
        plain = {t: model.to(t)(rows.to(t)).double() for t in (torch.float32, torch.float64)}
    double, model = plain[torch.float64], model.to(dtype)
    if not all(bool(values.isfinite().all()) for values in plain.values()):
        return
    result = explained_or_refused(model, x, references)
    if isinstance(result, str):
        assert result
        assert "\n" not in result
        return
    scale, lost = float(double.abs().max()), float((plain[torch.float32] - double).abs().max())
    bound = 1e-4 * scale + 30 * lost
    exact = bound if dtype == torch.float32 else 1e-9 * scale + 30 * 2.0**-29 * lost
    assert np.isfinite(result.hypothetical).all()
    assert result.delta.max() <= exact, (result.delta.max(), scale, lost)
    np.testing.assert_allclose(result.prediction, double.view(2, 4, 2)[:, 0], atol=1e-6 * scale + 3 * lost)
    explained = (result.hypothetical * x[:, None].numpy()).sum((2, 3))
    wanted = (double.view(2, 4, 2)[:, :1] - double.view(2, 4, 2)[:, 1:]).mean(1).numpy()
    assert np.abs(explained - wanted).max() <= bound


def test_there_are_enough_functions():
    assert len(FUNCTIONS) > 100


DTYPES = st.sampled_from([torch.float32, torch.float64])


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=60, derandomize=True)
@given(COMPOSITIONS, DTYPES, st.integers(0, 3))
def test_compositions_add_up_or_are_refused(steps, dtype, seed):
    check(steps, dtype, seed)


@pytest.fixture
def types_unchecked():
    """Checking the types of every call takes twice as long as the calls; the quick test does it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.slow
@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=2000, derandomize=True, database=None)
@given(COMPOSITIONS, DTYPES, st.integers(0, 3))
def test_many_compositions_add_up_or_are_refused(steps, dtype, seed):
    check(steps, dtype, seed)
