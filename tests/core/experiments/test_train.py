"""An experiment in one go: three stages, none repeated, and a kill in any of them leaves no trace in the result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import visible

from l2g_core.datasets import read_table
from l2g_core.errors import InputError
from l2g_core.experiments.resolve import resolve
from l2g_core.experiments.stages import train
from l2g_interp.demo.made_up import make_planted_sequences

SMALL = """
[data]
name = "{table}"
[model]
embedder_width = 4
target_tokens = 10
backbone = "minilm"
backbone_layers = 1
[search]
embedder = "resnet"
epochs = 2
fraction = 0.5
batch_size = 32
[text]
per_tag = 20
[align]
epochs = 3
n_points = 32
[finetune]
epochs = 2
warmup_epochs = 1.0
"""


def write(folder: Path) -> Path:
    """A table and an experiment about it."""
    made = make_planted_sequences(120, 60, seed=0)
    rows = zip(made.sequences, made.activities["dev"], strict=True)
    splits = ["train"] * 80 + ["val"] * 20 + ["test"] * 20
    lines = [f"{s}\t{d:.4f}\t{split}" for (s, d), split in zip(rows, splits, strict=True)]
    table = folder / "t.tsv"
    table.write_text("sequence\tdev\tsplit\n" + "\n".join(lines) + "\n")
    path = folder / "small.toml"
    path.write_text(SMALL.format(table=table))
    return path


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return write(tmp_path)


def mtimes(folder: Path) -> dict[str, int]:
    names = ("search/search.json", "align/align.json", "model/metrics.json")
    return {name: (folder / name).stat().st_mtime_ns for name in names}


@pytest.mark.slow
def test_stages_hand_on_what_they_found_and_are_not_repeated(toml: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    metrics = train(resolve(toml), folder, device="cpu", shown=False)
    assert set(metrics["test"]) == {"dev"}
    searched = json.loads((folder / "search" / "search.json").read_text())
    config = json.loads((folder / "model" / "config.json").read_text())["config"]
    assert config["embedder"] == searched["embedder"] == "resnet"
    assert config["operators"] == searched["operators"]
    aligned = json.loads((folder / "align" / "align.json").read_text())
    assert aligned["config"]["operators"] == searched["operators"]
    assert resolve(folder / "experiment.toml").sections == resolve(toml).sections

    before = mtimes(folder)
    assert train(resolve(toml), folder, device="cpu", shown=False) == metrics
    assert mtimes(folder) == before

    changed = resolve(toml, ["finetune.weight_decay=0.5", "model.backbone_training=frozen"])
    train(changed, folder, device="cpu", overwrite=True, shown=False)
    after = mtimes(folder)
    assert [name for name in after if after[name] != before[name]] == ["model/metrics.json"]

    with pytest.raises(
        InputError, match=r"other settings, data or another model: .*finetune.weight_decay \(0.5 then, 1e-05 now\)"
    ):
        train(resolve(toml), folder, device="cpu", resume=True, shown=False)


def test_stages_can_be_left_out_and_spoilt_results_are_made_again(toml: Path, tmp_path: Path) -> None:
    found = resolve(toml, ["stages.search=false", "stages.align=false", "model.backbone_training=none"])
    folder = tmp_path / "run"
    metrics = train(found, folder, device="cpu", shown=False)
    assert visible(folder) == ["experiment.toml", "model"]
    weights = folder / "model" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"model.safetensors is missing or not what this work left; --overwrite"):
        train(found, folder, device="cpu", shown=False)
    assert train(found, folder, device="cpu", overwrite=True, shown=False) == metrics
    assert weights.read_bytes() == whole


def test_the_test_split_is_not_read_before_the_end(toml: Path, tmp_path: Path) -> None:
    """Other test labels change nothing but the test score."""
    table = Path(resolve(toml).sections["data"]["name"])
    flags = ["stages.search=false", "stages.align=false", "model.backbone_training=none"]
    first = train(resolve(toml, flags), tmp_path / "one", device="cpu", shown=False)
    lines = table.read_text().splitlines()
    turned = [f"{a}\t{-float(b)}\t{c}" if c == "test" else f"{a}\t{b}\t{c}" for a, b, c in map(str.split, lines[1:])]
    table.write_text("\n".join([lines[0], *turned]) + "\n")
    assert read_table(table).splits.count("test") == 20
    second = train(resolve(toml, flags), tmp_path / "two", device="cpu", shown=False)
    assert second["history"] == first["history"]
    assert second["val"] == first["val"]
    assert second["test"]["dev"] == pytest.approx(-first["test"]["dev"])


def command(toml: Path, output: Path, *more: str) -> list[str]:
    """``l2g train`` in a process of its own, with epochs enough to be killed in."""
    longer = [f"{stage}.epochs=4" for stage in ("search", "align", "finetune")]
    flags = [part for flag in longer for part in ("--set", flag)]
    program = "from l2g_core.cli import main; main()"
    where = ["--output", str(output), "--device", "cpu"]
    return [sys.executable, "-c", program, "train", str(toml), *where, *flags, *more]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing befell; the experiment lies beside it."""
    folder = tmp_path_factory.mktemp("unbroken")
    subprocess.run(command(write(folder), folder / "run"), check=True, env=ENVIRONMENT, capture_output=True)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(
    "state", ["search/search.safetensors", "align/training.safetensors", "model/training.safetensors"]
)
def test_kill_9_in_any_stage_and_resume_ends_with_the_same_files(state: str, unbroken: Path, tmp_path: Path) -> None:
    toml, broken = unbroken.parent / "small.toml", tmp_path / "broken"
    process = subprocess.Popen(
        command(toml, broken), env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and not (broken / state).exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed; give it more to do"
    subprocess.run(command(toml, broken, "--resume"), check=True, env=ENVIRONMENT, capture_output=True)
    for name in ("model/metrics.json", "model/model.safetensors", "align/embedder.safetensors"):
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes(), name
