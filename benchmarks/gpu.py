"""What one GPU does: attribution and training beside the ideal, captum and a plain loop. At most 8 minutes.

    python benchmarks/gpu.py --output runs/gpu
    python benchmarks/gpu.py --device cpu --small --bare --output runs/gpu     # to try it on a laptop

It needs torch, transformers, h5py and scipy, and the checkout; nothing else has to be installed (`bare`). For the
column of captum, put its wheel into ``build/wheels`` (``pip download --no-deps -d build/wheels captum``).

*Pairs* are sequences times references times targets. The *ideal* is what any method of this kind costs: one forward
of the references and one backward to them per target, by plain torch. *Share* is the floating-point operations of the
ideal over the time that ours takes, as a fraction of what a large matrix product reaches in the same precision.
*Completeness error* is mean |sum of contributions - (f(x) - f(reference))| over mean |f(x) - mean f(reference)|.
``gpu.json`` and ``gpu.md`` are written again after every row, so that what is done is kept if time runs out.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bare  # noqa: F401
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

SECONDS = 450  # in all
PRECISIONS = ("float32", "TF32", "bf16")
MODELS = {  # name: length (bp), references, batch of pairs for captum and the ideal
    "DeepSTARR": (249, 100),
    "BPNet size": (2114, 20),
    "UNet + MiniLM": (249, 100),
    "UNet + RoBERTa-base": (249, 100),
}
MINILM = {  # the size of all-MiniLM-L6-v2
    "model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "max_position_embeddings": 512,
}  # fmt: skip
COLUMNS = (
    "model", "precision", "ours, pairs/s", "ideal, pairs/s", "captum, pairs/s", "share of matrix rate",
    "peak memory (GB)", "completeness error", "captum's",
)  # fmt: skip
TRAINING = ("training", "plain, sequences/s", "ours, sequences/s", "ratio", "peak memory (GB)")


class BPNet(nn.Module):
    """As many operations as BPNet (Avsec et al. 2021): 64 channels, 9 dilated residual layers; two targets."""

    def __init__(self, channels: int = 64, layers: int = 9) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, channels, 21, padding=10)
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=2**i, dilation=2**i) for i in range(1, layers + 1)
        )
        self.head = nn.Linear(channels, 2)

    def forward(self, one_hot: Tensor) -> Tensor:
        x = torch.relu(self.first(one_hot))
        for layer in self.dilated:
            x = x + torch.relu(layer(x))
        return self.head(x.mean(2))


def build(name: str, length: int, small: bool) -> nn.Module:
    """With random weights."""
    torch.manual_seed(0)
    if name == "BPNet size":
        return BPNet(*((8, 2) if small else ())).eval()
    if name == "DeepSTARR":
        from l2g_core.model.deepstarr import DeepSTARR, DeepSTARRConfig

        return DeepSTARR(DeepSTARRConfig(sequence_length=length)).eval()
    return l2g("roberta-base" if "RoBERTa" in name else "minilm", length, small).eval()


def l2g(backbone: str, length: int, small: bool) -> nn.Module:
    from l2g_core.model.config import L2GConfig
    from l2g_core.model.l2g import L2G

    less = {"backbone_layers": 1, "embedder_width": 8, "target_tokens": 32} if small else {}
    how = {"embedder": "unet", "backbone": backbone, "backbone_pretrained": False, "average_strands": False, **less}
    return L2G(L2GConfig(("dev", "hk"), length, **how), MINILM if backbone == "minilm" else None)


def one_hot(n: int, length: int) -> Tensor:
    letters = np.random.default_rng(0).integers(0, 4, (n, length))
    return torch.from_numpy(np.eye(4, dtype=np.int8)[letters].transpose(0, 2, 1).copy())


def inputs(n: int, references: int, length: int) -> tuple[Tensor, Tensor]:
    """Sequences, and shuffles of their bases: what they cost does not depend on how they were drawn."""
    x, rng = one_hot(n, length), np.random.default_rng(1)
    orders = [np.stack([rng.permutation(length) for _ in range(references)]) for _ in range(n)]
    return x, torch.stack(
        [torch.stack([each[:, order] for order in some]) for each, some in zip(x, orders, strict=True)]
    )


def ideal(model: nn.Module, x: Tensor, references: Tensor, rows: int) -> None:
    """A forward of each sequence and its references, and a backward to the references per target."""
    first = next(model.parameters())
    with torch.no_grad():
        model(x.to(first))
    for chunk in references.flatten(0, 1).split(rows):
        leaf = chunk.to(first).requires_grad_()
        output = model(leaf)
        for target in range(output.shape[1]):
            torch.autograd.grad(output[:, target].sum(), leaf, retain_graph=target + 1 < output.shape[1])


def attribution(model: nn.Module, x: Tensor, references: Tensor) -> Any:
    from l2g_interp.attributions.deeplift.method import deep_lift_shap

    device = next(model.parameters()).device
    return deep_lift_shap(model, x.to(device), references.to(device), [0, 1])


def captum(model: nn.Module, x: Tensor, references: Tensor, rows: int) -> Any:
    from l2g_interp.attributions.captum_deep_lift_shap import captum_deep_lift_shap

    device = next(model.parameters()).device
    return captum_deep_lift_shap(model, x.to(device), references.to(device), [0, 1], batch_size=rows)


def error(result: Any) -> float:
    return float(result.delta.mean() / np.abs(result.prediction - result.reference_prediction).mean())


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(run: Callable[[], Any], device: torch.device, least: float) -> float:
    """Of one call, the median of those that fit into ``least`` seconds after a first one, but of one at least."""
    run()
    taken: list[float] = []
    while not taken or sum(taken) < least:
        wait(device)
        began = time.perf_counter()
        run()
        wait(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@contextmanager
def computing(precision: str) -> Iterator[torch.dtype]:
    """Matrix products and convolutions as the precision says; yields the type of the weights."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "TF32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "TF32"
    try:
        yield torch.bfloat16 if precision == "bf16" else torch.float32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def matrix_rate(device: torch.device, dtype: torch.dtype, n: int) -> float:
    """Floating-point operations a second of a large matrix product."""
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / seconds(lambda: a @ b, device, 0.5)


