"""The public functions, as the README uses them."""

from __future__ import annotations

import numpy as np
import torch
from planted import planted_attributions
from torch import nn

import l2g_interp
from l2g_interp.attributions import METHODS, load_method


def test_public_functions_stay_functions_whatever_is_imported() -> None:
    """A module of the same name would take a function's place once it is imported."""
    import l2g_interp.pipeline.attribute

    for _ in range(2):
        for name in l2g_interp.__all__:
            assert callable(getattr(l2g_interp, name)), name


def test_every_method_is_there() -> None:
    for name in METHODS:
        assert load_method(name).__name__ == name


def test_attribute_by_index_name_and_own_references() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(4, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 56, 2))
    one_hot = planted_attributions(10, length=60).one_hot
    whole = l2g_interp.attribute(network, one_hot, n_references=3)
    assert whole.targets == ("0", "1")
    assert whole["1"].contributions.shape == (10, 4, 60)
    assert whole["1"].completeness_error < 1e-5
    one = l2g_interp.attribute(network, torch.from_numpy(one_hot), targets=[1], n_references=3)
    np.testing.assert_allclose(one["1"].hypothetical, whole["1"].hypothetical, atol=1e-6)
    references = np.roll(one_hot, 7, axis=2)[:, None]
    rolled = l2g_interp.attribute(network, one_hot, references=references)
    total = rolled["0"].prediction - rolled["0"].reference_prediction
    shared = rolled["0"].hypothetical * (one_hot - references[:, 0])
    assert np.isfinite(shared).all()
    assert rolled["0"].delta.max() < 1e-5 * max(1.0, np.abs(total).max())
