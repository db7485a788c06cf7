"""The situations that tangermeme's and captum's own DeepLIFT tests are about: where a peer is exact, we agree with it.

``EXPECTED`` is the table of the rest: which peer does not add up, which shares out otherwise, which cannot take the
model. Ours always adds up.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import LENGTH, Net, completeness, sequences, settled
from peers import tangermeme
from torch import nn

from l2g_core.errors import InputError
from l2g_interp.attributions import load_method

pytestmark = pytest.mark.slow
ours, captum = load_method("deep_lift_shap"), load_method("captum_deep_lift_shap")


def conv(*middle: nn.Module, pooled: int = LENGTH) -> nn.Module:
    """conv -> ``middle`` -> flat -> two targets."""
    return nn.Sequential(nn.Conv1d(4, 6, 5, padding=2), *middle, nn.Flatten(), nn.Linear(6 * pooled, 2))


def residual(m, x):
    h = m["first"](x)
    return m["head"]((h + m["act"](m["second"](h))).flatten(1))


def reused(m, x):
    return m["head"](m["act"](m["second"](m["act"](m["first"](x)))).flatten(1))


def twice(m, x):
    h = m["act"](m["first"](x))
    return m["head"](torch.cat([h, m["other"](m["second"](h))], 1).flatten(1))


def layers(**more: nn.Module) -> dict[str, nn.Module]:
    first, second = nn.Conv1d(4, 6, 5, padding=2), nn.Conv1d(6, 6, 5, padding=2)
    return {"first": first, "second": second, "head": nn.Linear(6 * LENGTH, 2), "act": nn.ReLU(), **more}


SITUATIONS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * LENGTH, 2)),
    "two dense layers": lambda: nn.Sequential(nn.Flatten(), nn.Linear(160, 8), nn.ReLU(), nn.Linear(8, 2)),
    **{
        name: lambda act=act: conv(act())
        for name, act in {
            "relu": nn.ReLU,
            "elu": nn.ELU,
            "selu": nn.SELU,
            "celu": nn.CELU,
            "gelu": nn.GELU,
            "silu": nn.SiLU,
            "mish": nn.Mish,
            "tanh": nn.Tanh,
            "sigmoid": nn.Sigmoid,
            "softplus": nn.Softplus,
            "relu6": nn.ReLU6,
            "leaky relu": nn.LeakyReLU,
            "prelu": nn.PReLU,
            "rrelu": nn.RReLU,
            "log sigmoid": nn.LogSigmoid,
        }.items()
    },
    "relu in place": lambda: conv(nn.ReLU(inplace=True)),
    "batch norm": lambda: conv(nn.BatchNorm1d(6), nn.ReLU()),
    "dropout": lambda: conv(nn.ReLU(), nn.Dropout(0.5)),
    "max pooling": lambda: conv(nn.ReLU(), nn.MaxPool1d(4), pooled=10),
    "max pooling, overlapping": lambda: conv(nn.ReLU(), nn.MaxPool1d(5, stride=2), pooled=18),
    "average pooling": lambda: conv(nn.ReLU(), nn.AvgPool1d(4), pooled=10),
    "softmax at the end": lambda: nn.Sequential(conv(nn.ReLU()), nn.Softmax(dim=1)),
    "layer norm": lambda: conv(nn.ReLU(), nn.LayerNorm(LENGTH)),
    "skip connection": lambda: Net(residual, **layers()),
    "one module used twice": lambda: Net(reused, **layers()),
    "two branches": lambda: Net(twice, **layers(other=nn.Tanh(), head=nn.Linear(12 * LENGTH, 2))),
    "functions, not modules": lambda: Net(lambda m, x: m["head"](torch.relu(m["first"](x)).flatten(1)), **layers()),
}
EXPECTED = {  # of tangermeme 1.6 and captum 0.9; "same" for both where it is not listed
    **dict.fromkeys(
        ["selu", "celu", "gelu", "silu", "mish", "relu6", "prelu", "rrelu", "log sigmoid", "layer norm"],
        ("same", "misses"),  # captum has no rule for the module
    ),
    "max pooling": ("same", "misses"),
    "max pooling, overlapping": ("same", "misses"),
    "relu in place": ("refuses", "same"),
    "one module used twice": ("same", "refuses"),
    "softmax at the end": ("other", "misses"),  # two exact rules; ours gives a shift of all scores no credit
    "functions, not modules": ("misses", "misses"),
}


def verdict(method, model: nn.Module, inputs, mine) -> str:
    """``same``: adds up and agrees with ours; ``other``: adds up and does not; ``misses``; ``refuses``."""
    try:
        theirs = method(model, *inputs)
    except (InputError, RuntimeError, TypeError, AttributeError, KeyError, IndexError):
        return "refuses"
    if not completeness(theirs) < 1e-4:
        return "misses"
    largest = np.abs(mine.hypothetical).max()
    return "same" if np.abs(mine.hypothetical - theirs.hypothetical).max() < 1e-4 * largest else "other"


@pytest.mark.parametrize("name", SITUATIONS)
def test_where_a_peer_adds_up_we_agree(name):
    torch.manual_seed(0)
    model = settled(SITUATIONS[name]()).double()
    x, references = sequences(2, 4)
    mine = ours(model, x, references, [0, 1])
    assert completeness(mine) < 1e-9
    found = (
        verdict(lambda *a: tangermeme(*a, [0, 1], 4), model, (x, references), mine),
        verdict(lambda *a: captum(*a, [0, 1]), model, (x, references), mine),
    )
    assert found == EXPECTED.get(name, ("same", "same"))
