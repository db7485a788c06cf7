"""What a run is, and the one rule for what lies in its output already.

* Nothing there: do it.
* The same work, finished: say so, and leave it as it is.
* The same work, unfinished: refuse, and name ``--resume``.
* Other work (settings, data, model), or files that nobody knows: refuse, and show every difference; ``--overwrite``
  replaces them.
* Another process at it: refuse, and name it.

`claim` applies the rule; every command that writes, and every stage on files, goes through it. What made which file
is kept beside the output, in the ledger (`ledger`).
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.runs.ledger import Entry, Ledger
from l2g_core.runs.lock import lock

log = logging.getLogger(__name__)
VERSIONS = ("l2g-interp", "torch", "transformers")


@dataclass(frozen=True)
class Identity:
    """What a piece of work is: two are the same where kind and content agree.

    ``kind``: the command that does it. ``content``: the settings, data and model that the result depends on, as JSON;
    what cannot change the result (device, batch size of a prediction, verbosity) does not belong in it.
    """

    kind: str
    content: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", as_json(self.content))

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "content": dict(self.content)}


def refuse_other(path: Path, stored: Mapping[str, Any], identity: Identity) -> None:
    """Refuse what another piece of work left.

    Parameters
    ----------
    stored
        ``Identity.as_json()`` of that work.

    Raises
    ------
    InputError
        Kind or content differ: every difference is named, with both values.
    """
    if stored.get("kind") != identity.kind:
        different = [f"{stored.get('kind')} then, {identity.kind} now"]
    else:
        different = list(differences(stored.get("content"), identity.content))
    if different:
        raise InputError(
            f"{path}: is of other work: {', '.join(different)}; use another --output, the same settings and data, or "
            "--overwrite to replace it"
        )


@dataclass
class Claim:
    """An output that is ours to write for now.

    ``finished``: the same work was finished before, and nothing is to be done. ``resumed``: continue with the partial
    files that are there. ``files``: what the work leaves; whoever learns of more on the way adds it.
    """

    finished: bool = False
    resumed: bool = False
    files: list[Path] = field(default_factory=list)


@contextmanager
def claim(
    output: Path,
    identity: Identity,
    files: Sequence[Path],
    *,
    partial: Sequence[Path] = (),
    resume: bool = False,
    overwrite: bool = False,
    complete: Callable[[], bool] = lambda: True,
) -> Iterator[Claim]:
    """Take an output for the time of the ``with`` block, by the rule above; its end marks the work as finished.

    Parameters
    ----------
    output
        What ``--output`` names: a file (then it is one of ``files``), or the folder that holds them.
    files
        What the finished work leaves.
    partial
        What it leaves while it is unfinished, to resume from; empty where the work cannot be resumed, and then an
        interrupted run leaves nothing to refuse.
    complete
        Whether what was finished before is all that is asked for now; if not, it counts as unfinished.

    Raises
    ------
    InputError
        As the rule says; nothing was touched.
    """
    ledger = Ledger(output.parent if output in files else output)
    mine = Entry(
        output=ledger.name(output), identity=identity.as_json(), finished=False, files={},
        partial=[ledger.name(path) for path in partial], versions={name: version(name) for name in VERSIONS},
    )  # fmt: skip
    name = output.name if output in files else identity.kind.replace(" ", "-")
    with lock(ledger.place / f"{name}.lock", output):
        claimed = _decide(output, ledger, mine, identity, [*files, *partial], resume, overwrite, complete)
        claimed.files = claimed.files or list(files)
        if not claimed.finished and partial:
            ledger.put(replace(mine, files=ledger.described(files)))
        try:
            yield claimed
        except BaseException:
            if not any(path.exists() for path in [*files, *partial]):
                ledger.remove(mine.key)  # nothing to resume
            raise
        if not claimed.finished:
            made = [path for path in claimed.files if path.exists()]
            ledger.put(replace(mine, finished=True, files=ledger.described(made)))


def _decide(
    output: Path,
    ledger: Ledger,
    mine: Entry,
    identity: Identity,
    files: Sequence[Path],
    resume: bool,
    overwrite: bool,
    complete: Callable[[], bool],
) -> Claim:
    """Apply the rule; where work starts afresh, remove what it would otherwise mistake for its own."""
    entries = ledger.entries()
    there = {ledger.name(path) for path in files if path.exists()}
    before = next((entry for entry in entries if entry.key == mine.key), None)
    others = [entry for entry in entries if entry.key != mine.key and entry.names & there]
    unknown = there.difference(*(entry.names for entry in entries))
    if before is not None and before.identity == mine.identity and not others and not unknown:
        finished = before.finished and complete()
        changed = ledger.changed(before) if finished else []
        if finished and not changed:
            _note_versions(output, before, mine)
            log.info("%s: finished before, taken as it is", output)
            return Claim(finished=True, files=ledger.paths(before.files))
        if not finished and there and resume:
            _note_versions(output, before, mine)
            return Claim(resumed=True)
        if there and not overwrite:
            _refuse_same(output, changed)
    elif not overwrite:
        _refuse_other(output, ledger, [*([before] if before else []), *others], unknown, identity)
    stale = {*mine.partial, *(before.names if before else ())}.difference(
        () if mine.partial else map(ledger.name, files)
    )
    for path in ledger.paths(stale):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return Claim()


def _refuse_same(output: Path, changed: Sequence[str]) -> None:
    """Refuse to begin the same work again: it is unfinished, or its files were changed since."""
    if changed:
        raise InputError(f"{output}: {changed[0]} is missing or not what this work left; --overwrite makes it again")
    raise InputError(
        f"{output}: an unfinished run of the same work; add --resume to continue it, or --overwrite to start again"
    )


def _refuse_other(
    output: Path, ledger: Ledger, entries: Sequence[Entry], unknown: Collection[str], identity: Identity
) -> None:
    """Refuse files of other work, or of nobody knows what; work whose files are all gone is forgotten."""
    for entry in entries:
        if any(path.exists() for path in ledger.paths(entry.names)):
            refuse_other(output, entry.identity, identity)
    if unknown:
        raise InputError(
            f"{ledger.folder / min(unknown)}: exists already, and nothing says what made it; use another --output, or "
            "--overwrite to replace it"
        )


def _note_versions(output: Path, before: Entry, now: Entry) -> None:
    """Say where the result is of other versions: it may differ in the last digits from one made now."""
    if different := list(differences(before.versions, now.versions)):
        log.warning("%s: was made with other versions: %s", output, ", ".join(different))


def differences(then: Any, now: Any, name: str = "") -> Iterator[str]:
    """Each setting that differs between two nested records, as ``name (value then, value now)``."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in [*now, *(k for k in then if k not in now)]:
            yield from differences(then.get(key, "nothing"), now.get(key, "nothing"), f"{name}.{key}".lstrip("."))
    elif then != now and not (then != then and now != now):  # NaN is no difference from NaN
        yield f"{name} ({_shown(then)} then, {_shown(now)} now)"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """As it looks after a file: tuples are lists there."""
    return json.loads(json.dumps(dict(content), default=str))
