"""Ways to damage a valid file: any bytes; lines and cells of text; values of JSON; members of HDF5; safetensors.

Each is a function from the valid bytes and a list of steps (drawn by hypothesis, so that a failure shrinks) to bytes.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

Step = tuple[str, int, int, int]  # what to do, and three numbers that say where and with what
HOSTILE = (
    *(b"", b"\n", b"\r", b"\r\n", b"\t", b" ", b",", b";", b'"', b"'", b"#", b">", b"=", b"\x00", b"\xff"),
    *(b"NA", b"nan", b"inf", b"-1", b"0", b"1e999", b"1_0", b"1,5", b"99999999999999999999", b"0x1f", b"-", b"+", b"."),
    *("\u2028".encode(), "\u0663".encode(), "é".encode(), "\u202e".encode(), b"\x1f\x8b", b"\x85", b"\xef\xbb\xbf"),
    *(b"=1+1", b"@x", b"../../etc/passwd", b"<script>", b"N", b"A" * 300, b"[", b"]", b"{", b"}", b"[" * 2000),
    *(b"1" * 5000, b"True"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", "x"),
    *("../x", "\x00", "\ud800", "<b>", "a\nb", [], [[]], [1], ["x"], {}, {"x": 1}, {"": None}, [None] * 50),
    *("é" * 300, [[[[[[]]]]]], "1", "nan"),
)  # fmt: skip
TEXT = ("flip", "cut", "truncate", "token", "repeat", "lines", "drop", "double", "cell", "columns", "packed")
NUMBERS = st.integers(0, 2**16 - 1)


def steps(kinds: Sequence[str], most: int = 5) -> st.SearchStrategy[list[Step]]:
    """One to ``most`` steps."""
    return st.lists(st.tuples(st.sampled_from(kinds), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=most)


def text(content: bytes, todo: Sequence[Step], tokens: Sequence[bytes] = ()) -> bytes:
    """Damage lines, cells and bytes."""
    words = (*tokens, *HOSTILE)
    for kind, a, b, c in todo:
        content = _text(content, kind, a, b, words[c % len(words)])
    return content


def _text(content: bytes, kind: str, a: int, b: int, token: bytes) -> bytes:
    at = a % (len(content) + 1)
    if kind == "flip":
        return content[:at] + bytes([b % 256]) + content[at + 1 :]
    if kind == "cut":
        return content[:at] + content[at + 1 + b % 40 :]
    if kind == "truncate":
        return content[:at]
    if kind == "token":
        return content[:at] + token + content[at:]
    if kind == "repeat":
        return content + content[at : at + 1 + b % 200]
    if kind == "packed":
        return gzip.compress(content, mtime=0)[: None if b % 2 else at]
    return _lines(content, kind, a, b, token)


def _lines(content: bytes, kind: str, a: int, b: int, token: bytes) -> bytes:
    lines = content.split(b"\n")
    i, j = a % len(lines), b % len(lines)
    if kind == "lines":
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == "drop":
        del lines[i]
    elif kind == "double":
        lines.insert(j, lines[i])
    else:
        mark = next((m for m in (b"\t", b",") if m in lines[i]), b" ")
        cells = lines[i].split(mark)
        k = b % len(cells)
        if kind == "cell":
            cells[k] = token
        else:
            cells[k], cells[0] = cells[0], cells[k]
        lines[i] = mark.join(cells)
    return b"\n".join(lines)


def as_json(content: bytes, todo: Sequence[Step]) -> bytes:
    """Change, remove and add values of a JSON text; a last step may damage its bytes."""
    value = json.loads(content)
    for kind, a, b, _ in todo:
        if kind in ("set", "remove", "add"):
            value = _json(value, kind, a, VALUES[b % len(VALUES)])
    content = json.dumps(value).encode()
    return text(content, [step for step in todo if step[0] in TEXT])


JSON = ("set", "set", "set", "remove", "add", "token", "flip")


def _json(value: Any, kind: str, a: int, new: Any) -> Any:
    value, new = copy.deepcopy(value), copy.deepcopy(new)
    places = list(_places(value))
    if not places:
        return new
    parent, key = places[a % len(places)]
    if kind == "set":
        parent[key] = new
    elif kind == "remove":
        del parent[key]
    elif isinstance(parent, dict):
        parent[str(new)] = parent[key]
    else:
        parent.append(parent[key])
    return value


def _places(value: Any) -> Any:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


HDF5 = ("shape", "huge", "values", "remove", "link", "outside", "group", "text", "attribute", "heap", "bytes", "cut")


ATTRIBUTES: tuple[Any, ...] = (
    "x", "[]", "{}", "null", 1, -1.5, np.zeros(3), b"\xff", h5py.Empty("f"), ["a", "b"], "[" * 9999,
)  # fmt: skip


def hdf5(content: bytes, todo: Sequence[Step]) -> bytes:
    """Change members, their types, sizes and links; then heaps of text, and any bytes."""
    for kind, a, b, _ in todo:
        if kind not in ("heap", "bytes", "cut"):
            content = _member(content, kind, a, b)
    for kind, a, b, c in todo:
        if kind in ("heap", "bytes", "cut"):
            content = _raw(content, kind, a, b, c)
    return content


def _raw(content: bytes, kind: str, a: int, b: int, c: int) -> bytes:
    if kind == "cut":
        return content[: (a * 2**16 + b) % (len(content) + 1)]
    at, odd = (a * 2**16 + b) % max(1, len(content)), (0, 1, 255, 16, 8, c % 256)[c % 6]
    heap = content.find(b"GCOL")
    if kind == "heap" and heap >= 0:
        at = heap + b % 512
    n = 1 + c % 8
    return content[:at] + bytes([odd]) * n + content[at + n :]


def _member(content: bytes, kind: str, a: int, b: int) -> bytes:
    stream = io.BytesIO(content)
    with suppress(OSError, RuntimeError, ValueError, KeyError, TypeError), h5py.File(stream, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        if names:
            _change(file, names[a % len(names)], kind, b)
    return stream.getvalue()


def _change(file: h5py.File, name: str, kind: str, b: int) -> None:
    old: Any = file[name]
    if kind == "attribute":
        owner: Any = old if b % 3 == 0 else file
        key = list(owner.attrs)[b % len(owner.attrs)] if len(owner.attrs) else "targets"
        owner.attrs[key] = ATTRIBUTES[b % len(ATTRIBUTES)]
        return
    if kind == "values":
        if isinstance(old, h5py.Dataset) and old.dtype.kind in "fi" and old.size < 10**6:
            old[...] = (-1, 0, 100, np.nan, np.inf)[b % (5 if old.dtype.kind == "f" else 3)]
        return
    shape = old.shape if isinstance(old, h5py.Dataset) and old.size < 10**6 else (3,)
    dtype = old.dtype if isinstance(old, h5py.Dataset) else "f4"
    del file[name]
    if kind == "shape":
        other = (shape[:-1], (*shape, 2), (2,), (), (0,), shape)[b % 6]
        file.create_dataset(name, data=np.zeros(other, ("f4", "i8", "S3", "c8", "?", "u1")[b // 6 % 6]))
    elif kind == "huge":
        file.create_dataset(name, (10**9,) * max(1, len(shape)), dtype, chunks=True)
    elif kind == "link":
        file[name] = h5py.SoftLink(("/", name, "/nothing")[b % 3])
    elif kind == "outside":
        file[name] = h5py.ExternalLink("other.h5", "/")
    elif kind == "group":
        file.create_group(name)
    elif kind == "text":
        file.create_dataset(name, shape or (1,), h5py.string_dtype(), chunks=True if b % 2 else None)


def safetensors(content: bytes, todo: Sequence[Step]) -> bytes:
    """Change the header as JSON (and JSON in its texts), with its length set right, or any bytes."""
    n = struct.unpack("<Q", content[:8])[0]
    given = json.loads(content[8 : 8 + n])
    texts = {key: json.loads(value) for key, value in given.pop("__metadata__", {}).items()}
    changed = json.loads(as_json(json.dumps([given, texts]).encode(), [step for step in todo if step[0] not in TEXT]))
    if isinstance(changed, list) and len(changed) > 1 and isinstance(changed[0], dict) and isinstance(changed[1], dict):
        changed = changed[0] | {"__metadata__": {key: json.dumps(value) for key, value in changed[1].items()}}
    header = json.dumps(changed).encode()
    packed = struct.pack("<Q", len(header)) + header + content[8 + n :]
    return text(packed, [step for step in todo if step[0] in TEXT])


SAFETENSORS = ("set", "set", "remove", "add", "flip", "truncate", "token", "cut")
Damage = Callable[[bytes, Sequence[Step]], bytes]
DAMAGES: dict[str, tuple[Damage, Sequence[str]]] = {
    "text": (text, TEXT), "json": (as_json, JSON), "hdf5": (hdf5, HDF5), "safetensors": (safetensors, SAFETENSORS),
}  # fmt: skip
