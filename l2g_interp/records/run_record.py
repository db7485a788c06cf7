"""``run.json``: what every stage of a run did, with which command and versions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_core.runs.files import write_json

RECORD = "run.json"
VERSIONS = (
    "l2g-interp", "torch", "numpy", "h5py", "transformers", "captum", "modisco-lite", "modisco", "memelite",
    "dinuc_shuf",
)  # fmt: skip
LONGEST = 100_000_000  # bytes


def _texts(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(text, str) for text in found.values())


def _tables(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(inner, dict) for inner in found.values())


def _databases(found: Any) -> bool:
    return isinstance(found, list) and all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in found
    )


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda found: type(found) is kind


STEPS: dict[str, dict[str, Callable[[Any], bool]]] = {  # what is read again, and what it must be
    "motifs": {"attributions": _is(str), "min_seqlets": _is(int), "patterns": _is(dict), "notes": _texts},
    "match": {"databases": _databases},
    "hits": {"explained": _tables, "missing_named_wrong": _is(dict)},
}
NEEDED = {"motifs": {"min_seqlets", "patterns"}}


def record(folder: Path, step: str, content: dict[str, Any]) -> None:
    """Record a finished step in ``run.json``, with the command, the time and the versions."""
    run = read_record(folder)
    run["versions"] = versions()
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    run.setdefault("steps", {})[step] = {"command": command(), "finished": finished, **content}
    write_json(folder / RECORD, run)


def read_record(folder: Path) -> dict[str, Any]:
    """The content of ``run.json``; empty if there is none yet.

    Raises
    ------
    InputError
        The file cannot be read or is damaged, or a step's record is not what the step leaves.
    """
    path = folder / RECORD
    if not path.exists():
        return {}
    check_readable(path)
    try:
        if path.stat().st_size > LONGEST:
            raise ValueError(f"more than {LONGEST} bytes")
        run = json.loads(path.read_text(encoding="utf-8"))
        wrong = _wrong(run)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); delete it and run the stages again") from error
    if wrong:
        raise InputError(f"{path}: {wrong} is not what a stage records; delete the file and run the stages again")
    return run


def _wrong(run: Any) -> str:
    """The first part that is not as a stage records it; empty if there is none."""
    steps = run.get("steps", {}) if isinstance(run, dict) else None
    if not isinstance(steps, dict):
        return "what it has"
    for step, noted in steps.items():
        if not isinstance(noted, dict):
            return f"its step {step[:40]!r}"
        if missing := NEEDED.get(step, set()) - noted.keys():
            return f"its step {step!r}, which lacks {min(missing)!r},"
        for name, fits in STEPS.get(step, {}).items():
            if name in noted and not fits(noted[name]):
                return f"{name!r} of its step {step!r}"
    return ""


def versions() -> dict[str, str]:
    """Versions of Python and of those packages that results depend on and that are installed."""
    found = {"python": sys.version.split()[0]}
    for name in VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def command() -> str:
    """The command line as typed, without the folder of the program; in a notebook it does not say what was run."""
    if Path(sys.argv[0]).name == "ipykernel_launcher.py":
        return "Python in a notebook"
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
