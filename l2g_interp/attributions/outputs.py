"""Which of a model's outputs is explained, as columns of one tensor ``(batch, targets)``.

Models return a tensor, or several in a tuple, list, dict or an object with fields, each with a name: its index, key or
field. ``output`` says which to take, ``PART[:REDUCTION[:AXIS]]``, several separated by commas::

    counts          the counts of a profile model, such as BPNet's and ChromBPNet's logarithms, as they are
    profile         its profile, reduced as below
    logits, 1       an output by name, or index
    human:mean      an output (batch, tracks, positions), reduced to (batch, tracks)
    human:sum:1     over axis 1: an output (batch, positions, tracks)
    sum             the only output there is, reduced

Without an axis it is the last one that is reduced, or the other one where the last is as long as the model's list of
names of targets. Tracks, such as the two strands, are targets of their own.

The reduction ``profile`` is the field's: the logits, less their mean over the positions, weighted with their own
softmax, and summed. ``joint-profile`` does so over all tracks at once, as bpnet-lite does for the two strands of a
BPNet. The weights are explained, too, as there, so the contributions add up to the difference of these numbers.
(ChromBPNet holds the weights of each sequence constant for its references; what the contributions then add up to is not
a function of the sequence.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from l2g_core.errors import InputError

MOST_LISTED = 8
PROFILES = ("profile", "joint-profile")


def weighted_logits(logits: Float[Tensor, "batch tracks positions"]) -> Float[Tensor, "batch tracks"]:
    """The profile's logits, less their mean, weighted with their softmax and summed over positions."""
    centred = logits - logits.mean(2, keepdim=True)
    return (centred * centred.softmax(2)).sum(2)


REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "profile": weighted_logits,
    "joint-profile": lambda logits: weighted_logits(logits.flatten(1)[:, None]),
    "sum": lambda values: values.sum(2),
    "mean": lambda values: values.mean(2),
}


@dataclass(frozen=True)
class Part:
    """One output: its name, its shape for one sequence, and how it is reduced over which axis (None: not at all)."""

    name: str
    shape: tuple[int, ...]
    reduction: str | None = None
    axis: int = -1
    label: str = ""  # what the user called it

    def columns(self, output: Any, rows: int) -> Float[Tensor, "batch targets"]:
        """The columns of this part of a model's output for ``rows`` sequences."""
        value = parts_of(output)[self.name]
        if rows == 1 and value.shape != (1, *self.shape):  # a model that squeezes its output loses a batch of one
            value = value.reshape(1, *self.shape)
        if self.reduction is None:
            return value if value.dim() == 2 else value.reshape(len(value), -1)
        value = value.unsqueeze(1) if value.dim() == 2 else value.movedim(self.axis, -1)
        return REDUCTIONS[self.reduction](value)


class Wrapped(nn.Module):
    """A network inside another; its names and lengths are those of the one inside."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for name in ("targets", "longest", "shortest"):
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))


class OneOutput(Wrapped):
    """A network to ``(batch, targets)``: the chosen parts of what another network returns, side by side."""

    def __init__(self, network: nn.Module, parts: Sequence[Part], targets: Any) -> None:
        super().__init__(network)
        self.parts, self.targets = tuple(parts), targets

    def forward(self, one_hot: Tensor) -> Tensor:
        output = self.network(one_hot)
        columns = [part.columns(output, len(one_hot)) for part in self.parts]
        return columns[0] if len(columns) == 1 else torch.cat(columns, 1)


class Computed(Wrapped):
    """A network whose output the user computes from what another one returns."""

    def __init__(self, network: nn.Module, compute: Callable[[Any], Tensor]) -> None:
        super().__init__(network)
        self.compute = compute

    def forward(self, one_hot: Tensor) -> Tensor:
        return self.compute(self.network(one_hot))


class Differences(Wrapped):
    """A network with differences of its columns as columns after its own: ``(batch, targets + pairs)``."""

    def __init__(self, network: nn.Module, pairs: Sequence[tuple[int, int]], targets: Sequence[str]) -> None:
        super().__init__(network)
        self.first, self.second = ([pair[i] for pair in pairs] for i in (0, 1))
        self.targets = tuple(targets)

    def forward(self, one_hot: Tensor) -> Tensor:
        output = self.network(one_hot)
        return torch.cat([output, output[:, self.first] - output[:, self.second]], 1)


def one_output(
    network: nn.Module, two: Any, one: Any, output: str | int | Callable[[Any], Tensor] | None
) -> tuple[nn.Module, int]:
    """The network itself if it returns ``(batch, targets)`` and nothing else is asked for, else one that does.

    The second value is the number of targets.

    Parameters
    ----------
    two, one
        What the network returned for two sequences, and for one.
    output
        As above; or a function of what the network returns, ``(batch, targets)``.

    Raises
    ------
    InputError
        There is no such output, or several could be meant; lists what there is.
    """
    if callable(output):
        return one_output(Computed(network, output), output(two), output(one), None)
    plain = isinstance(two, Tensor) and two.dim() == 2 and getattr(one, "shape", ()) == (1, *two.shape[1:])
    if output is None and plain:
        return network, two.shape[1]
    found = {name: value for name, value in parts_of(two).items() if value.dim() > 0 and len(value) == 2}
    if not found:
        raise InputError(f"the model returns {_described(two)} for two sequences; it must return numbers for each")
    shapes = {name: tuple(value.shape[1:]) for name, value in found.items()}
    names = getattr(network, "targets", ())
    n_named = len(names) if isinstance(names, list | tuple) else 0
    chosen = [_chosen(text.strip(), shapes, n_named) for text in str("" if output is None else output).split(",")]
    columns = [part.columns(two, 2).shape[1] for part in chosen]
    return OneOutput(network, chosen, _names(network, chosen, columns)), sum(columns)


def parts_of(output: Any, prefix: str = "") -> dict[str, Tensor]:
    """Every tensor of numbers in a model's output by its name, with dots between those of an output in an output."""
    if isinstance(output, Tensor):
        return {prefix: output} if output.is_floating_point() else {}
    inside: dict[str, Tensor] = {}
    for name, value in _items(output):
        inside |= parts_of(value, f"{prefix}.{name}" if prefix else str(name))
    return inside


