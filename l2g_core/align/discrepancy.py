"""How far two clouds of embeddings are from each other; ``options.DISCREPANCIES`` lists the functions (paper, Table 9).

Each takes DNA and text points ``(n, width)`` with their labels ``(n,)`` and returns a scalar that is 0 for equal
clouds; gradients flow to the DNA side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pkgutil import resolve_name
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from l2g_core.align.options import DISCREPANCIES
from l2g_core.errors import missing_extra

N_KERNELS = 5  # bandwidths 1/4, 1/2, 1, 2 and 4 times the mean squared distance

Cloud = Float[Tensor, "_ width"]
Labels = Int[Tensor, " _"]
Scalar = Float[Tensor, ""]


def mmd(dna: Cloud, text: Cloud, dna_labels: Labels | None = None, text_labels: Labels | None = None) -> Scalar:
    """Squared maximum mean discrepancy under the sum of five Gaussian kernels, with its diagonals (V-statistic).

    The kernels' bandwidths are 1/4 to 4 times the mean squared distance within the pooled sample, which gets no
    gradient. Labels are ignored. Computed in double precision from one ``(n + m, n + m)`` matrix of squared distances,
    because a difference of nearly equal means would lose its significant digits in single precision.
    """
    n = len(dna)
    pooled = torch.cat([dna, text]).double()
    squared = squared_distances(pooled, pooled)
    mean = squared.detach().sum() / (len(pooled) * (len(pooled) - 1))
    # exp(-d/4b) to the powers 1, 2, 4, 8, 16: the five kernels from one exponential
    kernel = torch.exp(-squared / (2 ** (N_KERNELS // 2) * mean.clamp(min=torch.finfo(mean.dtype).tiny)))
    total = kernel
    for _ in range(N_KERNELS - 1):
        kernel = kernel * kernel
        total = total + kernel
    return (total[:n, :n].mean() + total[n:, n:].mean() - 2 * total[:n, n:].mean()).to(dna.dtype)


def squared_distances(a: Float[Tensor, "n width"], b: Float[Tensor, "m width"]) -> Float[Tensor, "n m"]:
    """Squared Euclidean distances from matrix products; centred first, which keeps the loss of precision small."""
    centre = b.detach().mean(dim=0)
    a, b = a - centre, b - centre
    return ((a * a).sum(dim=1)[:, None] + (b * b).sum(dim=1) - 2 * a @ b.T).clamp(min=0)


def otdd(
    dna: Cloud,
    text: Cloud,
    dna_labels: Labels,
    text_labels: Labels,
    label_distance: Literal["gaussian", "exact"] = "gaussian",
) -> Scalar:
    """Squared optimal transport dataset distance (Alvarez-Melis and Fusi 2020), by the exact solver of POT.

    The cost of moving one point to another is their squared distance plus the squared Wasserstein distance between
    the clouds of their labels: of Gaussians with the clouds' means and covariances, or ``exact`` between the points.
    The optimal plan gets no gradient: by the envelope theorem the gradient of the distance is exact without it, where
    it exists.

    Raises
    ------
    InputError
        POT is not installed.
    """
    distance = bures_wasserstein if label_distance == "gaussian" else transport
    dna_clouds, dna_numbers = _by_label(dna.double(), dna_labels)
    text_clouds, text_numbers = _by_label(text.double(), text_labels)
    between = torch.stack([torch.stack([distance(d, t) for t in text_clouds]) for d in dna_clouds])
    cost = squared_distances(dna.double(), text.double()) + between[dna_numbers][:, text_numbers]
    return _moved(cost).to(dna.dtype)


def bures_wasserstein(a: Float[Tensor, "n width"], b: Float[Tensor, "m width"]) -> Scalar:
    """Squared Wasserstein distance between the Gaussians of two clouds (population covariances).

    The cross term is the trace of a ``(width, width)`` matrix square root; it equals the nuclear norm of the product of
    the centred clouds, which is only ``(n, m)``.
    """
    centred_a, centred_b = a - a.mean(dim=0), b - b.mean(dim=0)
    spread = (centred_a**2).sum() / len(a) + (centred_b**2).sum() / len(b)
    cross = torch.linalg.matrix_norm(centred_a @ centred_b.T, ord="nuc") / (len(a) * len(b)) ** 0.5
    return ((a.mean(dim=0) - b.mean(dim=0)) ** 2).sum() + spread - 2 * cross


def transport(a: Float[Tensor, "n width"], b: Float[Tensor, "m width"]) -> Scalar:
    """Squared Wasserstein distance between two clouds, points of equal weight."""
    return _moved(squared_distances(a, b))


def _moved(cost: Float[Tensor, "n m"]) -> Scalar:
    """The least total cost of moving equal weights on the rows to equal weights on the columns.

    Raises
    ------
    InputError
        POT is not installed.
    """
    try:
        import ot
    except ImportError as error:
        raise missing_extra("OTDD", "POT", "otdd") from error
    n, m = cost.shape
    plan = ot.emd(ot.unif(n), ot.unif(m), cost.detach().cpu().numpy())
    return (torch.from_numpy(plan).to(cost) * cost).sum()


def _by_label(points: Cloud, labels: Labels) -> tuple[list[Cloud], Int[Tensor, " _"]]:
    """The points of each label that occurs, and for every point the index of its label among those."""
    present, numbers = torch.unique(labels.to(points.device), return_inverse=True)
    return [points[numbers == i] for i in range(len(present))], numbers


otdd_exact = partial(otdd, label_distance="exact")


def discrepancy(name: str) -> Callable[[Cloud, Cloud, Labels, Labels], Scalar]:
    """The function of a name in ``DISCREPANCIES``."""
    return resolve_name(DISCREPANCIES[name])
