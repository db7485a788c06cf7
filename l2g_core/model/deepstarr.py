"""DeepSTARR (de Almeida et al. 2022), the expert CNN for *Drosophila* enhancer activity, and its published weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_core.model.checkpoint import SequenceModel


@dataclass(frozen=True)
class DeepSTARRConfig:
    """Targets and length (bp) of a DeepSTARR network; the rest of its architecture is as published."""

    targets: tuple[str, ...] = ("dev", "hk")
    sequence_length: int = 249
    task: str = "regression"
    units: str = "log2 enrichment"
    dropout: float = 0.4


CONVOLUTIONS = ((4, 256, 7), (256, 60, 3), (60, 60, 5), (60, 120, 3))
KERAS_CONVOLUTIONS = ("Conv1D_1st", "Conv1D_2", "Conv1D_3", "Conv1D_4")
KERAS_HEADS = ("Dense_Dev", "Dense_Hk")
LARGEST_LAYER = 10**6  # numbers; the first dense layer has 460,800
EPSILON, MOMENTUM = 1e-3, 0.01  # Keras' defaults for batch norm; its momentum is 1 minus torch's


class DeepSTARR(SequenceModel):
    """Four convolutions with batch norm, ReLU and max pooling, two dense layers, one output per target.

    From one-hot ``(batch, 4, length)`` to ``(batch, targets)``, by default 249 bp to log2 enrichment with the
    developmental and the housekeeping promoter (de Almeida et al. 2022; paper, Table 7).
    """

    ARCHITECTURE = "deepstarr"
    CONFIG = DeepSTARRConfig

    def __init__(self, config: DeepSTARRConfig | None = None):
        super().__init__(config or DeepSTARRConfig())
        layers: list[nn.Module] = []
        for channels_in, channels_out, kernel in CONVOLUTIONS:
            layers += [
                nn.Conv1d(channels_in, channels_out, kernel, padding="same"),
                nn.BatchNorm1d(channels_out, EPSILON, MOMENTUM),
                nn.ReLU(),
                nn.MaxPool1d(2),
            ]
        self.convolutions = nn.Sequential(*layers)
        flat = CONVOLUTIONS[-1][1] * (self.config.sequence_length // 2 ** len(CONVOLUTIONS))
        self.dense = nn.Sequential(*_dense(flat, self.config.dropout), *_dense(256, self.config.dropout))
        self.head = nn.Linear(256, len(self.config.targets))

    def forward(self, one_hot: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch targets"]:
        return self.head(self.dense(self.convolutions(one_hot).flatten(1)))


def import_keras(path: str | Path) -> DeepSTARR:
    """Read the published Keras weights (Zenodo 5502060, ``deepstarr.model.h5``).

    Keras stores kernels as (width, in, out) and flattens position by position; torch stores (out, in, width) and
    flattens channel by channel, so the first dense layer's columns are reordered.

    Raises
    ------
    InputError
        The file is not HDF5, or a layer is missing or has another shape.
    """
    path = Path(path)
    layers = _read_layers(path)
    norms = sorted((n for n in layers if n.startswith("batch_normalization")), key=lambda n: int(n.split("_")[-1]))
    weights: dict[str, Tensor] = {}
    try:
        for i, name in enumerate(KERAS_CONVOLUTIONS):
            weights |= _named(f"convolutions.{4 * i}", layers[name]["kernel"].permute(2, 1, 0), layers[name])
        channels = CONVOLUTIONS[-1][1]
        first = layers["Dense_1"]["kernel"].unflatten(0, (-1, channels)).transpose(0, 1).flatten(0, 1)
        weights |= _named("dense.0", first.T, layers["Dense_1"])
        weights |= _named("dense.4", layers["Dense_2"]["kernel"].T, layers["Dense_2"])
        for key, name in zip(
            [f"convolutions.{4 * i + 1}" for i in range(4)] + ["dense.1", "dense.5"], norms, strict=True
        ):
            weights |= _norm(key, layers[name])
        heads = [layers[name] for name in KERAS_HEADS]
        weights["head.weight"] = torch.cat([head["kernel"] for head in heads], dim=1).T
        weights["head.bias"] = torch.cat([head["bias"] for head in heads])
        model = DeepSTARR()
        model.load_state_dict(weights)
    except (KeyError, ValueError, RuntimeError, IndexError) as error:
        raise InputError(
            f"{path}: not the published DeepSTARR weights ({_said(error)}); give deepstarr.model.h5 of Zenodo 5502060"
        ) from error
    model.provenance = {"source": "published DeepSTARR weights, Zenodo 5502060", "file": path.name}
    return model.eval()


def _said(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _dense(width: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(width, 256), nn.BatchNorm1d(256, EPSILON, MOMENTUM), nn.ReLU(), nn.Dropout(dropout)]


def _read_layers(path: Path) -> dict[str, dict[str, Tensor]]:
    import h5py
    import numpy as np

    layers: dict[str, dict[str, Tensor]] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.dtype.kind != "f" or (item.size or 0) > LARGEST_LAYER or item.is_virtual or item.external:
                raise ValueError(f"{name}: is no layer of it")
            layer, _, variable = name.partition("/")
            kind = variable.rpartition("/")[2].removesuffix(":0")
            layers.setdefault(layer, {})[kind] = torch.from_numpy(np.asarray(item, dtype=np.float32))

    try:
        with h5py.File(path) as file:
            file.visititems(collect)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable HDF5 file ({said}); give deepstarr.model.h5") from error
    return layers


def _named(key: str, kernel: Tensor, layer: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{key}.weight": kernel, f"{key}.bias": layer["bias"]}


def _norm(key: str, layer: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"{key}.weight": layer["gamma"],
        f"{key}.bias": layer["beta"],
        f"{key}.running_mean": layer["moving_mean"],
        f"{key}.running_var": layer["moving_variance"],
        f"{key}.num_batches_tracked": torch.tensor(0),
    }
