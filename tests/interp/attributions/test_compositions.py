"""Functions that are built from others, two variants of a kind at least: right by plain forward passes, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import around, completeness, sequences
from torch import nn
from torch.nn import functional as F

from l2g_interp.attributions.deeplift import deep_lift_shap

CUT = torch.arange(40) > 30
LARGE = torch.finfo(torch.float32).min


def right(middle) -> None:
    """To 1e-9 in float64 and 1e-4 in float32, and the prediction is the plain forward's."""
    x, references = sequences(3, 4)
    model = around(middle)
    for dtype, bound in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        model = model.to(dtype)
        result = deep_lift_shap(model, x, references, [0, 1], batch_size=8)
        assert completeness(result) < bound
        assert np.isfinite(result.hypothetical).all()
        with torch.no_grad():
            np.testing.assert_allclose(result.prediction, model(x.to(dtype)).numpy(), rtol=1e-4, atol=1e-5)


def refused(middle, words: str) -> None:
    with pytest.raises(NotImplementedError, match=words) as caught:
        deep_lift_shap(around(middle), *sequences(2, 3), [0])
    assert "\n" not in str(caught.value)


def wider(h):
    return torch.linspace(-0.5, 0.5, 6, dtype=h.dtype)[None, :, None]


LARGER_OF_TWO = {
    "maximum of finfo.min": lambda h: torch.maximum(h, torch.tensor(LARGE)).tanh(),
    "fmax of -inf": lambda h: torch.fmax(h, torch.tensor(-torch.inf)).tanh(),
    "minimum of 1e6": lambda h: torch.minimum(h, torch.tensor(1e6)).tanh(),
    "fmin of inf, wider": lambda h: torch.fmin(h[:, :1], torch.where(wider(h) > 0, torch.inf, wider(h))),
    "max of two": lambda h: torch.max(h, h.mean(1, keepdim=True)),
    "constant first": lambda h: torch.maximum(wider(h), h[:, :1]),
    "infinite in both": lambda h: torch.maximum(h.masked_fill(CUT, -torch.inf), h.flip(2) - 1),
    "huge in both": lambda h: torch.maximum(h.masked_fill(CUT, LARGE), h.flip(2).masked_fill(CUT, LARGE)).clamp(min=-3),
    "clamp from below": lambda h: torch.clamp(h, min=LARGE).tanh(),
    "clamp to 1e6": lambda h: torch.clamp(h, -1e6, 1e6).tanh(),
    "clamp without end": lambda h: h.clamp(0.1, torch.inf),
    "clamp by tensors": lambda h: torch.clamp(h[:, :1], wider(h), wider(h) + 0.3),
    "clamp, wider max": lambda h: torch.clamp(h[:, :1], max=wider(h)),
    "clamp_min by a tensor": lambda h: torch.clamp_min(h, wider(h)),
    "clamp between two that vary": lambda h: torch.clamp(h, h.flip(2) - 0.2, h.flip(1) + 0.1),
    "clamp_max by one that varies": lambda h: torch.clamp_max(h, h.mean(2, keepdim=True)),
    "clamp of a constant": lambda h: torch.clamp(wider(h), min=h),
    "in place": lambda h: h.clone().clamp_(-0.2, 0.3),
    "crossed by a huge number": lambda h: torch.maximum(1e6 * h, torch.tensor(-1e5)) * 1e-6,
    "maximum of a max": lambda h: torch.maximum(h.amax(2, keepdim=True), 2 * h),
}
ATTENTION = {
    "pair bias": lambda h: F.scaled_dot_product_attention(h, h, h, attn_mask=2 * h @ h.mT),
    "pair bias of heads": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(1, (2, 3))] * 3, attn_mask=(h.unflatten(1, (2, 3)) @ h.unflatten(1, (2, 3)).mT).sin()
    ),
    "one bias for all heads": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(1, (2, 3))] * 3, attn_mask=h[:, None, :3] @ h[:, None, 3:].mT
    ),
    "bias of the keys": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(1, (2, 3))] * 3, attn_mask=3 * h[:, None, None, :3, 0]
    ),
    "a slope from content": lambda h: F.scaled_dot_product_attention(
        h, h.flip(1), h, attn_mask=-h.mean(2)[:, :, None].exp() * (torch.arange(6) - torch.arange(6)[:, None]).abs()
    ),
    "only the bias varies": lambda h: F.scaled_dot_product_attention(
        *[torch.eye(6, dtype=h.dtype).expand(len(h), 6, 6)] * 3, attn_mask=2 * h @ h.mT
    ),
    "bias and causal": lambda h: F.scaled_dot_product_attention(
        h, h, h, attn_mask=(h @ h.mT).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    ),
    "bias and blind rows": lambda h: F.scaled_dot_product_attention(
        h, h, h, attn_mask=(h @ h.mT).masked_fill((torch.arange(6) < 2)[:, None].expand(6, 6), -torch.inf)
    ),
    "grouped queries": lambda h: F.scaled_dot_product_attention(
        h.unflatten(2, (4, 10)).transpose(1, 2), *[h.unflatten(2, (4, 10)).transpose(1, 2)[:, :2]] * 2, enable_gqa=True
    ),
    "causal, fewer queries": lambda h: F.scaled_dot_product_attention(h[:, :4], h, h, is_causal=True, dropout_p=0.0),
    "causal grouped": lambda h: F.scaled_dot_product_attention(
        h.unflatten(2, (4, 10)).transpose(1, 2), *[h.unflatten(2, (4, 10)).transpose(1, 2)[:, :1]] * 2,
        is_causal=True, enable_gqa=True, scale=0.7,
    ),
    "five dimensions": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(2, (4, 10)).permute(0, 2, 3, 1).unsqueeze(2)] * 3
    ),
    "five dimensions, masked": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(2, (4, 10)).permute(0, 2, 1, 3).unsqueeze(2)] * 3, attn_mask=torch.ones(6, 6).tril().bool()
    ),
    "five dimensions with a bias": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(2, (4, 10)).permute(0, 2, 1, 3).unsqueeze(2)] * 3,
        attn_mask=h[:, None, None] @ h.mT[:, None, None],
    ),
    "windows in the batch": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(2, (4, 10)).permute(0, 2, 3, 1).reshape(-1, 10, 6)] * 3
    ).reshape(len(h), -1),
    "windows in the batch with a bias": lambda h: F.scaled_dot_product_attention(
        *[h.unflatten(2, (4, 10)).permute(0, 2, 1, 3).reshape(-1, 6, 10)] * 3,
        attn_mask=h.unflatten(2, (4, 10)).permute(0, 2, 1, 3).reshape(-1, 6, 10).sum(-1)[:, None],
    ).reshape(len(h), -1),
    "learned queries": lambda h: F.scaled_dot_product_attention(
        torch.linspace(-1, 1, 120, dtype=h.dtype).view(1, 3, 40).expand(len(h), -1, -1), h, h
    ),
    "multi-query by broadcasting": lambda h: F.scaled_dot_product_attention(
        h.unflatten(2, (4, 10)).transpose(1, 2), *[h.unflatten(2, (4, 10)).transpose(1, 2)[:, :1]] * 2
    ),
}  # fmt: skip
NORMS = {
    "vector 1": lambda h: torch.linalg.vector_norm(h, 1, 1),
    "vector 3": lambda h: torch.linalg.vector_norm(h, 3, (1, 2), keepdim=True) * h,
    "vector 0.5": lambda h: torch.linalg.vector_norm(h, 0.5, 2),
    "vector inf": lambda h: h / torch.linalg.vector_norm(h, torch.inf, 2, keepdim=True),
    "vector -inf": lambda h: torch.linalg.vector_norm(h, -torch.inf, (1, 2))[:, None],
    "vector -1": lambda h: torch.linalg.vector_norm(h, -1, 1),
    "matrix fro": lambda h: torch.linalg.matrix_norm(h)[:, None],
    "matrix 1": lambda h: torch.linalg.matrix_norm(h, 1)[:, None],
    "matrix -inf": lambda h: torch.linalg.matrix_norm(h, -torch.inf, keepdim=True) * h,
    "linalg, no order": lambda h: h / torch.linalg.norm(h, dim=(1, 2), keepdim=True),
    "linalg inf of matrices": lambda h: torch.linalg.norm(h, torch.inf, (1, 2))[:, None],
    "linalg -1 of matrices, turned": lambda h: torch.linalg.norm(h, -1, (2, 1))[:, None],
    "linalg 1 of vectors": lambda h: torch.linalg.norm(h, 1, 1),
    "linalg fro": lambda h: torch.linalg.norm(h, "fro", (1, 2))[:, None],
    "norm of two dims": lambda h: torch.norm(h, 2, (1, 2))[:, None],
    "norm 1": lambda h: h.norm(1, dim=2),
    "norm fro": lambda h: torch.norm(h, dim=(1, 2))[:, None],
    "norm inf": lambda h: torch.norm(h, float("inf"), 1),
    "normalize 1": lambda h: F.normalize(h, 1, 2),
    "normalize 4": lambda h: F.normalize(h, p=4.0),
    "normalize inf": lambda h: F.normalize(h, float("inf"), -1),
    "normalize of zeros": lambda h: F.normalize(F.relu(h - 0.3), dim=1),
    "cosine": lambda h: F.cosine_similarity(h[:, :3], h[:, 3:], 1),
    "distance": lambda h: F.pairwise_distance(h[:, :3], h[:, 3:]),
    "distances 1": lambda h: torch.cdist(h, h.flip(1) + 1, p=1.0),
    "distances": lambda h: torch.cdist(h.mT, h.mT.flip(1)),
    "var_mean": lambda h: h / torch.var_mean(h, 2, keepdim=True)[0],
    "std_mean": lambda h: torch.std_mean(h, dim=1, correction=0)[0],
}
EXPONENTIALS = {
    "softmax without dim": lambda h: nn.Softmax(dim=None)(h.flatten(1)),
    "log_softmax without dim": lambda h: F.log_softmax(h[:, :, None]),
    "softmin": lambda h: F.softmin(h, 2),
    "logsumexp of two": lambda h: torch.logsumexp(h, (1, 2))[:, None] * h.mean(2),
    "logsumexp of two, kept": lambda h: h - torch.logsumexp(h, (2, 1), keepdim=True),
    "logsumexp of -inf": lambda h: torch.logsumexp(h.masked_fill(CUT, -torch.inf), 2),
    "logsumexp of -inf columns": lambda h: torch.logsumexp(h.masked_fill(CUT, -torch.inf), 1).clamp(min=-9),
    "softmax of -inf columns": lambda h: torch.softmax(h.masked_fill(CUT, -torch.inf), 2),
    "log_softmax of -inf": lambda h: torch.log_softmax(h.masked_fill(CUT, -torch.inf), 2)[:, :, :20],
    "logaddexp": lambda h: torch.logaddexp(h, h.flip(2)),
    "logaddexp2": lambda h: torch.logaddexp2(h, wider(h)),
    "hypot": lambda h: torch.hypot(h, h.flip(2)),
    "atan2": lambda h: torch.atan2(h, h.flip(2)),
    "atan2 of a constant": lambda h: torch.atan2(wider(h), h.square() + 0.1),
    "xlogy": lambda h: torch.xlogy(F.relu(h), F.relu(h) + 0.1),
    "entropy": lambda h: torch.special.entr(torch.softmax(20 * h, 1)),
    "entropy of zeros": lambda h: torch.special.entr(F.relu(h)),
    "max over several": lambda h: h.unflatten(2, (4, 10)).amax((1, 3)),
    "max of -inf": lambda h: h.masked_fill(CUT, -torch.inf).amax(2),
    "max of only -inf": lambda h: h.masked_fill(CUT, -torch.inf).amax(1).clamp(min=-5),
    "sigmoid of -inf": lambda h: torch.sigmoid(h.masked_fill(CUT, -torch.inf)),
    "relu of -inf": lambda h: F.relu(h.masked_fill(CUT, -torch.inf)),
    "exp of -inf": lambda h: torch.exp(h.masked_fill(CUT, -torch.inf)),
    "exponential by hand": lambda h: 1 / (1 + torch.exp(-200 * h)),
}
POWERS = {
    "exponents": lambda h: (h.unsqueeze(-1) ** torch.arange(1.0, 4)).sum(-1),
    "exponents in front": lambda h: torch.pow(h, torch.arange(1, 4)[:, None, None, None]).permute(1, 0, 2, 3),
    "exponents of roots": lambda h: F.relu(h).unsqueeze(-1) ** torch.tensor([0.25, 0.5, 1.5]),
    "fourth": lambda h: h**4,
    "-2": lambda h: (1 + h.square()) ** -2,
    "of two": lambda h: 2**h,
    "of a tensor": lambda h: torch.pow(torch.tensor([0.5, 1.0, 3.0, 0.1, 2.0, 7.0])[:, None], h),
    "of each other": lambda h: (h.abs() + 0.1) ** h.flip(2),
    "first": lambda h: F.relu(h) ** 1.0,
    "float_power": lambda h: torch.float_power(h, 3).to(h.dtype) if h.dtype == torch.float64 else h**3,
}
COMPLEX = {
    "spectrum": lambda h: torch.fft.rfft(h).abs(),
    "power": lambda h: torch.fft.rfft(h).real.square() + torch.fft.rfft(h).imag ** 2,
    "convolution": lambda h: torch.fft.irfft(
        torch.fft.rfft(h, 80) * torch.fft.rfft(torch.linspace(1, 0, 40, dtype=h.dtype).exp(), 80), 80
    )[..., :40],
    "convolution with itself": lambda h: torch.fft.irfft(
        torch.fft.rfft(h, 80) * torch.fft.rfft(h.flip(1), 80)
    )[..., :40],
    "both ways": lambda h: torch.fft.ifft(torch.fft.fft(h) * torch.fft.fft(h.tanh())).real,
    "two dimensions": lambda h: torch.fft.fft2(h).abs(),
    "mixing": lambda h: torch.fft.fftn(h, dim=(1, 2)).real.tanh(),
    "phase": lambda h: torch.fft.rfft(h + 1)[..., 1:4].angle().sin(),
    "as real": lambda h: torch.view_as_real(torch.view_as_complex(h.unflatten(2, (20, 2))) ** 2).flatten(2),
    "rotation": lambda h: torch.view_as_real(
        torch.view_as_complex(h.unflatten(2, (20, 2)))
        * torch.polar(torch.ones(20, dtype=h.dtype), torch.arange(20, dtype=h.dtype))
    ).flatten(2).tanh(),
    "polar of what varies": lambda h: torch.polar(h[:, :3].square(), h[:, 3:]).real,
    "conjugates": lambda h: (torch.fft.rfft(h) * torch.fft.rfft(h.sin()).conj()).imag,
    "quotient": lambda h: (torch.complex(h, h.flip(1)) / (torch.complex(h.flip(2), h) + 3)).real,
    "matrices": lambda h: (torch.complex(h, h.sin()) @ torch.complex(h.mT, h.mT.cos())).abs(),
    "einsum": lambda h: torch.einsum("bcl,bdl->bcd", torch.fft.fft(h), torch.fft.fft(h).conj() ** 2).real,
    "short time": lambda h: (
        torch.stft(h.flatten(0, 1), 16, 4, window=torch.ones(16).to(h), return_complex=True).abs().reshape(len(h), -1)
    ),
}  # fmt: skip
CONVOLUTIONS = {
    "weights from the sequence": lambda h: F.conv1d(
        h.reshape(1, -1, 40), h[:, :, :3].reshape(-1, 1, 3).softmax(-1), groups=6 * len(h)
    ).reshape(len(h), 6, -1),
}
KINDS = LARGER_OF_TWO | ATTENTION | NORMS | EXPONENTIALS | POWERS | COMPLEX | CONVOLUTIONS


