"""Attribution side by side: ours, captum, tangermeme as it is, and tangermeme with its rules registered by hand.

``python benchmarks/attribution.py --model deepstarr --model resnet-minilm`` (tangermeme comes with the tests).
Same sequences and references for all, runs interleaved, medians. The ideal is what the plain model costs: one forward
of the sequence and its references, and one backward to the input of the references per target.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import torch
import with_test_support  # noqa: F401
from peers import tangermeme, tangermeme_registered
from settled_models import deepstarr, inputs, l2g, relative_error
from torch import Tensor, nn

from l2g_interp.attributions import load_method
from l2g_interp.attributions.result import MethodResult

MODELS = ("deepstarr", "resnet-minilm", "unet-minilm", "unet-roberta")
LENGTH, WARM_UP = 249, 8
Run = Callable[[nn.Module, Tensor, Tensor, Sequence[int], int], MethodResult | None]


def build(name: str, length: int) -> nn.Module:
    """An untrained model of the published shape; MiniLM is pre-trained, RoBERTa random."""
    if name == "deepstarr":
        return deepstarr(length)
    embedder, backbone = name.split("-")
    language = {"minilm": "minilm", "roberta": "roberta-base"}[backbone]
    return l2g(embedder, language, length, pretrained=backbone == "minilm")


def ideal(model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], rows: int) -> None:
    device = next(model.parameters()).device
    for one, of_one in zip(x, references, strict=True):
        with torch.no_grad():
            model(one[None].float().to(device))
        for chunk in of_one.split(rows):
            leaf = chunk.float().to(device).requires_grad_()
            output = model(leaf)
            for i, target in enumerate(targets):
                torch.autograd.grad(output[:, target].sum(), leaf, retain_graph=i < len(targets) - 1)


def forward(model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], rows: int) -> None:
    """The references' plain predictions: what of the ideal is not backward."""
    device = next(model.parameters()).device
    with torch.no_grad():
        for chunk in references.flatten(0, 1).split(rows):
            model(chunk.float().to(device))


def ours(model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], rows: int) -> MethodResult:
    return load_method("deep_lift_shap")(model, x, references, targets)


def captum(model: nn.Module, x: Tensor, references: Tensor, targets: Sequence[int], rows: int) -> MethodResult:
    return load_method("captum_deep_lift_shap")(model, x, references, targets, batch_size=rows)


METHODS: dict[str, Run] = {
    "forward alone": forward,
    "ideal": ideal,
    "ours": ours,
    "captum": captum,
    "tangermeme": tangermeme,
    "tangermeme, registered": tangermeme_registered,
}  # pyright: ignore[reportAssignmentType]


@click.command()
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS), default=MODELS, show_default=True)
@click.option("--method", "methods", multiple=True, type=click.Choice(list(METHODS)), default=list(METHODS))
@click.option("--sequences", default=1, show_default=True)
@click.option("--references", default=100, show_default=True)
@click.option("--length", default=LENGTH, show_default=True)
@click.option("--targets", default=2, show_default=True, type=click.IntRange(1, 2))
@click.option("--repeats", default=3, show_default=True)
@click.option("--rows", default="8,25,100", show_default=True, help="Batch sizes tried for the ideal and the peers.")
@click.option("--threads", default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--tf32", is_flag=True, help="Let a GPU round matrix products to TF32.")
@click.option("--memory/--no-memory", default=True, help="Peak memory, one process per method.")
@click.option("--json", "as_json", is_flag=True, hidden=True)
def main(
    models, methods, sequences, references, length, targets, repeats, rows, threads, device, tf32, memory, as_json
):
    """Print one table per model: seconds, share of the ideal, completeness error and peak memory."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    sizes = [min(int(n), references) for n in rows.split(",")]
    for name in models:
        x, refs = inputs(sequences, references, length)
        seconds, error = measure(name, methods, x, refs, list(range(targets)), repeats, sizes, device)
        if as_json:
            peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak_rss()
            print(json.dumps({"peak": peak}))
            continue
        peaks = {
            m: peak_of(name, m, sequences, references, length, targets, rows, threads, device)
            for m in methods
            if memory
        }
        print(table(name, seconds, error, peaks), flush=True)
        if device == "cuda":
            print(f"41,186 sequences x {targets} targets: {41186 / sequences * seconds['ours'] / 3600:.1f} h")


def measure(
    name: str,
    methods: Sequence[str],
    x: Tensor,
    refs: Tensor,
    targets: list[int],
    repeats: int,
    sizes: list[int],
    device: str,
) -> tuple[dict[str, float], dict[str, float | str]]:
    """Median seconds of each method at its best batch size, and completeness errors (or why it failed)."""
    times: dict[tuple[str, int], list[float]] = {}
    error: dict[str, float | str] = {}
    built = {m: build(name, x.shape[-1]).to(device) for m in methods}
    for repeat in range(repeats + 1):  # the first warms up, on a few references
        some = refs if repeat or not repeats else refs[:, :WARM_UP]
        for method in methods:
            for size in [0] if method == "ours" else sizes:
                if isinstance(error.get(method), str):
                    continue
                begun = time.perf_counter()
                try:
                    result = METHODS[method](built[method], x, some, targets, size)
                except (
                    Exception
                ) as failure:  # whatever a peer does with a model that it cannot take goes into the table
                    error[method] = f"{type(failure).__name__}: {str(failure).splitlines()[0][:60]}"
                    continue
                if device == "cuda":
                    torch.cuda.synchronize()
                if repeat:
                    times.setdefault((method, size), []).append(time.perf_counter() - begun)
                if result is not None:
                    error[method] = relative_error(result)
    medians = {key: statistics.median(value) for key, value in times.items()}
    return {m: min((v for (k, _), v in medians.items() if k == m), default=float("nan")) for m in methods}, error


def peak_rss() -> float:
    """MiB; not ``ru_maxrss``, which a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def peak_of(name: str, method: str, *settings: Any) -> float:
    """Peak memory (MiB) of one run of a method in a process of its own."""
    sequences, references, length, targets, rows, threads, device = map(str, settings)
    command = [sys.executable, __file__, "--model", name, "--method", method, "--repeats", "0", "--json"]
    command += ["--sequences", sequences, "--references", references, "--length", length, "--targets", targets]
    command += ["--rows", rows.split(",")[0], "--threads", threads, "--device", device]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])["peak"] if done.returncode == 0 else float("nan")


def table(name: str, seconds: dict[str, float], error: dict[str, float | str], peaks: dict[str, float]) -> str:
    lines = [
        f"\n{name}",
        f"{'method':24} {'seconds':>9} {'of ideal':>9} {'x ours':>7} {'peak MiB':>9}  completeness error",
    ]
    for method, value in seconds.items():
        share, ratio = seconds.get("ideal", float("nan")) / value, value / seconds.get("ours", float("nan"))
        wrong = error.get(method, "")
        shown = f"{wrong:.1e}" if isinstance(wrong, float) else wrong
        lines.append(
            f"{method:24} {value:9.2f} {share:9.0%} {ratio:7.2f} {peaks.get(method, float('nan')):9.0f}  {shown}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
