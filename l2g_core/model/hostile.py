"""A foreign checkpoint is checked before anything is built: what it names, and how large it says that it is.

Nothing that a configuration names is imported, run or fetched; and nothing is allocated that its own file of weights
does not have the bytes for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from l2g_core.errors import InputError
from l2g_core.faults import check_readable

LONGEST_HEADER = 10_000_000  # bytes: about 100,000 tensors; the largest language models have a few thousand
LONGEST_CONFIG = 100_000_000  # bytes
LONGEST_SEQUENCE = 10_000_000  # bp
DEEPEST = 200  # layers of a language model that the checkpoint does not store
EXTRA = 384 * 2**20  # bytes that a model may need besides its stored weights: RoBERTa-large has words of 206 MB
IMPLEMENTATIONS = ("eager", "sdpa", None)
NAMES_CODE = ("auto_map", "trust_remote_code", "quantization_config", "custom_pipelines", "peft_config")
UNUSED = ("_name_or_path", "name_or_path", "id2label", "label2id", "architectures")  # by a model without a task
FLOATS = {"F16", "BF16", "F32", "F64"}
DTYPES = {
    torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.bool: "BOOL",
    torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """What the header of a file of weights says. ``tensors``: dtype (``F32``) and shape, by name; ``size`` in bytes."""

    path: Path
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    size: int

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor; None if there is none of this name."""
        return self.tensors[name][1] if name in self.tensors else None


def read_header(path: Path) -> Stored:
    """What a safetensors file has, without its values.

    Raises
    ------
    InputError
        It cannot be read, is truncated or damaged, or its header is longer than `LONGEST_HEADER`.
    """
    from safetensors import SafetensorError, safe_open

    check_readable(path)
    with path.open("rb") as file:
        announced = int.from_bytes(file.read(8), "little")
    size = path.stat().st_size
    if LONGEST_HEADER < announced <= size:
        raise InputError(
            f"{path}: its list of tensors has {announced} bytes, more than any model needs ({LONGEST_HEADER}); "
            "this is not a checkpoint"
        )
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            tensors = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or damaged ({error}); copy it again") from error
    return Stored(path, tensors, size)


def check_tensors(stored: Stored, expected: Mapping[str, Tensor], config: str) -> None:
    """Refuse weights of other names, shapes or kinds of numbers than the model's.

    Parameters
    ----------
    expected
        Of the model; their values are not looked at.
    config
        Name of the configuration's file, for the message.

    Raises
    ------
    InputError
        It names the first weight that differs.
    """
    for name in sorted(expected.keys() | stored.tensors.keys()):
        wanted = tuple(expected[name].shape) if name in expected else "none"
        found = stored.shape(name)
        if wanted != found:
            raise InputError(
                f"{stored.path}: weight {name!r} has shape {'none' if found is None else found} and the configuration "
                f"says {wanted}; {config} and {stored.path.name} are not from the same checkpoint"
            )
        dtype, own = stored.tensors[name][0], expected[name].dtype
        if dtype != DTYPES[own] and not (own.is_floating_point and dtype in FLOATS):
            raise InputError(
                f"{stored.path}: weight {name!r} has numbers of type {dtype} where {DTYPES[own]} belongs; "
                "copy the checkpoint again"
            )


def check_settings(path: Path, config: Any) -> None:
    """Refuse lengths that no tensor bounds, and words that are not among those allowed.

    Raises
    ------
    InputError
        It names the setting.
    """
    for key, kind in get_type_hints(type(config)).items():
        value = getattr(config, key)
        if get_origin(kind) is Literal and value not in get_args(kind):
            raise InputError(f"{path}: setting {key!r} is {str(value)[:80]!r}, not one of {', '.join(get_args(kind))}")
        if key in ("sequence_length", "target_tokens") and not (type(value) is int and 1 <= value <= LONGEST_SEQUENCE):
            raise InputError(
                f"{path}: setting {key!r} is {str(value)[:80]!r}, not a whole number from 1 to {LONGEST_SEQUENCE}"
            )


def check_language_model(path: Path, settings: Any, stored: Stored, is_stored: bool) -> None:
    """Refuse a language model's configuration that names code or files, or has more layers than the file has tensors.

    Parameters
    ----------
    settings
        What a checkpoint has as ``backbone_config``.
    is_stored
        Whether the language model's own weights are in the file.

    Raises
    ------
    InputError
        It names the setting.
    """
    most = len(stored.tensors) if is_stored else DEEPEST
    if not isinstance(settings, dict):
        raise InputError(f"{path}: 'backbone_config' is not a set of settings; copy the checkpoint again")
    for key, value in _flat(settings):
        if _names_code(key, value):
            raise InputError(
                f"{path}: setting {key!r} names code or files to load ({str(value)[:80]!r}), which a checkpoint may "
                "not; remove it, and open only checkpoints from people you trust"
            )
        if any(word in key for word in ("layer", "block", "depth", "expert")) and _count(value) > most:
            raise InputError(
                f"{path}: setting {key!r} is {_count(value)}, and {stored.path.name} has {len(stored.tensors)} "
                "tensors; they are not from the same checkpoint"
            )


def check_room(needed: int, stored: Stored, path: Path) -> None:
    """Refuse a model that needs far more memory than its file of weights has bytes (float16 may become float32)."""
    if needed > 3 * stored.size + EXTRA:
        raise InputError(
            f"{path}: describes a model of {needed / 2**20:.0f} MiB, and {stored.path.name} has "
            f"{stored.size / 2**20:.1f} MiB; they are not from the same checkpoint"
        )


class Counted(TorchDispatchMode):
    """Within it, ``bytes`` counts what is allocated; on the device ``meta`` nothing really is."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and not any(out is given for given in args) and not func.is_view:
            self.bytes += out.numel() * out.element_size()
        return out


def _flat(settings: Any, key: str = "") -> list[tuple[str, Any]]:
    """Every setting and, of nested ones, every setting in them, by their last name."""
    if not isinstance(settings, dict):
        return [(key, settings)]
    inner = [pair for name, value in settings.items() if name not in UNUSED for pair in _flat(value, str(name))]
    return [(key, settings), *inner] if key else inner


def _names_code(key: str, value: Any) -> bool:
    if key.endswith("_implementation") or key == "attn_implementation":
        return value not in IMPLEMENTATIONS
    if key in NAMES_CODE or "backbone" in key or "pretrained" in key:
        return bool(value)
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and ("/" in text or "\\" in text) for text in texts)


def _count(value: Any) -> int:
    if isinstance(value, list | dict):
        return len(value)
    return int(value) if isinstance(value, int | float) and abs(value) < float("inf") else 0
