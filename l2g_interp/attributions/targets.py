"""The targets of a model: their names, which of them are explained, and differences of two."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from l2g_core.errors import InputError
from l2g_interp.records.types import check_targets, some_of

if TYPE_CHECKING:
    from torch import nn

ALL = "all"


@dataclass(frozen=True)
class Chosen:
    """A network and those of its columns that are explained, with their names.

    Differences of two targets, where some were asked for, are columns after the network's own.
    """

    network: nn.Module
    columns: list[int]
    names: list[str]


def prepare(model: nn.Module, one_hot: np.ndarray) -> tuple[nn.Module, tuple[str, ...]]:
    """The model in evaluation mode, and the names of its outputs (``0``, ``1``, ... if it has none).

    Raises
    ------
    InputError
        As `l2g_interp.attributions.adapt.adapt`, or names do not fit the outputs.
    """
    from l2g_interp.attributions.adapt import adapt

    adapted = adapt(model, one_hot)
    for line in adapted.warnings:
        warnings.warn(line, stacklevel=3)
    return adapted.network, adapted.targets


def output_names(network: nn.Module, n: int) -> tuple[str, ...]:
    """The names of a network's ``n`` columns: its ``targets``, or numbers if it has none."""
    given: Any = getattr(network, "targets", None) or tuple(str(i) for i in range(n))
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise InputError(f"the model's attribute 'targets' is {given!r}; make it a list of names, or leave it out")
    if len(given) != n:
        raise InputError(f"the model names {len(given)} targets and returns {n}; they must agree")
    if twice := [name for name, times in Counter(given).items() if times > 1]:
        raise InputError(f"the model gives two targets one name: {some_of(twice)}; make them different")
    return tuple(given)


def choose_targets(network: nn.Module, wanted: Sequence[int] | Sequence[str] | None, names: Sequence[str]) -> Chosen:
    """The wanted targets of a network: indices, names, patterns (``H3K*``), ``all``, or differences (``dev-hk``).

    A name means the target of that name, if there is one, before it means anything else.

    Raises
    ------
    InputError
        There is no such target; lists what is nearest.
    """
    columns = {name: i for i, name in enumerate(names)}
    if wanted is None:
        return Chosen(network, list(columns.values()), list(names))
    expanded = [each for target in wanted for each in _expanded(target, list(names), columns)]
    differences = {text: pair for text, pair in expanded if len(pair) == 2}
    columns |= {text: len(names) + i for i, text in enumerate(differences)}
    chosen = list(dict.fromkeys(text for text, _ in expanded))
    network = _with_differences(network, list(differences.values()), list(columns))
    return Chosen(network, [columns[name] for name in chosen], chosen)


def _expanded(
    wanted: int | str, names: Sequence[str], columns: Mapping[str, int]
) -> list[tuple[str, tuple[int] | tuple[int, int]]]:
    """Each target that is meant, by its name, with the columns that it is: one, or two for their difference."""
    text = names[wanted] if isinstance(wanted, int | np.integer) and 0 <= wanted < len(names) else str(wanted)
    if text in columns:
        return [(text, (columns[text],))]
    if alike := [name for name in names if text == ALL or fnmatchcase(name, text)]:
        return [(name, (columns[name],)) for name in alike]
    cuts = [(text[:i], text[i + 1 :]) for i, letter in enumerate(text) if letter == "-"]
    pairs = [(a, b) for a, b in cuts if a in columns and b in columns]
    if len(pairs) > 1:
        raise InputError(f"target {text!r} could be {' or '.join(f'{a} minus {b}' for a, b in pairs)}; rename a target")
    if not pairs:
        check_targets([text], names, "the model")
    a, b = pairs[0]
    if a == b:
        raise InputError(f"target {text!r} is the difference of a target from itself, which is 0")
    return [(text, (columns[a], columns[b]))]


def _with_differences(network: nn.Module, pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> nn.Module:
    if not pairs:
        return network
    from l2g_interp.attributions.folds import each_fold
    from l2g_interp.attributions.outputs import Differences

    return each_fold(network, lambda fold: Differences(fold, pairs, names))
