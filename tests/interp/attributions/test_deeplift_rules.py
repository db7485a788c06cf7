"""Each rule by itself: values worked out by hand, functions one by one, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from deeplift_models import Net, around, completeness, sequences, settled
from torch import nn
from torch.nn import functional as F

from l2g_core.errors import InputError
from l2g_interp.attributions.deeplift import deep_lift_shap
from l2g_interp.attributions.deeplift.engine import UnsupportedFunction
from l2g_interp.attributions.deeplift.rules import ELEMENTWISE, HOMES
from l2g_interp.attributions.statistics import check_inputs


class Of(nn.Module):
    """A bare function of one-hot DNA."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def three_bases(f, x: str = "ACG", reference: str = "CCT") -> np.ndarray:
    """Multiplied-out contributions (3,) of a function of (batch, 4, 3) to one target, in double precision."""
    from l2g_core.dna import one_hot

    model = nn.Sequential(Of(f)).double().eval()
    model.register_buffer("in_double_precision", torch.zeros(1, dtype=torch.float64))
    a, b = torch.from_numpy(one_hot([x])), torch.from_numpy(one_hot([reference]))
    result = deep_lift_shap(model, a, b[:, None], [0])
    assert result.delta[0, 0] < 1e-12
    return (result.hypothetical[0, 0] * a[0].numpy()).sum(0)


WEIGHT = torch.tensor([[1.0, 2.0, -1.0], [-2.0, 0.5, 1.0], [0.5, 1.0, 3.0], [2.0, -1.0, -2.0]], dtype=torch.float64)


def test_linear_by_hand():
    # position 1: A (1) for C (-2); position 2: C for C; position 3: G (3) for T (-2)
    np.testing.assert_allclose(three_bases(lambda x: (x * WEIGHT).sum((1, 2))[:, None]), [3, 0, 5], rtol=1e-6)


def test_relu_by_hand():
    # inside: x 1 + 0.5 + 3 = 4.5, reference -2 + 0.5 - 2 = -3.5; slope (4.5 - 0) / 8
    slope = 4.5 / 8
    got = three_bases(lambda x: F.relu((x * WEIGHT).sum((1, 2)))[:, None])
    np.testing.assert_allclose(got, [3 * slope, 0, 5 * slope], rtol=1e-6)


def test_product_by_hand():
    # (first position) * (third): each side takes the other's midpoint: 3 * (3 - 2)/2 and 5 * (1 - 2)/2
    def f(x):
        y = (x * WEIGHT).sum(1)
        return (y[:, 0] * y[:, 2])[:, None]

    np.testing.assert_allclose(three_bases(f), [3 * 0.5, 0, 5 * -0.5], rtol=1e-6)


def test_max_by_hand():
    # per position x 1, 0.5, 3 and reference -2, 0.5, -2: the maximum goes from 0.5 to 3, won by position 3
    got = three_bases(lambda x: F.max_pool1d((x * WEIGHT).sum(1, keepdim=True), 3)[:, :, 0])
    np.testing.assert_allclose(got, [0, 0, 2.5], rtol=1e-6, atol=1e-12)


def test_softmax_by_hand():
    def f(x):
        return torch.softmax((x * WEIGHT).sum(1), 1)[:, :1]

    s_x, s_r = np.array([1, 0.5, 3]), np.array([-2, 0.5, -2])
    p_x, p_r = np.exp(s_x) / np.exp(s_x).sum(), np.exp(s_r) / np.exp(s_r).sum()
    means = (p_x - p_r) / np.log(p_x / p_r)
    expected = means[0] * ((s_x - s_r) * (np.array([1, 0, 0]) - means / means.sum()))
    np.testing.assert_allclose(three_bases(f), expected, rtol=1e-6, atol=1e-12)
    assert math.isclose(expected.sum(), p_x[0] - p_r[0])


