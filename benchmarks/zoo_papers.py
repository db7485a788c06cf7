"""Architectures of regulatory genomics and of sequence models, each written from its paper in a few lines, small.

All are networks of one-hot DNA ``(batch, 4, length)`` with two outputs, whose weights are random. ``PAPERS`` has them
by name, with where they come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_layers import (
    Add,
    Experts,
    Fn,
    LinearAttention,
    LongConvolution,
    Parts,
    RelativeAttention,
    SelectiveScan,
    SoftmaxPool,
    SqueezeExcite,
    conv,
    mean,
    mlp,
    tokens,
    turned,
)

LENGTH = 200  # of the sequences; some architectures end in a linear layer over all positions


def deepbind() -> nn.Module:
    layers = conv(4, 16, 11), nn.ReLU(), Fn(lambda h: torch.cat([h.amax(-1), h.mean(-1)], 1))
    return nn.Sequential(*layers, nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))


def deepsea() -> nn.Module:
    first = nn.Conv1d(4, 16, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2)
    second = nn.Conv1d(16, 24, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten()
    return nn.Sequential(*first, *second, nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, 2), nn.Sigmoid())


def basset() -> nn.Sequential:
    def block(before: int, after: int, width: int, pool: int) -> list[nn.Module]:
        return [conv(before, after, width), nn.BatchNorm1d(after), nn.ReLU(inplace=True), nn.MaxPool1d(pool)]

    layers = block(4, 16, 19, 3) + block(16, 24, 11, 4) + block(24, 24, 7, 4)
    dense = nn.Flatten(), nn.LazyLinear(32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 2)
    return nn.Sequential(*layers, *dense)


def malinois() -> nn.Module:
    def branch() -> nn.Module:
        return nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))

    trunk = basset()[:-1]
    return Parts(lambda m, x: torch.cat([b(m.trunk(x)) for b in m.branches], 1), trunk=trunk,
                 branches=nn.ModuleList([branch(), branch()]))  # fmt: skip


def danq() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        hidden, _ = m.lstm(m.conv(x).transpose(1, 2))
        return m.head(hidden.flatten(1))

    layers = nn.Sequential(nn.Conv1d(4, 16, 26), nn.ReLU(), nn.MaxPool1d(13))
    head = nn.Sequential(nn.LazyLinear(24), nn.ReLU(), nn.Linear(24, 2))
    return Parts(run, conv=layers, lstm=nn.LSTM(16, 12, batch_first=True, bidirectional=True), head=head)


def saluki() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        _, last = m.gru(m.conv(x).transpose(1, 2))
        return m.head(last[-1])

    block = [Fn(lambda h: F.layer_norm(h.mT, h.shape[1:2]).mT), nn.ReLU(), nn.Conv1d(16, 16, 5), nn.MaxPool1d(2)]
    layers = nn.Sequential(nn.Conv1d(4, 16, 5), *block, *block[:2], nn.Conv1d(16, 16, 5), nn.MaxPool1d(2))
    head = nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    return Parts(run, conv=layers, gru=nn.GRU(16, 16, batch_first=True), head=head)


def _bpnet(dilated: int = 6) -> nn.Module:
    body = [Add(conv(16, 16, 3, 2**i), nn.ReLU()) for i in range(1, dilated)]
    return nn.Sequential(conv(4, 16, 21), nn.ReLU(), *body)


def bpnet_counts() -> nn.Module:
    return nn.Sequential(_bpnet(), Fn(mean), nn.Linear(16, 2))


def bpnet_profile() -> nn.Module:
    """Logits of the profile, less their mean, weighted by their own softmax."""

    def run(m: Any, x: Tensor) -> Tensor:
        logits = m.profile(m.body(x))
        logits = logits - logits.mean(-1, keepdim=True)
        return (logits * logits.detach().softmax(-1)).sum(-1)

    return Parts(run, body=_bpnet(), profile=conv(16, 2, 75))


def chrombpnet() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        return torch.logsumexp(torch.stack([m.bias(x), m.main(x)]), 0)

    return Parts(run, main=bpnet_counts(), bias=nn.Sequential(_bpnet(3), Fn(mean), nn.Linear(16, 2)))


def deepstarr() -> nn.Module:
    from l2g_core.model.deepstarr import DeepSTARR, DeepSTARRConfig

    return DeepSTARR(DeepSTARRConfig(sequence_length=LENGTH))


def basenji() -> nn.Module:
    def norm_conv(before: int, after: int, width: int, dilation: int = 1) -> list[nn.Module]:
        return [nn.GELU(approximate="tanh"), conv(before, after, width, dilation), nn.BatchNorm1d(after)]

    tower = [*norm_conv(4, 16, 15), nn.MaxPool1d(2), *norm_conv(16, 16, 5), nn.MaxPool1d(2)]
    dilated = [Add(*norm_conv(16, 8, 3, 2**i), *norm_conv(8, 16, 1)) for i in range(4)]
    return nn.Sequential(*tower, *dilated, nn.GELU(), nn.Conv1d(16, 2, 1), nn.Softplus(), Fn(mean))


def _transformer(width: int) -> nn.Module:
    mlp = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
    return nn.Sequential(turned(), Add(nn.LayerNorm(width), RelativeAttention(width)), Add(*mlp), turned())


def _gelu_conv(width: int, kernel: int) -> list[nn.Module]:
    return [nn.BatchNorm1d(width), Fn(lambda x: torch.sigmoid(1.702 * x) * x), conv(width, width, kernel)]


def enformer() -> nn.Module:
    stem = [conv(4, 16, 15), Add(*_gelu_conv(16, 1)), SoftmaxPool(16)]
    tower = [*_gelu_conv(16, 5), Add(*_gelu_conv(16, 1)), SoftmaxPool(16)]
    return nn.Sequential(
        *stem, *tower, _transformer(16), _transformer(16), nn.Conv1d(16, 2, 1), nn.Softplus(), Fn(mean)
    )


def borzoi() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        fine = m.stem(x)
        middle = F.max_pool1d(m.first(fine), 2)
        deep = m.transformer(F.max_pool1d(m.second(middle), 2))
        up = m.third(F.interpolate(deep, scale_factor=2.0, mode="nearest") + m.skip(middle))
        return m.head(up).mean(-1)

    stem, head = nn.Sequential(conv(4, 16, 15), nn.MaxPool1d(2)), nn.Sequential(nn.Conv1d(16, 2, 1), nn.Softplus())
    first, second, third = (nn.Sequential(*_gelu_conv(16, 5)) for _ in range(3))
    return Parts(run, stem=stem, first=first, second=second, third=third, transformer=_transformer(16),
                 skip=nn.Conv1d(16, 16, 1), head=head)  # fmt: skip


def spliceai() -> nn.Module:
    def unit(width: int, dilation: int) -> nn.Module:
        return Add(*(layer for _ in range(2) for layer in
                     (nn.BatchNorm1d(12), nn.ReLU(inplace=True), conv(12, 12, width, dilation))))  # fmt: skip

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.first(x)
        skipped = m.skips[0](h)
        for i, group in enumerate(m.groups):
            h = group(h)
            skipped = skipped + m.skips[i + 1](h)
        return F.softmax(skipped[..., 40:-40], 1)[:, 1:].mean(-1)

    groups = nn.ModuleList(nn.Sequential(unit(11, d), unit(11, d)) for d in (1, 4))
    skips = nn.ModuleList([nn.Conv1d(12, 12, 1), nn.Conv1d(12, 12, 1), nn.Conv1d(12, 12, 1)])
    return nn.Sequential(Parts(run, first=nn.Conv1d(4, 12, 1), groups=groups, skips=skips),
                         nn.Linear(11, 2))  # fmt: skip


def unet() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        a = m.relu(m.one(x))
        b = m.relu(m.two(F.max_pool1d(a, 2)))
        c = m.relu(m.three(F.max_pool1d(b, 2)))
        up = m.relu(m.four(torch.cat([b, m.up_one(c)], 1)))
        return m.head(m.relu(m.five(torch.cat([a, m.up_two(up)], 1))).mean(-1))

    up_one, up_two = (nn.ConvTranspose1d(16, 16, 2, stride=2) for _ in range(2))
    return Parts(run, one=conv(4, 16, 5), two=conv(16, 16, 5), three=conv(16, 16, 5), four=conv(32, 16, 5),
                 five=conv(32, 16, 5), up_one=up_one, up_two=up_two, relu=nn.ReLU(inplace=True),
                 head=nn.Linear(16, 2))  # fmt: skip


def resnet() -> nn.Module:
    def block() -> nn.Module:
        one, two = ((conv(16, 16, 5), nn.BatchNorm1d(16)) for _ in range(2))
        return nn.Sequential(Add(*one, nn.ReLU(inplace=True), *two), nn.ReLU(inplace=True))

    return nn.Sequential(conv(4, 16, 7), nn.ReLU(), block(), nn.MaxPool1d(2), block(), Fn(mean), nn.Linear(16, 2))


def legnet() -> nn.Module:
    def block() -> nn.Module:
        grown = nn.Conv1d(16, 32, 1), nn.BatchNorm1d(32), nn.SiLU(), conv(32, 32, 7, groups=32), nn.SiLU()
        return Add(*grown, SqueezeExcite(32), nn.Conv1d(32, 16, 1), nn.BatchNorm1d(16), nn.SiLU())

    return nn.Sequential(conv(4, 16, 7), nn.SiLU(), block(), block(), Fn(mean), nn.Linear(16, 2))


def explainn() -> nn.Module:
    units = nn.Conv1d(4, 8, 19), nn.BatchNorm1d(8), Fn(torch.exp), nn.MaxPool1d(7, 7), nn.Flatten()
    dense = (
        Fn(lambda h: h.unsqueeze(-1)),
        nn.LazyConv1d(64, 1),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Conv1d(64, 8, 1, groups=8),
    )
    return nn.Sequential(*units, *dense, nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))


def sei() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        h = m.linear(x)
        h = h + m.nonlinear(h)
        grid = torch.linspace(0, 1, h.shape[-1], device=h.device, dtype=h.dtype)
        spline = torch.stack([grid**k * (1 - grid) ** (3 - k) for k in range(4)], 1)
        return m.head((h @ spline).flatten(1))

    nonlinear = nn.Sequential(conv(16, 16, 9), nn.ReLU(inplace=True), conv(16, 16, 9, 2), nn.ReLU(inplace=True))
    return Parts(run, linear=nn.Sequential(conv(4, 16, 9), conv(16, 16, 9)), nonlinear=nonlinear, head=nn.Linear(64, 2))


def akita() -> nn.Module:
    """One to two dimensions: the mean of every two bins and their distance, a symmetric map."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.trunk(x)
        n = h.shape[-1]
        pairs = (h[..., :, None] + h[..., None, :]) / 2
        near = (torch.arange(n)[:, None] - torch.arange(n)).abs().to(h).expand(len(h), 1, n, n) / n
        square = m.square(torch.cat([pairs, near], 1))
        above = torch.triu_indices(n, n, 2)
        return m.head((square + square.mT)[..., above[0], above[1]].mean(-1))

    trunk = nn.Sequential(conv(4, 12, 11), nn.ReLU(), nn.MaxPool1d(5), conv(12, 12, 5), nn.ReLU(), nn.MaxPool1d(4))
    square = nn.Sequential(nn.Conv2d(13, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU())
    return Parts(run, trunk=trunk, square=square, head=nn.Linear(12, 2))


def puffin() -> nn.Module:
    """Motif activations times wide effects, of both strands, on a logarithmic scale."""

    def run(m: Any, x: Tensor) -> Tensor:
        y = torch.cat([m.motifs(x), m.motifs(x.flip([1, 2])).flip([2])], 1)
        return torch.log10(1 + F.softplus(m.effects(torch.sigmoid(y) * y))).mean(-1)

    return Parts(run, motifs=conv(4, 8, 21), effects=conv(16, 2, 81))


def hyena() -> nn.Module:
    return tokens(*(f for _ in range(2) for f in (Add(nn.LayerNorm(16), LongConvolution(16)), mlp(16))))


def striped_hyena() -> nn.Module:
    """Evo's pattern: long convolutions with attention in between."""
    attention = Add(nn.LayerNorm(16), RelativeAttention(16))
    return tokens(Add(nn.LayerNorm(16), LongConvolution(16)), mlp(16), attention, mlp(16))


def caduceus() -> nn.Module:
    """Mamba in both directions with the same weights, on both strands: the same whichever is read."""

    def both_ways(m: Any, h: Tensor) -> Tensor:
        return m.scan(h) + m.scan(h.flip(1)).flip(1)

    def run(m: Any, x: Tensor) -> Tensor:
        strands = [m.body(m.embed(s).transpose(1, 2)).mean(1) for s in (x, x.flip([1, 2]))]
        return m.head(torch.stack(strands).sum(0))

    body = Add(nn.LayerNorm(16), Parts(both_ways, scan=SelectiveScan(16)))
    return Parts(run, embed=nn.Conv1d(4, 16, 8, stride=8), body=nn.Sequential(body, nn.LayerNorm(16)),
                 head=nn.Linear(16, 2))  # fmt: skip


def mixer() -> nn.Module:
    def across_tokens() -> nn.Module:
        return Add(nn.LayerNorm(16), turned(), nn.Linear(50, 32), nn.GELU(), nn.Linear(32, 50), turned())

    return tokens(across_tokens(), mlp(16), across_tokens(), mlp(16))


def convnext() -> nn.Module:
    def block() -> nn.Module:
        norm = turned(), nn.LayerNorm(16), nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16), turned()
        return Add(conv(16, 16, 7, groups=16), *norm)

    return nn.Sequential(nn.Conv1d(4, 16, 4, stride=4), block(), block(), Fn(mean), nn.Linear(16, 2))


