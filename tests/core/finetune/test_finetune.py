"""Plain supervised training: schedule, masks, augmentation, and a kill that leaves no trace in the result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from deeplift_models import completeness
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from small_training import LENGTH, labelled, model, write_table
from torch.overrides import TorchFunctionMode

from l2g_core.datasets import read_table
from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_core.evaluation.evaluate import evaluate
from l2g_core.evaluation.metrics import METRIC_TASK, METRICS, pearson
from l2g_core.finetune.options import FinetuneOptions
from l2g_core.finetune.stage import Trainer, finetune, learning_rate_scale
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.deepstarr import DeepSTARR, DeepSTARRConfig
from l2g_core.model.l2g import L2G
from l2g_core.training.augment import augment, shift
from l2g_core.training.loss import task_loss
from l2g_interp.attributions import load_method
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles


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
    assert METRIC_TASK.keys() == METRICS.keys()
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


def test_a_missing_validation_split_is_drawn_balanced_and_seeded(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 200, 60)
    data = read_table(table, seed=1)
    assert data.splits.count("val") == 20
    assert data.splits == read_table(table, seed=1).splits
    assert "seed 1" in data.split_source
    val, train = data.split("val").labels, data.split("train").labels
    assert abs(val.mean() - train.mean()) < 0.1


@pytest.mark.slow
def test_training_learns_a_planted_motif(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 600, 60))
    options = FinetuneOptions(epochs=8, batch_size=32, new_learning_rate=5e-3, warmup_epochs=1.0)
    metrics = finetune(model(), data, tmp_path, options, shown=False)
    assert metrics["val"]["dev"] > 0.5
    assert metrics["history"][0]["loss"] > metrics["history"][-1]["loss"]


@pytest.mark.parametrize("training", ["full", "frozen", "lora", "none"])
@pytest.mark.parametrize("pretrained", [True, False])
def test_every_backbone_mode_trains_what_it_should_and_opens_again(
    tmp_path: Path, training: str, pretrained: bool
) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 80))
    network = model(training, backbone_pretrained=pretrained)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    metrics = finetune(network, data, tmp_path / "m", FinetuneOptions(epochs=2, warmup_epochs=0.5), shown=False)
    assert len(metrics["history"]) == 2
    changed = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    language_model = {k for k in changed if k.startswith("encoder.")}
    adapters = {k for k in before if ".lora_" in k}
    assert bool(language_model) == (training in {"full", "lora"})
    assert bool(adapters) == (training == "lora")
    if training == "lora":
        assert language_model <= adapters
    assert "head.weight" in changed
    again = load(tmp_path / "m")
    for key, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=0)
    scored = evaluate(again, data, "val")
    assert scored.scores == metrics["val"]
    size = sum(file.stat().st_size for file in (tmp_path / "m").glob("model.safetensors"))
    state = (tmp_path / "m" / "training.safetensors").stat().st_size
    if training in {"frozen", "lora"}:
        assert size < 3e6  # one layer of MiniLM alone has 7.1e6
        assert state < 9e6  # weights that learn, three times


@pytest.mark.slow
@pytest.mark.parametrize("training", ["frozen", "lora"])
def test_a_checkpoint_without_the_language_model_is_small(tmp_path: Path, training: str) -> None:
    """At the paper's size: RoBERTa-base and a UNet of its default width."""
    config = L2GConfig(("dev", "hk"), 249, backbone_pretrained=False, backbone_training=training)  # type: ignore[arg-type]
    L2G(config).save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 30e6


def test_adapters_start_as_nothing_and_are_explained_exactly(tmp_path: Path) -> None:
    plain, adapted = model("frozen", dropout=0.0).eval(), model("lora", dropout=0.0).eval()
    x = torch.from_numpy(one_hot(labelled(np.zeros((3, 1))).data.sequences)).float()
    adapted.head.load_state_dict(plain.head.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(adapted(x), plain(x), rtol=0, atol=0)
    for name, parameter in adapted.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(tmp_path)
    opened = load(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(opened(x), adapted(x), rtol=0, atol=0)
        assert not torch.allclose(opened(x), plain(x), rtol=1e-3)
    shuffles = torch.from_numpy(dinucleotide_shuffles(x.to(torch.int8).numpy(), 4, 0))
    found = load_method("deep_lift_shap")(opened, x.to(torch.int8), shuffles, [0])
    assert completeness(found) < 1e-4


def test_mixed_precision_and_compilation_train_to_nearly_the_same(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 80))
    losses = {}
    for precision in ("fp32", "bf16"):
        options = FinetuneOptions(epochs=2, precision=precision)  # type: ignore[arg-type]
        metrics = finetune(model("full"), data, tmp_path / precision, options, shown=False)
        losses[precision] = [h["loss"] for h in metrics["history"]]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]