@pytest.mark.filterwarnings("ignore:Implicit dimension", "ignore:dropout option")
@pytest.mark.parametrize("name", KINDS)
def test_a_composition_adds_up(name):
    right(KINDS[name])


@pytest.mark.filterwarnings("ignore:The reduce argument")
@pytest.mark.parametrize(
    ("middle", "words"),
    [
        (lambda h: torch.linalg.norm(h, 2, (1, 2))[:, None], "norm of order 2"),
        (lambda h: torch.linalg.matrix_norm(h, "nuc")[:, None], "nuc"),
        (lambda h: torch.norm(h, "nuc", (1, 2))[:, None], "nuc"),
        (lambda h: torch.linalg.matrix_norm(h, -2)[:, None], "norm of order -2"),
        (lambda h: torch.linalg.vector_norm(h, 0, 1), "order 0"),
        (lambda h: h * torch.linalg.vector_norm(h), "whole batch"),
        (lambda h: h * h.norm(), "whole batch"),
        (lambda h: h / h.max(), "whole batch"),
        (lambda h: h.gather(2, h.max(2, keepdim=True)[1]), "differs"),
        (lambda h: h.gather(1, torch.min(h, dim=1, keepdim=True).indices), "differs"),
        (lambda h: torch.fft.rfft(h).exp().real, "complex"),
        (lambda h: torch.fft.fft(h).log().real, "complex"),
        (lambda h: torch.angle(h), "angle"),
        (
            lambda h: F.grid_sample(h[:, :, None], torch.stack([h[:, :2], h[:, :2]], -1), align_corners=False),
            "grid_sample",
        ),
        (lambda h: h.scatter(2, torch.zeros(h.shape, dtype=torch.long), h, reduce="multiply"), "scatter"),
    ],
)
def test_a_composition_is_refused_by_name(middle, words):
    refused(middle, words)


