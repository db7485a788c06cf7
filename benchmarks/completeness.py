"""Do contributions add up? Every embedder with every language model, both kinds of attention, padded or not.

    python benchmarks/completeness.py

mean |sum of contributions - (f(x) - f(reference))| / mean |f(x) - f(reference)| over 20 sequences and 20 references
each, in float32 and float64; and how far float32 takes the plain model's own f(x) - f(reference) from float64's, as a
share of the same. The language models other than MiniLM, MPNet and RoBERTa-base are small random ones; MPNet is run
where it is asked for (it needs the extra [mpnet]).
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import click
import torch
import with_test_support  # noqa: F401
from settled_models import inputs
from torch import Tensor, nn
from whole_models import BOUND, LANGUAGE_MODELS, build, errors

from l2g_core.model.embedders import EMBEDDERS


@click.command()
@click.option("--embedder", "embedders", multiple=True, type=click.Choice(list(EMBEDDERS)), default=list(EMBEDDERS))
@click.option("--language-model", "language_models", multiple=True, type=click.Choice((*LANGUAGE_MODELS, "mpnet")),
              default=LANGUAGE_MODELS)  # fmt: skip
@click.option("--n", default=20, show_default=True, help="Sequences, and references of each.")
@click.option("--length", default=96, show_default=True)
def main(embedders, language_models, n, length):
    """Print the largest error per embedder and language model, and say whether all are within the bounds."""
    worst = dict.fromkeys(BOUND, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for embedder, language_model in itertools.product(embedders, language_models):
            found = list(errors(embedder, language_model, n, length, Path(folder)))
            largest = {dtype: max(e for _, d, e in found if d == dtype) for dtype in BOUND}
            rounded = rounding(build(embedder, language_model, length, Path(folder)), *inputs(n, n, length))
            print(f"{embedder:8} {language_model:13} {len(found) // 2} settings", end="  ")
            print(
                "  ".join(f"{str(d)[6:]} {e:.1e}" for d, e in largest.items()),
                f" plain model {rounded:.1e}",
                flush=True,
            )
            worst = {dtype: max(worst[dtype], largest[dtype]) for dtype in BOUND}
    print("largest of all:", "  ".join(f"{str(d)[6:]} {e:.1e}" for d, e in worst.items()))
    if any(worst[dtype] > bound for dtype, bound in BOUND.items()):
        raise SystemExit("above the bound")


@torch.no_grad()
def rounding(model: nn.Module, x: Tensor, references: Tensor) -> float:
    """How far float32 takes f(x) - f(reference) from that of float64, as a share of it; without any contributions."""
    differences = []
    for dtype in BOUND:
        model.to(dtype)
        of_references = torch.stack([model(some.to(dtype)) for some in references])
        differences.append((model(x.to(dtype))[:, None] - of_references).double())
    rounded, exact = differences
    return float((rounded - exact).abs().mean() / exact.mean(1).abs().mean())


if __name__ == "__main__":
    main()
