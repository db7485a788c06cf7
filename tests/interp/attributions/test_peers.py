"""Equal to the peers where the peers are exact.

In double precision: in float32 a unit that differs by mere rounding may be on another side of a peer's switch-over.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import Net, completeness, sequences, settled
from peers import tangermeme, tangermeme_registered
from settled_models import l2g
from torch import nn
from transformers import AttentionInterface

from l2g_core.dna import one_hot
from l2g_core.model.embedders.resnet import ResNet1D
from l2g_interp.attributions import load_method
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles

pytestmark = pytest.mark.slow
ours = load_method("deep_lift_shap")


def assert_same(first, second) -> None:
    """To 1e-4 of the largest contribution, with the other's own sums in order."""
    assert completeness(second) < 1e-4
    largest = np.abs(first.hypothetical).max()
    np.testing.assert_allclose(first.hypothetical, second.hypothetical, atol=1e-4 * largest)


def test_equal_to_tangermeme_on_the_published_deepstarr_network(shared, activity):
    from l2g_core.model.deepstarr import import_keras

    model = import_keras(shared / "deepstarr" / "deepstarr.model.h5").double().eval()
    x = one_hot(activity["sequence"].head(3).tolist())
    inputs = torch.from_numpy(x), torch.from_numpy(dinucleotide_shuffles(x, 5, 0))
    assert_same(ours(model, *inputs, [0, 1]), tangermeme(model, *inputs, [0, 1], 5))


def hybrid(attention: str) -> nn.Module:
    torch.manual_seed(0)
    model = l2g("resnet", "minilm", 60, pretrained=True, embedder_width=8, target_tokens=20, backbone_layers=2)
    AttentionInterface.register("written out", written_out)
    model.encoder.set_attn_implementation(attention)  # pyright: ignore
    return model.double()


def written_out(module, query, key, value, attention_mask, scaling=1.0, **kwargs):
    """Softmax in the steps in which tangermeme takes it: exponentials, their sum, its logarithm, a difference."""
    scores = query @ key.mT * scaling
    weights = torch.exp(scores - torch.log(torch.exp(scores).sum(-1, keepdim=True)))
    return (weights @ value).transpose(1, 2), None


def test_equal_to_tangermeme_on_a_transformer_whose_attention_it_is_shown():
    inputs = sequences(2, 4, length=60)
    assert completeness(tangermeme(hybrid("sdpa"), *inputs, [0, 1], 4)) > 0.1
    theirs = tangermeme_registered(hybrid("sdpa"), *inputs, [0, 1], 4)
    assert_same(ours(hybrid("written out"), *inputs, [0, 1]), theirs)


def test_what_cannot_matter_gets_no_credit_from_the_softmax_rule():
    """A bias of the keys adds the same to all scores of a query: the model does not change, nor what we say of it.

    Taken in the steps above, softmax adds up as well, but its contributions do change.
    """
    inputs = sequences(2, 4, length=60)
    moved = {}
    for attention in ("sdpa", "eager", "written out"):
        plain, biased = (hybrid(attention) for _ in range(2))
        for layer in biased.encoder.encoder.layer:  # pyright: ignore
            nn.init.normal_(layer.attention.self.key.bias)
        first, second = (ours(model, *inputs, [0]) for model in (plain, biased))
        np.testing.assert_allclose(first.prediction, second.prediction, rtol=1e-6)
        largest = np.abs(first.hypothetical).max()
        moved[attention] = np.abs(first.hypothetical - second.hypothetical).max() / largest
    assert max(moved["sdpa"], moved["eager"]) < 1e-6
    assert moved["written out"] > 1e-3


def test_equal_to_captum_on_the_resnet_embedder():
    model = settled(
        Net(lambda m, x: m["head"](m["embedder"](x).mean(2)), embedder=ResNet1D(16, 8), head=nn.Linear(16, 2))
    ).double()
    inputs = sequences(2, 4)
    assert_same(ours(model, *inputs, [0, 1]), load_method("captum_deep_lift_shap")(model, *inputs, [0, 1]))
