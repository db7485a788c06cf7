"""Training beside other work: what torch's waiting threads cost, alone and on a busy machine.

    python benchmarks/busy.py

Training steps on two threads, of an L2G as small as the demo's or of the DeepSTARR network, alone and beside one
process that computes without end: with the machine's own settings, with OMP_WAIT_POLICY=PASSIVE, and with
GOMP_SPINCOUNT=1000, which both programs set. Each number is the median of interleaved repeats, each in a process of its
own: libgomp reads its settings when torch is imported.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import click

SETTINGS = {
    "as it is": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
}
BUSY = "while True: pass"


def build(name: str):
    """The network to train."""
    from l2g_core.model import L2G, DeepSTARR, L2GConfig

    if name == "deepstarr":
        return DeepSTARR()
    sizes = {"embedder_width": 16, "target_tokens": 20, "backbone_layers": 2}
    return L2G(L2GConfig(("dev", "hk"), 150, backbone="minilm", **sizes))


def steps(name: str, threads: int, seconds: float, batch: int) -> float:
    """Sequences a second of training steps."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = build(name).train()
    optimizer = torch.optim.Adam(model.parameters())
    codes = torch.randint(4, (batch, model.longest))
    x, y = torch.nn.functional.one_hot(codes, 4).mT.float(), torch.randn(batch, len(model.targets))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()

    step()  # warms up
    done, started = 0, time.monotonic()
    while time.monotonic() - started < seconds:
        step()
        done += 1
    return done * batch / (time.monotonic() - started)


def measure(setting: dict[str, str], busy: int, arguments: list[str]) -> float:
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
    plain = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    try:
        command = [sys.executable, __file__, "--one", *arguments]
        return float(subprocess.run(command, env=plain | setting, check=True, capture_output=True, text=True).stdout)
    finally:
        for other in others:
            other.kill()
            other.wait()


@click.command()
@click.option("--model", "name", type=click.Choice(["l2g", "deepstarr"]), default="l2g", show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--busy", default=1, show_default=True, help="Processes beside it.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each measurement.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--batch", default=64, show_default=True)
@click.option("--one", is_flag=True, hidden=True)
def main(name: str, threads: int, busy: int, seconds: float, repeats: int, batch: int, one: bool) -> None:
    """Print sequences a second, alone and beside other processes, for each setting."""
    if one:
        print(steps(name, threads, seconds, batch))
        return
    arguments = ["--model", name, "--threads", str(threads), "--seconds", str(seconds), "--batch", str(batch)]
    found: dict[tuple[str, int], list[float]] = {(s, n): [] for s in SETTINGS for n in (0, busy)}
    for _ in range(repeats):
        for setting, n in found:
            found[setting, n].append(measure(SETTINGS[setting], n, arguments))
    print(f"{name}, {threads} threads, {os.cpu_count()} cores, batches of {batch}: sequences a second")
    print(f"{'':26}{'alone':>10}{f'beside {busy}':>12}")
    for setting in SETTINGS:
        alone, beside = (statistics.median(found[setting, n]) for n in (0, busy))
        print(f"{setting:26}{alone:10.0f}{beside:12.0f}")


if __name__ == "__main__":
    main()
