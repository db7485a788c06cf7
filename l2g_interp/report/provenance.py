"""Everything that is known of how the results came about, as nested tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from l2g_interp.report.context import Context
from motif_db import available

LONGEST_LIST = 50


@dataclass(frozen=True)
class Branch:
    """A named value: either ``text`` or further ``branches``."""

    name: str
    text: str = ""
    branches: tuple[Branch, ...] = ()


def provenance(context: Context) -> list[Branch]:
    """The run's record, then that of the attributions where it says more, then the databases searched."""
    run = dict(context.run.provenance)
    file = {key: value for key, value in context.overview.provenance.items() if run.get(key) != value}
    found = list(_branches(run))
    if file:
        found.append(Branch("attributions file", branches=_branches(file)))
    databases = sorted({match.database for match in context.run.matches})
    if databases:
        found.append(Branch("databases with matches", branches=tuple(map(_database, databases))))
    return found


def _database(name: str) -> Branch:
    """A database of the catalogue with its licence, another by its name alone."""
    entry = available().get(name)
    if entry is None:
        return Branch(name, "a file of the user")
    known = {"title": entry.title, "release": entry.release, "licence": entry.licence, "citation": entry.citation}
    return Branch(name, branches=_branches(known))


def _branches(values: Mapping[str, Any]) -> tuple[Branch, ...]:
    return tuple(_branch(str(name), value) for name, value in values.items())


def _branch(name: str, value: Any) -> Branch:
    if isinstance(value, Mapping):
        return Branch(name, "" if value else "none", _branches(value))
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping) for item in value):
            return Branch(name, branches=tuple(_branch(str(i), item) for i, item in enumerate(value, start=1)))
        shown = ", ".join(_text(item) for item in value[:LONGEST_LIST])
        left = len(value) - LONGEST_LIST
        return Branch(name, (shown or "none") + (f", … and {left:,} more" if left > 0 else ""))
    return Branch(name, _text(value))


def _text(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
