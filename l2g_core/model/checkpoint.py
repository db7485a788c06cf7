"""Checkpoints: a folder with ``model.safetensors``, ``config.json`` and ``metrics.json``. No pickle anywhere.

``config.json`` holds the architecture's name, its configuration, what rebuilds its parts, and the provenance of
its training. ``load`` opens a folder of any architecture in ``ARCHITECTURES``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from huggingface_hub import ModelHubMixin
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_core.model import hub
from l2g_core.model.hostile import (
    LONGEST_CONFIG,
    Counted,
    Stored,
    check_room,
    check_settings,
    check_tensors,
    read_header,
)
from l2g_core.model.hub import CONFIG, METRICS_FILE, WEIGHTS
from l2g_core.runs.files import atomic_write, file_sha256, write_json

ARCHITECTURES = {"l2g": "l2g_core.model.l2g:L2G", "deepstarr": "l2g_core.model.deepstarr:DeepSTARR"}


class SequenceModel(nn.Module, ModelHubMixin):
    """A network from one-hot DNA ``(batch, 4, length)`` to ``(batch, targets)`` that saves and opens itself.

    ``config`` is a dataclass with at least ``targets`` and ``sequence_length`` (bp); ``provenance`` records how the
    weights were trained. Inherits ``push_to_hub`` from the Hugging Face mix-in.
    """

    ARCHITECTURE: ClassVar[str]
    CONFIG: ClassVar[type]

    def __init__(self, config: Any):
        super().__init__()
        self.config = config
        self.provenance: dict[str, Any] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(self.config.targets)

    @property
    def longest(self) -> int:
        """The longest sequence it takes (bp)."""
        return self.config.sequence_length

    @property
    def shortest(self) -> int:
        """The shortest sequence it takes (bp)."""
        return self.config.sequence_length

    def weights_to_save(self) -> dict[str, Tensor]:
        """The weights and buffers that go into the checkpoint, by name."""
        return self.state_dict()

    def extra_config(self) -> dict[str, Any]:
        """What ``from_config`` needs besides the configuration."""
        return {}

    @classmethod
    def from_config(cls, config: Any, extra: dict[str, Any]) -> SequenceModel:
        """A model without its trained weights, from what a checkpoint's ``config.json`` has."""
        return cls(config)

    @classmethod
    def outline(cls, config: Any, extra: dict[str, Any], stored: Stored) -> dict[str, Tensor]:
        """The weights that the checkpoint's file must have, by name, on the device ``meta``: without their values.

        Raises
        ------
        InputError
            The configuration names code or files, or is larger than ``stored``, what the file has.
        """
        with torch.device("meta"):
            return cls.from_config(config, extra).weights_to_save()

    def save_pretrained(self, folder: str | Path, *, metrics: Mapping[str, Any] | None = None, **_: Any) -> None:  # type: ignore[override]
        """Write the checkpoint; each file is written atomically."""
        save(self, folder, metrics)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, **download: Any) -> SequenceModel:  # type: ignore[override]
        """Open a checkpoint folder, or one on the Hugging Face Hub.

        ``download`` goes to ``huggingface_hub.snapshot_download``: revision, token (the auth token), ...

        Raises
        ------
        InputError
            The folder lacks a file, or a file is damaged or does not fit the architecture; there is no such repository,
            or no connection.
        """
        folder = Path(folder_or_hub_id)
        if not folder.is_dir():
            folder = hub.download(str(folder_or_hub_id), **download)
        model = load(folder)
        if not isinstance(model, cls):
            raise InputError(f"{folder}: has a {type(model).__name__}, not a {cls.__name__}")
        return model


def save(model: SequenceModel, folder: str | Path, metrics: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint folder; each file is written atomically.

    Parameters
    ----------
    model
        Any `SequenceModel`.
    folder
        Where to write ``model.safetensors`` and ``config.json``; made if missing.
    metrics
        Goes to ``metrics.json`` if given.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.weights_to_save().items()}
    with atomic_write(folder / WEIGHTS) as unfinished:
        save_file(weights, unfinished)
    write_json(
        folder / CONFIG,
        {
            "architecture": model.ARCHITECTURE,
            "config": asdict(model.config),
            "extra": model.extra_config(),
            "provenance": model.provenance,
        },
    )
    if metrics is not None:
        write_json(folder / METRICS_FILE, dict(metrics))