FUNCTIONS = {
    "relu": F.relu,
    "relu_": lambda h: h.clone().relu_(),
    "in-place twice": lambda h: F.relu(F.relu(h, inplace=True) - 0.2),
    "leaky": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu tanh": lambda h: F.gelu(h, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "clamp": lambda h: h.clamp(-0.3, 0.4),
    "abs": torch.abs,
    "exp": torch.exp,
    "log": lambda h: torch.log(h.square() + 0.1),
    "sqrt": lambda h: (h.square() + 0.1).sqrt(),
    "cube": lambda h: h**3,
    "power": lambda h: torch.pow(h.abs() + 0.1, 1.7),
    "reciprocal": lambda h: 1 / (2 + h.square()),
    "divide": lambda h: h / (2 + h.flip(2).square()),
    "rsqrt": lambda h: torch.rsqrt(h.square() + 0.3),
    "sin": torch.sin,
    "prelu": lambda h: F.prelu(h, torch.linspace(0, 1, 6, dtype=h.dtype)),
    "glu": lambda h: F.glu(h, 1),
    "mul": lambda h: h * h.flip(2),
    "mul_": lambda h: h.clone().mul_(h.flip(1)),
    "square": torch.square,
    "broadcast": lambda h: h * h.mean(1, keepdim=True),
    "matmul": lambda h: h @ h.mT,
    "bmm": lambda h: torch.bmm(h.mT, h),
    "einsum": lambda h: torch.einsum("bcl,bdl->bcd", h, h.flip(1)),
    "einsum of three": lambda h: torch.einsum("bcl,bdl,bcl->bcd", h, h.flip(1), h.tanh()),
    "einsum of four": lambda h: torch.einsum("bcl,bcl,bdl,bdl->bcd", h, h.flip(2), h.sin(), h.flip(1)),
    "einsum of three, one constant": lambda h: torch.einsum(
        "bcl,bcl,l->bc", h, h.flip(2), torch.arange(h.shape[2]).to(h)
    ),
    "addcmul": lambda h: torch.addcmul(h, h, h.flip(1)),
    "baddbmm": lambda h: torch.baddbmm(h @ h.mT, h, h.mT),
    "folded heads": lambda h: torch.bmm(h.reshape(-1, 2, 40), h.reshape(-1, 40, 2)).reshape(len(h), -1),
    "layer norm": lambda h: F.layer_norm(h, (40,)),
    "two dims": lambda h: F.layer_norm(h, (6, 40)),
    "rms norm": lambda h: F.rms_norm(h, (40,), eps=1e-5),
    "group norm": lambda h: F.group_norm(h, 3),
    "instance norm": lambda h: F.instance_norm(h),
    "normalize": lambda h: F.normalize(h, dim=1),
    "softmax": lambda h: F.softmax(3 * h, 2),
    "log softmax": lambda h: F.log_softmax(h, 1),
    "logsumexp": lambda h: h.logsumexp(2),
    "softmax masked": lambda h: torch.softmax(h.masked_fill(torch.arange(40) > 30, -torch.inf), -1),
    "var": lambda h: h.var(2),
    "std": lambda h: h.std(2, correction=0),
    "norm": lambda h: h.norm(dim=1),
    "max pool": lambda h: F.max_pool1d(h, 2),
    "overlapping": lambda h: F.max_pool1d(h, 5, 2, 2),
    "dilated": lambda h: F.max_pool1d(h, 3, 1, 0, 2),
    "max pool 2d": lambda h: F.max_pool2d(h[:, None], 2),
    "adaptive": lambda h: F.adaptive_max_pool1d(h, 3),
    "max": lambda h: h.max(2).values,
    "min": lambda h: h.min(dim=1)[0],
    "amax": lambda h: h.amax(2),
    "amin": lambda h: h.amin(1),
    "maximum": lambda h: torch.maximum(h, h.flip(2)),
    "minimum": lambda h: torch.min(h, h.flip(2)),
    "attention": lambda h: F.scaled_dot_product_attention(
        h.view(-1, 2, 20, 6), h.view(-1, 2, 20, 6).flip(2), h.view(-1, 2, 20, 6)
    ),
    "attention 3d": lambda h: F.scaled_dot_product_attention(h, h.flip(1), h * 2),
    "causal": lambda h: F.scaled_dot_product_attention(h, h, h, is_causal=True),
    "blind rows": lambda h: F.scaled_dot_product_attention(
        h, h, h, attn_mask=torch.eye(6).bool() & (torch.arange(6) > 1)
    ),
    "mask by value": lambda h: h.where(torch.arange(40) > 3, 0.5),
    "slice assignment": lambda h: _assign(h),
    "cumsum": lambda h: h.cumsum(2).tanh(),
    "length first": lambda h: torch.tanh(h.permute(2, 0, 1)).permute(1, 0, 2),
    "transposed": lambda h: F.gelu(h.mT),
    "average pool": lambda h: F.avg_pool1d(h, 4).exp(),
    "upsample": lambda h: F.interpolate(h, scale_factor=2).sin(),
    "reflect": lambda h: F.pad(h, (2, 2), mode="reflect").tanh(),
    "gather": lambda h: h.gather(2, torch.arange(5).expand(len(h), 6, 5)).exp(),
    "extremes": lambda h: torch.softmax(1e4 * h, 2),
}


