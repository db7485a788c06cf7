"""Attribution of any number of sequences: rows are written once, memory stays flat, and any kill is survived."""

from __future__ import annotations

import gzip
import itertools
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from l2g_core.dna import read_bed, read_fasta
from l2g_core.errors import InputError
from l2g_core.runs import redo
from l2g_core.runs.journal import Journal
from l2g_core.runs.redo import changing, recover
from l2g_core.sequence_files import SequenceFile, open_bed, open_fasta
from l2g_interp.attributions import attribute as engine
from l2g_interp.models import open_model
from l2g_interp.pipeline import attribute as stage
from l2g_interp.pipeline import write_parts as writing
from l2g_interp.pipeline.attribute import AttributeOptions, attribute_file
from l2g_interp.records import growing_file
from l2g_interp.records.attributions_file import read_attributions

N, LENGTH = 24, 60
OPTIONS = AttributeOptions(n_references=2, n_controls=6, targets=("act",))


def random_dna(n: int, length: int = LENGTH, seed: int = 0) -> list[str]:
    letters = np.random.default_rng(seed).integers(0, 4, (n, length))
    return ["".join("ACGT"[i] for i in row) for row in letters]


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "x.fa"
    path.write_text("".join(f">s{i} told\n{s[:30]}\n{s[30:]}\n" for i, s in enumerate(random_dna(N))))
    return path


