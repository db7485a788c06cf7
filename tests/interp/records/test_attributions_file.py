"""``attributions.h5``: what was written is read, whatever is not is one line, and a full disk is no crash."""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from memory import peak_memory

from l2g_core.dna import Interval
from l2g_core.errors import InputError
from l2g_interp.records.attributions_file import read_attributions, read_controls, read_overview, write_attributions
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Attributions, Explained, TargetAttributions, sums_missed

N, LENGTH = 6, 60

FULL = """
import resource, signal, sys
from pathlib import Path
from l2g_interp.records.attributions_file import read_attributions, write_attributions
found = read_attributions(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    write_attributions(sys.argv[2], found)
except OSError as error:
    print(error.strerror, error.filename)
"""


@pytest.fixture
def found() -> Attributions:
    rng = np.random.default_rng(0)
    one_hot = np.eye(4, dtype=np.int8)[rng.integers(0, 4, (N, LENGTH))].transpose(0, 2, 1)

    def target() -> TargetAttributions:
        contributions, errors = rng.normal(size=(2, N, 4, LENGTH)).astype(np.float32)
        prediction, reference, delta, stability = rng.normal(size=(4, N)).astype(np.float32)
        return TargetAttributions(one_hot, contributions, prediction, reference, delta, errors[:, 0], stability)

    ids = [f"=s{i}" for i in range(N)]
    places = [Interval("chr1", i, i + LENGTH, "+") for i in range(N)]
    provenance = {"targets": ["dev", "hk"], "provenance": "x", "n_references": 3}
    by_target = {"dev": target(), "hk": target()}
    return Attributions(ids, one_hot, np.full(N, LENGTH, dtype=np.int32), by_target, places, provenance)


@pytest.fixture
def path(found: Attributions, tmp_path: Path) -> Path:
    write_attributions(tmp_path / "a.h5", found)
    return tmp_path / "a.h5"


def test_some_targets_are_read_written_and_read_again(path: Path, tmp_path: Path) -> None:
    some = read_attributions(path, targets=["hk"], rows=[1, 4])
    write_attributions(tmp_path / "b.h5", some)
    again = read_attributions(tmp_path / "b.h5")
    assert again.targets == ("hk",)
    assert again.provenance["targets"] == ["hk"]
    assert again.ids == ["=s1", "=s4"]
    assert np.array_equal(again["hk"].hypothetical, some["hk"].hypothetical)
    assert read_overview(tmp_path / "b.h5").ids == again.ids


