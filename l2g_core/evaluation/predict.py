"""Predictions for sequences: what ``model(x)`` returns in evaluation mode, batch by batch."""

from __future__ import annotations

import logging
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from l2g_core.dna import Sequences, one_hot
from l2g_core.errors import InputError
from l2g_core.model.checkpoint import SequenceModel, fingerprint, load
from l2g_core.runs.cluster import prepare_ray

log = logging.getLogger(__name__)


def default_device() -> str:
    """``cuda`` if there is a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


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
    blocks = Sequences([""] * len(sequences), list(sequences), "").blocks(batch_size)
    n_batches = range(0, len(sequences), batch_size)
    batches = (block for _, block in zip(track(n_batches), blocks, strict=True))
    return np.concatenate([outputs for _, outputs in predict_batches(model, batches, length)])


def predict_batches(
    model: nn.Module, batches: Iterable[Sequences], length: int
) -> Iterator[tuple[list[str], Float32[np.ndarray, "n targets"]]]:
    """As `predict`, batch by batch, as they come: the ids of each, and ``(sequences, targets)``."""
    for batch in batches:
        yield batch.ids, _outputs(model, batch.sequences, length)


def telling_gaps(
    found: Iterable[tuple[Sequence[str], Float32[np.ndarray, "n targets"]]], source: str
) -> Iterator[tuple[Sequence[str], Float32[np.ndarray, "n targets"]]]:
    """The same ids and predictions; at the end a warning if some were NaN or infinite. ``source``: the sequences."""
    n, first = 0, ""
    for ids, outputs in found:
        odd = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
        if len(odd):
            n, first = n + len(odd), first or ids[odd[0]]
        yield ids, outputs
    if n:
        log.warning(
            "%s: predictions for %d sequences (%s, …) are NaN or infinite; check the model's weights", source, n, first
        )


def predict_on_cluster(
    address: str,
    workers: int | None,
    checkpoint: Path,
    network: SequenceModel,
    batches: Iterable[Sequences],
    device: str | None,
) -> Iterator[tuple[list[str], Float32[np.ndarray, "n targets"]]]:
    """As `predict_batches`, by workers of a Ray cluster, which open the checkpoint themselves.

    Parameters
    ----------
    address, workers
        Of `l2g_core.runs.ray_blocks.connected`.
    checkpoint
        The folder of ``network``; all machines have it at this path.
    device
        Of the workers; by default the GPU where there is one.

    Raises
    ------
    InputError
        There is no cluster, Ray is not installed, or a worker finds another checkpoint.
    """
    prepare_ray("--cluster", "ray", own=address == "local")
    from l2g_core.runs.ray_blocks import connected, over_workers

    ids = deque[list[str]]()

    def letters() -> Iterator[list[str]]:
        for batch in batches:
            ids.append(batch.ids)
            yield batch.sequences

    given = (str(checkpoint.resolve()), fingerprint(network), device)
    with connected(address, workers) as n_workers:
        for outputs in over_workers(_predictor, given, letters(), n_workers):
            yield ids.popleft(), outputs


def _predictor(checkpoint: str, expected: str, device: str | None) -> Callable[[Sequence[str]], np.ndarray]:
    """In a worker: what predicts a batch."""
    network = load(Path(checkpoint))
    if fingerprint(network) != expected:
        raise InputError(f"{checkpoint}: on {platform.node()} it is another checkpoint; give a path that all share")
    network.to(device or default_device())
    return lambda sequences: _outputs(network, sequences, network.longest)


@torch.inference_mode()
def _outputs(model: nn.Module, sequences: Sequence[str], length: int) -> np.ndarray:
    model.eval()
    batch = torch.from_numpy(one_hot(sequences, length)).to(device_of(model))
    return model(batch.float()).float().cpu().numpy()
