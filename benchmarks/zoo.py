"""Public architectures, one row each: are they explained exactly, how fast, and what does tangermeme do with them?

    python benchmarks/zoo.py --output runs/zoo.jsonl
    python benchmarks/zoo.py --output runs/zoo.jsonl --only Hyena --only BERT

Architectures written from their papers and language models of the package transformers, small, with random weights:
2 sequences of 200 bp, 100 shuffles of each, one target, one thread. A finished row is not computed again unless it is
asked for with ``--only``. "Misses" holds contributions against the model's plain forward, which knows nothing of the
engine.
"""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import with_test_support  # noqa: F401
from attribution import ideal
from peers import tangermeme
from settled_models import inputs, random_dna
from torch import Tensor, nn
from zoo_papers import LENGTH, PAPERS
from zoo_transformers import TRANSFORMERS, language_model

from l2g_core.runs.files import atomic_write
from l2g_interp import attribute
from l2g_interp.records.types import TargetAttributions

SEQUENCES, REFERENCES = 2, 100
WRONG = 1e-3  # of the difference to be explained; the bound above which ``attribute`` must say so
NAMES = (*PAPERS, *TRANSFORMERS)


@click.command()
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Rows, as JSON lines.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Only these rows, measured again.")
@click.option("--repeats", default=3, show_default=True, help="Timings are the shortest of so many.")
@click.option("--peer/--no-peer", default=True, help="Run tangermeme, too.")
def main(output: Path, only: tuple[str, ...], repeats: int, peer: bool) -> None:
    """Compute the rows that are missing and print the table; ends with 1 if a row is wrong in silence."""
    torch.set_num_threads(1)
    lines = output.read_text().splitlines() if output.is_file() else []
    rows = {row["name"]: row for row in map(json.loads, lines)}
    for name in only or [name for name in NAMES if name not in rows]:
        rows[name] = measured(name, repeats, peer)
        with atomic_write(output) as unfinished:
            unfinished.write_text("".join(json.dumps(rows[n]) + "\n" for n in NAMES if n in rows))
        print(json.dumps(rows[name]), flush=True)
    print(table([rows[name] for name in NAMES if name in rows]))
    if wrong := [name for name in rows if rows[name].get("wrong")]:
        raise SystemExit(f"wrong without a warning: {', '.join(wrong)}")


def build(name: str) -> nn.Module:
    """With weights that keep signals as large as they are at the input, and batch norms that know their data."""
    torch.manual_seed(0)
    model = PAPERS[name][0]() if name in PAPERS else language_model(name)
    x = torch.from_numpy(random_dna(32, LENGTH, seed=1)).float()
    model.eval()(x[:2])  # gives lazy layers their sizes
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = None  # the plain average
        norm.train()
    with torch.no_grad():
        model(x)
    return model.eval().requires_grad_(False)


def measured(name: str, repeats: int, peer: bool) -> dict[str, Any]:
    """One row of the table."""
    model, (x, references) = build(name), inputs(SEQUENCES, REFERENCES, LENGTH)
    row: dict[str, Any] = {"name": name, "parameters": sum(p.numel() for p in model.parameters())}
    row |= ours(model, x, references, repeats)
    if "refused" not in row:
        row["ideal"] = seconds(lambda: ideal(model, x, references, [0], REFERENCES), repeats)
    if peer:
        row |= theirs(model, x, references, repeats)
    return row


def ours(model: nn.Module, x: Tensor, references: Tensor, repeats: int) -> dict[str, Any]:
    def explain() -> TargetAttributions:
        found = attribute(model, x, references=references, targets=[0])
        return found[found.targets[0]]

    found: dict[str, Any] = {}
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found["seconds"] = seconds(explain, repeats)
            found["float32"] = misses(model, x, references, explain().contributions.sum((1, 2)))
            model.double()
            found["float64"] = explain().completeness_error  # contributions are stored in float32
    except Exception as refusal:  # whatever it is, it goes into the table
        return found | {"refused": first_line(refusal)}
    finally:
        model.float()
    warned = sorted({str(warning.message) for warning in said if "l2g_interp" in warning.filename or
                     "add up" in str(warning.message)})  # fmt: skip
    return found | {"warned": warned, "wrong": found["float32"] > WRONG and not warned}


def theirs(model: nn.Module, x: Tensor, references: Tensor, repeats: int) -> dict[str, Any]:
    def explain() -> np.ndarray:
        result = tangermeme(model, x, references, [0], SEQUENCES * REFERENCES)
        return (result.hypothetical[:, 0] * x.numpy()).sum((1, 2))

    try:
        return {"peer": misses(model, x, references, explain()), "peer_seconds": seconds(explain, repeats)}
    except Exception as failure:  # whatever a peer does with a model that it cannot take goes into the table
        return {"peer_refused": first_line(failure)}


def misses(model: nn.Module, x: Tensor, references: Tensor, sums: np.ndarray) -> float:
    """mean |sum of contributions - D| / mean |D| with D the plain f(x) - mean f(reference)."""
    dtype = next(model.parameters()).dtype
    with torch.no_grad():
        of_x = model(x.to(dtype))[:, 0].double()
        of_references = model(references.flatten(0, 1).to(dtype))[:, 0].double()
    difference = (of_x - of_references.view(len(x), -1).mean(1)).numpy()
    return float(np.abs(sums - difference).mean() / np.abs(difference).mean())


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The shortest of ``repeats`` after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)


def first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, and a line with the counts."""
    lines = [
        "| architecture | misses | in float64 | ms | x ideal | tangermeme misses | x ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        paper = f" ({PAPERS[row['name']][1]})" if row["name"] in PAPERS else ""
        lines.append(f"| {row['name']}{paper} | {' | '.join(cells(row))} |")
    refused, wrong = (sum(bool(row.get(key)) for row in rows) for key in ("refused", "wrong"))
    peer = sum(row.get("peer", 1.0) < WRONG for row in rows)
    right = len(rows) - refused - wrong
    return "\n".join(
        [
            *lines,
            "",
            f"{len(rows)} rows: {right} right, {refused} refused, {wrong} wrong in silence; tangermeme {peer} right",
        ]
    )


def cells(row: dict[str, Any]) -> list[str]:
    if "refused" in row:
        mine = [f"refused: {reason(row['refused'])}", "", "", ""]
    else:
        said = ", and says so" if row["warned"] else ", **in silence**" if row["wrong"] else ""
        times = f"{1000 * row['seconds']:.0f}", f"{row['seconds'] / row['ideal']:.1f}"
        mine = [share(row["float32"]) + said, share(row["float64"]), *times]
    if "peer" in row:
        ratio = f"{row['peer_seconds'] / row['seconds']:.1f}" if "seconds" in row else ""
        return [*mine, share(row["peer"]), ratio]
    return [*mine, f"refuses: {reason(row['peer_refused'])}" if "peer_refused" in row else "", ""]


def share(missed: float) -> str:
    return f"{missed:.0e}" if missed < WRONG else f"{100 * missed:.2g} %" if missed < 1 else f"{100 * missed:.0f} %"


def reason(refusal: str) -> str:
    """The error's text up to its advice, without the class of the error."""
    text = refusal.split(": ", 1)[1] or refusal
    return re.split(r"; |, so contributions|, whose steps|\. | and is being", text)[0]


if __name__ == "__main__":
    main()
