"""What exactness buys and what it does not: every method on a trained hybrid whose motifs are known.

    python benchmarks/honesty.py --output runs/honesty

Trains a ResNet + MiniLM (2 layers) on planted motifs, explains new sequences with every method, and prints how well
the contributions tell planted bases from the rest (area under the precision-recall curve), whether they add up, and
the time. Killed, it goes on where it was.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch
from sklearn.metrics import average_precision_score

from l2g_core.dna import one_hot
from l2g_core.finetune.options import FinetuneOptions
from l2g_core.finetune.stage import finetune
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import L2G
from l2g_interp import attribute
from l2g_interp.attributions import METHODS
from l2g_interp.demo.demo import LENGTH, training_set
from l2g_interp.demo.made_up import PlantedSet, make_planted_sequences

TARGETS = ("dev", "hk")


@click.command()
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the trained model.")
@click.option("--sequences", default=60, show_default=True, help="New sequences to explain.")
@click.option("--references", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(output: Path, sequences: int, references: int, seed: int) -> None:
    """Train if need be, then print the table."""
    scores = train(output, seed)
    print("validation PCC:", ", ".join(f"{name} {value:.2f}" for name, value in scores.items()))
    model = load(output)
    truth = make_planted_sequences(sequences, LENGTH, seed + 1)
    x = one_hot(truth.sequences)
    print("| method | AUPRC dev | AUPRC hk | completeness error | seconds |\n|---|---|---|---|---|")
    for method in METHODS:
        attribute(model, x[:1], n_references=2, method=method, seed=seed)  # warm up
        begun = time.perf_counter()
        found = attribute(model, x, n_references=references, method=method, seed=seed)
        seconds = time.perf_counter() - begun
        areas = " | ".join(f"{area(found[t].contributions, truth, t):.3f}" for t in TARGETS)
        error = np.mean([found[t].completeness_error for t in TARGETS])
        print(f"| {method} | {areas} | {'-' if np.isnan(error) else f'{error:.1e}'} | {seconds:.1f} |", flush=True)


def train(folder: Path, seed: int) -> dict[str, float]:
    """Validation score by target of the model in ``folder``, which is trained if it is not there."""
    torch.manual_seed(seed)
    config = L2GConfig(
        TARGETS,
        LENGTH,
        embedder="resnet",
        embedder_width=16,
        target_tokens=25,
        backbone="minilm",
        backbone_layers=2,
        average_strands=False,
    )
    options = FinetuneOptions(epochs=5, batch_size=32, learning_rate=2e-5, new_learning_rate=2e-3, warmup_epochs=1.0)
    folder.mkdir(parents=True, exist_ok=True)
    return finetune(L2G(config), training_set(seed), folder, options, resume=True)["val"]


def area(contributions: np.ndarray, truth: PlantedSet, target: str) -> float:
    """Area under the precision-recall curve of the bases that drive the target, all sequences together."""
    planted = np.zeros((len(contributions), LENGTH), dtype=bool)
    for row, start, motif in truth.sites:
        planted[row, start : start + len(motif.consensus)] |= motif.target == target
    return float(average_precision_score(planted.ravel(), contributions.sum(1).ravel()))


if __name__ == "__main__":
    main()
