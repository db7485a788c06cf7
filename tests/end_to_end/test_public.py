"""The public functions, as the README uses them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import planted_attributions
from torch import nn

import l2g_interp
from l2g_core.errors import InputError
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


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(4, 3, 5), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 56, 2))


def test_the_model_is_left_as_it_was() -> None:
    one_hot = planted_attributions(3, length=60).one_hot
    network = small().train()
    network[1].eval()
    before = [module.training for module in network.modules()]
    l2g_interp.attribute(network, one_hot, n_references=2)
    assert [module.training for module in network.modules()] == before
    with pytest.raises(InputError, match="no target"):
        l2g_interp.attribute(network, one_hot, targets=["absent"], n_references=2)
    assert [module.training for module in network.modules()] == before


def test_a_model_in_double_precision_is_explained_in_it() -> None:
    one_hot = planted_attributions(3, length=60).one_hot
    single = l2g_interp.attribute(small().eval(), one_hot, n_references=3)
    double = l2g_interp.attribute(small().double().eval(), one_hot, n_references=3)
    np.testing.assert_allclose(double["0"].hypothetical, single["0"].hypothetical, atol=1e-5)
    assert double["0"].completeness_error < 1e-10


def test_given_references_are_recorded_and_may_be_a_tensor() -> None:
    one_hot = planted_attributions(3, length=60).one_hot
    references = np.stack([np.roll(one_hot, shift, axis=2) for shift in (3, 7, 11)], axis=1)
    array = l2g_interp.attribute(small().eval(), one_hot, references=references)
    tensor = l2g_interp.attribute(small().eval(), one_hot, references=torch.from_numpy(references))
    np.testing.assert_array_equal(array["1"].hypothetical, tensor["1"].hypothetical)
    assert (array.provenance["n_references"], array.provenance["seed"]) == (3, None)


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (3, "attribute 'targets' is 3; make it a list of names"),
        (("a", 1), "make it a list of names"),
        (("a",), "names 1 targets and returns 2"),
        (("a", "a"), "gives two targets one name: a; make"),
    ],
)
def test_odd_names_of_targets_are_refused(targets, says: str) -> None:
    network = small().eval()
    network.targets = targets
    with pytest.raises(InputError, match=says):
        l2g_interp.attribute(network, planted_attributions(2, length=60).one_hot, n_references=2)


def test_a_slip_in_on_missing_is_refused() -> None:
    with pytest.raises(InputError, match="on_missing='ignore': choose raise or warn"):
        l2g_interp.attribute(small(), planted_attributions(2, length=60).one_hot, n_references=2, on_missing="ignore")
