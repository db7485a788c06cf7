"""Saturation mutagenesis side by side: ours by windows, plain batches, and tangermeme, by fastISM and without.

``python benchmarks/mutagenesis.py --model deepstarr --model residual`` (tangermeme comes with the tests). The same
sequences for all, runs interleaved, medians, the best of the batch sizes of each.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
import torch
import with_test_support  # noqa: F401
from settled_models import deepstarr, inputs, l2g
from torch import Tensor, nn

from l2g_interp.attributions.mutagenesis import mutants_of

Run = Callable[[nn.Module, Tensor, int], np.ndarray]


def published(length: int) -> nn.Module:
    """The shape of DeepSTARR (de Almeida et al. 2022): four convolutions, each with pooling, then dense layers."""
    return deepstarr(length)


def dilated(length: int) -> nn.Module:
    """The shape of BPNet (Avsec et al. 2021): residual convolutions of dilation 2 to 64, then a global mean."""
    torch.manual_seed(0)

    class Residual(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.convolution = nn.Conv1d(64, 64, 3, padding=dilation, dilation=dilation)

        def forward(self, x: Tensor) -> Tensor:
            return x + torch.relu(self.convolution(x))

    body = [Residual(2**i) for i in range(1, 7)]
    head = [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 2)]
    return nn.Sequential(nn.Conv1d(4, 64, 21, padding=10), nn.ReLU(), *body, *head).eval()


def hybrid(length: int) -> nn.Module:
    """L2G: a residual embedder and MiniLM, whose transformer mixes all positions."""
    return l2g("resnet", "minilm", length, pretrained=False)


MODELS = {"deepstarr": published, "dilated": dilated, "resnet-minilm": hybrid}


def ours(model: nn.Module, x: Tensor, rows: int) -> np.ndarray:
    each = [mutants_of(model, one, [0, 1], batch_size=rows) for one in x]
    if refused := {mutants.refused for mutants in each} - {""}:
        raise RuntimeError(f"by the plain forward: {refused}")
    return np.stack([mutants.outputs for mutants in each])


def plain(model: nn.Module, x: Tensor, rows: int) -> np.ndarray:
    return np.stack([mutants_of(model, one, [0, 1], batch_size=rows, windows=False).outputs for one in x])


def tangermeme(model: nn.Module, x: Tensor, rows: int, fast: bool = True) -> np.ndarray:
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis

    raw: Any = saturation_mutagenesis(model, x.float(), batch_size=rows, raw_outputs=True, device="cpu", fast=fast)
    return np.moveaxis(raw[1].double().numpy(), -1, 1)


METHODS: dict[str, Run] = {
    "ours": ours,
    "plain batches": plain,
    "tangermeme (fastISM)": tangermeme,
    "tangermeme (plain)": lambda model, x, rows: tangermeme(model, x, rows, fast=False),
}


@click.command()
@click.option("--model", "models", multiple=True, type=click.Choice(list(MODELS)), default=list(MODELS))
@click.option("--sequences", default=4, show_default=True)
@click.option("--length", default=249, show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--rows", default="64,256", show_default=True, help="Batch sizes tried, comma-separated.")
@click.option("--threads", default=1, show_default=True)
def main(models: Sequence[str], sequences: int, length: int, repeats: int, rows: str, threads: int) -> None:
    """Print a table per model: seconds per sequence, ratio to ours, largest difference from plain batches."""
    torch.set_num_threads(threads)
    x, _ = inputs(sequences, 1, length)
    for name in models:
        model = MODELS[name](length)
        seconds: dict[tuple[str, int], list[float]] = {}
        found: dict[str, np.ndarray] = {}
        failed: dict[str, str] = {}
        for repeat in range(repeats + 1):  # the first warms up, on one sequence
            for method, run in METHODS.items():
                for size in map(int, rows.split(",")):
                    if method in failed:
                        continue
                    begun = time.perf_counter()
                    try:
                        found[method] = run(model, x if repeat else x[:1], size)
                    except Exception as error:  # what a peer does with a model that it cannot take is a result
                        failed[method] = f"{type(error).__name__}: {str(error).splitlines()[0][:70]}"
                        continue
                    if repeat:
                        seconds.setdefault((method, size), []).append((time.perf_counter() - begun) / sequences)
        print(table(name, seconds, found, failed), flush=True)


def table(
    name: str, seconds: dict[tuple[str, int], list[float]], found: dict[str, np.ndarray], failed: dict[str, str]
) -> str:
    lines = [f"\n{name}", f"{'method':22} {'s/sequence':>10} {'x ours':>7}  largest difference from plain batches"]
    medians = {key: statistics.median(times) for key, times in seconds.items()}
    best = {m: min((v for (method, _), v in medians.items() if method == m), default=np.nan) for m in METHODS}
    scale = np.nanmax(np.abs(found["plain batches"] - np.nanmean(found["plain batches"], 2, keepdims=True)))
    for method in METHODS:
        if method in failed:
            lines.append(f"{method:22} {failed[method]}")
            continue
        error = np.nanmax(np.abs(found[method] - found["plain batches"])) / scale
        lines.append(
            f"{method:22} {best[method]:10.4f} {best[method] / best['ours']:7.2f}  {error:.1e} of the largest effect"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
