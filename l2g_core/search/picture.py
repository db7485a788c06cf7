"""The course of a search as a small SVG: loss, validation score, and how decided each layer is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from l2g_core.runs.files import atomic_write


def draw_trajectory(result: Mapping[str, Any], path: str | Path) -> None:
    """Draw the content of ``search.json`` as SVG; draws nothing if it has no trajectory (nothing was searched)."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    trajectory = result["trajectory"]
    if not trajectory:
        return
    n_layers = len(result["operators"])
    with rc_context({"svg.hashsalt": "l2g search", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(6.4, 3.2 + 0.17 * n_layers), layout="constrained")
        loss, score, layers = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 0.6 + 0.16 * n_layers))
        figure.suptitle(f"Search of {result['embedder']}: {len(trajectory)} epochs, seed {result['seed']}", fontsize=9)
        _curve(loss, trajectory, "loss")
        _curve(score, trajectory, "score", f"validation {result['metric']}")
        _layers(figure, layers, result)
        with atomic_write(path) as unfinished:
            figure.savefig(unfinished, format="svg", metadata={"Date": None})


def _curve(axes: Any, trajectory: list[dict[str, Any]], key: str, label: str | None = None) -> None:
    values = [math.nan if record[key] is None else record[key] for record in trajectory]
    axes.plot([record["epoch"] for record in trajectory], values, color="#2b6cb0", linewidth=1.2, marker=".")
    axes.set_ylabel(label or key)
    axes.grid(alpha=0.3, linewidth=0.5)


def _layers(figure: Any, axes: Any, result: Mapping[str, Any]) -> None:
    """A row per convolution, labelled with its final operator: the leading candidate's probability in each epoch."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    trajectory, even = result["trajectory"], 1 / len(result["candidates"])
    rows = list(zip(*(record["probabilities"] for record in trajectory), strict=True))
    image = axes.imshow(
        rows, aspect="auto", cmap="viridis", vmin=even, vmax=max(2 * even, *map(max, rows)), interpolation="nearest",
        extent=(0.5, len(trajectory) + 0.5, len(rows) + 0.5, 0.5),
    )  # fmt: skip
    names = [f"{i}: kernel {k}, dilation {d}" for i, (k, d) in enumerate(result["operators"], 1)]
    axes.set_yticks(range(1, len(rows) + 1), names)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1.0, decimals=0))
    bar.set_label("leader's probability")