def unrolled(layer: nn.Module):
    def run(h):
        out, state = layer.to(h.dtype)(h.mT[:, :7])
        final = torch.cat(state if isinstance(state, tuple) else (state,), -1)
        return torch.cat([out.flatten(1), final.transpose(0, 1).flatten(1)], 1)

    return run


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(6, 3, batch_first=True),
        nn.LSTM(6, 3, 2, bidirectional=True, batch_first=True),
        nn.LSTM(6, 4, proj_size=2, batch_first=True, bidirectional=True),
        nn.LSTM(6, 3, bias=False, batch_first=True),
        nn.GRU(6, 3, 2, batch_first=True, dropout=0.3),
        nn.GRU(6, 3, bidirectional=True, batch_first=True),
        nn.RNN(6, 3, batch_first=True),
        nn.RNN(6, 3, nonlinearity="relu", bidirectional=True, batch_first=True),
    ],
    ids=str,
)
def test_recurrent_networks_are_unrolled(layer):
    right(unrolled(layer.eval()))


def test_the_steps_of_recurrent_networks_may_be_called_one_by_one():
    cells = nn.LSTMCell(6, 3), nn.GRUCell(6, 3), nn.RNNCell(6, 3)

    def run(h):
        one, two, three = (c.to(h.dtype) for c in cells)
        state = one(h[:, :, 0])
        for t in range(1, 4):
            state = one(h[:, :, t], state)
        g, p = two(h[:, :, 5], state[0]), three(h[:, :, 6], state[1])
        return torch.cat([*state, g, p], 1)

    right(run)


