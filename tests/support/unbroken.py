"""What a command leaves when nothing befalls it, in a form to compare with what it leaves after a fault."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from fork_server import Fault, ForkServer

from l2g_core.runs.ledger import FILE, PLACE

NEVER = -1  # no touch has this number
WHEN = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00| --resume")  # of the times and the command in run.json


@dataclass(frozen=True)
class Unbroken:
    """A command and what became of it: ``results``, ``seconds``, and its touches of ``home``, where it writes."""

    command: str
    arguments: Sequence[object]
    home: Path
    results: dict[str, str]
    seconds: float
    touches: list[tuple[float, str, str]]


def unbroken(programs: ForkServer, command: str, arguments: Sequence[object], output: Path, home: Path) -> Unbroken:
    """Let a command run to its end; the next one writes to the same place, ``output`` in the folder ``home``."""
    notes = home.with_name(home.name + ".touches")
    given = [*arguments, "--output", output]
    ended = programs.run(command, given, fault=Fault("none", NEVER, str(home)), touches=notes)
    assert ended.status == 0, ended.said
    touches = [line.split("\t") for line in notes.read_text().splitlines()]
    return Unbroken(command, given, home, results(home), ended.seconds, [(float(t), e, p) for t, e, p in touches])


def results(home: Path) -> dict[str, str]:
    """By name, the hash of every file of a folder, but for when it was made; of the ledger, what it says of them.

    Locks do not count: the system has dropped them.
    """
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(home)): _read(path) for path in sorted(files)}


def _read(path: Path) -> str:
    if path.parent.name == PLACE and path.name == FILE:
        entries = json.loads(path.read_text())
        said = [(e["output"], e["identity"]["kind"], e["finished"], sorted(e["files"])) for e in entries]
        return json.dumps(sorted(said))
    content = _content(path) if path.suffix == ".h5" else path.read_bytes()
    return hashlib.sha256(WHEN.sub(b"", content)).hexdigest()


def _content(path: Path) -> bytes:
    """All that an HDF5 file holds, without its layout: attributes and arrays by their names."""
    with h5py.File(path) as file:
        names = ["/"]
        file.visit(names.append)
        items = [(name, file[name]) for name in names]
        said = [f"{name} {key} {item.attrs[key]!r}" for name, item in items for key in sorted(item.attrs)]
        arrays = [f"{n} {i.dtype} {i.shape}".encode() + _bytes(i[()]) for n, i in items if isinstance(i, h5py.Dataset)]
    return b"\n".join(["\n".join(said).encode(), *arrays])


def _bytes(array: np.ndarray) -> bytes:
    return json.dumps([str(text) for text in array.ravel()]).encode() if array.dtype == object else array.tobytes()