def attribution_row(
    name: str, precision: str, device: torch.device, small: bool, least: float, with_captum: bool
) -> dict[str, Any]:
    length, references = (60, 4) if small else MODELS[name]
    row: dict[str, Any] = {"model": name, "precision": precision}
    with computing(precision) as dtype:
        model = build(name, length, small).to(device, dtype)
        n = 2 if small else 16
        x, compared = inputs(n, references, length)
        rows, pairs = min(1024, n * references), n * references * 2
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        result = attribution(model, x, compared)
        taken = seconds(lambda: attribution(model, x, compared), device, least)
        if device.type == "cuda":
            row["peak memory (GB)"] = torch.cuda.max_memory_allocated(device) / 1e9
        row |= {"ours, pairs/s": pairs / taken, "completeness error": error(result)}
        row["ideal, pairs/s"] = pairs / seconds(lambda: ideal(model, x, compared, rows), device, least)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(compared[0].to(device, dtype))
        forward = counter.get_total_flops() * n  # of all references; a backward to the input costs as much
        operations = forward * (1 + 2)
        rate = matrix_rate(device, dtype, 256 if small else 8192)
        row |= {"share of matrix rate": operations / taken / rate, "matrix rate": rate}
        if with_captum:
            try:
                said = captum(model, x, compared, rows)
                row["captum, pairs/s"] = pairs / seconds(lambda: captum(model, x, compared, rows), device, least)
                row["captum's"] = error(said)
            except Exception as failure:  # as in `attempted`
                row["captum, pairs/s"] = type(failure).__name__
    return row


