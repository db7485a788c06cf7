"""What ``--model`` means: a checkpoint folder, or ``package.module:factory`` for your own torch module."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2g_core.dna import Sequences, check_lengths
from l2g_core.errors import InputError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OpenModel:
    """A network ready to be explained.

    ``length``: what sequences are padded to (bp); None where the network takes any length, one at a time.
    ``fingerprint``: sha256 over its weights.
    """

    module: nn.Module
    name: str
    length: int | None
    fingerprint: str


def open_model(spec: str, data: Sequences, strands: str = "model", device: str | None = None) -> OpenModel:
    """Open a model and check that the sequences fit it.

    Parameters
    ----------
    spec
        A checkpoint folder, or ``package.module:factory``: a function without arguments that returns a torch module
        from one-hot ``(batch, 4, length)`` to ``(batch, targets)``. Its attributes ``targets`` (names), ``shortest``
        and ``longest`` (bp) are used where it has them.
    data
        The sequences to explain; their lengths are checked against the model's.
    strands
        ``model``: as the model predicts. ``forward``: the given strand only. ``both``: the mean of both strands.
    device
        Such as ``cpu`` or ``cuda``; by default the GPU if there is one.

    Raises
    ------
    InputError
        The model cannot be opened, or a sequence is too short or too long for it.
    """
    from l2g_core.evaluation.predict import default_device

    module = _from_factory(spec) if _is_factory(spec) else _from_checkpoint(spec)
    module = _with_strands(module, strands).eval().to(device or default_device())
    longest = getattr(module, "longest", None)
    if longest is not None:
        check_lengths(data, getattr(module, "shortest", longest), longest)
    elif len({len(s) for s in data.sequences}) > 1:
        shortest = min(map(len, data.sequences))
        raise InputError(
            f"{data.source}: sequences of {shortest} to {data.longest} bp, and the model does not say that it takes "
            "different lengths; cut them to the same length, or give the module the attributes 'shortest' and 'longest'"
        )
    return OpenModel(module, spec, longest, _fingerprint(module))


def _is_factory(spec: str) -> bool:
    return ":" in spec and not Path(spec).exists()


def _from_checkpoint(spec: str) -> nn.Module:
    from l2g_core.model.checkpoint import load

    return load(spec)


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


def _with_strands(module: Any, strands: str) -> nn.Module:
    own = getattr(getattr(module, "config", None), "average_strands", None)
    if strands == "model" or (own is not None and own == (strands == "both")):
        return module
    if own is not None:
        from dataclasses import replace

        module.config = replace(module.config, average_strands=strands == "both")
        return module
    return module if strands == "forward" else _both_strands(module)


def _both_strands(module: nn.Module) -> nn.Module:
    import torch

    class BothStrands(torch.nn.Module):
        """The mean of a network's outputs for a sequence and its reverse complement, both of full length."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module
            for attribute in ("targets", "longest", "shortest"):
                if hasattr(module, attribute):
                    setattr(self, attribute, getattr(module, attribute))

        def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
            return (self.network(one_hot) + self.network(one_hot.flip(1, 2))) / 2

    return BothStrands()


def _fingerprint(module: nn.Module) -> str:
    from l2g_core.model.checkpoint import fingerprint

    return fingerprint(module)
