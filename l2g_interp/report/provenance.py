"""Everything that is known about how the results were made, as nested tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from l2g_interp.motifs.unexplained import is_named
from l2g_interp.report.context import Context
from motif_db import available

LONGEST_LIST = 50


@dataclass(frozen=True)
class Branch:
    """A named value: either ``text`` or further ``branches``."""

    name: str
    text: str = ""
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """The steps in words, as for a paper's methods, and everything that was recorded."""

    words: str
    branches: list[Branch]


def provenance(context: Context) -> Provenance:
    return Provenance(_words(context), _recorded(context))


def _words(context: Context) -> str:
    """The input and the result of every step."""
    run, known = context.run, context.overview.provenance
    patterns = [pattern for target in context.targets for pattern in context.patterns(target)]
    words = f"{len(context.overview.ids):,} sequences were explained"
    words += f" by {known['method']}" if "method" in known else ""
    words += f" with {known['n_references']:,} references each" if "n_references" in known else ""
    words += f" (seed {known['seed']}). " if "seed" in known else ". "
    words += f"TF-MoDISco made {len(patterns):,} motifs of {sum(p.n_seqlets for p in patterns):,} seqlets. "
    if run.matches:
        named = sum(context.is_named(pattern) for pattern in patterns)
        words += f"TOMTOM named {named:,} of them (q ≤ {context.options.max_q:g}). "
    if run.effects:
        words += f"Each was planted into {max(effect.n_backgrounds for effect in run.effects):,} shuffled sequences. "
    if run.hits:
        named, rows = sum(is_named(hit) for hit in run.hits), len({hit.row for hit in run.hits})
        words += f"They have {len(run.hits):,} hits in {rows:,} sequences" + f", {named:,} of them named." * bool(named)
        words += "." * (not named)
    return words.strip()


def _recorded(context: Context) -> list[Branch]:
    """The run's record, then what the attributions' record adds to it, then the databases searched."""
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
    """A database of the catalogue with its licence, any other with its name only."""
    entry = available().get(name)
    if entry is None:
        return Branch(name, "user-supplied file")
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