def _assign(h):
    h = h.clone()
    h[:, 1:3] = h[:, :2] * h[:, 2:4]
    return h


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_adds_up(name):
    x, references = sequences(3, 4)
    model = around(FUNCTIONS[name])
    assert completeness(deep_lift_shap(model.double(), x, references, [0, 1], batch_size=8)) < 1e-9
    assert completeness(deep_lift_shap(model.float(), x, references, [0, 1])) < 1e-4


def test_where_sequence_and_reference_agree_the_multiplier_is_the_derivative():
    x, _ = sequences(2, 1)
    model = around(torch.tanh).double()
    result = deep_lift_shap(model, x, x[:, None], [0])
    leaf = x.double().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
    expected = gradient - (gradient * x).sum(1, keepdim=True)
    np.testing.assert_allclose(result.hypothetical[:, 0], expected.numpy(), rtol=1e-5, atol=1e-7)
    assert (result.delta == 0).all()


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda h: torch.where(h > 0, h, 0), "differ"),
        (lambda h: h.sort(2).values, "sort"),
        (lambda h: h * torch.round(h), "round"),
        (lambda h: h * int(h.argmax(2).sum()), "hidden step"),
        (lambda h: torch.fft.fft(h).sqrt().abs(), "complex"),
        (lambda h: F.dropout(h, 0.5, training=True), "training"),
    ],
)
def test_what_would_not_add_up_is_refused_by_name(f, words):
    x, references = sequences(2, 3)
    with pytest.raises(UnsupportedFunction, match=words):
        deep_lift_shap(around(lambda h: h + 0 if h.shape[0] == 2 and not h.requires_grad else f(h)), x, references, [0])


def test_a_refusal_leaves_nothing_behind():
    x, references = sequences(1, 2)
    model = around(lambda h: h.sort(2).values)
    before = model(x.float())
    with pytest.raises(UnsupportedFunction, match="sort"):
        deep_lift_shap(model, x, references, [0])
    assert torch.equal(model(x.float()), before)
    assert all(p.requires_grad for p in model.parameters())


class Hidden(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h):
        with torch._C.DisableTorchFunction():
            return h.sin()

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore
        return grad


def test_what_cannot_be_seen_is_refused():
    x, references = sequences(1, 2)
    with pytest.raises(UnsupportedFunction, match="Hidden"):
        deep_lift_shap(around(Hidden.apply), x, references, [0])


