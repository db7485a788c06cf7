"""MMD and OTDD against slow, obvious computations."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from l2g_core.align.discrepancy import bures_wasserstein, mmd, otdd, squared_distances, transport
from l2g_core.align.discrepancy import discrepancy as named_discrepancy
from l2g_core.align.options import DISCREPANCIES


def cloud(n: int, width: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed)) + shift


def mmd_by_loops(dna: np.ndarray, text: np.ndarray) -> float:
    """The definition, pair by pair in double precision."""
    pooled = np.concatenate([dna, text]).astype(np.float64)
    size = len(pooled)
    squared = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            squared[i, j] = sum((float(a) - float(b)) ** 2 for a, b in zip(pooled[i], pooled[j], strict=True))
    mean = squared.sum() / (size**2 - size)
    kernel = sum(np.exp(-squared / (mean * multiple)) for multiple in (0.25, 0.5, 1, 2, 4))
    n = len(dna)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 6), st.floats(0, 50), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_mmd_is_that_of_a_loop_in_double_precision(n: int, m: int, width: int, shift: float, seed: int) -> None:
    dna, text = cloud(n, width, seed), cloud(m, width, seed + 1, shift)
    assert float(mmd(dna, text)) == pytest.approx(mmd_by_loops(dna.numpy(), text.numpy()), abs=1e-6)


def test_mmd_is_zero_on_equal_samples_and_grows_with_distance() -> None:
    dna = cloud(40, 16, 0)
    assert abs(float(mmd(dna, dna.clone()))) < 1e-12
    assert abs(float(mmd(torch.ones(5, 3), torch.ones(4, 3)))) < 1e-12
    near, far = (float(mmd(dna, cloud(40, 16, 1, shift))) for shift in (0.0, 1.0))
    assert 0 < near < far / 5


def test_mmd_sends_the_gradient_of_finite_differences_to_the_dna_side_only() -> None:
    """The bandwidth is a constant, so it is held fixed in the difference too."""
    dna, text = cloud(6, 3, 0).double().requires_grad_(), cloud(5, 3, 1, 0.5).double()
    (gradient,) = torch.autograd.grad(mmd(dna, text), dna)
    with torch.no_grad():
        mean = squared_distances(pooled := torch.cat([dna, text]), pooled).sum() / (11 * 10)

        def value(x: torch.Tensor) -> float:
            both = torch.cat([x, text])
            k = sum(torch.exp(-squared_distances(both, both) / (mean * m)) for m in (0.25, 0.5, 1, 2, 4))
            return float(k[:6, :6].mean() + k[6:, 6:].mean() - 2 * k[:6, 6:].mean())

        for i, j in ((0, 0), (3, 1), (5, 2)):
            step = torch.zeros_like(dna)
            step[i, j] = 1e-5
            difference = (value(dna + step) - value(dna - step)) / 2e-5
            assert float(gradient[i, j]) == pytest.approx(difference, rel=1e-6, abs=1e-10)


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation, backward too, makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return out


def test_mmd_never_holds_pairs_times_width() -> None:
    n, width = 50, 64
    dna, text = cloud(n, width, 0).requires_grad_(), cloud(n, width, 1)
    with Largest() as largest:
        mmd(dna, text).backward()
    assert dna.grad is not None
    assert largest.numel == (2 * n) ** 2
    assert largest.numel < (2 * n) ** 2 * width


def otdd_by_definition(dna, text, dna_labels, text_labels, label_distance) -> float:
    """All in numpy, by POT's own Gaussian distance and its exact solver."""
    dna, text = dna.double().numpy(), text.double().numpy()

    def between(a: np.ndarray, b: np.ndarray) -> float:
        if label_distance == "exact":
            return float(ot.emd2([], [], ot.dist(a, b)))
        covariances = np.cov(a.T, bias=True), np.cov(b.T, bias=True)
        return float(ot.gaussian.bures_wasserstein_distance(a.mean(0), b.mean(0), *covariances)) ** 2

    cost = ot.dist(dna, text)
    for i, p in enumerate(dna_labels):
        for j, q in enumerate(text_labels):
            cost[i, j] += between(dna[dna_labels == p], text[text_labels == q])
    return float(ot.emd2([], [], cost))


@pytest.mark.parametrize("label_distance", ["gaussian", "exact"])
def test_otdd_is_that_of_the_exact_solver(label_distance) -> None:
    dna, text = cloud(18, 3, 0), cloud(24, 3, 1, 0.7)
    dna_labels, text_labels = torch.arange(18) % 2, torch.arange(24) % 3 + 4
    expected = otdd_by_definition(dna, text, dna_labels.numpy(), text_labels.numpy(), label_distance)
    found = otdd(dna, text, dna_labels, text_labels, label_distance)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_label_distances_hold_where_a_label_has_fewer_points_than_the_embeddings_are_wide() -> None:
    """There the covariances are singular, and a root of them as wide as the embeddings would be costly."""
    few, many = cloud(3, 40, 0), cloud(7, 40, 1)
    assert float(bures_wasserstein(few, few)) == pytest.approx(0, abs=1e-4)
    one, other = few[:1], many[:1]
    assert float(bures_wasserstein(one, other)) == pytest.approx(float(((one - other) ** 2).sum()), rel=1e-5)
    assert float(bures_wasserstein(few, many)) <= float(transport(few, many))  # the Gaussian bound (Gelbrich 1990)


@pytest.mark.parametrize("name", DISCREPANCIES)
def test_every_discrepancy_keeps_its_contract(name: str) -> None:
    """A new entry of DISCREPANCIES is tested here without writing a test."""
    discrepancy = named_discrepancy(name)
    dna, text = cloud(20, 5, 0, 1.0).requires_grad_(), cloud(30, 5, 1)
    labels = torch.arange(20) % 4, torch.arange(30) % 3
    value = discrepancy(dna, text, *labels)
    assert value.shape == ()
    (gradient,) = torch.autograd.grad(value, dna)
    assert gradient.shape == dna.shape
    with torch.no_grad():
        assert float(discrepancy(dna - 0.05 * gradient / gradient.norm(), text, *labels)) < float(value)
        assert float(discrepancy(dna, dna.clone(), labels[0], labels[0])) == pytest.approx(0, abs=1e-5)
        assert float(value) > 1e-3


def test_points_without_a_gradient_at_a_single_label_stay_finite() -> None:
    """One point per label has no spread, and the root of nothing must not give NaN."""
    dna, text = cloud(2, 5, 0).requires_grad_(), cloud(3, 5, 1)
    (gradient,) = torch.autograd.grad(otdd(dna, text, torch.tensor([0, 1]), torch.tensor([0, 1, 2])), dna)
    assert torch.isfinite(gradient).all()