def linear_transformer() -> nn.Module:
    return tokens(Add(nn.LayerNorm(16), LinearAttention(16)), mlp(16))


def experts() -> nn.Module:
    return tokens(Add(nn.LayerNorm(16), Experts(16)), mlp(16))


def torch_encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return tokens(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))


PAPERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "DeepBind": (deepbind, "Alipanahi 2015"),
    "DeepSEA": (deepsea, "Zhou 2015"),
    "Basset": (basset, "Kelley 2016"),
    "DanQ": (danq, "Quang 2016; LSTM"),
    "Basenji": (basenji, "Kelley 2018"),
    "SpliceAI": (spliceai, "Jaganathan 2019"),
    "Akita": (akita, "Fudenberg 2020; contact maps"),
    "BPNet, counts": (bpnet_counts, "Avsec 2021"),
    "BPNet, profile": (bpnet_profile, "Avsec 2021; weighted by its own softmax"),
    "Enformer": (enformer, "Avsec 2021; softmax pooling, relative attention"),
    "DeepSTARR": (deepstarr, "de Almeida 2022"),
    "Sei": (sei, "Chen 2022; splines"),
    "Saluki": (saluki, "Agarwal 2022; GRU"),
    "ExplaiNN": (explainn, "Novakovsky 2023"),
    "LegNet": (legnet, "Penzar 2023; squeeze and excite"),
    "Hyena": (hyena, "Poli 2023; FFT convolutions"),
    "StripedHyena": (striped_hyena, "Nguyen 2024 (Evo)"),
    "Malinois": (malinois, "Gosai 2024"),
    "Puffin": (puffin, "Dudnyk 2024"),
    "Caduceus": (caduceus, "Schiff 2024; Mamba both ways, both strands"),
    "ChromBPNet": (chrombpnet, "Pampari 2025; bias model, logsumexp"),
    "Borzoi": (borzoi, "Linder 2025; U-Net around attention"),
    "U-Net": (unet, "Ronneberger 2015"),
    "ResNet-1D": (resnet, "He 2016"),
    "Transformer of torch": (torch_encoder, "Vaswani 2017; `nn.TransformerEncoder`"),
    "Linear transformer": (linear_transformer, "Katharopoulos 2020"),
    "MLP-Mixer": (mixer, "Tolstikhin 2021"),
    "Mixture of experts": (experts, "Fedus 2022 (Switch)"),
    "ConvNeXt": (convnext, "Liu 2022"),
}