@pytest.mark.parametrize("norm_first", [False, True])
def test_torch_encoder_layers_add_up(norm_first):
    layer = nn.TransformerEncoderLayer(6, 2, 9, batch_first=True, norm_first=norm_first, activation="gelu")
    padding = torch.arange(40) > 33

    def run(m, x):
        hidden = m["layer"](m["conv"](x).mT, src_key_padding_mask=padding.expand(len(x), -1))
        return m["head"](hidden.mean(1))

    model = settled(Net(run, conv=nn.Conv1d(4, 6, 3, padding=1), layer=layer, head=nn.Linear(6, 2))).double()
    x, references = sequences(2, 3)
    result = deep_lift_shap(model, x, references, [0, 1])
    assert completeness(result) < 1e-10
    with torch.no_grad():
        np.testing.assert_allclose(result.prediction, model(x.double()).numpy(), rtol=1e-5)


def test_no_grad_inside_the_model_changes_no_value():
    def f(h):
        with torch.no_grad():
            scale = h.mean(1, keepdim=True)
        return h * scale - h.detach().square()

    assert completeness(deep_lift_shap(around(f).double(), *sequences(2, 3), [0])) < 1e-10


def test_on_request_a_missing_rule_is_a_warning():
    x, references = sequences(2, 3)
    with pytest.warns(UserWarning, match="sort"):
        result = deep_lift_shap(around(lambda h: h.sort(2).values), x, references, [0], on_missing="warn")
    assert np.isfinite(result.hypothetical).all()
    assert result.unruled == ("torch.Tensor.sort",)
    assert deep_lift_shap(around(F.relu), x, references, [0], on_missing="warn").unruled == ()


def test_lengths_and_masks_may_be_made_from_the_sequence():
    def run(m, x):
        present = (x != 0).any(1)
        lengths = present.sum(1)
        mask = torch.arange(x.shape[2]) < lengths[:, None]
        h = F.gelu(m["conv"](x)) * mask[:, None].to(x.dtype)
        return m["head"](h.sum(2) / lengths[:, None])

    model = settled(Net(run, conv=nn.Conv1d(4, 6, 5, padding=2), head=nn.Linear(6, 2))).double()
    x, references = sequences(2, 3)
    x, references = F.pad(x, (0, 7)), F.pad(references, (0, 7))
    assert completeness(deep_lift_shap(model, x, references, [0, 1])) < 1e-10


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (around(torch.tanh).train(), "training mode"),
        (Of(lambda x: x.sum((1, 2))).eval(), r"\(batch, targets\)"),
        (Of(lambda x: (x.sum(1), x)).eval(), "returned tuple"),
        (Of(lambda x: x.sum(2)[:, :1]).eval(), "no target 1"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(model, message):
    with pytest.raises(InputError, match=message):
        deep_lift_shap(model, *sequences(1, 2), [1])


def test_shapes_that_do_not_fit_are_refused():
    x, references = sequences(2, 2)
    with pytest.raises(InputError, match="references have shape"):
        check_inputs(around(torch.tanh), x, references[:1])
    with pytest.raises(InputError, match="one_hot has shape"):
        check_inputs(around(torch.tanh), x.mT, references)
    with pytest.raises(InputError, match="at least one"):
        check_inputs(around(torch.tanh), x, references[:, :0])


ARGUMENTS = {  # of the elementwise functions that take more than the tensor
    "threshold": (0.5, 0.2),
    "prelu": (torch.tensor(0.3, dtype=torch.float64),),
    "clamp": (0.3, 0.6),
    "clip": (0.3, 0.6),
    "clamp_min": (0.4,),
    "clamp_max": (0.6,),
    "pow": (1.7,),
    "float_power": (1.7,),
}


@pytest.mark.parametrize("name", ELEMENTWISE.split())
def test_every_elementwise_function_adds_up(name):
    """A new name in ``ELEMENTWISE`` is tested here without writing a test."""
    function = next(getattr(home, name) for home in HOMES if hasattr(home, name))
    above_one = 1.1 if name in ("acosh", "arccosh") else 0.1

    def middle(h):
        return function(torch.sigmoid(h) * 0.8 + above_one, *ARGUMENTS.get(name, ()))

    model = around(lambda h: middle(h.double())).double()
    assert completeness(deep_lift_shap(model, *sequences(), [0, 1])) < 1e-10
