"""Models as people have them, as a module in evaluation mode from ``(batch, 4, length)`` to ``(batch, targets)``.

What a model needs is wrapped around it, from the inside out: float32 in place of half precision, ``(batch, length, 4)``
in place of ``(batch, 4, length)``, constant further inputs, and one of its outputs (`outputs`). A model that needs
nothing is returned as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from l2g_core.console import usable_device
from l2g_core.errors import InputError
from l2g_interp.attributions.outputs import Wrapped, one_output
from l2g_interp.attributions.statistics import device_and_dtype
from l2g_interp.attributions.targets import output_names

LAYOUTS = ("channels-first", "channels-last")
CHANNELS_LAST = "layout='channels-last' (--layout channels-last)"
HALF = (torch.float16, torch.bfloat16)
Extra = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


@dataclass(frozen=True)
class Adapted:
    """A network ready to be explained, with the names of its columns.

    ``noted``: what differs from the model as it was given, for the provenance; ``warnings``: what the user must know.
    """

    network: nn.Module
    targets: tuple[str, ...]
    noted: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class ChannelsLast(Wrapped):
    """Takes ``(batch, 4, length)`` and gives the network ``(batch, length, 4)``."""

    def forward(self, one_hot: Tensor) -> Any:
        return self.network(one_hot.transpose(1, 2))


class BothStrands(Wrapped):
    """The mean of a network's outputs for a sequence and its reverse complement, both of full length."""

    def forward(self, one_hot: Tensor) -> Tensor:
        return (self.network(one_hot) + self.network(one_hot.flip(1, 2))) / 2


class WithExtra(Wrapped):
    """Gives the network constant inputs after the sequences, such as an empty control track."""

    def __init__(self, network: nn.Module, extra: Extra) -> None:
        super().__init__(network)
        several = [extra] if isinstance(extra, Tensor) else extra
        named = several if isinstance(several, Mapping) else dict(enumerate(several))
        self.names = list(named)
        for i, value in enumerate(named.values()):
            if not isinstance(value, Tensor) or value.dim() < 1 or len(value) != 1:
                shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise InputError(
                    f"extra input {self.names[i]} is {shape}; give a tensor (1, ...), which every sequence gets"
                )
            self.register_buffer(f"extra_{i}", value.detach())

    def forward(self, one_hot: Tensor) -> Any:
        values = [getattr(self, f"extra_{i}") for i in range(len(self.names))]
        given = {
            name: value.expand(len(one_hot), *value.shape[1:]) for name, value in zip(self.names, values, strict=True)
        }
        by_name = {name: value for name, value in given.items() if isinstance(name, str)}
        return self.network(one_hot, *(value for name, value in given.items() if name not in by_name), **by_name)


def adapt(
    model: nn.Module,
    one_hot: np.ndarray,
    device: str | None = None,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    extra: Extra | None = None,
) -> Adapted:
    """A model as a network from one-hot ``(batch, 4, length)`` to ``(batch, targets)``, in evaluation mode.

    Parameters
    ----------
    model
        A torch module. It is put into evaluation mode and moved to ``device``, and otherwise left alone.
    one_hot
        Sequences ``(n, 4, length)`` that it takes, at least one: the first is tried.
    device
        Such as ``cpu`` or ``cuda``; by default where the model is.
    output
        Which of its outputs, see `outputs`; not needed if it returns ``(batch, targets)`` or ``(batch,)``.
    layout
        ``channels-first``: it takes ``(batch, 4, length)``; ``channels-last``: ``(batch, length, 4)``. By default the
        first, or, if the model raises an error for that, the second, with a warning.
    extra
        Inputs after the sequences, each a tensor ``(1, ...)`` that all sequences share, in order or by name.

    Raises
    ------
    InputError
        The model fails for these sequences, or it is not clear which of its outputs is meant.
    """
    if len(one_hot) == 0:
        raise InputError("no sequences to attribute; give at least one")
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"layout {layout!r}: choose {' or '.join(LAYOUTS)}")
    network = model if device is None else model.to(usable_device(device))
    noted: dict[str, Any] = {}
    said: list[str] = []
    if half := _half(network):
        network = _copied(network).float()
        noted["computed_in"] = f"float32, the model is {half}"
        said.append(f"the model is in {half}, whose rounding blurs differences: it is explained as a copy in float32")
    rows = torch.from_numpy(one_hot[:1]).to(*device_and_dtype(network.eval())).repeat(2, 1, 1)
    if extra is not None:
        network = WithExtra(network, _as_numbers(extra, rows.dtype)).to(rows.device).eval()
        noted["extra"] = [list(value.shape) for value in network.buffers(recurse=False)]
    two, turned = _tried(network, rows, layout)
    if turned is not None:
        network, noted["layout"] = turned, "channels-last"
        if layout is None:
            said.append(
                f"the model fails for (batch, 4, length) and is given (batch, length, 4); say so with {CHANNELS_LAST}"
            )
    chosen, n = one_output(network, two, _run(network, rows[:1]), output)
    if output is not None:
        noted["model_output"] = output if isinstance(output, str | int) else "computed by a function"
    return Adapted(chosen.eval(), output_names(chosen, n), noted, tuple(said))


def _half(model: nn.Module) -> str:
    """The names of the half precisions among the model's numbers: 8 or 11 bits blur differences."""
    found = {str(t.dtype).removeprefix("torch.") for t in (*model.parameters(), *model.buffers()) if t.dtype in HALF}
    return " and ".join(sorted(found))


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except (RuntimeError, TypeError) as error:  # a tensor that was computed, or something that cannot be copied at all
        raise InputError(
            f"the model is in half precision and cannot be copied ({error}); give model.float()"
        ) from error


def _as_numbers(extra: Extra, dtype: torch.dtype) -> Extra:
    """The inputs, numbers that are not integers in the precision of the model."""

    def converted(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    if isinstance(extra, Mapping):
        return {name: converted(value) for name, value in extra.items()}
    return converted(extra) if isinstance(extra, Tensor) else [converted(value) for value in extra]


def _tried(network: nn.Module, rows: Tensor, layout: str | None) -> tuple[Any, nn.Module | None]:
    """What the network returns for the rows, and what turns the layout where it takes the other one."""
    turned = ChannelsLast(network).eval()
    if layout == "channels-last":
        return _run(turned, rows), turned
    try:
        return _run(network, rows), None
    except InputError as error:
        if layout is not None:
            raise
        try:
            return _run(turned, rows), turned
        except InputError:
            raise error from error.__cause__


def _run(network: nn.Module, rows: Tensor) -> Any:
    """What a network returns.

    Raises
    ------
    InputError
        It raises an error for these rows.
    """
    try:
        with torch.no_grad():
            return network(rows)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        extra = "; give its further inputs with extra=" if "required positional argument" in said else ""
        shape = f"(batch, {', '.join(map(str, rows.shape[1:]))})"
        raise InputError(f"the model fails for sequences {shape} with {type(error).__name__}: {said}{extra}") from error
