"""Running TF-MoDISco's worker: its input, the order of it, and what to do when it dies."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from l2g_core.errors import InputError
from l2g_core.runs.child import run_process
from l2g_core.runs.scratch import scratch_folder
from l2g_interp.records.types import Attributions

WORKER = Path(__file__).with_name("worker.py")


def canonical_order(attributions: Attributions) -> np.ndarray:
    """A shuffle that depends on the sequences alone: TF-MoDISco takes seqlets in the order of its input up to the
    cap, and breaks ties by it."""
    keys = [hashlib.sha256(np.packbits(row).tobytes()).digest() for row in attributions.one_hot]
    return np.array(sorted(range(len(keys)), key=lambda i: (keys[i], attributions.ids[i])), dtype=np.int64)


def run_worker(attributions: Attributions, target: str, options: dict, order: np.ndarray, output: Path) -> dict:
    """Have the worker write ``output``, and return its ``result.json``; TF-MoDISco gets the rows in ``order``.

    Raises
    ------
    InputError
        The installation is broken; the message says how to fix it.
    RuntimeError
        The process died.
    """
    with scratch_folder(".modisco-", output.parent) as folder:
        one_hot, hypothetical = without_gaps(attributions.one_hot[order], attributions[target].hypothetical[order])
        np.save(folder / "one_hot.npy", np.ascontiguousarray(one_hot.transpose(0, 2, 1)))
        np.save(folder / "hypothetical.npy", np.ascontiguousarray(hypothetical.transpose(0, 2, 1)))
        (folder / "options.json").write_text(json.dumps(options))
        code, messages = run_process([sys.executable, "-P", str(WORKER), str(folder), str(output)])
        if code or not (folder / "result.json").exists():
            last = (messages.strip().splitlines() or ["no message"])[-1]
            killed = f"killed by signal {-code}; too little memory?" if code < 0 else f"exit code {code}"
            raise RuntimeError(f"TF-MoDISco's process failed for target {target!r} ({killed}): {last}")
        result = json.loads((folder / "result.json").read_text())
    if result["error"]:
        raise InputError(result["error"])
    return result


def without_gaps(one_hot: np.ndarray, hypothetical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random bases with contributions a millionth of the largest where there are none: padding, N, dead zones.

    Many windows of exactly zero pass TF-MoDISco's threshold, and seqlets of zeros make its similarities NaN. With
    this, sequences padded by 60 % gave the motifs of the unpadded ones. Seqlets that reach into it are taken out later.
    """
    rng = np.random.default_rng(0)
    empty = ~one_hot.any(axis=1)
    silent = empty | ~hypothetical.any(axis=1)
    if not silent.any():
        return one_hot, hypothetical
    one_hot, hypothetical = one_hot.copy(), hypothetical.copy()
    one_hot.transpose(0, 2, 1)[empty] = np.eye(4, dtype=np.int8)[rng.integers(0, 4, int(empty.sum()))]
    noise = rng.normal(0, 1e-6 * np.abs(hypothetical).max(), (int(silent.sum()), 4))
    hypothetical.transpose(0, 2, 1)[silent] = noise
    return one_hot, hypothetical
