"""How many references it takes, and what makes them fewer: contributions against the truth of 1,000 other shuffles.

    python benchmarks/references.py --model CHECKPOINT --fasta SEQUENCES --output references.jsonl

For every sequence 100 references are drawn three times, and the contributions against the first 5 to 100 are
compared with the truth: plain means, and with the control variate. Then the adaptive number, with both. Prints the
correlation with the truth (mean over draws, targets and sequences, with a 95 % bootstrap interval over sequences),
how many plain references each is worth, and the bias of the control variate with 5 references. One strand, and one line
of the output for each sequence: run it again to go on after an interruption.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.stats import bootstrap, norm

from l2g_core.dna import one_hot, read_fasta
from l2g_interp.attributions.adaptive import until_stable
from l2g_interp.attributions.deeplift import deep_lift_shap
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles, expected_composition
from l2g_interp.attributions.result import MethodResult
from l2g_interp.models import open_model

NUMBERS = (5, 10, 20, 40, 50, 100)
N_TRUTH, TRUTH_SEED = 1000, 1_000_003
DRAWS = (1, 2, 3)  # their seeds
STABILITIES = (0.8, 0.9, 0.95, 0.98)
MOST = 500  # references of the adaptive number
REPLICATES, OF_BIAS = 200, 3  # draws of 5 references, and of how many sequences, to look for a bias
WAYS = ("plain", "control variate")


@click.command()
@click.option("--model", required=True, help="As for 'l2g-interp attribute'.")
@click.option("--fasta", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON lines, one a sequence.")
@click.option("--sequences", default=50, show_default=True, help="How many of the file, spread evenly over it.")
@click.option("--threads", default=1, show_default=True)
def main(model: str, fasta: Path, output: Path, sequences: int, threads: int) -> None:
    """Measure what is not measured yet, and print the tables."""
    torch.set_num_threads(threads)
    data = read_fasta(fasta)
    chosen = np.linspace(0, len(data) - 1, min(sequences, len(data))).astype(int).tolist()
    network = open_model(model, data, "forward").module
    x = one_hot(data.sequences)
    done = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
    known = {row["id"] for row in done}
    with click.progressbar(chosen, label="sequences", show_pos=True) as bar:
        for i in bar:
            if data.ids[i] not in known:
                done.append({"id": data.ids[i], **measured(network, x[i : i + 1], len(done) < OF_BIAS)})
                with output.open("a") as lines:
                    lines.write(json.dumps(done[-1]) + "\n")
    print(tables(done))


def measured(network: torch.nn.Module, x: np.ndarray, with_bias: bool) -> dict[str, Any]:
    """Of one sequence: correlations with the truth of each way, number and draw, the adaptive number, and the bias."""
    with torch.no_grad():
        targets = list(range(network(torch.from_numpy(x).float()).shape[1]))

    def explain(references: np.ndarray, expected: np.ndarray | None = None) -> MethodResult:
        known = None if expected is None else torch.from_numpy(expected)
        return deep_lift_shap(network, torch.from_numpy(x), torch.from_numpy(references), targets, expected=known)

    truth = explain(dinucleotide_shuffles(x, N_TRUTH, TRUTH_SEED))
    found: dict[str, Any] = {"draws": {}, "adaptive": {}, "bias": {}}
    for seed in DRAWS:
        references, expected = dinucleotide_shuffles(x, max(NUMBERS), seed), expected_composition(x, seed)
        for way in WAYS:
            results = {n: explain(references[:, :n], expected if way != "plain" else None) for n in NUMBERS}
            for n, result in results.items():
                found["draws"].setdefault(f"{way} {n}", []).append(against(truth, result, x))
    references = dinucleotide_shuffles(x, MOST, DRAWS[0])
    for way in WAYS:
        more = (expected_composition(x, DRAWS[0]),) if way != "plain" else ()

        @cache
        def of(start: int, stop: int, more=more) -> MethodResult:
            return explain(references[:, start:stop], *more)

        for wanted in STABILITIES:
            result = until_stable(lambda _, part, of=of: of(part.start, part.stop), x, MOST, wanted)
            assert result.n_references is not None
            found["adaptive"][f"{way} {wanted}"] = {
                "used": float(result.n_references[0, 0]),
                "stability": result.stability[0].tolist(),
                "truth": against(truth, result, x),
            }
    if with_bias:
        for way in WAYS:
            estimates = []
            for seed in range(10_000, 10_000 + REPLICATES):
                more = (expected_composition(x, seed),) if way != "plain" else ()
                estimates.append(there(explain(dinucleotide_shuffles(x, NUMBERS[0], seed), *more), x))
            mean, error = np.mean(estimates, 0), np.std(estimates, 0, ddof=1) / np.sqrt(REPLICATES)
            error = np.hypot(error, truth.standard_error[0])
            known = error > 0  # the first and the last base of a shuffle are always the sequence's own
            found["bias"][way] = ((mean - there(truth, x))[known] / error[known]).tolist()
    return found


def there(result: MethodResult, x: np.ndarray) -> np.ndarray:
    """Contributions of the bases that are there ``(targets, length)`` of the only sequence."""
    return (result.hypothetical[0] * x).sum(1)


def against(truth: MethodResult, result: MethodResult, x: np.ndarray) -> list[float]:
    """Correlation with the truth by target, corrected for the truth's own noise, which 1,000 shuffles still have."""
    pairs = zip(there(truth, x), there(result, x), truth.stability[0], strict=True)
    return [float(np.corrcoef(a, b)[0, 1] / np.sqrt(stable)) for a, b, stable in pairs]


