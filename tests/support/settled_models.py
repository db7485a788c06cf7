"""The models and sequences that the benchmarks share: untrained, but with signals as strong as a trained one's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from l2g_core.dna import one_hot
from l2g_core.model.config import L2GConfig
from l2g_core.model.deepstarr import DeepSTARR, DeepSTARRConfig
from l2g_core.model.l2g import L2G
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles
from l2g_interp.attributions.result import MethodResult


def random_dna(n: int, length: int, seed: int = 0) -> np.ndarray:
    """One-hot ``(n, 4, length)``."""
    rng = np.random.default_rng(seed)
    return one_hot(["".join(rng.choice(list("ACGT"), length)) for _ in range(n)])


def inputs(sequences: int, references: int, length: int, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Random sequences and their shuffles; with ``padding``, up to so many columns at the end hold no base."""
    x = random_dna(sequences, length)
    for i, row in enumerate(x):
        row[:, length - (padding * (i + 1)) // sequences :] = 0
    return torch.from_numpy(x), torch.from_numpy(dinucleotide_shuffles(x, references, 0))


def relative_error(result: MethodResult) -> float:
    """mean |sum of contributions - (f(x) - f(reference))| / mean |f(x) - mean f(reference)|"""
    return float(result.delta.mean() / np.abs(result.prediction - result.reference_prediction).mean())


def deepstarr(length: int) -> nn.Module:
    torch.manual_seed(0)
    return settled(DeepSTARR(DeepSTARRConfig(sequence_length=length)), length)


def l2g(embedder: str, backbone: str, length: int, *, pretrained: bool, training: str = "full", **more) -> nn.Module:
    """Two targets, one strand, no dropout to speak of."""
    torch.manual_seed(0)
    config = L2GConfig(
        ("dev", "hk"),
        length,
        embedder=embedder,
        backbone=backbone,
        backbone_pretrained=pretrained,
        backbone_training=training,
        average_strands=False,
        **more,
    )
    return settled(L2G(config), length)


def settled(model: nn.Module, length: int) -> nn.Module:
    """In evaluation mode, with batch norms that know their data and a head that tells sequences apart.

    Without it an untrained network of many layers gives nearly the same for every sequence, and rounding would drown
    the difference that is to be explained.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    model.eval().requires_grad_(False)
    for norm in norms:
        norm.momentum = None  # the plain average
        norm.reset_running_stats()
        norm.train()
    features = model.embedder if isinstance(model, L2G) else model
    with torch.no_grad():
        features(torch.from_numpy(random_dna(64, length, seed=1)).float())
    nn.init.normal_(model.head.weight)  # pyright: ignore
    return model.eval()
