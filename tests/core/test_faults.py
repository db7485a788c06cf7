"""What the system refuses: one line that names the output and the way on, exit code 2; nothing half is left."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from l2g_core.console import Program, resume_option
from l2g_core.errors import InputError
from l2g_core.faults import Stopped, check_readable, fault_of, signals_kept, stopping_in_order
from l2g_core.runs.files import atomic_write, from_cell, no_formula, write_json, write_tsv
from l2g_core.runs.lock import lock

LOCKING = """
import sys
from pathlib import Path
from l2g_core.runs.lock import lock
for _ in range(60):
    with lock(Path(sys.argv[1]) / "hidden" / "x.lock", "x", wait=-1.0):
        pass
"""


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Within it, the system refuses files of more bytes (EFBIG), as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def outcome(error: BaseException, *options: str) -> tuple[str, int]:
    """What a program with this error says, and its exit code."""

    @click.group(cls=Program)
    def main() -> None: ...

    @main.command()
    @resume_option
    def long(resume: bool) -> None:
        raise error

    @main.command()
    def short() -> None:
        raise error

    said = CliRunner().invoke(main, list(options))
    return said.output.strip(), said.exit_code


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_what_does_not_fit_leaves_the_old_file_and_names_it(tmp_path: Path, size: int) -> None:
    from safetensors.torch import save_file

    for name, write in {
        "a.json": lambda path: write_json(path, ["x" * 9000]),
        "a.tsv": lambda path: write_tsv(path, ["x" * 9000], []),
    }.items():
        (tmp_path / name).write_text("old")
        with files_up_to(size), pytest.raises(OSError, match="File too large") as said:
            write(tmp_path / name)
        assert said.value.filename == str(tmp_path / name)
        assert (tmp_path / name).read_text() == "old"
    with files_up_to(size), pytest.raises(OSError, match="File too large"), atomic_write(tmp_path / "w") as unfinished:
        save_file({"x": torch.zeros(5000)}, unfinished)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.tsv"]


def test_what_a_killed_write_left_goes_with_the_next(tmp_path: Path) -> None:
    for left in (tmp_path / "w.unfinished" / ".tmp1", tmp_path / "v.unfinished"):
        left.parent.mkdir(exist_ok=True)
        left.write_text("half")
    for name in "wv":
        write_json(tmp_path / name, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v", "w"]


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()

    def write() -> None:
        with atomic_write(folder / "x"):
            shutil.rmtree(folder)

    with pytest.raises(OSError, match="No such file") as said:
        write()
    assert said.value.filename == str(folder / "x")


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
def test_files_get_the_permissions_of_any_new_file(tmp_path: Path, umask: int) -> None:
    from safetensors.torch import save_file

    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "w") as unfinished:
            save_file({"x": torch.zeros(5)}, unfinished)
        write_json(tmp_path / "j", {})
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "wj"] == [0o666 & ~umask] * 2


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Can't decrement id ref count (file write failed: errno = 28, error message = 'No space')"),
        OSError("[Errno 28] Can't synchronously write data"),
    ],
    ids=["python", "hdf5", "h5py"],
)
def test_a_full_disk_is_one_line_with_the_way_on(error: Exception) -> None:
    line = "Error: No space left on device; make room there, or choose another output"
    assert outcome(error, "short") == (line, 2)
    assert outcome(error, "long") == (f"{line}; then --resume continues", 2)
    wrapped = ValueError("could not be saved")
    wrapped.__cause__ = error
    assert outcome(wrapped, "short") == (line, 2)


def test_a_bug_is_not_taken_for_a_fault() -> None:
    assert fault_of(ValueError("errno = 28")) is None
    assert fault_of(RuntimeError("28 rows")) is None
    assert outcome(KeyError("x"), "short")[1] == 1


def test_an_interrupted_command_names_resume_where_it_has_it() -> None:
    assert outcome(KeyboardInterrupt(), "long") == (
        "Error: interrupted; the same command with --resume continues it",
        130,
    )
    assert outcome(KeyboardInterrupt(), "short") == ("Error: interrupted", 130)
    assert outcome(Stopped(signal.SIGTERM), "short") == ("Error: stopped by SIGTERM", 143)


def test_a_library_does_not_take_our_signals_over() -> None:
    with stopping_in_order():
        with signals_kept():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with pytest.raises(Stopped, match="SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "x", "No such file"), (tmp_path / "y", "Permission")):
        if why == "Permission":
            path.touch(0)
            if os.access(path, os.R_OK):  # the superuser reads everything
                continue
        with pytest.raises(InputError, match=f"cannot be read .{why}"):
            check_readable(path)


def test_many_take_turns_at_a_lock_whose_folder_comes_and_goes(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", LOCKING, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert list(tmp_path.iterdir()) == []
    with lock(tmp_path / "hidden" / "x.lock", "x"):
        assert (tmp_path / "hidden" / "x.lock").exists()


@pytest.mark.parametrize("text", ["=A1", "+1+1", "-x", "@SUM(A1)", "\t=1", "'=A1", "''-x", "-1-1", "-é"])
def test_no_text_becomes_a_formula_and_every_text_comes_back(text: str) -> None:
    assert no_formula(text) == f"'{text}"
    assert from_cell(no_formula(text)) == text


@pytest.mark.parametrize(
    "text", ["-1.5", "+2e-05", "-inf", "-nan", "+", "-", "", "chr1:1-5", "'quoted'", "5'UTR", "x=1"]
)
def test_numbers_strands_and_other_texts_stay(text: str) -> None:
    assert no_formula(text) == text
    assert from_cell(text) == text


def test_a_table_of_hostile_ids(tmp_path: Path) -> None:
    write_tsv(tmp_path / "t.tsv", ("id", "-dev"), [("=HYPERLINK(1)", f"{np.float32(-0.5)}")])
    assert (tmp_path / "t.tsv").read_text() == "id\t'-dev\n'=HYPERLINK(1)\t-0.5\n"
