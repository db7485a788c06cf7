"""Plain supervised training: schedule, masks, augmentation, and a kill that leaves no trace in the result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from l2g_core.augment import augment, shift
from l2g_core.datasets import read_table
from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_core.finetune import FinetuneOptions, finetune, learning_rate_scale, task_loss
from l2g_core.metrics import METRICS, pearson
from l2g_core.model import L2G, L2GConfig
from l2g_interp.planting import plant


@given(st.integers(1, 40), st.integers(1, 50), st.floats(0, 10))
def test_the_learning_rate_warms_up_decays_and_never_goes_below_zero(epochs: int, steps: int, warmup: float) -> None:
    options = FinetuneOptions(epochs=epochs, warmup_epochs=warmup)
    scales = [learning_rate_scale(step, steps, options) for step in range(epochs * steps + 5)]
    assert min(scales) >= 0
    assert max(scales) <= 1
    peak = int(np.argmax(scales))
    assert scales[:peak] == sorted(scales[:peak])
    assert scales[peak:] == sorted(scales[peak:], reverse=True)


def test_blank_labels_do_not_count() -> None:
    outputs = torch.tensor([[1.0, 5.0], [3.0, 9.0]], requires_grad=True)
    labels = torch.tensor([[0.0, torch.nan], [3.0, torch.nan]])
    loss = task_loss(outputs, labels, "regression")
    assert loss.item() == pytest.approx(0.5)
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert gradient[:, 1].tolist() == [0.0, 0.0]


def test_every_metric_is_one_for_the_truth() -> None:
    """A new entry of METRICS is tested here without writing a test."""
    labels = np.array([[0.0], [1.0], [1.0], [0.0]])
    outputs = np.concatenate([1 - labels, labels], axis=1)
    for name, metric in METRICS.items():
        per_target = name in {"pcc", "auroc"}
        assert metric(labels, labels if per_target else outputs) == pytest.approx([1.0]), name


def test_pearson_leaves_out_what_was_not_measured() -> None:
    labels = np.array([[1.0, np.nan], [2.0, 1.0], [3.0, np.nan]])
    outputs = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 1.0]])
    first, second = pearson(labels, outputs)
    assert first == pytest.approx(np.corrcoef([1, 2, 3], [1, 2, 4])[0, 1])
    assert np.isnan(second)


def test_shift_moves_and_fills_with_zeros() -> None:
    x = torch.from_numpy(one_hot(["ACGT", "ACGT", "ACGT"])).float()
    moved = shift(x, torch.tensor([0, 1, -2])).numpy()
    np.testing.assert_array_equal(moved, one_hot(["ACGT", "NACG", "GTNN"]))


def test_augmentation_shifts_both_ways_and_reverse_complements_half() -> None:
    sequence = "AAAAAAACCCCCCC" + "G" * 14
    x = torch.from_numpy(one_hot([sequence] * 2000)).float()
    out = augment(x, torch.Generator().manual_seed(0))
    first_a = out[:, 0].argmax(dim=1)
    forward = out[:, 0].sum(dim=1) > 0
    assert 0.45 < forward.float().mean() < 0.55
    assert set(first_a[forward].tolist()) == {0, 1, 2, 3}
    assert not torch.equal(out, augment(x, torch.Generator().manual_seed(1)))


def write_table(path: Path, n: int, length: int) -> Path:
    made = plant(n, length, seed=0)
    rows = [f"{s}\t{d:.4f}" for s, d in zip(made.sequences, made.activities["dev"], strict=True)]
    path.write_text("sequence\tdev\n" + "\n".join(rows) + "\n")
    return path


def small_model() -> L2G:
    torch.manual_seed(0)
    config = L2GConfig(("dev",), 60, embedder_width=8, target_tokens=15, backbone="minilm", backbone_training="none")
    return L2G(config)


def test_a_missing_validation_split_is_drawn_balanced_and_seeded(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 200, 60)
    data = read_table(table, seed=1)
    assert data.splits.count("val") == 20
    assert data.splits == read_table(table, seed=1).splits
    assert "seed 1" in data.split_source
    val, train = data.split("val").labels, data.split("train").labels
    assert abs(val.mean() - train.mean()) < 0.1


def test_training_learns_a_planted_motif(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 600, 60))
    options = FinetuneOptions(epochs=8, batch_size=32, new_learning_rate=5e-3, warmup_epochs=1.0)
    metrics = finetune(small_model(), data, tmp_path, options, shown=False)
    assert metrics["val"]["dev"] > 0.5
    assert metrics["history"][0]["loss"] > metrics["history"][-1]["loss"]


def test_a_resumed_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 60, 60))
    finetune(small_model(), data, tmp_path, FinetuneOptions(epochs=1), shown=False)
    with pytest.raises(InputError, match=r"batch_size \(64 then, 16 now\)"):
        finetune(small_model(), data, tmp_path, FinetuneOptions(epochs=1, batch_size=16), resume=True, shown=False)


@pytest.mark.slow
def test_kill_9_and_resume_ends_with_the_same_metrics(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 300, 60)
    program = "from l2g_core.cli import main; main()"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def command(output: Path, *more: str) -> list[str]:
        sizes = ["--embedder-width", "4", "--tokens", "15", "--backbone", "minilm", "--backbone-training", "none"]
        given = [str(table), "--output", str(output), "--epochs", "6", "--device", "cpu"]
        return [sys.executable, "-c", program, "finetune", *given, *sizes, *more]

    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    subprocess.run(command(unbroken), check=True, env=environment, capture_output=True)
    process = subprocess.Popen(command(broken), env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (broken / "training.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed; give it more to do"
    subprocess.run(command(broken, "--resume"), check=True, env=environment, capture_output=True)
    assert (broken / "metrics.json").read_text() == (unbroken / "metrics.json").read_text()
    assert (broken / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()
