"""Blocks of work on Ray's workers, on this machine or on many: results in order, never much in flight.

Import it after `l2g_core.runs.cluster.prepare_ray`.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayActorError, RayTaskError

from l2g_core.errors import InputError
from l2g_core.faults import signals_kept
from l2g_core.runs.cluster import available_cpus

log = logging.getLogger(__name__)
Task = TypeVar("Task")
Result = TypeVar("Result")
IN_FLIGHT = 2  # blocks of a worker: the one it works on, and the next
AHEAD = 4  # blocks per worker that may be finished or begun before the one whose turn it is
PATIENCE = 20.0  # seconds to wait for a cluster to answer
ATTEMPTS = 3  # of a block whose worker is lost
OBJECT_STORE = 256 * 2**20  # bytes, on a cluster of our own; more goes to the disk


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[int]:
    """Within it, Ray runs: started for this process (``local``), or the cluster at an address (``auto``: found by Ray).

    Yields how many workers there are to be: as many as asked for, or one for each GPU, or for each core without any.

    Raises
    ------
    InputError
        There is no such cluster.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    own: dict[str, Any] = {
        "num_cpus": max(available_cpus(), workers or 0), "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
    }  # fmt: skip
    try:
        _knock(address)
        with signals_kept():
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR, **(own if address == "local" else {})
            )
    except (OSError, ValueError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"--cluster {address}: no Ray cluster answers there ({said}); start one with 'ray start --head', and give "
            "RAY_AUTH_TOKEN if it has a token, or use --cluster local"
        ) from error
    try:
        there = ray.cluster_resources()
        yield workers or int(there.get("GPU", 0)) or max(1, int(there.get("CPU", 1)))
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise an OSError if nothing listens at ``host:port``: Ray would wait for it without end."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def over_workers(
    make: Callable[..., Callable[[Task], Result]], given: Sequence[Any], tasks: Iterable[Task], n_workers: int
) -> Iterator[Result]:
    """The results of the tasks, in their order; each worker makes what it works with once.

    Parameters
    ----------
    make
        A function that can be imported, called in each worker with ``given``; returns what does a task.
    n_workers
        How many; each has a core, and a GPU if the cluster has any.

    Raises
    ------
    Exception
        What a task raised.
    InputError
        A block ended its worker `ATTEMPTS` times.
    """
    numbered = enumerate(tasks)
    pool = [_Place(make, given) for _ in range(n_workers)]
    waiting: deque[_Block[Task]] = deque()
    finished: dict[int, Result] = {}
    turn, more = 0, True
    try:
        while True:
            while turn in finished:
                yield finished.pop(turn)
                turn += 1
            for place in sorted(pool, key=lambda each: len(each.blocks)):
                while len(place.blocks) < IN_FLIGHT:
                    if not waiting and more:
                        block = next(numbered, None)
                        more = block is not None
                        if block is not None:
                            waiting.append(_Block(*block))
                    if not waiting or waiting[0].number >= turn + AHEAD * n_workers:
                        break
                    place.begin(waiting.popleft())
            running = {reference: place for place in pool for reference in place.blocks}
            if not running:
                return
            ready, _ = ray.wait(list(running), num_returns=1)
            for reference in ready:
                place = running[reference]
                if reference not in place.blocks:  # it was lost with its worker a moment ago
                    continue
                try:
                    finished[place.blocks[reference].number] = ray.get(reference)
                    del place.blocks[reference]
                except RayTaskError as error:
                    raise error.cause if isinstance(error.cause, Exception) else error from None
                except RayActorError as error:
                    waiting = deque(sorted([*waiting, *place.lost(error)], key=lambda each: each.number))
    finally:
        for place in pool:
            place.close()


@dataclass
class _Block(Generic[Task]):
    """A task with its place among all, and how many workers were lost with it."""

    number: int
    task: Task
    attempts: int = 0


@dataclass
class _Place:
    """Where a worker is, and after it another; ``blocks``: what it has been given, by reference."""

    make: Callable[..., Any]
    given: Sequence[Any]
    blocks: dict[Any, _Block] = field(default_factory=dict)
    actor: Any = None

    def begin(self, block: _Block) -> None:
        if self.actor is None:
            gpus = 1 if ray.cluster_resources().get("GPU") else 0
            self.actor = (
                ray.remote(_Worker)
                .options(num_cpus=1, num_gpus=gpus, max_restarts=0, scheduling_strategy="SPREAD")
                .remote(self.make, self.given, sys.path)
            )
        self.blocks[self.actor.work.remote(block.task)] = block

    def lost(self, error: Exception) -> list[_Block]:
        """The blocks that the lost worker had, to be given to others; the first of them was in its hands."""
        blocks, self.blocks, self.actor = list(self.blocks.values()), {}, None
        first = min(blocks, key=lambda each: each.number)
        first.attempts += 1
        said = " ".join(str(error).split())[:300]
        if first.attempts == ATTEMPTS:
            raise InputError(
                f"a worker ended {ATTEMPTS} times at the same block ({said}); does it run out of memory? Use fewer "
                "--workers, or a smaller --batch-size"
            ) from error
        log.warning("a worker was lost, and what it had is done again: %s", said)
        return blocks

    def close(self) -> None:
        if self.actor is not None:
            ray.kill(self.actor)


class _Worker:
    """A process of Ray's that makes what it works with once; a class, because Ray's actors are."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], given: Sequence[Any], path: Sequence[str]):
        import torch

        sys.path.extend(place for place in path if place not in sys.path)
        torch.set_num_threads(1)
        self.do = make(*given)

    def work(self, task: Any) -> Any:
        return self.do(task)
