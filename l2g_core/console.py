"""What the two command lines share: errors as one line and an exit code, sets of options, progress bars, logging."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from l2g_core.errors import InputError
from l2g_core.faults import Stopped, fault_of, remedy, stopping_in_order

Item = TypeVar("Item")
PATH = click.Path(path_type=Path)
LATER = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE}  # work goes on as it was once these are over
LOG_EVERY = 60.0  # seconds between lines of progress where there is no terminal
log = logging.getLogger(__name__)


# torch's OpenMP threads wait for one another by spinning, which takes the cores from other processes on a busy machine.
# With this few spins little is lost on an idle one (benchmarks/busy.py). libgomp reads it when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class Program(click.Group):
    """A command group that reports errors in the user's input, and what the system refuses, as one line: exit code 2.

    An interrupted command (Ctrl-C) ends with 130, one stopped by SIGTERM with 143, as shells expect. Any other
    exception is a bug of ours: exit code 1, with the traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stopping_in_order():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            then = "; the same command with --resume continues it" if self._resumes(ctx) else ""
            raise _Interrupted(error, then) from error
        except Exception as error:
            if self.is_user_error(error):
                raise _OneLine(str(error)) from error
            fault = fault_of(error) or (error if isinstance(error, OSError) and error.filename is not None else None)
            if fault is None or fault.errno == errno.EPIPE:
                raise
            then = "; then --resume continues" if fault.errno in LATER and self._resumes(ctx) else ""
            raise _OneLine(f"{remedy(fault)}{then}") from error

    def _resumes(self, ctx: click.Context) -> bool:
        """Whether the command that was called has ``--resume``."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        return command is not None and any(option.name == "resume" for option in command.params)

    def is_user_error(self, error: Exception) -> bool:
        """Whether this exception means that the input is wrong."""
        return isinstance(error, InputError)


class _OneLine(click.ClickException):
    """Shown as ``Error: message`` on one line."""

    exit_code = 2

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


class _Interrupted(_OneLine):
    def __init__(self, error: KeyboardInterrupt, then: str):
        super().__init__(f"stopped by {error}{then}" if isinstance(error, Stopped) else f"interrupted{then}")
        self.number = error.number if isinstance(error, Stopped) else signal.SIGINT

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """128 and the signal's number, as shells expect."""
        return 128 + self.number


def set_up_logging(verbose: bool) -> None:
    """Log to standard error: warnings always, messages about progress if ``verbose`` (no ``--quiet``)."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    for package in ("l2g_core", "l2g_interp", "motif_db"):
        logging.getLogger(package).setLevel(logging.INFO if verbose else logging.WARNING)


def together(*options: Callable) -> Callable:
    """Several options as one decorator, for commands that share them; help lists them in this order."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


resume_option = click.option("--resume", is_flag=True, help="Continue the same work where it was interrupted.")
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what other settings, data or another model left in the output."
)

cluster_option = click.option(
    "--cluster",
    metavar="local|auto|ADDRESS",
    help="Share the work among the workers of a Ray cluster: started here (local), found by Ray (auto), or at an "
    "address. The result is the same.  [default: this process alone]",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    help="With --cluster: how many.  [default: one for each GPU, or for each core where there is none]",
)


def usable_device(name: str | None) -> str | None:
    """A device's name, if torch can use it here; None stays None.

    Raises
    ------
    InputError
        This machine has no such device.
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r} cannot be used on this machine ({reason}); choose another, or cpu"
        ) from error
    return name


device_option = click.option(
    "--device",
    callback=lambda ctx, param, value: value and usable_device(value),
    help="cpu, cuda, cuda:1, ...  [default: the GPU if there is one]",
)


def progress(items: Iterable[Item], what: str, total: int, shown: bool = True, done: int = 0) -> Generator[Item]:
    """Yield the items under a progress bar with time left; in a log file (no terminal), log a line a minute instead.

    Parameters
    ----------
    what
        Text beside the bar.
    total
        Number of items, including those done before.
    shown
        If False, show nothing.
    done
        Number of items that an earlier, resumed run did.
    """
    if not shown:
        yield from items
    elif sys.stderr.isatty():
        yield from _under_a_bar(items, what, total, done)
    else:
        yield from _line_by_line(items, what, total, done)


def _under_a_bar(items: Iterable[Item], what: str, total: int, done: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=total, completed=done)
        for item in items:
            yield item
            bars.advance(task)


def _line_by_line(items: Iterable[Item], what: str, total: int, done: int) -> Iterator[Item]:
    """For logs: a line every ``LOG_EVERY`` seconds, and none if everything takes less."""
    began = last = time.monotonic()
    for number, item in enumerate(items, done + 1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_EVERY:
            last, rate = now, (number - done) / (now - began)
            left = (total - number) / rate / 60
            log.info("%s: %d of %d, %.3g a second, %.1f min left", what, number, total, rate, left)


@contextmanager
def waiting(what: str, shown: bool = True) -> Iterator[None]:
    """Within it, a spinner with the elapsed time; in a log file, a line a minute. For work that cannot be counted."""
    if not shown:
        yield
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            bars.add_task(what, total=None)
            yield
    else:
        over = threading.Event()
        thread = threading.Thread(target=_log_elapsed, args=(what, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _log_elapsed(what: str, over: threading.Event) -> None:
    began = time.monotonic()
    while not over.wait(LOG_EVERY):
        log.info("%s: %.1f min so far", what, (time.monotonic() - began) / 60)


def announce(log: logging.Logger, stages: Mapping[str, Callable[[], object]], result: Path) -> None:
    """Run stages in turn: first log what will be done and where the result will be, then each stage as it starts."""
    log.info("%d stages: %s; the result will be %s", len(stages), ", ".join(stages), result)
    for number, (name, stage) in enumerate(stages.items(), 1):
        log.info("stage %d of %d: %s", number, len(stages), name)
        stage()


def result(output: Path, then: str) -> None:
    """End a command: log where the result lies, and what may come next."""
    log.info("wrote %s; next: %s", output, then)


def writable_folder(path: str | Path) -> Path:
    """Create the folder if it does not exist, and check that files can be written into it.

    Raises
    ------
    InputError
        The folder cannot be created or written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another --output") from error
    return folder


def writable_file(path: str | Path) -> Path:
    """Check that a file can be written at this path, creating its folder if it does not exist.

    Raises
    ------
    InputError
        It is a folder, or its folder cannot be written.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"{file}: is a folder; --output must name a file here")
    writable_folder(file.parent)
    return file


@contextmanager
def out_of_memory_explained(knob: str) -> Iterator[None]:
    """Report running out of memory as an error that names what to lower.

    Parameters
    ----------
    knob
        The options to lower, such as ``--batch-size``.

    Raises
    ------
    InputError
        The memory of the device or the machine is too small.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(f"out of memory on the device; lower {knob}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise InputError(f"out of memory; lower {knob}") from error
        raise
