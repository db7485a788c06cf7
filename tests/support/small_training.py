"""Small tables and models for the tests of training: planted motifs, and MiniLM's first layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from l2g_core.datasets import Labelled
from l2g_core.dna import Sequences
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import L2G
from l2g_interp.demo.made_up import make_planted_sequences

LENGTH = 60


def write_table(path: Path, n: int, length: int = LENGTH) -> Path:
    made = make_planted_sequences(n, length, seed=0)
    rows = [f"{s}\t{d:.4f}" for s, d in zip(made.sequences, made.activities["dev"], strict=True)]
    path.write_text("sequence\tdev\n" + "\n".join(rows) + "\n")
    return path


def model(training: str = "none", task: str = "regression", targets: tuple[str, ...] = ("dev",), **more) -> L2G:
    torch.manual_seed(0)
    config = L2GConfig(
        targets, LENGTH, task=task, embedder_width=8, target_tokens=15, backbone="minilm", backbone_layers=1,
        backbone_training=training, **more,
    )  # type: ignore[arg-type] # fmt: skip
    return L2G(config)


def labelled(labels: np.ndarray, splits: list[str] | None = None, length: int = LENGTH) -> Labelled:
    """Random sequences with these labels; every fifth row is for validation unless ``splits`` says otherwise."""
    n = len(labels)
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]
    data = Sequences([f"s{i}" for i in range(n)], sequences, "made up")
    targets = tuple(f"t{i}" for i in range(labels.shape[1]))
    splits = splits or ["val" if i % 5 == 4 else "train" for i in range(n)]
    return Labelled(data, targets, labels.astype(np.float32), splits, "made up", "0" * 64)