def training_row(precision: str, device: torch.device, small: bool, n_steps: int) -> dict[str, Any]:
    """Steps of fine-tuning UNet + RoBERTa-base (batches of 64), beside a plain loop in fp32 or under autocast."""
    from training import Trainer, our_steps, plain_steps, random_rows, seconds_per_sequence

    from l2g_core.finetune.options import FinetuneOptions

    length, batch = (60, 4) if small else (249, 64)
    model, rows = l2g("roberta-base", length, small), random_rows(batch * (n_steps + 2), length)
    options = FinetuneOptions(batch_size=batch, precision=precision, warmup_epochs=0)
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_steps(copy.deepcopy(model), rows.split("train"), options, str(device))
        ours = our_steps(Trainer(model.to(device), rows, options, Path(folder), str(device)))
        taken = {}
        for name, run in (("plain", plain), ("ours", ours)):
            with torch.autocast(device.type, torch.bfloat16, enabled=name == "plain" and precision == "bf16"):
                seconds_per_sequence(run, 2, lambda: wait(device))
                taken[name] = seconds_per_sequence(run, n_steps, lambda: wait(device))
    return {
        "training": precision, "plain, sequences/s": 1 / taken["plain"], "ours, sequences/s": 1 / taken["ours"],
        "ratio": taken["plain"] / taken["ours"],
        **({"peak memory (GB)": torch.cuda.max_memory_allocated(device) / 1e9} if device.type == "cuda" else {}),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny models: to see that everything runs")
    parser.add_argument("--bare", action="store_true", help="as if nothing but the four packages were installed")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="in all; what does not fit is left out")
    given = parser.parse_args()
    deadline, device = time.monotonic() + given.seconds, torch.device(given.device)
    given.output.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"machine": machine(device), "attribution": [], "training": []}
    least = 0.01 if given.small else 2.0
    cells = [("training", "fp32"), ("training", "bf16")] if device.type == "cuda" or given.small else []
    cells = [(name, "float32") for name in MODELS] + cells + [(name, p) for p in PRECISIONS[1:] for name in MODELS]
    for name, precision in cells:
        began = time.monotonic()
        kind = "training" if name == "training" else "attribution"
        if began > deadline - 20:
            row = {"model": name, "precision": precision, "left out": "no time"}
        else:
            row = attempted(kind, name, precision, device, given.small, least)
        report[kind].append({**row, "seconds": time.monotonic() - began})
        (given.output / "gpu.json").write_text(json.dumps(report, indent=1))
        (given.output / "gpu.md").write_text(table(report))
    print(table(report))


def attempted(kind: str, name: str, precision: str, device: torch.device, small: bool, least: float) -> dict[str, Any]:
    """A row; where it cannot be had, the reason, and the others go on."""
    try:
        if kind == "training":
            return training_row(precision, device, small, 2 if small else 10)
        with_captum = precision == "float32" and find_spec("captum") is not None
        return attribution_row(name, precision, device, small, least, with_captum)
    except Exception as error:  # whatever a card, a library or a model refuses belongs in the report
        said = " ".join(str(error).split())[:200]
        names = {"training": precision} if kind == "training" else {"model": name, "precision": precision}
        return {**names, "left out": f"{type(error).__name__}: {said}"}


def machine(device: torch.device) -> dict[str, str]:
    from importlib.metadata import version

    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    threads = {} if device.type == "cuda" else {"threads": str(torch.get_num_threads())}
    return {"device": card, **threads, **{name: version(name) for name in ("torch", "transformers", "numpy")}}


def table(report: dict[str, Any]) -> str:
    lines = [", ".join(f"{key} {value}" for key, value in report["machine"].items()), ""]
    for kind, columns in (("attribution", COLUMNS), ("training", TRAINING)):
        lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(cell(row, name) for name in columns) + " |" for row in report[kind]] + [""]
    left = [f"{row.get('model', 'training')}, {row.get('precision', row.get('training'))}: {row['left out']}"
            for kind in ("attribution", "training") for row in report[kind] if "left out" in row]  # fmt: skip
    return "\n".join([*lines, *(f"* left out: {each}" for each in left)]) + "\n"


def cell(row: dict[str, Any], name: str) -> str:
    value = row.get(name, "")
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