def test_fp16_scales_its_losses(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 80))
    losses = {}
    for precision in ("fp32", "fp16"):
        options = FinetuneOptions(epochs=1, precision=precision)  # type: ignore[arg-type]
        losses[precision] = finetune(model("full"), data, tmp_path / precision, options, shown=False)["history"][0][
            "loss"
        ]
    assert losses["fp16"] == pytest.approx(losses["fp32"], rel=0.05)
    with safe_open(tmp_path / "fp16" / "training.safetensors", "pt") as file:
        facts = json.loads(file.metadata()["state"])["facts"]
    assert facts["scaler"]["scale"] >= 1


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(tmp_path: Path) -> None:
    """In a process of its own: the compiler cannot follow the tests' checks of array shapes."""
    table = write_table(tmp_path / "t.tsv", 80)
    losses = {}
    for name, more in {"plain": [], "compiled": ["--compile"]}.items():
        command = [sys.executable, "-c", "from l2g_core.cli import main; main()", "finetune", str(table),
                   "--output", str(tmp_path / name), "--epochs", "2", "--device", "cpu", "--embedder", "orca",
                   "--tokens", "15", "--backbone", "minilm", "--layers", "1", "--dropout", "0"]  # fmt: skip
        subprocess.run([*command, *more], check=True, capture_output=True)
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        losses[name] = [h["loss"] for h in metrics["history"]]
    assert losses["compiled"] == pytest.approx(losses["plain"], rel=1e-3)


def test_training_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    labels = np.random.default_rng(1).normal(size=(60, 1))  # noise: there is nothing to learn
    options = FinetuneOptions(epochs=40, patience=3, new_learning_rate=5e-3)
    metrics = finetune(model(), labelled(labels), tmp_path, options, shown=False)
    assert len(metrics["history"]) == metrics["best_epoch"] + 3 < 40
    scores = [h["score"] for h in metrics["history"]]
    assert metrics["best_epoch"] == scores.index(max(scores)) + 1
    assert finetune(model(), labelled(labels), tmp_path, options, resume=True, shown=False) == metrics


def test_options_reach_the_training(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 60))
    options = FinetuneOptions(weight_decay=0.1, augment=False, precision="fp32")
    trainer = Trainer(model("full"), data, options, tmp_path, "cpu")
    new, language_model = trainer.optimizer.param_groups
    assert (new["peak"], language_model["peak"]) == (1e-3, 1e-5)
    assert new["weight_decay"] == 0.1
    batches = [x for x, _ in trainer.batches(0)]
    seen = {tuple(map(tuple, row)) for x in batches for row in x.argmax(dim=1)[:, None].tolist()}
    given = one_hot(trainer.train.data.sequences).argmax(axis=1)[:, None].tolist()
    assert seen == {tuple(map(tuple, row)) for row in given}


def test_only_one_batch_of_arrays_is_in_memory(tmp_path: Path) -> None:
    data = labelled(np.random.default_rng(0).normal(size=(4000, 1)))
    trainer = Trainer(model(), data, FinetuneOptions(precision="fp32"), tmp_path, "cpu")
    tracemalloc.start()
    for _ in trainer.batches(0):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3200 * 4 * LENGTH / 4  # bytes; all training rows at once are four times as many


def test_padding_keeps_attention_fused(tmp_path: Path) -> None:
    class Calls(TorchFunctionMode):
        masks: ClassVar[list] = []

        def __torch_function__(self, function, types, arguments=(), named=None):
            if function is torch.nn.functional.scaled_dot_product_attention:
                self.masks.append((named or {}).get("attn_mask"))
            return function(*arguments, **(named or {}))

    with Calls() as calls, torch.no_grad():
        model("full")(torch.from_numpy(one_hot(["ACGT" * 15, "ACGT" * 8])).float())
    assert len(calls.masks) == 1
    assert calls.masks[0] is not None


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("regression", [1.0] * 20, r"'t0' is 1 in all training rows .* nothing to learn"),
        ("regression", [np.nan] * 20, r"'t0' has no value among the 16 training rows"),
        ("regression", [1, 2, 3, 4, np.nan] * 4, r"no column varies among the 4 validation rows"),
        ("regression", [1, 2, 3, 4, 7] * 4, r"no column varies among the 4 validation rows"),
        ("multilabel", [0, 1, 2, 0, 1] * 4, r"has the value 2; multilabel takes 0, 1"),
        ("multilabel", [1] * 20, r"is 1 in all training rows"),
        ("classification", [0, 1, 5, 0, 1] * 4, r"has the value 5; classification takes 0, 1"),
        ("classification", [0, 0, 0, 0, 1] * 4, r"is 0 in all training rows"),
    ],
)
def test_labels_that_leave_nothing_to_learn_are_refused(
    tmp_path: Path, task: str, labels: list[float], message: str
) -> None:
    targets = ("t0=0", "t0=1") if task == "classification" else ("t0",)
    with pytest.raises(InputError, match=message):
        finetune(model(task=task, targets=targets), labelled(np.array([labels]).T), tmp_path / "m", shown=False)
    assert not (tmp_path / "m").exists()


