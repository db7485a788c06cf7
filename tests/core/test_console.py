"""What long work says where there is no terminal."""

from __future__ import annotations

import logging
import time

import pytest

from l2g_core import console
from l2g_core.errors import InputError


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every moment is a minute."""
    monkeypatch.setattr(console, "LOG_EVERY", 0.0)
    caplog.set_level(logging.INFO, logger="l2g_core")
    return caplog


def slowly(n: int):
    for i in range(n):
        time.sleep(0.002)
        yield i


def test_a_log_file_gets_count_rate_and_time_left(lines: pytest.LogCaptureFixture) -> None:
    assert list(console.progress(slowly(3), "predicting (batches)", total=5, done=2)) == [0, 1, 2]
    assert [message.split(",")[0] for message in lines.messages] == [
        f"predicting (batches): {n} of 5" for n in (3, 4, 5)
    ]
    assert all("a second" in message and message.endswith("min left") for message in lines.messages)
    assert lines.messages[-1].endswith("0.0 min left")


def test_what_takes_less_than_a_minute_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="l2g_core")
    assert list(console.progress(slowly(3), "predicting", total=3)) == [0, 1, 2]
    with console.waiting("TF-MoDISco"):
        pass
    assert caplog.messages == []


def test_nothing_is_said_where_nothing_is_to_be_shown(lines: pytest.LogCaptureFixture) -> None:
    assert list(console.progress(slowly(3), "predicting", total=3, shown=False)) == [0, 1, 2]
    with console.waiting("TF-MoDISco", shown=False):
        time.sleep(0.01)
    assert lines.messages == []


def test_work_that_cannot_be_counted_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(console, "LOG_EVERY", 0.01)
    caplog.set_level(logging.INFO, logger="l2g_core")
    with console.waiting("TF-MoDISco: dev"):
        time.sleep(0.1)
    assert len(caplog.messages) >= 2
    assert set(caplog.messages) == {"TF-MoDISco: dev: 0.0 min so far"}
    after = len(caplog.messages)
    time.sleep(0.05)
    assert len(caplog.messages) == after
    with pytest.raises(KeyError), console.waiting("TF-MoDISco: dev"):
        raise KeyError


@pytest.mark.parametrize("name", ["cudda", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' cannot be used on this machine") as said:
        console.usable_device(name)
    assert "\n" not in str(said.value)


def test_a_device_that_is_there_is_taken() -> None:
    assert console.usable_device("cpu") == "cpu"
    assert console.usable_device(None) is None
