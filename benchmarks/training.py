"""How many sequences per second fine-tuning learns from, beside a plain training loop on the same model.

    python benchmarks/training.py                                                 # RoBERTa-base, random weights
    python benchmarks/training.py --layers 1 --embedder-width 8 --tokens 16 --batch-size 4 --steps 2   # to try it

*ours* is what ``l2g finetune`` does: arrays made batch by batch, mixed precision where the device has it, fused
attention, nothing waits for the device within a step. *plain* is what one writes first: a ``Dataset`` that encodes and
augments one sequence at a time, fp32, the loss read after every step. Both take turns in one process, each on its own
copy of the model; the figures are medians over the turns.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from l2g_core.datasets import Labelled
from l2g_core.dna import Sequences, one_hot, reverse_complement
from l2g_core.evaluation.predict import default_device
from l2g_core.finetune.options import FinetuneOptions
from l2g_core.finetune.stage import Trainer
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import L2G
from l2g_core.training.loss import task_loss
from l2g_core.training.precision import default_precision

TARGETS = ("dev", "hk")


def random_rows(n: int, length: int) -> Labelled:
    rng = np.random.default_rng(0)
    sequences = ["".join(letters) for letters in rng.choice(list("ACGT"), (n + 8, length))]
    data = Sequences([f"s{i}" for i in range(n + 8)], sequences, "random")
    labels = rng.normal(size=(n + 8, len(TARGETS))).astype(np.float32)
    return Labelled(data, TARGETS, labels, ["train"] * n + ["val"] * 8, "random", "random")


class OneByOne(Dataset):
    """One encoded, augmented sequence at a time."""

    def __init__(self, rows: Labelled, length: int, max_shift: int):
        self.rows, self.length, self.max_shift = rows, length, max_shift
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        sequence = self.rows.data.sequences[row]
        if self.rng.random() < 0.5:
            sequence = reverse_complement(sequence)
        offset = int(self.rng.integers(-self.max_shift, self.max_shift + 1))
        moved = "N" * max(offset, 0) + sequence[max(-offset, 0) : len(sequence) - max(offset, 0)]
        x = torch.from_numpy(one_hot([moved], self.length)[0]).float()
        return x, torch.from_numpy(self.rows.labels[row])


def plain_steps(model: L2G, rows: Labelled, options: FinetuneOptions, device: str) -> Iterator[int]:
    """Endless training; the number of sequences of each step."""
    optimizer = torch.optim.Adam(
        model.parameters(), options.learning_rate, betas=options.betas, weight_decay=options.weight_decay
    )
    loader = DataLoader(
        OneByOne(rows, model.longest, options.max_shift), options.batch_size, shuffle=True, drop_last=True
    )
    model.to(device).train()
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            loss = task_loss(model(x.to(device)), y.to(device), "regression")
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), options.clip)
            optimizer.step()
            loss.item()
            yield len(x)


def our_steps(trainer: Trainer) -> Iterator[int]:
    """Endless training; the number of sequences of each step."""
    batches = chain.from_iterable(trainer.batches(epoch) for epoch in iter(int, 1))
    for x, y in batches:
        trainer.step(x, y)
        yield len(x)


def seconds_per_sequence(steps: Iterator[int], n_steps: int, wait: Callable[[], None]) -> float:
    wait()
    start = time.perf_counter()
    done = sum(islice(steps, n_steps))
    wait()
    return (time.perf_counter() - start) / done


@click.command()
@click.option("--backbone", default="roberta-base", show_default=True)
@click.option("--layers", type=int, help="Of the language model; all when not given.")
@click.option("--embedder", default="unet", show_default=True)
@click.option("--embedder-width", type=int)
@click.option("--length", default=249, show_default=True)
@click.option("--tokens", default=512, show_default=True)
@click.option("--batch-size", default=64, show_default=True)
@click.option("--steps", default=10, show_default=True, help="Per turn.")
@click.option("--turns", default=3, show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="Of ours; the device's own by default.")
@click.option("--compile", "compiled", is_flag=True, help="Ours with torch.compile.")
@click.option("--device")
def main(
    backbone, layers, embedder, embedder_width, length, tokens, batch_size, steps, turns, precision, compiled, device
):
    """Print sequences per second of both."""
    device = device or default_device()
    precision = precision or default_precision(device)
    torch.manual_seed(0)
    config = L2GConfig(
        TARGETS, length, embedder=embedder, embedder_width=embedder_width, target_tokens=tokens, backbone=backbone,
        backbone_layers=layers, backbone_pretrained=False,
    )  # fmt: skip
    model, rows = L2G(config), random_rows(batch_size * steps, length)
    options = FinetuneOptions(batch_size=batch_size, precision=precision, compile=compiled, warmup_epochs=0)
    wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else (lambda: None)
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_steps(copy.deepcopy(model), rows.split("train"), options, device)
        ours = our_steps(Trainer(model.to(device), rows, options, Path(folder), device))
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        for turn in range(turns + 1):  # the first one warms up
            for name, run in (("plain", plain), ("ours", ours)):
                taken = seconds_per_sequence(run, steps if turn else 2, wait)
                if turn:
                    seconds[name].append(taken)
    n_weights = sum(p.numel() for p in model.parameters())
    print(f"{backbone}, {n_weights / 1e6:.0f} M weights, {length} bp, batches of {batch_size}, {device}, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    rates = {name: 1 / statistics.median(taken) for name, taken in seconds.items()}
    for name, what in (("plain", "fp32"), ("ours", precision + (", compiled" if compiled else ""))):
        spread = ", ".join(f"{1 / taken:.4g}" for taken in seconds[name])
        print(f"{name:6} {what:15} {rates[name]:10.4g} sequences/s   (turns: {spread})")
    print(f"ours / plain: {rates['ours'] / rates['plain']:.2f}")


if __name__ == "__main__":
    main()
