"""Random graphs of supported functions add up, and do not care how the work is cut up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import around, sequences
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from l2g_interp.attributions.deeplift import deep_lift_shap

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


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(0, 3))
def test_random_graphs_add_up(steps, seed):
    x, references = sequences(2, 3, seed=seed)
    result = deep_lift_shap(around(graph(steps)).double(), x, references, [0, 1])
    scale = max(1.0, np.abs(result.prediction).max())
    assert result.delta.max() < 1e-8 * scale


@settings(deadline=None, max_examples=15)
@given(STEPS, st.integers(1, 12), st.permutations(range(3)))
def test_the_cut_and_the_order_do_not_matter(steps, batch_size, order):
    model, (x, references) = around(graph(steps)).double(), sequences(3, 3)
    whole = deep_lift_shap(model, x, references, [0, 1])
    cut = deep_lift_shap(model, x[order], references[order], [1], batch_size=batch_size)
    scale = np.abs(whole.hypothetical).max()
    np.testing.assert_allclose(cut.hypothetical[:, 0], whole.hypothetical[order, 1], rtol=1e-4, atol=1e-6 * scale)
