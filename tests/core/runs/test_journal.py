"""The journal keeps whole parts through any interruption, and a killed attribution ends the same to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from l2g_core.dna import checked
from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import L2G
from l2g_core.runs.identity import Identity
from l2g_core.runs.journal import Journal
from l2g_interp.demo.made_up import make_planted_sequences
from l2g_interp.models import open_model
from l2g_interp.pipeline.attribute import AttributeOptions, attribute_file

ONE, OTHER = Identity("test", {"seed": 0}), Identity("test", {"seed": 1})
ARRAYS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.array([1, 2], dtype=np.int8)}


def test_whole_records_survive_a_torn_tail(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", ONE)
    assert journal.start(resume=False) == 0
    for n in range(3):
        journal.append(range(2 * n, 2 * n + 2), ARRAYS)
    whole = journal.path.read_bytes()
    third = len(whole) - 1
    for cut in (third, third - 10, third - 200):
        journal.path.write_bytes(whole[:cut])
        assert Journal(tmp_path / "j", ONE).start(resume=True) == 4  # rows
        journal.append(range(4, 6), ARRAYS)
        records = list(journal.records())
        assert len(records) == 3
        np.testing.assert_array_equal(records[2]["x"], ARRAYS["x"])


def test_a_flipped_bit_ends_the_journal_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", ONE)
    journal.start(resume=False)
    for n in range(3):
        journal.append(range(2 * n, 2 * n + 2), ARRAYS)
    content = bytearray(journal.path.read_bytes())
    content[len(content) // 2] ^= 1
    journal.path.write_bytes(content)
    assert journal.start(resume=True) == 2  # rows


def test_an_unfinished_run_is_neither_lost_nor_mixed(tmp_path: Path) -> None:
    Journal(tmp_path / "j", ONE).start(resume=False)
    with pytest.raises(InputError, match="add --resume"):
        Journal(tmp_path / "j", ONE).start(resume=False)
    with pytest.raises(InputError, match=r"seed \(0 then, 1 now\)"):
        Journal(tmp_path / "j", OTHER).start(resume=True)


@pytest.mark.parametrize("rows", [range(2, 4), range(6, 8), range(4, 4)])
def test_records_of_two_processes_are_refused(tmp_path: Path, rows: range) -> None:
    """Two that write one journal repeat rows or leave some out: nothing may be read from it as if it were right."""
    journal = Journal(tmp_path / "j", ONE)
    journal.start(resume=False)
    for written in (range(2), range(2, 4), rows):
        journal.append(written, ARRAYS)
    with pytest.raises(InputError, match=r"where row 4 comes next; two processes wrote it"):
        list(journal.records())
    with pytest.raises(InputError, match=r"where row 4 comes next; two processes wrote it"):
        Journal(tmp_path / "j", ONE).start(resume=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint, and sequences enough that a kill comes in the middle."""
    folder = tmp_path_factory.mktemp("work")
    torch.manual_seed(0)
    L2G(
        L2GConfig(("dev", "hk"), 80, embedder_width=8, target_tokens=20, backbone="minilm", backbone_training="none")
    ).save_pretrained(folder / "model")
    sequences = make_planted_sequences(96, 80, seed=0).sequences
    (folder / "x.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)))
    return folder


def command(work: Path, output: Path, *more: str) -> list[str]:
    program = "from l2g_interp.cli import main; main()"
    given = ["--model", str(work / "model"), "--fasta", str(work / "x.fa"), "--output", str(output)]
    return [sys.executable, "-c", program, "attribute", *given, "--references", "40", "--device", "cpu", *more]


@pytest.mark.slow
def test_kill_9_and_resume_gives_the_same_file(work: Path, tmp_path: Path) -> None:
    import h5py

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    unbroken, broken = tmp_path / "unbroken.h5", tmp_path / "broken.h5"
    subprocess.run(command(work, unbroken), check=True, env=environment, capture_output=True)
    journal = broken.with_name("broken.h5.journal")
    process = subprocess.Popen(command(work, broken), env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and (not journal.exists() or journal.stat().st_size < 20_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed; give it more to do"
    assert journal.exists()
    assert not broken.exists()
    kept = journal.stat().st_size
    subprocess.run(command(work, broken, "--resume"), check=True, env=environment, capture_output=True)
    assert kept > 20_000
    assert not journal.exists()
    with h5py.File(unbroken) as a, h5py.File(broken) as b:
        names: list[str] = []
        a.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        assert len(names) > 10
        for name in names:
            first, second = a[name][()], b[name][()]  # type: ignore[index]
            if first.dtype == object:  # strings: the array holds addresses
                first, second = np.array(first.tolist()), np.array(second.tolist())
            assert first.tobytes() == second.tobytes(), name


@pytest.mark.slow
def test_a_second_process_is_refused_while_the_first_lives_even_if_it_is_stopped(work: Path, tmp_path: Path) -> None:
    """Two processes on one output once left 88 of 320 rows wrong, with exit code 0."""
    import h5py

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    unbroken, output = tmp_path / "unbroken.h5", tmp_path / "shared.h5"
    subprocess.run(command(work, unbroken), check=True, env=environment, capture_output=True)
    journal = output.with_name("shared.h5.journal")
    first = subprocess.Popen(command(work, output), env=environment, stderr=subprocess.DEVNULL)
    while first.poll() is None and (not journal.exists() or journal.stat().st_size < 20_000):
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    assert first.poll() is None, "it finished before it could be stopped; give it more to do"
    kept = journal.read_bytes()
    for option in ([], ["--resume"], ["--overwrite"]):
        second = subprocess.run(command(work, output, *option), env=environment, capture_output=True, text=True)
        assert second.returncode == 2, second.stderr
        assert f"shared.h5: another process is writing it (process {first.pid} on " in second.stderr
        assert journal.read_bytes() == kept
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    with h5py.File(unbroken) as a, h5py.File(output) as b:
        for name in ("prediction", "hypothetical", "standard_error"):
            np.testing.assert_array_equal(a[f"targets/dev/{name}"], b[f"targets/dev/{name}"])
    assert not list(tmp_path.rglob("*.lock"))


def test_a_finished_run_is_not_done_again(work: Path, tmp_path: Path) -> None:
    data = checked(["a", "b"], make_planted_sequences(2, 80, seed=1).sequences, "made up")
    options = AttributeOptions(n_references=2)
    output = tmp_path / "a.h5"
    model = open_model(str(work / "model"), data, device="cpu")
    attribute_file(model, data, output, options, shown=False)
    before = output.stat().st_mtime_ns
    attribute_file(model, data, output, options, resume=True, shown=False)
    assert output.stat().st_mtime_ns == before