def load(folder: str | Path) -> SequenceModel:
    """Open a checkpoint folder.

    Returns
    -------
    SequenceModel
        In evaluation mode, on the CPU.

    Raises
    ------
    InputError
        The folder or a file is missing, truncated, or does not fit the architecture; or its configuration names code
        or files, or is larger than its weights. The message names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such checkpoint folder; give the folder that has {CONFIG}")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: the checkpoint lacks {name}; copy the complete folder, or train it again")
    model = _build(folder / CONFIG, read_header(folder / WEIGHTS))
    load_weights(model, folder / WEIGHTS)
    return model.eval()


def open_checkpoint(folder_or_hub_id: str) -> SequenceModel:
    """Open a checkpoint folder, or one on the Hugging Face Hub by its id (``organisation/name``).

    Raises
    ------
    InputError
        As `load`; or there is no such repository, or no connection.
    """
    return load(hub.local(folder_or_hub_id))


def load_weights(model: SequenceModel, path: Path) -> None:
    """Load the weights of a checkpoint's file into a model of the same architecture.

    Raises
    ------
    InputError
        The file cannot be read or is truncated, or its weights are not those that the model saves.
    """
    from safetensors.torch import load_file

    check_tensors(read_header(path), model.weights_to_save(), CONFIG)
    model.load_state_dict(load_file(path), strict=False)


def checkpoint_files(folder: str | Path) -> dict[str, str]:
    """The hashes of the files that make a checkpoint what it is."""
    return {name: file_sha256(Path(folder) / name) for name in (CONFIG, WEIGHTS)}


def fingerprint(module: nn.Module) -> str:
    """sha256 (hexadecimal) over the names, dtypes, shapes and bytes of all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _build(path: Path, stored: Stored) -> SequenceModel:
    content = _read_config(path)
    try:
        module, _, name = ARCHITECTURES[content["architecture"]].partition(":")
        architecture: type[SequenceModel] = getattr(importlib.import_module(module), name)
        known = {f.name for f in fields(architecture.CONFIG)}
        unknown = set(content["config"]) - known
        if unknown:
            raise InputError(f"{path}: unknown settings {', '.join(sorted(unknown))}; use the version that wrote it")
        config = architecture.CONFIG(**{k: _tuples(v) for k, v in content["config"].items()})
        extra, provenance = dict(content.get("extra", {})), dict(content.get("provenance", {}))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _as_input_error(path, error) from error
    _check_size(path, architecture, config, extra, stored)
    try:
        model = architecture.from_config(config, extra)
    except (ValueError, KeyError, TypeError) as error:
        raise _as_input_error(path, error) from error
    model.provenance = provenance
    return model


def _check_size(path: Path, architecture: type[SequenceModel], config: Any, extra: dict, stored: Stored) -> None:
    """Refuse a configuration that does not fit the file of weights, before anything is built."""
    try:
        check_settings(path, config)
        with Counted() as counted:
            expected = architecture.outline(config, extra, stored)
    except Exception as error:  # whatever a foreign configuration makes other libraries raise
        raise _as_input_error(path, error) from error
    check_tensors(stored, expected, CONFIG)
    check_room(counted.bytes, stored, path)


def _as_input_error(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error if str(path.parent) in str(error) else InputError(f"{path}: {error}")
    said = " ".join(repr(error).split())[:300]
    return InputError(f"{path}: not a checkpoint's configuration ({said}); copy it again")


def _read_config(path: Path) -> dict[str, Any]:
    check_readable(path)
    try:
        if path.stat().st_size > LONGEST_CONFIG:
            raise ValueError(f"more than {LONGEST_CONFIG} bytes")
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise _as_input_error(path, error) from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