def test_rows_without_a_class_are_left_out(tmp_path: Path) -> None:
    labels = np.array([[0, 1, np.nan, 1, 0, 1, np.nan, 0, 1, 1] * 4]).T
    network = model(task="classification", targets=("t0=0", "t0=1"))
    metrics = finetune(network, labelled(labels), tmp_path, FinetuneOptions(epochs=1), shown=False)
    assert np.isfinite(metrics["history"][0]["loss"])
    assert metrics["val"].keys() == {"t0"}


def test_a_metric_of_another_task_and_a_sequence_that_does_not_fit_are_refused(tmp_path: Path) -> None:
    data = labelled(np.arange(20.0)[:, None])
    with pytest.raises(InputError, match="--metric mcc is not for regression; choose from pcc"):
        finetune(model(targets=("t0",)), data, tmp_path, FinetuneOptions(metric="mcc"), shown=False)
    longer = labelled(np.arange(20.0)[:, None], length=LENGTH + 1)
    with pytest.raises(InputError, match=r"made up: record 's0' has 61 bp and this model takes 16 to 60 bp"):
        finetune(model(targets=("t0",)), longer, tmp_path, shown=False)


class Greedy(DeepSTARR):
    """Wants 256 TB."""

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        return torch.empty(len(one_hot), 2**46 // len(one_hot))[:, :1]


def test_out_of_memory_says_what_to_turn_down(tmp_path: Path) -> None:
    network = Greedy(DeepSTARRConfig(("t0",), LENGTH))
    with pytest.raises(InputError, match=r"out of memory; lower --batch-size or --tokens, or train less"):
        finetune(network, labelled(np.arange(20.0)[:, None]), tmp_path, shown=False)


def test_event_files_hold_the_history(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = read_table(write_table(tmp_path / "t.tsv", 60))
    metrics = finetune(model(), data, tmp_path / "m", FinetuneOptions(epochs=2), shown=False, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "m" / "events"))
    events.Reload()
    assert [e.value for e in events.Scalars("loss")] == pytest.approx([h["loss"] for h in metrics["history"]])


def test_a_resumed_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    data = read_table(write_table(tmp_path / "t.tsv", 60, 60))
    finetune(model(), data, tmp_path, FinetuneOptions(epochs=1), shown=False)
    with pytest.raises(InputError, match=r"options.batch_size \(64 then, 16 now\)"):
        finetune(model(), data, tmp_path, FinetuneOptions(epochs=1, batch_size=16), resume=True, shown=False)
    with pytest.raises(InputError, match=r"config.dropout \(0.05 then, 0.2 now\)"):
        finetune(model(dropout=0.2), data, tmp_path, FinetuneOptions(epochs=1), resume=True, shown=False)
    other = read_table(write_table(tmp_path / "t.tsv", 61))
    with pytest.raises(InputError, match=rf"data.sha256 \({data.sha256} then, {other.sha256} now\)"):
        finetune(model(), other, tmp_path, FinetuneOptions(epochs=1), resume=True, shown=False)


@pytest.mark.slow
@pytest.mark.parametrize(("training", "precision"), [("none", "fp32"), ("full", "fp32"), ("lora", "bf16")])
def test_kill_9_and_resume_ends_with_the_same_metrics(tmp_path: Path, training: str, precision: str) -> None:
    table = write_table(tmp_path / "t.tsv", 300, 60)
    program = "from l2g_core.cli import main; main()"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def command(output: Path, *more: str) -> list[str]:
        sizes = ["--embedder-width", "4", "--tokens", "15", "--backbone", "minilm", "--layers", "1",
                 "--backbone-training", training, "--precision", precision]  # fmt: skip
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
