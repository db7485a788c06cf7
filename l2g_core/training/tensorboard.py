"""TensorBoard event files, to watch a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from l2g_core.errors import missing_extra


@contextmanager
def write_events(folder: Path, wanted: bool, first_step: int = 0) -> Iterator[Callable[[int, Mapping[str, Any]], None]]:
    """Yields a function ``(step, values)`` that writes every value that is not None.

    Parameters
    ----------
    folder
        Where the event files go.
    wanted
        If False, nothing is written and the function does nothing.
    first_step
        The step that a resumed run starts from: TensorBoard discards what a killed run wrote from this step on.

    Raises
    ------
    InputError
        The package ``tensorboard`` is not installed.
    """
    if not wanted:
        yield lambda step, values: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise missing_extra("--tensorboard", "TensorBoard", "tensorboard") from error
    with SummaryWriter(folder, purge_step=first_step) as writer:

        def write(step: int, values: Mapping[str, Any]) -> None:
            for name, value in values.items():
                if name != "epoch" and value is not None:
                    writer.add_scalar(name, value, step)

        yield write
