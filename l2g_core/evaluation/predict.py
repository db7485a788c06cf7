"""Predictions for sequences: what ``model(x)`` returns in evaluation mode, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from l2g_core.dna import one_hot


def default_device() -> str:
    """``cuda`` if there is a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


@torch.inference_mode()
def predict(
    model: nn.Module,
    sequences: Sequence[str],
    length: int,
    batch_size: int = 256,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Float32[np.ndarray, "n targets"]:
    """Predict every target for every sequence.

    Parameters
    ----------
    model
        From one-hot ``(batch, 4, length)`` to ``(batch, targets)``; it is put into evaluation mode.
    sequences
        DNA of at most ``length`` bp.
    length
        What sequences are padded to (bp).
    batch_size
        Sequences per forward pass.
    track
        Wraps the iteration over the batches' first rows, for a progress bar.

    Returns
    -------
    numpy.ndarray
        float32, ``(n, targets)``, in the units of the model's output.
    """
    model.eval()
    device = device_of(model)
    outputs = []
    for start in track(range(0, len(sequences), batch_size)):
        batch = torch.from_numpy(one_hot(sequences[start : start + batch_size], length)).to(device)
        outputs.append(model(batch.float()).float().cpu().numpy())
    return np.concatenate(outputs)