def _items(output: Any) -> list[tuple[Any, Any]]:
    if isinstance(output, Mapping):
        return list(output.items())
    if hasattr(output, "_fields"):  # a named tuple
        return list(zip(output._fields, output, strict=True))
    if isinstance(output, list | tuple):
        return list(enumerate(output))
    if is_dataclass(output):
        return [(field.name, getattr(output, field.name)) for field in fields(output)]
    return list(getattr(output, "__dict__", {}).items())


def _chosen(text: str, shapes: Mapping[str, tuple[int, ...]], n_named: int) -> Part:
    """The part that a text means, where the network has names for ``n_named`` targets."""
    name, reduction, axis = _parsed(text, shapes)
    shape = shapes[name]
    if reduction is None and len(shape) > 1 and not (len(shape) == 2 and shape[1] == 1):
        said = text or name
        ways = ", ".join(f"{said}:{each}" if said else each for each in REDUCTIONS)
        raise InputError(
            f"the model's output {said or 'this'} is {_shape(shape)}; say how to reduce it over its last axis: "
            f"{ways}; or over axis 1: {ways.split(', ')[-1]}:1 (--model-output, in Python output=)"
        )
    if reduction is not None and not (1 <= len(shape) <= 2 and -1 <= axis <= len(shape)):
        raise InputError(f"{text}: {_shape(shape)} has no axis to reduce like that{_how(shapes)}")
    if axis == -1 and len(shape) == 2 and shape[1] == n_named != shape[0]:
        axis = 1  # the last axis is that of the targets
    return Part(name, shape, reduction, axis, text)


def _parsed(text: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, str | None, int]:
    """Name, reduction and axis that a text means, for these outputs."""
    what, *more = [text] if text in shapes else text.split(":")
    if what in REDUCTIONS and what not in shapes and (what not in PROFILES or len(shapes) == 1):
        what, more = "", [what, *more]
    if what in PROFILES and more and more[0] not in REDUCTIONS:
        more = [what, *more]
    if len(more) > 2 or (more and more[0] not in REDUCTIONS) or (len(more) == 2 and more[1] not in ("1", "2")):
        raise InputError(f"{text}: reductions are {', '.join(REDUCTIONS)}, and their axis 1 or 2{_how(shapes)}")
    axis = int(more[1]) if len(more) == 2 else -1
    reduction = more[0] if more else what if what in PROFILES else None
    return _named(what, shapes), reduction, axis


def _named(what: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The name of the output that is meant."""
    if what in shapes:
        return what
    if what == "" and len(shapes) == 1:
        return next(iter(shapes))
    what = what.removeprefix("joint-")
    if what in ("counts", "profile"):
        likely = [name for name in shapes if what.rstrip("s") in name.lower()] or _by_shape(what, shapes)
        if len(likely) == 1:
            return likely[0]
    if what.isdecimal() and int(what) < len(shapes):
        return list(shapes)[int(what)]
    said = f"no single output {what!r} among them" if what else "it is not clear which to explain"
    raise InputError(f"the model returns {len(shapes)} outputs, and {said}{_how(shapes)}")


def _by_shape(what: str, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The profile of a profile model has an axis more than its counts, or they have one column and it has more."""
    if len(shapes) < 2:
        return []
    profiles = [name for name, shape in shapes.items() if len(shape) == 2]
    if not profiles and len(shapes) == 2:
        profiles = [name for name, shape in shapes.items() if len(shape) == 1 and shape[0] > 1]
    flat = [name for name, shape in shapes.items() if name not in profiles and len(shape) < 2]
    return [] if len(profiles) != 1 or len(flat) != 1 else profiles if what == "profile" else flat


def _names(network: nn.Module, chosen: Sequence[Part], columns: Sequence[int]) -> Any:
    """What the targets are called: as the network says if it names as many, else as the user called the outputs."""
    own, anonymous = getattr(network, "targets", None), len(chosen) == 1 and not chosen[0].label
    if own is not None and (anonymous or not isinstance(own, list | tuple) or len(own) == sum(columns)):
        return own
    if len(chosen) == 1 and (columns[0] > 1 or anonymous or chosen[0].label.isdecimal()):
        return None
    return [
        part.label if n == 1 else f"{part.label}_{i}" for part, n in zip(chosen, columns, strict=True) for i in range(n)
    ]


def _how(shapes: Mapping[str, tuple[int, ...]]) -> str:
    listed = [f"{name or 'a tensor'} {_shape(shape)}" for name, shape in list(shapes.items())[:MOST_LISTED]]
    more = f" and {len(shapes) - MOST_LISTED} more" if len(shapes) > MOST_LISTED else ""
    return (
        f"; it returns {', '.join(listed)}{more}: give a name, an index, counts or profile (--model-output, in Python "
        "output=)"
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['batch', *map(str, shape)])})"


def _described(output: Any) -> str:
    return str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__
