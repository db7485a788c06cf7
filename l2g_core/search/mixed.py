"""A convolution that is all candidates at once, for the price of one (DASH: Shen et al. 2022, arXiv:2204.07554).

Every candidate has weights of its own. Dilated by zero insertion, padded with zeros to the widest support and weighted
by its probability, it is summed with the others to ONE kernel, and that is convolved once: the mix is of kernels, not
of feature maps. With all probability on one candidate this is, position for position, the convolution that
``embedders.layers.conv`` builds for that (kernel, dilation): what is searched is what is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F

from l2g_core.model.embedders import KernelDilation, reach
from l2g_core.model.embedders.layers import Embedder, OperatorConv
from l2g_core.search.space import tap_map

GAIN = (
    2.0  # the noisy shares of 20 equal candidates have a mean sum of squares of 0.26: so the sum starts at full scale
)


class MixedConv(nn.Module):
    """All ``candidates`` of one convolution, with a logit each.

    Attributes
    ----------
    logits : (candidates,)
    weight : (taps of all candidates, out channels, in channels)
        Each candidate's starts as ``nn.Conv1d`` would start it, times ``GAIN``.
    """

    owners: Tensor
    places: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, candidates: Sequence[KernelDilation], temperature: float = 1.0
    ):
        super().__init__()
        self.candidates = tuple(candidates)
        self.temperature = temperature
        self.left = max(reach(operator)[0] for operator in self.candidates)
        self.width = self.left + max(reach(operator)[1] for operator in self.candidates) + 1
        owners, places = tap_map(self.candidates)
        self.register_buffer("owners", torch.tensor(owners), persistent=False)
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.logits = nn.Parameter(1e-3 * torch.randn(len(self.candidates)))
        bounds = torch.tensor([GAIN / math.sqrt(in_channels * kernel) for kernel, _ in self.candidates])
        shape = (len(owners), out_channels, in_channels)
        self.weight = nn.Parameter((2 * torch.rand(shape) - 1) * bounds[self.owners][:, None, None])
        self.bias = nn.Parameter((2 * torch.rand(out_channels) - 1) * bounds.min())

    def probabilities(self) -> Float[Tensor, " candidates"]:
        """Gumbel-softmax, soft, with fresh noise at every call; in evaluation too.

        Without noise all shares are small and the summed kernel with them.
        """
        return F.gumbel_softmax(self.logits, tau=self.temperature)

    def kernel(self, probabilities: Float[Tensor, " candidates"]) -> Float[Tensor, "width outputs inputs"]:
        """The weighted sum of all candidates' kernels on the widest support."""
        weighted = self.weight * probabilities[self.owners][:, None, None]
        return weighted.new_zeros(self.width, *weighted.shape[1:]).index_add(0, self.places, weighted)

    def forward(self, x: Float[Tensor, "batch inputs length"]) -> Float[Tensor, "batch outputs length"]:
        return convolve(x, self.kernel(self.probabilities()), self.left) + self.bias[:, None]

    def best(self) -> KernelDilation:
        """The candidate with the highest logit."""
        return self.candidates[int(self.logits.argmax())]


def mix(embedder: Embedder, candidates: Sequence[KernelDilation], temperature: float = 1.0) -> list[MixedConv]:
    """Replace every convolution that has an operator of its own by a mixed one, and return them in order.

    The embedder must have been built with operator (1, 1) throughout. One-wide shortcuts stay as they are.
    """
    mixed = []
    for name, module in list(embedder.named_modules()):
        if isinstance(module, OperatorConv):
            new = MixedConv(module.in_channels, module.out_channels, candidates, temperature)
            parent, _, child = name.rpartition(".")
            setattr(embedder.get_submodule(parent), child, new)
            mixed.append(new)
    return mixed


def convolve(
    x: Float[Tensor, "batch inputs length"], kernel: Float[Tensor, "width outputs inputs"], left: int
) -> Float[Tensor, "batch outputs length"]:
    """The length-keeping convolution with a wide kernel whose own position is ``left``, by way of frequencies.

    Exactly ``F.conv1d(F.pad(x, (left, width - 1 - left)), ...)`` up to rounding. A product per frequency replaces one
    per tap: with 71 taps on 249 bp that is a twenty-seventh of the multiplications. Taps that could only ever read
    padding (the sequence is shorter than the kernel) are left out.
    """
    length = x.shape[-1]
    first, last = max(0, left - length + 1), min(len(kernel), left + length)
    kernel, left = kernel[first:last], left - first
    n = fast_length(length + max(left, len(kernel) - 1 - left))
    signal = torch.fft.rfft(F.pad(x, (left, n - length - left)), dim=2).permute(2, 1, 0)
    spectrum: Complex[Tensor, "frequencies outputs inputs"] = torch.fft.rfft(kernel, n=n, dim=0).conj()
    return torch.fft.irfft(torch.bmm(spectrum, signal), n=n, dim=0)[:length].permute(2, 1, 0)


@cache
def fast_length(n: int) -> int:
    """The smallest even number from ``n`` on without prime factors above 5: Fourier transforms of it are fast."""
    candidate = n + n % 2
    while True:
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate
        candidate += 2
