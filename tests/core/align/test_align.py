"""Stage 2: its schedule, what it writes, that it aligns, and a kill that leaves no trace in the result."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from counted_discrepancy import CALLS
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from l2g_core.align.options import DISCREPANCIES, AlignOptions
from l2g_core.align.points import dna_points, label_groups
from l2g_core.align.stage import align
from l2g_core.align.text import TextReference, text_reference
from l2g_core.cli import main
from l2g_core.datasets import Labelled, read_table
from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import L2G
from l2g_interp.demo.made_up import make_planted_sequences

CONFIG = L2GConfig(("dev",), 60, embedder_width=8, target_tokens=20, backbone="minilm", backbone_layers=1, dropout=0.0)
QUICK = AlignOptions(epochs=6, batch_size=32, learning_rate=0.03, n_points=64)


def write_table(path: Path, n: int = 600, length: int = 60) -> Path:
    made = make_planted_sequences(n, length, seed=0)
    rows = [f"{s}\t{d:.4f}" for s, d in zip(made.sequences, made.activities["dev"], strict=True)]
    path.write_text("sequence\tdev\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TextReference:
    return text_reference("minilm", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    return read_table(write_table(tmp_path_factory.mktemp("table") / "t.tsv"))


@given(st.integers(3, 200), st.floats(0.1, 5))
def test_alpha_is_exactly_zero_for_the_first_two_thirds(epochs: int, alpha: float) -> None:
    options = AlignOptions(epochs=epochs, alpha=alpha)
    weights = [options.alpha_in(epoch) for epoch in range(epochs)]
    assert weights == [0.0 if 3 * epoch < 2 * epochs else alpha for epoch in range(epochs)]
    rates = [options.learning_rate_in(epoch) for epoch in range(epochs)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == options.learning_rate
    assert rates[-1] > 0


@pytest.mark.slow
def test_the_discrepancy_is_not_computed_while_its_weight_is_zero(tmp_path, data, text, monkeypatch) -> None:
    CALLS.clear()
    monkeypatch.setitem(DISCREPANCIES, "counted", "counted_discrepancy:counted")
    options = replace(QUICK, epochs=3, discrepancy="counted")
    record = align(CONFIG, data, text, tmp_path, options, shown=False)
    steps = -(-len(data.split("train")) // options.batch_size)
    assert CALLS.count(options.n_points) == steps  # those of one epoch of three; others are for the record
    assert [row["alpha"] for row in record["history"]] == [0.0, 0.0, 1.0]
    assert [row["discrepancy"] is None for row in record["history"]] == [True, True, False]
    assert set(record["counted"]) == set(record["mmd"]) == {"text_itself", "before", "task_only", "after"}


@pytest.mark.slow
@pytest.mark.parametrize("points", ["tokens", "mean"])
def test_alignment_lowers_the_mmd_and_costs_little_of_the_score(tmp_path: Path, data, text, points: str) -> None:
    options = replace(QUICK, epochs=12, dna_points=points, learning_rate=0.1)
    aligned = align(CONFIG, data, text, tmp_path / "a", options, shown=False)
    alone = align(CONFIG, data, text, tmp_path / "b", replace(options, alpha=0.0), shown=False)
    assert aligned["history"][:8] == alone["history"][:8]
    assert aligned["mmd"]["after"] < 0.6 * alone["mmd"]["after"]
    assert aligned["mmd"]["after"] < 0.6 * aligned["mmd"]["task_only"] < aligned["mmd"]["before"]
    assert 0 < aligned["mmd"]["text_itself"] < aligned["mmd"]["after"]
    assert alone["validation"]["dev"] > 0.6
    assert aligned["validation"]["dev"] > alone["validation"]["dev"] - 0.1  # 0.06 lower with two threads
    assert aligned["best_epoch"] == 1 + min(range(8, 12), key=lambda e: aligned["history"][e]["validation_loss"])


@pytest.mark.slow
def test_what_is_written_fits_stage_3(tmp_path: Path, data, text) -> None:
    record = align(CONFIG, data, text, tmp_path, QUICK, shown=False)
    weights = load_file(tmp_path / "embedder.safetensors")
    model = L2G(CONFIG)
    kept = {k for k in model.state_dict() if k.startswith(("embedder.", "projection.", "norm.", "positions."))}
    assert set(weights) == kept
    assert not model.load_state_dict(weights, strict=False).unexpected_keys
    stored = json.loads((tmp_path / "align.json").read_text())
    assert stored == json.loads(json.dumps(record))
    assert L2GConfig(**{**stored["config"], "targets": tuple(stored["config"]["targets"])}) == CONFIG
    assert stored["text"]["source"] == "vocabulary"
    assert len(stored["text"]["language_model_sha256"]) == 64
    assert stored["best_epoch"] > 4  # one of those that align
    assert (tmp_path / "embeddings.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "embeddings.png").stat().st_size < 200_000


def test_the_test_split_is_not_read(tmp_path: Path, data, text) -> None:
    rows = [i for i, split in enumerate(data.splits) if split == "train"][-40:]
    splits = ["test" if i in rows else split for i, split in enumerate(data.splits)]
    labels = data.labels.copy()
    labels[rows] = np.nan
    first = align(CONFIG, replace(data, splits=splits), text, tmp_path / "a", QUICK, shown=False)
    second = align(CONFIG, replace(data, splits=splits, labels=labels), text, tmp_path / "b", QUICK, shown=False)
    assert first["history"] == second["history"]


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_other_tasks_and_otdd(tmp_path: Path, data, text, task: str) -> None:
    labels = (data.labels > np.median(data.labels)).astype(np.float32)
    config = replace(CONFIG, task=task, targets=("dev=0", "dev=1") if task == "classification" else ("dev",))
    options = replace(QUICK, epochs=3, discrepancy="otdd", n_points=32)
    record = align(config, replace(data, labels=labels), text, tmp_path, options, shown=False)
    assert record["otdd"]["after"] < record["otdd"]["task_only"]
    assert record["metric"] == {"classification": "mcc", "multilabel": "auroc"}[task]


def test_padding_is_no_point_and_points_know_their_sequence() -> None:
    tokens = torch.arange(2 * 3 * 2, dtype=torch.float32).reshape(2, 3, 2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    generator = torch.Generator().manual_seed(0)
    points, rows = dna_points(tokens, mask, "tokens", 10, generator)
    found = sorted(zip(points[:, 0].tolist(), rows.tolist(), strict=True))
    assert found == [(0.0, 0), (2.0, 0), (4.0, 0), (6.0, 1)]
    points, rows = dna_points(tokens, mask, "mean", 10, generator)
    assert sorted(zip(points[:, 0].tolist(), rows.tolist(), strict=True)) == [(2.0, 0), (6.0, 1)]
    assert len(dna_points(tokens, None, "tokens", 4, generator)[0]) == 4


def test_groups_of_dna_are_classes_or_fifths() -> None:
    assert label_groups(torch.tensor([[1.0], [0.0]]), "classification").tolist() == [1, 0]
    values = torch.cat([torch.arange(100.0), torch.tensor([torch.nan])])[:, None]
    groups = label_groups(values, "regression")
    assert torch.bincount(groups).tolist() == [20, 20, 20, 20, 20, 1]
    assert label_groups(torch.full((2, 1), torch.nan), "multilabel").unique().tolist() == [5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 2}, "leave none to align in after the first 67%; raise --epochs or lower --task-first"),
        ({"discrepancy": "kl"}, "no discrepancy 'kl'; choose one of mmd, otdd"),
        ({"beta": 0.0}, "leaves nothing to learn while alpha is 0; use --task-first 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        AlignOptions(**settings)


def test_text_of_another_language_model_is_refused(tmp_path: Path, data, text) -> None:
    narrow = replace(text, embeddings=text.embeddings[:, :100])
    with pytest.raises(InputError, match="100 wide, but 'minilm' is 384 wide; use one language model for both"):
        align(CONFIG, data, narrow, tmp_path, QUICK, shown=False)


def test_a_learning_rate_that_diverges_is_named(tmp_path: Path, data, text) -> None:
    with pytest.raises(InputError, match="training diverges; lower --lr"):
        align(CONFIG, data, text, tmp_path, replace(QUICK, learning_rate=1e30), shown=False)


@pytest.mark.slow
def test_a_resumed_run_with_other_settings_is_refused(tmp_path: Path, data, text) -> None:
    options = replace(QUICK, epochs=3)
    record = align(CONFIG, data, text, tmp_path, options, shown=False)
    with pytest.raises(InputError, match=r"alpha \(1.0 then, 0.5 now\)"):
        align(CONFIG, data, text, tmp_path, replace(options, alpha=0.5), resume=True, shown=False)
    assert align(CONFIG, data, text, tmp_path, options, resume=True, shown=False) == record


@pytest.mark.slow
def test_an_earlier_runs_embedder_does_not_pass_for_a_new_ones(tmp_path: Path, data, text) -> None:
    align(CONFIG, data, text, tmp_path, replace(QUICK, epochs=3), shown=False)
    with pytest.raises(InputError, match="diverges"):
        align(CONFIG, data, text, tmp_path, replace(QUICK, learning_rate=1e30), overwrite=True, shown=False)
    assert not list(tmp_path.iterdir())


def command(table: Path, output: Path, *more: str) -> list[str]:
    sizes = ["--embedder-width", "4", "--tokens", "20", "--backbone", "minilm", "--layers", "1", "--points", "32"]
    return ["align", str(table), "--output", str(output), "--device", "cpu", *sizes, *more]


def test_the_command_takes_up_a_search_and_says_what_it_found(tmp_path: Path) -> None:
    table, cache = write_table(tmp_path / "t.tsv", 60), str(tmp_path / "cache")
    (tmp_path / "search").mkdir()
    operators = [[5, 3], [3, 1], [7, 1]] * 3
    (tmp_path / "search" / "search.json").write_text(json.dumps({"embedder": "resnet", "operators": operators}))
    given = command(table, tmp_path / "out", "--epochs", "3", "--cache", cache, "--search", str(tmp_path / "search"))
    done = CliRunner().invoke(main, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert re.search(r"^val\tdev\tpcc\t-?\d\.\d{4}$", done.output, re.MULTILINE)
    assert re.search(r"^mmd\tafter\t\d\.\d{4}$", done.output, re.MULTILINE)
    config = json.loads((tmp_path / "out" / "align.json").read_text())["config"]
    assert (config["embedder"], config["operators"], config["backbone_layers"]) == ("resnet", operators, 1)
    clash = CliRunner().invoke(main, [*given, "--embedder", "unet"])
    assert clash.exit_code == 2
    assert "leave" in clash.output


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 40)
    plain = tmp_path / "plain.txt"
    plain.write_text("Call me Ishmael.\n")
    for more, message in (
        (["--text", str(plain)], "plain.txt: line 1: 'Call me Ishmael.'"),
        (["--text", "conll"], "conll: no such text; give a tagged file"),
        (["--text", "jnlpba", "--text-dir", str(tmp_path)], "no jnlpba here; put it there as jnlpba_test.tsv"),
        (["--search", str(tmp_path)], "search.json"),
        (["--epochs", "2"], "raise --epochs"),
    ):
        done = CliRunner().invoke(main, command(table, tmp_path / "out", "--cache", str(tmp_path / "cache"), *more))
        assert done.exit_code == 2, done.output
        assert message in done.output
        assert not (tmp_path / "out" / "embedder.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 7], ids=["in the task alone", "in the alignment"])
def test_kill_9_and_resume_ends_with_the_same_bytes(tmp_path: Path, epoch: int) -> None:
    table, environment = write_table(tmp_path / "t.tsv"), os.environ | {"OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-c", "from l2g_core.cli import main; main()"]
    more = ["--epochs", "9", "--dropout", "0.1", "--cache", str(tmp_path / "cache")]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run = {"check": True, "env": environment, "capture_output": True}
    subprocess.run([*program, *command(table, unbroken, *more)], **run)
    process = subprocess.Popen([*program, *command(table, broken, *more)], env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while f"epoch {epoch}/9".encode() not in (line := process.stderr.readline()):
        assert line, "it ended early"
    while not (broken / "training.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed; give it more to do"
    assert not (broken / "align.json").exists()
    process.stderr.close()
    subprocess.run([*program, *command(table, broken, *more, "--resume")], **run)
    for name in ("align.json", "embedder.safetensors", "embeddings.png"):
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes(), name
