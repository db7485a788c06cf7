"""Work shared among the workers of a Ray cluster: the same to the bit, whatever becomes of a worker or the driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_training import model as small_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),  # it is imported after its settings
]
SUPPORT = Path(__file__).parents[2] / "support"
N = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    letters = np.random.default_rng(0).integers(0, 4, (N, 60))
    (folder / "x.fa").write_text(
        "".join(f">s{i}\n{''.join('ACGT'[j] for j in row)}\n" for i, row in enumerate(letters))
    )
    small_model().save_pretrained(folder / "model")
    return folder


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{SUPPORT}{os.pathsep}{Path.cwd()}"}


def start(program: str, *given: object) -> subprocess.Popen:
    code = f"from {program}.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, given)], env=environment(), stderr=subprocess.PIPE, text=True
    )


def attribute(data: Path, output: Path, *more: object) -> subprocess.Popen:
    given = ["--model", "counting_model:build", "--fasta", data / "x.fa", "--output", output, "--references", 20]
    return start("l2g_interp", "attribute", *given, "--device", "cpu", "--controls", 20, *more)


def succeeds(process: subprocess.Popen) -> str:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def content(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.__setitem__(name, np.asarray(item[()].tolist()).tobytes())
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


@pytest.fixture(scope="module")
def alone(data: Path) -> dict[str, bytes]:
    succeeds(attribute(data, data / "alone.h5"))
    return content(data / "alone.h5")


def workers_of(pid: int) -> list[int]:
    """The processes of Ray's that work on blocks, of a driver."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    family, grown = {pid}, True
    while grown:
        children = {int(child) for child, parent, _ in rows if int(parent) in family}
        grown = not children <= family
        family |= children
    return [int(child) for child, _, args in rows if int(child) in family and "ray::_Worker" in args]


def until(condition, process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_a_worker_and_then_the_driver_are_killed_and_the_result_is_the_same(
    data: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "a.h5"
    journal = tmp_path / "a.h5.journal"
    process = attribute(data, output, "--cluster", "local", "--workers", 2)
    until(lambda: workers_of(process.pid), process)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    until(lambda: (journal.exists() and journal.stat().st_size > 100_000) or output.exists(), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if not output.exists():
        succeeds(attribute(data, output, "--resume"))  # alone, what the cluster began
    assert content(output) == alone


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_same(
    data: Path, alone: dict[str, bytes], tmp_path: Path, workers: int
) -> None:
    succeeds(attribute(data, tmp_path / "a.h5", "--cluster", "local", "--workers", workers))
    assert content(tmp_path / "a.h5") == alone


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of two nodes on this machine, a core each."""
    from l2g_core.runs.cluster import prepare_ray

    prepare_ray("the test", "ray")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):  # for the commands, too
        monkeypatch.setenv(name, os.environ[name])
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def test_two_nodes_explain_and_predict_as_one_process(
    data: Path, alone: dict[str, bytes], tmp_path: Path, two_nodes: str
) -> None:
    succeeds(attribute(data, tmp_path / "a.h5", "--cluster", two_nodes))
    assert content(tmp_path / "a.h5") == alone
    given = ["predict", "--model", data / "model", "--fasta", data / "x.fa", "--device", "cpu", "--batch-size", 16]
    succeeds(start("l2g_core", *given, "--output", tmp_path / "one.tsv"))
    succeeds(start("l2g_core", *given, "--output", tmp_path / "two.tsv", "--cluster", two_nodes))
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes()


def test_there_is_no_such_cluster(data: Path, tmp_path: Path) -> None:
    process = attribute(data, tmp_path / "a.h5", "--cluster", "127.0.0.1:1")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2, said
    assert "no Ray cluster answers there" in said
    assert not list(tmp_path.glob("a.h5*"))
