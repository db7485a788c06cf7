"""Gives each of several parameters that share one entry of a docstring (``a, b, c``) its own type and default."""

from __future__ import annotations

from typing import Any

from griffe import Class, DocstringSectionKind, Extension, Function


class SharedParameters(Extension):
    def on_function(self, *, func: Function, **_: Any) -> None:
        _correct(func, func)

    def on_class(self, *, cls: Class, **_: Any) -> None:
        if "__init__" in cls.members and isinstance(init := cls.members["__init__"], Function):
            _correct(cls, init)


def _correct(documented: Class | Function, function: Function) -> None:
    if documented.docstring is None:
        return
    for section in documented.docstring.parsed:
        if section.kind is DocstringSectionKind.parameters:
            for parameter in section.value:
                if parameter.name in function.parameters:
                    known = function.parameters[parameter.name]
                    parameter.annotation, parameter.value = known.annotation, known.default
