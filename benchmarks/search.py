"""What a step of the search costs: the mixed network beside the same network with only the widest kernel.

``python benchmarks/search.py --embedder unet --width 16``. Every step is forward, backward, clipping and SGD on the
same batch; the contestants take turns and the medians are compared. "Widest" has one convolution per layer whose
kernel spans the widest candidate's support with every tap of its own; "widest, dilated" is the widest candidate itself
(kernel 11, dilation 7 in the short space), whose taps are few; "separate" runs every candidate as a convolution of its
own and mixes feature maps.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import click
import torch
import with_test_support  # noqa: F401
from settled_models import random_dna
from torch import Tensor
from torch.nn import functional as F

from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import embedder_class
from l2g_core.search.dash import make_optimizer, mixed_network, search_step
from l2g_core.search.mixed import MixedConv
from l2g_core.search.network import TaskNetwork, build
from l2g_core.search.options import SearchOptions
from l2g_core.search.space import SPACES, space_for, support


class Separate(MixedConv):
    """Every candidate convolved by itself, feature maps mixed: what the summed kernel saves."""

    def forward(self, x: Tensor) -> Tensor:
        total = self.bias[:, None]
        for number, (share, (kernel, dilation)) in enumerate(zip(self.probabilities(), self.candidates, strict=True)):
            weight = self.weight[self.owners == number].permute(1, 2, 0)
            total = total + share * F.conv1d(x, weight, dilation=dilation, padding=dilation * (kernel - 1) // 2)
        return total


def searched(embedder: str, config: L2GConfig, options: SearchOptions, separate: bool = False):
    model, mixed = mixed_network(embedder, config, options)
    if separate:
        for layer in mixed:
            layer.__class__ = Separate
    return model, mixed


def fixed(embedder: str, config: L2GConfig, options: SearchOptions, dense: bool) -> tuple[TaskNetwork, list[MixedConv]]:
    space = SPACES[options.space or space_for(config.sequence_length)]
    widest = max(space.candidates, key=support)
    operator = (support(widest), 1) if dense else widest
    return build(config, embedder, [operator] * embedder_class(embedder).N_CONVOLUTIONS, options.seed), []


CONTESTANTS: dict[str, Callable[..., tuple[TaskNetwork, list[MixedConv]]]] = {
    "mixed": searched,
    "widest": lambda *a: fixed(*a, dense=True),
    "widest, dilated": lambda *a: fixed(*a, dense=False),
    "separate": lambda *a: searched(*a, separate=True),
}


@click.command()
@click.option(
    "--embedder", "embedders", multiple=True, type=click.Choice(["resnet", "unet", "deepsea"]), default=["unet"]
)
@click.option("--width", default=16, show_default=True, help="Channels of the embedder.")
@click.option("--backbone", default="minilm", show_default=True, help="Gives the width of the features.")
@click.option("--length", default=249, show_default=True)
@click.option("--batch", default=64, show_default=True)
@click.option("--repeats", default=9, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--contestant", "names", multiple=True, type=click.Choice(list(CONTESTANTS)), default=list(CONTESTANTS))
def main(embedders, width, backbone, length, batch, repeats, threads, device, names) -> None:
    """Print median seconds per step, and how many times the widest kernel's that is."""
    torch.set_num_threads(threads)
    config = L2GConfig(("a", "b"), length, embedder_width=width, backbone=backbone)
    x = torch.from_numpy(random_dna(batch, length)).float()
    y = torch.randn(batch, 2, generator=torch.Generator().manual_seed(0))
    for embedder in embedders:
        seconds = measure(embedder, config, x, y, repeats, device, names)
        print(f"{embedder}, width {width}, {batch} x {length} bp, {device}")
        for name, value in seconds.items():
            ratio = value / seconds.get("widest", float("nan"))
            print(f"  {name:16} {value:8.3f} s  {ratio:6.2f} x widest", flush=True)


def measure(
    embedder: str, config: L2GConfig, x: Tensor, y: Tensor, repeats: int, device: str, names
) -> dict[str, float]:
    options = SearchOptions()
    built = {name: CONTESTANTS[name](embedder, config, options) for name in names}
    optimizers = {}
    for name, (model, mixed) in built.items():
        model.to(device).train()
        optimizers[name] = make_optimizer(model, mixed, options)
    times: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats + 1):  # the first warms up
        for name, (model, mixed) in built.items():
            begun = time.perf_counter()
            search_step(model, mixed, x, y, optimizers[name], options, device).item()
            if repeat:
                times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
