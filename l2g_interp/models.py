"""What ``--model`` means: a checkpoint, ``package.module:factory`` for your own torch module, or several as folds."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2g_core.errors import InputError
from l2g_core.sequence_files import AnySequences, check_lengths, first_of

if TYPE_CHECKING:
    from torch import nn

    from l2g_interp.attributions.adapt import Adapted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenModel:
    """A network ready to be explained.

    ``length``: what sequences are padded to (bp); None where the network takes any length, one at a time.
    ``fingerprint``: sha256 over its weights, of all folds. ``noted``: how it was adapted, if it was. ``opened``: what
    `open_model` was given, to open it again in another process.
    """

    module: nn.Module
    name: str
    length: int | None
    fingerprint: str
    noted: dict[str, Any] = field(default_factory=dict)
    opened: dict[str, Any] = field(default_factory=dict)


def open_model(
    spec: str | Sequence[str],
    data: AnySequences,
    strands: str = "model",
    device: str | None = None,
    *,
    output: str | None = None,
    layout: str | None = None,
) -> OpenModel:
    """Open a model and check that the sequences fit it.

    Parameters
    ----------
    spec
        A checkpoint folder, the id of one on the Hugging Face Hub (``organisation/name``, and ``@revision`` after it),
        or ``package.module:factory``: a function without arguments that returns a torch module from one-hot
        ``(batch, 4, length)`` to ``(batch, targets)``. Its attributes ``targets`` (names), ``shortest`` and ``longest``
        (bp) are used where it has them. Several of these are folds, of which the mean is explained.
    data
        The sequences to explain; their lengths are checked against the model's.
    strands
        ``model``: as the model predicts. ``forward``: the given strand only. ``both``: the mean of both strands.
    device
        Such as ``cpu`` or ``cuda``; by default the GPU if there is one.
    output, layout
        Which of a model's outputs, and the order of the axes it takes (see `l2g_interp.attributions.adapt`).

    Raises
    ------
    InputError
        The model cannot be opened, or a sequence is too short or too long for it.
    """
    from l2g_core.evaluation.predict import default_device
    from l2g_interp.attributions.folds import mean_of

    device, specs = device or default_device(), [spec] if isinstance(spec, str) else list(spec)
    opened = [_with_strands(_opened(each), strands).eval().to(device) for each in specs]
    adapted = mean_of([_adapted(module, data, output, layout, strands) for module in opened])
    for line in adapted.warnings:
        log.warning(line)
    network = adapted.network
    again = {
        "spec": [_absolute(each) for each in specs], "strands": strands, "device": None, "output": output,
        "layout": layout,
    }  # fmt: skip
    return OpenModel(network, ", ".join(specs), _length(network, data), _fingerprint(network), adapted.noted, again)


def longest_of(spec: str | Sequence[str]) -> int | None:
    """The longest sequence (bp) that a model says it takes; None if it does not say."""
    return getattr(_opened(spec if isinstance(spec, str) else spec[0]), "longest", None)


def _absolute(spec: str) -> str:
    """A folder by its full path, for processes with another working folder; anything else as it is."""
    return str(Path(spec).resolve()) if Path(spec).exists() else spec


def _opened(spec: str) -> nn.Module:
    return _from_factory(spec) if _is_factory(spec) else _from_checkpoint(spec)


def _adapted(module: nn.Module, data: AnySequences, output: str | None, layout: str | None, strands: str) -> Adapted:
    """The module as a network from one-hot ``(batch, 4, length)`` to ``(batch, targets)`` of the wanted strands."""
    from l2g_core.dna import one_hot
    from l2g_interp.attributions.adapt import BothStrands, adapt

    first = one_hot(first_of(data).sequences, _length(module, data))
    adapted = adapt(module, first, output=output, layout=layout)
    if strands == "both" and _own_strands(module) is None:
        return replace(adapted, network=BothStrands(adapted.network).eval())
    return adapted


def _length(module: nn.Module, data: AnySequences) -> int | None:
    """What sequences are padded to, where the module says what it takes; refuses those that do not fit."""
    longest = getattr(module, "longest", None)
    if longest is not None:
        check_lengths(data, getattr(module, "shortest", longest), longest)
    elif len(data) and data.shortest < data.longest:
        raise InputError(
            f"{data.source}: sequences of {data.shortest} to {data.longest} bp, and the model does not say that it "
            "takes different lengths; cut them to the same length, or give the module the attributes 'shortest' and "
            "'longest'"
        )
    return longest


def _is_factory(spec: str) -> bool:
    return ":" in spec and not Path(spec).exists()


def _from_checkpoint(spec: str) -> nn.Module:
    from l2g_core.model.checkpoint import open_checkpoint

    return open_checkpoint(spec)


def _from_factory(spec: str) -> nn.Module:
    import torch

    module_name, _, function = spec.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory: Any = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"--model {spec}: {error}; give package.module:function, importable from here, or a checkpoint folder"
        ) from error
    model = factory()
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"--model {spec}: returned a {type(model).__name__}, not a torch module")
    return model


def _own_strands(module: nn.Module) -> bool | None:
    """Whether a checkpoint's own prediction is the mean of both strands; None of any other module."""
    return getattr(getattr(module, "config", None), "average_strands", None)


def _with_strands(module: Any, strands: str) -> nn.Module:
    """A checkpoint with its own setting changed; any other module as it is."""
    if strands != "model" and _own_strands(module) is not None:
        module.config = replace(module.config, average_strands=strands == "both")
    return module


def _fingerprint(module: nn.Module) -> str:
    from l2g_core.model.checkpoint import fingerprint

    return fingerprint(module)