def tables(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: the ways by number of references, the adaptive number, and the bias."""
    lines = ["| references | " + " | ".join(f"{way} | worth plain" for way in WAYS) + " |", "|---" * 5 + "|"]
    plain = {n: noise([row["draws"][f"plain {n}"] for row in rows]) for n in NUMBERS}
    for n in NUMBERS:
        cells = []
        for way in WAYS:
            values = [row["draws"][f"{way} {n}"] for row in rows]
            cells += [interval([np.mean(v) for v in values]), f"{worth(noise(values), plain):.0f}"]
        lines.append(f"| {n} | " + " | ".join(cells) + " |")
    lines += ["", "| wanted | way | used (median, mean, most) | reached (square) | correlation reached | capped |"]
    lines += ["|---" * 6 + "|"]
    for wanted in STABILITIES:
        for way in WAYS:
            found = [row["adaptive"][f"{way} {wanted}"] for row in rows]
            used = np.array([each["used"] for each in found])
            stopped = np.array([min(each["stability"]) >= wanted for each in found])
            truth = np.array([each["truth"] for each in found])[stopped]
            lines.append(
                f"| {wanted} | {way} | {np.median(used):.0f}, {used.mean():.0f}, {used.max():.0f} | "
                f"{(truth**2 >= wanted).mean():.0%} | {(truth >= wanted).mean():.0%} | {(~stopped).sum()} |"
            )
    lines += ["", f"Bias with {NUMBERS[0]} references, {REPLICATES} draws:"]
    for way in WAYS:
        z = np.concatenate([np.ravel(row["bias"][way]) for row in rows if row["bias"]])
        lines.append(
            f"{way}: {z.size} positions, |z| > 1.96 at {(np.abs(z) > 1.96).mean():.1%} (chance 5 %), largest "
            f"{np.abs(z).max():.1f} (chance: {norm.isf(0.025 / z.size):.1f})"
        )
    return "\n".join(lines)


def interval(values: Sequence[float]) -> str:
    """The mean and its 95 % interval over sequences."""
    found = bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return f"{np.mean(values):.3f} ({found.low:.3f} to {found.high:.3f})"


def noise(correlations: Sequence[Any]) -> float:
    """Variance of the noise as a share of the signal's: of a correlation c with the truth, (1 - c^2) / c^2; the median.

    Plain means have a noise that falls as 1 / references, whatever the share of the sequence.
    """
    squares = np.square(np.clip(np.mean(correlations, axis=1), 1e-3, 1 - 1e-6))
    return float(np.median((1 - squares) / squares))


def worth(value: float, plain: dict[int, float]) -> float:
    """How many plain references have as little noise, between those measured by their logarithms."""
    numbers = np.array(sorted(plain))
    slopes = [np.log(plain[n]) for n in numbers]
    return float(np.exp(np.interp(-np.log(value), -np.array(slopes), np.log(numbers))))


if __name__ == "__main__":
    main()
