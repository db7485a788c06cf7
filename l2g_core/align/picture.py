"""Text and DNA embeddings in two dimensions (t-SNE), before and after alignment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from l2g_core.runs.files import atomic_write

SHOWN = 150  # points of each kind in a panel
TEXT_COLOR, DNA_COLOR = "#8a8a8a", "#c2410c"


def draw_embeddings(
    path: str | Path,
    text: Float[Tensor, "n_text width"],
    dna: Sequence[Float[Tensor, "_ width"]],
    captions: Sequence[str],
    seed: int = 0,
) -> None:
    """Write a PNG with a panel for each of ``dna``: its own t-SNE of these points and the text.

    Distances between distant groups and the sizes of groups mean little in a t-SNE; what it shows is whether two kinds
    of points mix.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(dna), 3.5), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(dna), squeeze=False)[0]
    for panel, points, caption in zip(panels, dna, captions, strict=True):
        _draw_panel(panel, text[:SHOWN], points[:SHOWN], caption, seed)
    panels[0].legend(loc="upper left", frameon=True, fontsize="small")
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished, format="png", metadata={"Software": None})


def _draw_panel(panel, text: Tensor, points: Tensor, caption: str, seed: int) -> None:
    import numpy as np
    from sklearn.manifold import TSNE

    both = np.concatenate([text.numpy(), points.numpy()])
    perplexity = min(30.0, (len(both) - 1) / 3)
    layout = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=seed % 2**32)
    plane = layout.fit_transform(both)
    n = len(text)
    panel.scatter(*plane[:n].T, s=9, marker="o", color=TEXT_COLOR, alpha=0.8, linewidths=0, label="text")
    panel.scatter(*plane[n:].T, s=11, marker="^", color=DNA_COLOR, alpha=0.8, linewidths=0, label="DNA")
    panel.set_title(caption, fontsize="medium")
    panel.set_xticks([])
    panel.set_yticks([])