def replaced(name: str, **how: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


def linked(name: str, link: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return change


def attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def outside(file: h5py.File) -> None:
    del file["length"]
    file.create_dataset("length", (N,), np.int32, external=[("/etc/passwd", 0, 4 * N)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((N, 4, LENGTH), np.int8)
    layout[:] = h5py.VirtualSource("/other.h5", "x", (N, 4, LENGTH))
    del file["sequence/one_hot"]
    file.create_virtual_dataset("sequence/one_hot", layout)


HUGE = 2**40
CHANGES = {
    "gigantic ids": replaced("ids", shape=(HUGE,), dtype=h5py.string_dtype(), chunks=(1024,)),
    "gigantic everything": lambda file: [
        replaced(name, shape=(HUGE, *file[name].shape[1:]), dtype=file[name].dtype, chunks=(8, *file[name].shape[1:]))(
            file
        )
        for name in ("ids", "length", "sequence/one_hot", "targets/dev/hypothetical")
    ],
    "long bases": replaced("sequence/one_hot", shape=(N, 4, HUGE), dtype=np.int8, chunks=(1, 4, 1024)),
    "no prediction": lambda file: file["targets/dev"].pop("prediction"),
    "other rows": replaced("targets/hk/delta", data=np.zeros(N + 1, np.float32)),
    "text for numbers": replaced("targets/hk/delta", data=["x"] * N),
    "numbers for text": replaced("ids", data=np.zeros(N)),
    "a group": lambda file: (file.__delitem__("ids"), file.create_group("ids")),
    "a length beyond": replaced("length", data=np.full(N, LENGTH + 1, np.int32)),
    "a negative length": replaced("length", data=np.full(N, -1, np.int32)),
    "external link": linked("ids", h5py.ExternalLink("/other.h5", "ids")),
    "soft link": linked("ids", h5py.SoftLink("/coordinates/chrom")),
    "outside": outside,
    "virtual": virtual,
    "bad text": replaced("ids", data=np.array([b"\xff\xfe"] * N, dtype=h5py.string_dtype())),
    "deep targets": attribute("targets", "[" * 10**4),
    "deep provenance": attribute("provenance", "{" * 10**4),
    "targets twice": attribute("targets", '["dev", "dev"]'),
    "targets of numbers": attribute("targets", "[1]"),
    "provenance of numbers": attribute("provenance", 3.5),
    "no targets": lambda file: file.attrs.__delitem__("targets"),
    "coordinates": replaced("coordinates/chrom", data=np.zeros(N)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_such_a_file_is_one_line(path: Path, name: str) -> None:
    with h5py.File(path, "r+") as file:
        CHANGES[name](file)
    began, memory = time.monotonic(), peak_memory()
    with pytest.raises(InputError, match="not a complete attributions file") as said:
        read_attributions(path)
    assert str(path) in str(said.value)
    assert "\n" not in str(said.value)
    with suppress(InputError):
        read_overview(path)
    with suppress(InputError):
        read_controls(path)
    assert time.monotonic() - began < 5
    assert peak_memory() - memory < 2**28


@pytest.mark.parametrize("size", [0, 1000, 5000, 12_000, 20_000, 30_000])
def test_a_full_disk_names_the_file_and_leaves_nothing(path: Path, tmp_path: Path, size: int) -> None:
    assert path.stat().st_size > 30_000
    command = [sys.executable, "-c", FULL, str(path), str(tmp_path / "b.h5"), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (f"File too large {tmp_path / 'b.h5'}", 0), done.stderr
    assert list(tmp_path.iterdir()) == [path]
    assert done.returncode != -signal.SIGSEGV


def test_hostile_ids_come_back_from_tables_as_they_were(tmp_path: Path) -> None:
    ids = ["=A1", "-x", "'=A1", "plain", "+", "@SUM(A1)", "-5"]
    rows = [Explained("dev", i, name, 1, -2.0, -1.5, 0.0, 3) for i, name in enumerate(ids)]
    write_table(tmp_path / "t.tsv", rows, Explained)
    assert read_table(tmp_path / "t.tsv", Explained, "l2g-interp hits") == rows
    cells = [line.split("\t") for line in (tmp_path / "t.tsv").read_text().splitlines()[1:]]
    assert [row[2] for row in cells] == ["'=A1", "'-x", "''=A1", "plain", "+", "'@SUM(A1)", "-5"]
    assert {row[4] for row in cells} == {"-2"}


def test_predictions_that_are_not_numbers_are_told(found: Attributions) -> None:
    numbers = {name: vars(values) for name, values in found.by_target.items()}
    numbers["hk"] = numbers["hk"] | {"prediction": np.array([np.nan, np.inf, *np.zeros(N - 2)], dtype=np.float32)}
    assert "hk (2 of 6): the predictions are NaN or infinite" in sums_missed(numbers)


def test_the_file_is_read_by_others(path: Path) -> None:
    with h5py.File(path) as file:
        assert json.loads(str(file.attrs["targets"])) == ["dev", "hk"]
        assert np.asarray(file["targets/dev/hypothetical"]).shape == (N, 4, LENGTH)


HEAPS = {  # bytes of an object's header, at which HDF5 itself goes round in circles
    "a free one of no length": struct.pack("<H6xQ", 0, 0),
    "one whose length wraps around": struct.pack("<H6xQ", 1, 2**64 - 16),
}


@pytest.mark.parametrize("header", HEAPS.values(), ids=HEAPS)
@pytest.mark.parametrize("read", [read_attributions, read_overview])
def test_a_damaged_heap_of_text_is_refused_and_no_endless_loop(path: Path, header: bytes, read: Any) -> None:
    content = path.read_bytes()
    places = [found.start() for found in re.finditer(b"GCOL\x01", content)]
    assert places
    for place in places:
        path.write_bytes(content[: place + 16] + header + content[place + 16 + len(header) :])
        with pytest.raises(InputError, match=r"a\.h5: .*a heap of text at byte"):
            read(path)


def test_texts_that_lie_at_one_place_are_refused_unread(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["ids"]
        ids = file.create_dataset("ids", (N,), h5py.string_dtype(), chunks=(N,))
        ids[0] = "x" * 100_000
        chunk = ids.id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    first = content[chunk.byte_offset : chunk.byte_offset + 16]
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = first * N
    path.write_bytes(content)
    assert len(content) < N * 100_000
    with pytest.raises(InputError, match="claims more than"):
        read_attributions(path)
