"""What the two command lines share: errors as one line and an exit code, sets of options, progress bars, logging."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from l2g_core.errors import InputError

Item = TypeVar("Item")


class Program(click.Group):
    """A command group that turns what is wrong with the user's input into one line and exit code 2.

    Anything else is our fault: exit code 1, with the traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if self.is_user_error(error):
                raise _OneLine(str(error)) from error
            if isinstance(error, OSError) and error.filename is not None:
                message = f"{error.filename}: {error.strerror}; choose another place or free this one"
                raise _OneLine(message) from error
            raise

    def is_user_error(self, error: Exception) -> bool:
        """Whether this exception means that the input is wrong."""
        return isinstance(error, InputError)


class _OneLine(click.ClickException):
    """Shown as ``Error: message`` on one line."""

    exit_code = 2

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


def set_up_logging(verbose: bool) -> None:
    """Log to standard error; warnings always, progress in words unless ``--quiet``."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    for package in ("l2g_core", "l2g_interp", "motif_db"):
        logging.getLogger(package).setLevel(logging.INFO if verbose else logging.WARNING)


def together(*options: Callable) -> Callable:
    """Several options as one decorator, for commands that share them."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


device_option = click.option("--device", help="cpu, cuda, cuda:1, ...  [default: the GPU if there is one]")


def progress(items: Iterable[Item], what: str, total: int, shown: bool = True, done: int = 0) -> Iterator[Item]:
    """Yield the items under a bar with rate and time left; plain when standard error is no terminal."""
    if not shown or not sys.stderr.isatty():
        yield from items
        return
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


def writable_folder(path: str | Path) -> Path:
    """Make the folder, or say that it cannot be written.

    Raises
    ------
    InputError
        The folder cannot be made or written.
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
    """Check that a file can be written at this place, making its folder.

    Raises
    ------
    InputError
        It is a folder, or its folder cannot be written.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"{file}: is a folder; --output names a file here")
    writable_folder(file.parent)
    return file


@contextmanager
def out_of_memory_explained(knob: str) -> Iterator[None]:
    """Turn running out of memory into a line that names the option to turn down."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(f"out of memory on the device; lower {knob}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise InputError(f"out of memory; lower {knob}") from error
        raise
