"""Training beside other work: what torch's waiting threads cost, alone and on a busy machine.

    python benchmarks/busy.py

Steps of the DeepSTARR network on two threads, alone and beside one process that computes without end, with the
machine's own settings, with OMP_WAIT_POLICY=PASSIVE and with GOMP_SPINCOUNT=1000, which both programs set. Each figure
is the median of interleaved repeats, each in a process of its own: libgomp reads its settings when torch is imported.
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


def steps(threads: int, seconds: float, batch: int) -> float:
    """Sequences a second of training steps."""
    import torch

    from l2g_core.model.deepstarr import DeepSTARR

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = DeepSTARR().train()
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(batch, 4, model.longest), torch.randn(batch, len(model.targets))
    done, started = -1, 0.0
    while done < 0 or time.monotonic() - started < seconds:
        if done < 0:  # the first step warms up
            started = time.monotonic()
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        done += 1
        if done == 0:
            started = time.monotonic()
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
@click.option("--threads", default=2, show_default=True)
@click.option("--busy", default=1, show_default=True, help="Processes beside it.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each measurement.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--batch", default=64, show_default=True)
@click.option("--one", is_flag=True, hidden=True)
def main(threads: int, busy: int, seconds: float, repeats: int, batch: int, one: bool) -> None:
    """Print sequences a second, alone and beside other processes, for each setting."""
    if one:
        print(steps(threads, seconds, batch))
        return
    arguments = ["--threads", str(threads), "--seconds", str(seconds), "--batch", str(batch)]
    found: dict[tuple[str, int], list[float]] = {(name, n): [] for name in SETTINGS for n in (0, busy)}
    for _ in range(repeats):
        for name, n in found:
            found[name, n].append(measure(SETTINGS[name], n, arguments))
    print(f"{threads} threads, {os.cpu_count()} cores, batches of {batch}: sequences a second")
    print(f"{'':26}{'alone':>10}{f'beside {busy}':>12}")
    for name in SETTINGS:
        print(f"{name:26}{statistics.median(found[name, 0]):10.0f}{statistics.median(found[name, busy]):12.0f}")


if __name__ == "__main__":
    main()
