"""What a run is, and the one rule for output that exists already.

* Nothing there: do the work.
* The same work, finished: say so, and leave it as it is.
* The same work, unfinished: refuse, and suggest ``--resume``; if it cannot be resumed, do it again.
* Other work (settings, data, model), or files of unknown origin: refuse, and show every difference; ``--overwrite``
  replaces them.
* Another process is writing it: refuse, and name that process.

`claim` applies the rule; every command that writes, and every stage on files, goes through it. Which work made which
file is recorded beside the output, in the ledger (`ledger`).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    """What a piece of work is: two are the same if kind and content are equal.

    Attributes
    ----------
    kind
        The command that does it, such as ``l2g finetune``.
    content
        The settings, data (by hash) and model that the result depends on; converted to plain JSON. What cannot change
        the result (device, batch size of a prediction, verbosity) does not belong in it.
    """

    kind: str
    content: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", as_json(self.content))

    def as_json(self) -> dict[str, Any]:
        """``{"kind": ..., "content": {...}}``, as it is stored."""
        return {"kind": self.kind, "content": dict(self.content)}


def refuse_other(path: Path, stored: Mapping[str, Any], identity: Identity) -> None:
    """Refuse files that are not of this work.

    Parameters
    ----------
    path
        The output, for the message.
    stored
        ``Identity.as_json()`` of the work that left the files.
    identity
        The work to be done now.

    Raises
    ------
    InputError
        Kind or content differ; the message names every difference, with both values.
    """
    if stored.get("kind") != identity.kind:
        raise InputError(
            f"{path}: was made by '{stored.get('kind')}' then, and this is '{identity.kind}'; use another --output, or "
            "--overwrite to replace it"
        )
    if different := list(differences(stored.get("content"), identity.content)):
        raise InputError(
            f"{path}: was made from other settings, data or another model: {', '.join(different)}; use the same, "
            "another --output, or --overwrite to replace it"
        )


@dataclass
class Claim:
    """An output that this process has locked and may write.

    Attributes
    ----------
    finished
        The same work was finished before: there is nothing to do.
    resumed
        Continue from the partial files that exist.
    files
        What the work leaves; work that learns on the way of further files, or of some that there will not be, appends
        or removes them.
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
    """Lock an output for the duration of the ``with`` block, by the rule above; a normal end marks it as finished.

    Parameters
    ----------
    output
        What ``--output`` names: a file (then it is one of ``files``), or the folder that holds them.
    identity
        The work to be done.
    files
        What the finished work leaves.
    partial
        What it leaves while it is unfinished, to resume from. Empty if the work cannot be resumed: then the same work
        starts again where it was interrupted, and replaces what it left.
    resume, overwrite
        The options of these names: continue the same work, if unfinished; replace whatever is there.
    complete
        Whether what was finished before is all that is asked for now; if not, it counts as unfinished.

    Yields
    ------
    Claim
        What to do: nothing (``finished``), continue (``resumed``), or start.

    Raises
    ------
    InputError
        The rule refuses; nothing was changed.
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
        names, before, stamps = [ledger.name(path) for path in files], ledger.entries(), _stamps(files)
        if not claimed.finished:  # whatever ends this process: the files are known to be of this work
            ledger.put(replace(mine, files=ledger.described(files)) if partial else replace(mine, partial=names))
        try:
            yield claimed
        except BaseException:
            with suppress(OSError):  # what ended the work is told, not what that does to the ledger
                if not any(path.exists() for path in [*files, *partial]):
                    ledger.remove(mine.key)  # nothing to resume
                elif not partial and not claimed.finished and _stamps(files) == stamps:
                    ledger.restore(mine.key, before, set(names))
            raise
        if not claimed.finished:
            for path in claimed.files:
                if not path.exists():  # removed meanwhile
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            ledger.put(replace(mine, finished=True, files=ledger.described(claimed.files)))


def _stamps(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Which files they are, and of when; (0, 0) for one that is not there."""
    found = [path.stat() if path.exists() else None for path in files]
    return [(one.st_ino, one.st_mtime_ns) if one else (0, 0) for one in found]


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
    """Apply the rule; when work starts from the beginning, remove old files that it would mistake for its own."""
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
            log.info("%s: finished earlier, left as it is", output)
            return Claim(finished=True, files=ledger.paths(before.files))
        if not finished and there and resume:
            _note_versions(output, before, mine)
            return Claim(resumed=True)
        if there and not overwrite and (finished or mine.partial):
            _refuse_same(output, changed)
    elif not overwrite:
        _refuse_other(output, ledger, [*([before] if before else []), *others], unknown, identity)
    if mine.partial:  # what is resumable would be continued from there
        for path in ledger.paths({*mine.partial, *(before.names if before else ())}):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return Claim()


def _refuse_same(output: Path, changed: Sequence[str]) -> None:
    """Refuse to start the same work again: it is unfinished, or its files have changed since."""
    if changed:
        raise InputError(f"{output}: {changed[0]} is missing or not what this work left; --overwrite makes it again")
    raise InputError(
        f"{output}: an unfinished run of the same work; add --resume to continue it, or --overwrite to start again"
    )


def _refuse_other(
    output: Path, ledger: Ledger, entries: Sequence[Entry], unknown: Collection[str], identity: Identity
) -> None:
    """Refuse files of other work or of unknown origin; other work of which no file is left does not matter."""
    for entry in entries:
        if any(path.exists() for path in ledger.paths(entry.names)):
            refuse_other(output, entry.identity, identity)
    if unknown:
        raise InputError(
            f"{ledger.folder / min(unknown)}: exists already, and nothing says what made it; use another --output, or "
            "--overwrite to replace it"
        )


def _note_versions(output: Path, before: Entry, now: Entry) -> None:
    """Warn if the result was made with other package versions: one made now may differ in the last digits."""
    if different := list(differences(before.versions, now.versions)):
        log.warning("%s: was made with other versions: %s", output, ", ".join(different))


def differences(then: Any, now: Any, name: str = "") -> Iterator[str]:
    """Each setting that differs between two nested records, as ``name (value then, value now)``.

    Parameters
    ----------
    then, now
        Plain JSON; a key that only one of them has counts as "nothing" in the other.
    name
        Where they are in a larger record, as ``section.key``.
    """
    if isinstance(then, dict) and isinstance(now, dict):
        for key in [*now, *(k for k in then if k not in now)]:
            yield from differences(then.get(key, "nothing"), now.get(key, "nothing"), f"{name}.{key}".lstrip("."))
    elif then != now and not (then != then and now != now):  # NaN does not differ from NaN
        yield f"{name} ({_shown(then)} then, {_shown(now)} now)"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it is after writing and reading JSON: tuples become lists, other objects text."""
    return json.loads(json.dumps(dict(content), default=str))
