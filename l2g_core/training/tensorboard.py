"""TensorBoard event files, for those who want to watch a training there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from l2g_core.errors import missing_extra


@contextmanager
def write_events(folder: Path, wanted: bool, first_step: int = 0) -> Iterator[Callable[[int, Mapping[str, Any]], None]]:
    """A function ``(step, values)`` that writes every number among the values; one that does nothing if not wanted.

    ``first_step``: what an earlier, killed run wrote from there on is void.

    Raises
    ------
    InputError
        The package ``tensorboard`` is not there.
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
