"""A convolution that is all candidates at once, at the cost of one (DASH: Shen et al. 2022, arXiv:2204.07554).

Every candidate has its own weights. Its kernel is dilated by inserting zeros, padded with zeros to the widest support
and weighted by its probability; the sum of all is ONE kernel, which is convolved once: kernels are mixed, not feature
maps. With all probability on one candidate this is, position for position, the convolution that
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

# With Gumbel noise the probabilities of 20 equal candidates have a mean sum of squares of 0.26, so without this factor
# the summed kernel would start at half the scale of an ordinary convolution's.
GAIN = 2.0


class MixedConv(nn.Module):
    """All ``candidates`` of one convolution, with a logit each.

    Attributes
    ----------
    logits : (candidates,)
    weight : (taps of all candidates, out channels, in channels)
        Initialised for each candidate as ``nn.Conv1d`` would, times ``GAIN``.
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
        """Gumbel-softmax (soft), with new noise in every call; in evaluation too.

        Without noise all probabilities would be small while the search is undecided, and so would the summed kernel.
        """
        return F.gumbel_softmax(self.logits, tau=self.temperature)

    def kernel(self, probabilities: Float[Tensor, " candidates"]) -> Float[Tensor, "width outputs inputs"]:
        """The weighted sum of all candidates' kernels, as wide as the widest support."""
        weighted = self.weight * probabilities[self.owners][:, None, None]
        return weighted.new_zeros(self.width, *weighted.shape[1:]).index_add(0, self.places, weighted)

    def forward(self, x: Float[Tensor, "batch inputs length"]) -> Float[Tensor, "batch outputs length"]:
        return convolve(x, self.kernel(self.probabilities()), self.left) + self.bias[:, None]

    def best(self) -> KernelDilation:
        """The candidate with the highest logit."""
        return self.candidates[int(self.logits.argmax())]


def mix(embedder: Embedder, candidates: Sequence[KernelDilation], temperature: float = 1.0) -> list[MixedConv]:
    """Replace every convolution that takes an operator by a mixed one, in place; return the new ones in order.

    The embedder must have been built with operator (1, 1) throughout. Shortcuts of kernel size 1 stay as they are.
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
    """Convolution with a wide kernel whose tap ``left`` is at the output's position, by FFT; keeps the length.

    The same as ``F.conv1d(F.pad(x, (left, width - 1 - left)), ...)`` up to rounding. One product per frequency replaces
    one per tap: with 71 taps on 249 bp that is 1/27 of the multiplications. Taps that could only read padding (where
    the sequence is shorter than the kernel) are left out.
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
    """The smallest even number of at least ``n`` without prime factors above 5: FFTs of this length are fast."""
    candidate = n + n % 2
    while True:
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate
        candidate += 2
