"""HDF5 files: a full disk is an error and no crash, and a file is not read for more than it has.

All files are read through `open_hdf5`, which looks at the heaps of text before the library does (`hdf5_texts`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write
from l2g_interp.records.hdf5_texts import CheckedBytes, check_texts

EXPANSION = 1100  # the most that deflate expands: 1032 times, and small chunks have a few bytes of their own
LARGEST_CHUNK = 64 * 2**20  # bytes, where the whole array has less


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[Any]:
    """Open an HDF5 file (``h5py.File``) for reading.

    Raises
    ------
    OSError, ValueError
        Not HDF5, or damaged, even if that only shows while it is read.
    """
    import h5py

    with Path(path).open("rb") as handle, h5py.File(CheckedBytes(handle), "r") as file:
        if file.id.get_create_plist().get_sizes() != (8, 8):
            raise ValueError("has addresses and lengths of other sizes than 8 bytes")
        yield file


@contextmanager
def atomic_hdf5(path: str | Path) -> Iterator[Any]:
    """Yields a new HDF5 file (``h5py.File``), which appears under its name when it is complete.

    Raises
    ------
    OSError
        The file cannot be written; it names ``path``.
    """
    import h5py

    with atomic_write(path) as unfinished, unfinished.open("w+b", buffering=0) as handle:
        disk = _Disk(handle)
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            if disk.refused is not None:
                raise disk.refused


class _Disk:
    """A file for HDF5 that keeps what the system refuses, and goes on as if it had been written.

    The library cannot close a file whose writes fail: it crashes when the process ends.
    """

    def __init__(self, handle: Any):
        self.handle, self.refused = handle, None
        self.read, self.readinto, self.seek, self.tell = handle.read, handle.readinto, handle.seek, handle.tell

    def write(self, content: Any) -> int:
        return self._try(self._write, content, len(content))

    def _write(self, content: Any) -> int:
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[self.handle.write(rest) :]
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        return self._try(self.handle.truncate, size, size)

    def flush(self) -> None:
        self._try(lambda _: self.handle.flush(), None, None)

    def _try(self, do: Any, argument: Any, otherwise: Any) -> Any:
        if self.refused is None:
            try:
                return do(argument)
            except OSError as error:
                self.refused = error
        return otherwise


def member(group: Any, name: str) -> Any:
    """A group or dataset of this file, by its path; links to other places and other files are refused.

    Raises
    ------
    KeyError
        There is none, or it is a link.
    """
    import h5py

    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise KeyError(f"{group.name}: has no {part!r} of its own")
        group = group[part]
    return group


def names(group: Any, name: str) -> list[str]:
    """What is in a group of this file. Raises KeyError if there is none, or an array or link in its place."""
    import h5py

    found = member(group, name)
    if not isinstance(found, h5py.Group):  # an array would give its rows, however many it claims
        raise KeyError(f"{name}: is no group")
    return list(found)


def has(group: Any, name: str) -> bool:
    """Whether a group has a group or array of its own (no link) of this name."""
    import h5py

    return isinstance(group, h5py.Group) and isinstance(group.get(name, getlink=True), h5py.HardLink)


def array(group: Any, name: str, kinds: str, shape: Sequence[int | None] = (None,)) -> Any:
    """A dataset that was looked at before it is read: where it lies, its type, shape and size.

    Parameters
    ----------
    kinds
        Of numpy dtypes: ``f``, ``iu``, or ``O`` for text.
    shape
        What it must be; None for any length.

    Raises
    ------
    KeyError
        There is no such dataset, or it is a link.
    ValueError
        It is of another kind or shape, or larger than what the file stores for it.
    """
    import h5py

    data: Any = member(group, name)
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise KeyError(f"{name}: is no array of this file")
    text = h5py.check_string_dtype(data.dtype) is not None
    if data.dtype.kind not in kinds or text != (kinds == "O"):
        raise ValueError(f"{data.name}: has values of another type, {data.dtype}")
    if len(data.shape) != len(shape) or any(n not in (None, found) for n, found in zip(shape, data.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{data.name}: has shape {data.shape} where {wanted} belongs")
    stored, size = data.id.get_storage_size(), prod(data.shape) * data.dtype.itemsize
    if size > EXPANSION * min(stored, data.file.id.get_filesize()):
        raise ValueError(f"{data.name}: claims {size} bytes and the file has {stored} for it")
    if prod(data.chunks or ()) * data.dtype.itemsize > max(LARGEST_CHUNK, size):
        raise ValueError(f"{data.name}: is stored in chunks that are larger than itself")
    if text and h5py.check_string_dtype(data.dtype).length is None:
        check_texts(data)
    return data


def value(group: Any, name: str, otherwise: Any) -> Any:
    """A single text or number among the attributes; ``otherwise`` if there is none.

    Raises
    ------
    ValueError
        It is not single, or of another type than ``otherwise``.
    """
    import h5py

    if name not in group.attrs:
        return otherwise
    found = group.attrs.get_id(name)
    text = h5py.check_string_dtype(found.dtype) is not None
    if found.shape not in ((), (1,)) or text != isinstance(otherwise, str) or found.dtype.kind not in "iuOS":
        raise ValueError(f"attribute {name!r}: is not what belongs there")
    read = group.attrs[name]
    single = read if isinstance(read, str | bytes) else np.asarray(read).reshape(-1)[0]
    return single.decode() if isinstance(single, bytes) else type(otherwise)(single)


def attribute(group: Any, name: str, kind: type) -> Any:
    """A JSON text among the attributes.

    Raises
    ------
    KeyError
        There is none.
    ValueError
        It is not JSON, or of another kind.
    """
    if name not in group.attrs:
        raise KeyError(f"has no attribute {name!r}")
    text = value(group, name, "")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"attribute {name!r}: is nested too deeply") from error
    if not isinstance(content, kind):
        raise ValueError(f"attribute {name!r}: is not what belongs there")
    return content


def damaged(path: Path, error: BaseException, what: str, remedy: str) -> InputError:
    """The error to raise where HDF5 or `array` found something wrong."""
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{path}: not {what} ({said}); {remedy}")
