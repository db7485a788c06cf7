"""HDF5 files: a full disk is an error and no crash, and a file is not read for more than it has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write

EXPANSION = 1100  # the most that deflate expands: 1032 times, and small chunks have a few bytes of their own


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

    data = member(group, name)
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise KeyError(f"{name}: is no array of this file")
    text = h5py.check_string_dtype(data.dtype) is not None
    if data.dtype.kind not in kinds or text != (kinds == "O"):
        raise ValueError(f"{data.name}: has values of another type, {data.dtype}")
    if len(data.shape) != len(shape) or any(n not in (None, found) for n, found in zip(shape, data.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{data.name}: has shape {data.shape} where {wanted} belongs")
    stored, size = data.id.get_storage_size(), prod(data.shape) * data.dtype.itemsize
    if size > EXPANSION * min(stored, Path(data.file.filename).stat().st_size):
        raise ValueError(f"{data.name}: claims {size} bytes and the file has {stored} for it")
    return data


def attribute(group: Any, name: str, kind: type) -> Any:
    """A JSON text among the attributes.

    Raises
    ------
    KeyError
        There is none.
    ValueError
        It is not JSON, or of another kind.
    """
    text = group.attrs[name]
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except RecursionError as error:
        raise ValueError(f"attribute {name!r}: is nested too deeply") from error
    if not isinstance(value, kind):
        raise ValueError(f"attribute {name!r}: is not what belongs there")
    return value


def damaged(path: Path, error: BaseException, what: str, remedy: str) -> InputError:
    """The error to raise where HDF5 or `array` found something wrong."""
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{path}: not {what} ({said}); {remedy}")