def explained(fasta: Path, output: Path, **how) -> Path:
    data = open_fasta(fasta)
    attribute_file(open_model("counting_model:build", data, device="cpu"), data, output, OPTIONS, shown=False, **how)
    return output


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 8 rows, blocks of 16, and every part in the journal."""
    monkeypatch.setattr(engine, "MOST_PARTS", 1)
    monkeypatch.setattr(growing_file, "BLOCK_BYTES", 16 * 16 * LENGTH)
    monkeypatch.setattr(growing_file, "SPAN_BYTES", 4 * 24 * LENGTH)
    monkeypatch.setattr(writing, "SAVE_EVERY", 0.0)


@pytest.mark.parametrize("ending", ["fa", "fa.gz", "bed"])
def test_a_file_is_read_in_blocks_as_it_is_read_whole(fasta: Path, tmp_path: Path, ending: str) -> None:
    if ending == "bed":
        path = tmp_path / "x.bed"
        path.write_text("".join(f"s{i}\t{i}\t{i + 20}\tname{i}\t0\t{'+-'[i % 2]}\n" for i in range(N)))
        whole, file = read_bed(path, fasta), open_bed(path, fasta)
    else:
        path = tmp_path / f"y.{ending}"
        content = fasta.read_bytes()
        path.write_bytes(gzip.compress(content) if ending == "fa.gz" else content)
        whole, file = read_fasta(path), open_fasta(path)
    assert isinstance(file, SequenceFile)
    blocks = list(file.blocks(7))
    assert [len(block) for block in blocks] == [7] * 3 + [3]
    assert [name for block in blocks for name in block.ids] == whole.ids
    assert [letters for block in blocks for letters in block.sequences] == whole.sequences
    places = [place for block in blocks for place in block.intervals or []]
    assert places == (whole.intervals or [])
    assert (len(file), file.shortest, file.longest) == (len(whole), whole.shortest, whole.longest)
    assert file.first.ids == whole.ids[:1]


def test_what_is_wrong_with_a_record_is_told_however_many_there_are(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    records = [f">s{i}\nACGT\n" for i in range(3000)]
    for number, wrong, said in (
        (2500, ">s7\nACGT\n", "two records are called 's7'"),
        (2999, ">x\nACJT\n", "record 'x' has 'J' at position 3"),
        (10, ">y\n\n", "record 'y' has no sequence"),
    ):
        path.write_text("".join([*records[:number], wrong, *records[number + 1 :]]))
        with pytest.raises(InputError, match=said):
            open_fasta(path)


def test_a_file_that_changes_while_it_is_read_is_refused(fasta: Path) -> None:
    data = open_fasta(fasta)
    fasta.write_text(fasta.read_text().replace(">s3 ", ">other "))
    with pytest.raises(InputError, match="was changed while it was read"):
        list(data.blocks(10))


def test_a_pipe_is_read_once(fasta: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    subprocess.run(["mkfifo", str(pipe)], check=True)
    with subprocess.Popen(["cp", str(fasta), str(pipe)]):
        assert open_fasta(pipe).ids == read_fasta(fasta).ids  # type: ignore[union-attr]


class Killed(BaseException):
    """As ``kill -9``: whatever is done at an exception must not be needed."""


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """End at the given call of those that touch the disk, before or after it, leaving its work half done."""
    calls = itertools.count()
    dead = False

    def wrapped(name: str, owner) -> Callable:
        plain = getattr(owner, name)

        def touch(*given, **more):
            nonlocal dead
            if dead:
                raise Killed
            if next(calls) == moment:
                dead = True
                if name == "_carry_out":  # half of the changes are made
                    path, log = given
                    content = log.read_bytes()
                    half = (len(content) - redo._END.size) // (redo._HEAD.size + redo.PAGE) // 2
                    with path.open("r+b") as file:
                        for n in range(half):
                            at = n * (redo._HEAD.size + redo.PAGE)
                            place, length = redo._HEAD.unpack_from(content, at)
                            file.seek(place)
                            file.write(content[at + redo._HEAD.size : at + redo._HEAD.size + length])
                elif name == "_write":
                    given[0].write_bytes(b"half a log")
                elif name == "append":
                    plain(*given, **more)
                    with given[0].path.open("r+b") as file:
                        file.truncate(given[0].path.stat().st_size - 5)
                raise Killed
            return plain(*given, **more)

        return touch

    for owner, name in ((redo, "_carry_out"), (redo, "_write"), (Journal, "append"), (Journal, "begin_again")):
        monkeypatch.setattr(owner, name, wrapped(name, owner))
    monkeypatch.setattr(stage, "_explained_or_removed", lambda *_: nullcontext())
    monkeypatch.setattr(stage.GrowingFile, "finish", wrapped("finish", stage.GrowingFile))
    monkeypatch.setattr(stage, "record", wrapped("record", stage))


def test_after_a_kill_at_any_moment_the_file_is_the_same_to_the_bit(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_blocks: None
) -> None:
    whole = explained(fasta, tmp_path / "whole.h5").read_bytes()
    for moment in range(60):
        folder = tmp_path / str(moment)
        folder.mkdir()
        output = folder / "whole.h5"
        with monkeypatch.context() as patched:
            kill_at(patched, moment)
            try:
                explained(fasta, output)
            except Killed:
                finished = False
            else:
                finished = True
        if finished:
            break
        explained(fasta, output, resume=True)
        assert output.read_bytes() == whole, moment
        assert {path.name for path in folder.iterdir()} == {"whole.h5", "run.json", ".l2g"}
    assert 10 < moment < 59


def test_a_change_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    path, log = tmp_path / "f", tmp_path / "f.redo"
    before = bytes(range(256)) * 40
    path.write_bytes(before)
    with pytest.raises(ZeroDivisionError), changing(path, log) as changes:
        changes.write(b"x" * (1 // (changes.seek(4090) - 4090)))
    assert path.read_bytes() == before
    with changing(path, log) as changes:
        changes.seek(4090)
        changes.write(b"across two pages")
        changes.seek(4088)
        assert changes.read(20) == before[4088:4090] + b"across two pages" + before[4106:4108]
        changes.seek(0, 2)
        assert changes.tell() == len(before)
        changes.write(b"more")
    after = before[:4090] + b"across two pages" + before[4106:] + b"more"
    assert path.read_bytes() == after
    assert not log.exists()
    log.write_bytes(b"not whole")
    recover(path, log)
    assert path.read_bytes() == after
    assert not log.exists()


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_run_goes_on(fasta: Path, tmp_path: Path) -> None:
    """The limit on the size of a file stands for a full disk."""
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY));"
        "sys.path.insert(0, sys.argv.pop(1));"
        "from l2g_interp.cli import main; main()"
    )
    support = Path(__file__).parents[2] / "support"
    output = tmp_path / "a.h5"
    given = ["attribute", "--model", "counting_model:build", "--fasta", str(fasta), "--output", str(output)]
    given += ["--references", "2", "--device", "cpu"]

    def run(limit: int, *more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", program, str(limit), str(support), *given, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    full = run(60_000)
    assert (full.returncode, full.stderr.count("Error: ")) == (2, 1), full.stderr
    assert "File too large" in full.stderr
    assert not output.exists()
    done = run(2**30, "--resume") if list(tmp_path.glob("a.h5.*")) else run(2**30)
    assert done.returncode == 0, done.stderr
    assert len(read_attributions(output)) == N
    assert full.returncode != -signal.SIGSEGV
