"""Values from TOML and the command line, checked against the types of the dataclasses that take them."""

from __future__ import annotations

import tomllib
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from l2g_core.errors import InputError

NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a string in quotes"}


def converted(value: Any, kind: Any, where: str) -> Any:
    """The value as type ``kind``: lists become tuples, and a whole number may be given for a float.

    Parameters
    ----------
    where
        File, section and key, for the message.

    Raises
    ------
    InputError
        It is of another type, not among the choices, or negative.
    """
    try:
        return _as(value, kind)
    except TypeError as error:
        raise InputError(f"{where} is {value!r}; it takes {described(kind)}") from error


def parsed(text: str) -> Any:
    """A value from the command line: parsed as TOML if that is possible, else the text itself."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if list(found) == ["value"] else text


def described(kind: Any) -> str:
    """The values that a key takes, in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in (Union, UnionType):
        return " or ".join(described(a) for a in arguments if a is not NoneType)
    if origin is tuple:
        inner = [described(a) for a in arguments if a is not Ellipsis]
        return f"a list, each {inner[0]}" if Ellipsis in arguments else f"a list of {len(inner)}: {', '.join(inner)}"
    return NAMES.get(kind, str(kind))


def _as(value: Any, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _among(value, arguments)
    if origin in (Union, UnionType):
        return _any(value, arguments)
    if origin is tuple:
        return _tuple(value, arguments)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind in (int, float) and not value >= 0):
        raise TypeError
    return value


def _among(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise TypeError
    return value


def _any(value: Any, kinds: tuple[Any, ...]) -> Any:
    if value is None and NoneType in kinds:
        return None
    for kind in kinds:
        if kind is not NoneType:
            try:
                return _as(value, kind)
            except TypeError:
                continue
    raise TypeError


def _tuple(value: Any, kinds: tuple[Any, ...]) -> Any:
    if not isinstance(value, (list, tuple)):
        raise TypeError
    wanted = kinds[:1] * len(value) if Ellipsis in kinds else kinds
    if len(wanted) != len(value):
        raise TypeError
    return tuple(_as(one, kind) for one, kind in zip(value, wanted, strict=True))