def test_packed_sequences_are_refused():
    layer = nn.LSTM(6, 3, batch_first=True).eval()

    def run(h):
        packed = nn.utils.rnn.pack_padded_sequence(h.mT, [40] * len(h), batch_first=True)
        return layer(packed)[1][0][0]

    refused(run, "pack")


CHANGED_IN_PLACE = {
    "einsum": lambda h: torch.einsum("bcl,bdl->bdc", h, h).add_(1).tanh(),
    "einsum of three": lambda h: torch.einsum("bcl,bdl,bel->bec", h, h, h).mul_(0.1).tanh(),
    "a permuted einsum": lambda h: torch.einsum("bcl,bcm->lbm", h, h).permute(1, 0, 2).relu_(),
    "baddbmm": lambda h: torch.baddbmm(h[:, :, :6], h, h.mT).add_(1).tanh(),
    "maximum": lambda h: torch.maximum(h, h.flip(2)).mul_(2).tanh(),
    "attention": lambda h: F.scaled_dot_product_attention(h, h, h).add_(1).tanh(),
    "a quotient": lambda h: (h / (2 + h.flip(2) ** 2)).add_(1).tanh(),
}


@pytest.mark.parametrize("name", CHANGED_IN_PLACE)
def test_what_comes_out_of_a_rule_may_be_changed_in_place(name):
    right(CHANGED_IN_PLACE[name])
