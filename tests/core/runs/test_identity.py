"""The one rule for what lies in an output already."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from pathlib import Path

import pytest

from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import PLACE

ONE, OTHER = Identity("test", {"seed": 0, "data": {"n": 1}}), Identity("test", {"seed": 1, "data": {"n": 1}})


def work(output: Path, identity: Identity, text: str = "done", **how) -> bool:
    """Write one file; whether it had to be done."""
    with claim(output, identity, [output], **how) as claimed:
        if not claimed.finished:
            output.write_text(text)
        return not claimed.finished


def start(output: Path, identity: Identity = ONE) -> None:
    """What a killed run leaves: a partial file, and the ledger saying so."""
    partial = output.with_name(output.name + ".partial")
    with suppress(KeyboardInterrupt), claim(output, identity, [output], partial=[partial]):
        partial.write_text("half")
        raise KeyboardInterrupt


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.tsv"


def test_nothing_there_is_done_and_the_same_again_is_not(output: Path) -> None:
    assert work(output, ONE)
    assert not work(output, ONE, "twice")
    assert not work(output, ONE, "twice", overwrite=True)  # it would be the same
    assert output.read_text() == "done"


def test_other_work_is_refused_with_every_difference(output: Path) -> None:
    work(output, ONE)
    with pytest.raises(InputError, match=r"seed \(0 then, 1 now\).*--overwrite"):
        work(output, OTHER)
    assert output.read_text() == "done"
    assert work(output, OTHER, "other", overwrite=True)
    assert output.read_text() == "other"
    with pytest.raises(
        InputError, match=r"was made by 'test' then, and this is 'another'; use another --output, or --overwrite"
    ):
        work(output, Identity("another", ONE.content))


def test_a_file_that_nobody_knows_is_refused(output: Path) -> None:
    output.write_text("mine")
    with pytest.raises(InputError, match=r"out.tsv: exists already.*--overwrite"):
        work(output, ONE)
    assert output.read_text() == "mine"
    assert work(output, ONE, overwrite=True)


@pytest.mark.parametrize("change", [lambda path: path.write_text("DONE"), lambda path: path.write_text("much more")])
def test_a_result_that_was_changed_is_not_replaced_unasked(output: Path, change) -> None:
    work(output, ONE)
    time.sleep(0.01)
    change(output)
    with pytest.raises(InputError, match=r"out.tsv is missing or not what this work left; --overwrite"):
        work(output, ONE)
    assert work(output, ONE, overwrite=True)
    assert output.read_text() == "done"


def test_a_copy_or_a_touch_changes_nothing(output: Path) -> None:
    work(output, ONE)
    output.write_text("done")
    assert not work(output, ONE)


def test_a_result_that_was_removed_is_made_again(output: Path) -> None:
    work(output, ONE)
    output.unlink()
    assert work(output, ONE)
    output.unlink()
    assert work(output, OTHER)


def test_unfinished_work_is_resumed_only_when_asked(output: Path) -> None:
    start(output)
    partial = output.with_name("out.tsv.partial")
    with pytest.raises(InputError, match="--resume"):
        work(output, ONE, partial=[partial])
    with pytest.raises(InputError, match=r"seed \(0 then, 1 now\)"):
        work(output, OTHER, partial=[partial], resume=True)
    assert partial.read_text() == "half"
    with claim(output, ONE, [output], partial=[partial], resume=True) as claimed:
        assert claimed.resumed
        output.write_text("done")
        partial.unlink()
    assert not work(output, ONE)


def test_overwrite_starts_unfinished_work_again(output: Path) -> None:
    start(output)
    partial = output.with_name("out.tsv.partial")
    with claim(output, OTHER, [output], partial=[partial], overwrite=True) as claimed:
        assert not claimed.resumed
        assert not partial.exists()
        output.write_text("done")


def test_work_that_cannot_be_resumed_leaves_nothing_to_refuse(output: Path) -> None:
    with pytest.raises(KeyboardInterrupt), claim(output, ONE, [output]):
        raise KeyboardInterrupt
    assert not (output.parent / PLACE).exists()
    assert work(output, OTHER)


def test_work_that_cannot_be_resumed_starts_again_over_what_it_left(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tsv", tmp_path / "second.tsv"
    with suppress(KeyboardInterrupt), claim(first, ONE, [first, second]):
        first.write_text("done")
        raise KeyboardInterrupt
    with pytest.raises(InputError, match=r"seed \(0 then, 1 now\)"), claim(first, OTHER, [first, second]):
        pass
    assert first.read_text() == "done"
    with claim(first, ONE, [first, second]) as claimed:
        assert not claimed.finished
        second.write_text("done")
    with claim(first, ONE, [first, second]) as claimed:
        assert claimed.finished


def test_a_replacement_that_did_not_begin_leaves_the_old_work_known(output: Path) -> None:
    """Asked to replace a result by another, it fails before it writes: the result is still the finished one."""
    work(output, ONE)
    with pytest.raises(KeyboardInterrupt), claim(output, OTHER, [output], overwrite=True):
        raise KeyboardInterrupt
    assert not work(output, ONE)
    with suppress(KeyboardInterrupt), claim(output, OTHER, [output], overwrite=True):
        output.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(InputError, match=r"seed \(1 then, 0 now\)"):
        work(output, ONE)
    assert work(output, OTHER)


def test_outputs_in_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    assert work(tmp_path / "a", ONE)
    assert work(tmp_path / "b", OTHER)
    assert not work(tmp_path / "a", ONE)
    assert not work(tmp_path / "b", OTHER)
    with pytest.raises(InputError, match="seed"), claim(tmp_path / "c", ONE, [tmp_path / "c", tmp_path / "b"]):
        pass


def test_a_folder_that_was_moved_is_known(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    work(tmp_path / "old" / "a", ONE)
    (tmp_path / "old").rename(tmp_path / "new")
    assert not work(tmp_path / "new" / "a", ONE)


def hold(output: Path, held, release) -> None:
    with claim(output, ONE, [output]):
        held.set()
        release.wait(30)


def test_another_process_at_it_is_named(output: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(output, held, release))
    process.start()
    assert held.wait(30)
    for how in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(InputError, match=f"another process is writing it .process {process.pid} on "):
            work(output, ONE, **how)
    process.kill()
    process.join()
    assert work(output, ONE), "the system drops the lock together with its holder"


def test_a_damaged_ledger_says_so(output: Path) -> None:
    work(output, ONE)
    (output.parent / PLACE / "outputs.json").write_text("[{")
    with pytest.raises(InputError, match=r"outputs.json: damaged"):
        work(output, ONE)
