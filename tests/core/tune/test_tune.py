"""Tuning: what is drawn, and real trials on Ray that stop, fail, are killed, and end in an experiment that runs."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import MARK, gone, processes

from l2g_core.experiments.resolve import Experiment, resolve
from l2g_core.experiments.stages import train
from l2g_core.experiments.write import as_toml
from l2g_core.tune.records import Trial, best_trial, read_trial, trial_folder, write_table, write_trial
from l2g_core.tune.space import SPACE, Choice, LogUniform, draw, space_of, value_of, with_settings
from l2g_core.tune.trial import run_trial
from l2g_interp.demo.made_up import make_planted_sequences

SMALL = """
about = "planted motifs"
[data]
name = "{table}"
[model]
embedder = "resnet"
embedder_width = 4
target_tokens = 16
backbone_training = "none"
backbone = "minilm"
[stages]
search = false
align = false
[finetune]
epochs = 2
batch_size = 32
warmup_epochs = 1.0
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    made = make_planted_sequences(120, 60, seed=0)
    splits = ["train"] * 80 + ["val"] * 20 + ["test"] * 20
    rows = zip(made.sequences, made.activities["dev"], splits, strict=True)
    table = tmp_path / "t.tsv"
    table.write_text("sequence\tdev\tsplit\n" + "".join(f"{s}\t{d:.4f}\t{split}\n" for s, d, split in rows))
    path = tmp_path / "small.toml"
    path.write_text(SMALL.format(table=table))
    return path


def l2g(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from l2g_core.cli import main; main()", *map(str, arguments)],
        env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.tsv").open() as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@pytest.mark.parametrize("key", SPACE)
def test_every_key_can_be_given_and_every_draw_is_in_its_range_and_survives_toml(key: str, tmp_path: Path) -> None:
    """A new key is tested here without writing a test."""
    values = [SPACE[key].draw(np.random.default_rng(seed)) for seed in range(50)]
    span = SPACE[key]
    for value in values:
        assert span.low <= value <= span.high if isinstance(span, LogUniform) else value in span.values
    assert len(set(values)) > 1
    path = tmp_path / "x.toml"
    given = with_settings(resolve("deepstarr-small"), {key: values[0]})
    path.write_text(as_toml(given))
    assert value_of(resolve(path), key) == values[0]


def test_logarithms_are_uniform() -> None:
    draws = [LogUniform(1e-6, 1e-2).draw(np.random.default_rng(seed)) for seed in range(400)]
    assert np.quantile(np.log10(draws), [0.25, 0.5, 0.75]) == pytest.approx([-5, -4, -3], abs=0.3)


def test_only_what_can_make_a_difference_is_tuned() -> None:
    everything = space_of(resolve("deepstarr"), 4000)
    assert everything == SPACE
    assert space_of(resolve("deepstarr"), 249)["model.target_tokens"] == Choice((64, 128, 512))
    assert space_of(resolve("deepstarr"), 100)["model.target_tokens"] == Choice((64, 128))
    assert "model.target_tokens" not in space_of(resolve("deepstarr"), 60)
    frozen = resolve("deepstarr", ["model.backbone_training=frozen", "stages.align=false"])
    assert set(SPACE) - set(space_of(frozen, 4000)) == {"finetune.learning_rate", "align.alpha"}


def test_draws_depend_on_seed_and_number_alone_and_the_first_is_the_experiment_itself() -> None:
    found = resolve("deepstarr")
    own = draw(SPACE, found, 0, 0)
    assert own == {key: value_of(found, key) for key in SPACE}
    assert draw(SPACE, found, 0, 3) == draw(SPACE, found, 0, 3)
    assert draw(SPACE, found, 0, 3) not in (draw(SPACE, found, 1, 3), draw(SPACE, found, 0, 4), own)


def test_the_best_is_the_first_with_the_best_score_and_none_that_failed(tmp_path: Path) -> None:
    def trial(number: int, *scores: float | None, outcome: str = "finished") -> Trial:
        history = tuple({"epoch": n, "score": s} for n, s in enumerate(scores, 1))
        return Trial(number, {"model.dropout": 0.1 * number}, history, outcome, "it\tbroke\nhere")  # type: ignore[arg-type]

    trials = [trial(0, None), trial(1, 0.1, 0.5), trial(2, 0.5), trial(3, 0.9, outcome="failed"), trial(4)]
    best = best_trial(trials)
    assert best is not None
    assert (best.number, best.best) == (1, {"epoch": 2, "score": 0.5})
    assert best_trial([trials[3], trials[4]]) is None
    assert best_trial([trials[0]]) == trials[0]
    write_table(tmp_path, trials, "pcc")
    rows = table(tmp_path)
    assert [row["val_pcc"] for row in rows] == ["", "0.500000", "0.500000", "0.900000", ""]
    assert rows[1] | {"error": ""} == {
        "trial": "1", "outcome": "finished", "epochs": "2", "best_epoch": "2", "val_pcc": "0.500000",
        "model.dropout": "0.1", "error": "",
    }  # fmt: skip
    assert rows[0]["error"] == "it broke here"


def lay_out(experiment: Experiment, folder: Path) -> None:
    trial_folder(folder, 0).mkdir(parents=True)
    (trial_folder(folder, 0) / "trial.toml").write_text(as_toml(experiment))
    write_trial(folder, Trial(0, {}))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as the trial is given: scores depend on it in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Stopped(BaseException):
    """What a scheduler does to a trial."""


@pytest.mark.usefixtures("one_thread")
def test_a_trial_that_is_stopped_tells_its_epochs_again_and_goes_on(toml: Path, tmp_path: Path) -> None:
    experiment = resolve(toml, ["finetune.epochs=3"])
    whole = train(experiment, tmp_path / "whole", device="cpu", shown=False, test=False)
    assert "test" not in whole
    lay_out(experiment, tmp_path)
    told: list[tuple[int, float]] = []

    def tell(result: dict) -> None:
        told.append((result["epoch"], result["score"]))
        if len(told) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run_trial(tmp_path, 0, tell, device="cpu", text_dir=None, threads=1)
    assert read_trial(tmp_path, 0).outcome is None
    for _ in range(2):  # the second time it is over, and only tells
        told.clear()
        run_trial(tmp_path, 0, lambda result: told.append((result["epoch"], result["score"])),
                  device="cpu", text_dir=None, threads=1)  # fmt: skip
        assert told == [(row["epoch"], row["score"]) for row in whole["history"]]
        assert read_trial(tmp_path, 0).outcome == "finished"
        assert not (trial_folder(tmp_path, 0) / "run").exists()


def test_a_trial_that_fails_says_why(toml: Path, tmp_path: Path) -> None:
    lay_out(resolve(toml, ["model.backbone_layers=99", "model.backbone_training=full"]), tmp_path)
    told: list[dict] = []
    run_trial(tmp_path, 0, told.append, device="cpu", text_dir=None, threads=1)
    found = read_trial(tmp_path, 0)
    assert found.outcome == "failed"
    assert found.error
    assert "layers; --layers 99 is not among them" in found.error
    assert "Traceback" in (trial_folder(tmp_path, 0) / "error.txt").read_text()
    assert told == [{"epoch": 0, "score": -1.0}]


def test_without_ray_it_says_how_to_install_it(toml: Path, tmp_path: Path) -> None:
    hide = tmp_path / "hide" / "ray"
    hide.mkdir(parents=True)
    (hide / "__init__.py").write_text("raise ImportError('no ray here')")
    path = os.pathsep.join([str(hide.parent), os.environ.get("PYTHONPATH", "")])
    done = l2g("tune", toml, "--output", tmp_path / "tuned", PYTHONPATH=path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: l2g tune needs Ray Tune, which is not installed; pip install 'l2g-interp[ray]'"
    ]
    assert not (tmp_path / "tuned").exists()


@pytest.mark.slow
def test_trials_end_in_an_experiment_that_trains_to_the_same_score(toml: Path, tmp_path: Path) -> None:
    tuned = tmp_path / "tuned"
    arguments = ("tune", toml, "--output", tuned, "--trials", 4, "--grace-epochs", 1)
    done = l2g(*arguments, **{MARK: str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert gone(str(tmp_path)), processes(str(tmp_path))
    *lines, last = done.stderr.splitlines()
    assert not [line for line in lines if " trial " not in f" {line}"], done.stderr
    assert f"wrote {tuned / 'best.toml'}; next: l2g train" in last

    rows = table(tuned)
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    assert {row["outcome"] for row in rows} <= {"finished", "stopped"}
    assert all(row["epochs"] == ("2" if row["outcome"] == "finished" else "1") for row in rows)
    record = json.loads((tuned / "tune.json").read_text())
    score = max(float(row["val_pcc"]) for row in rows)
    assert record["best"]["score"] == pytest.approx(score, abs=1e-6)
    assert done.stdout.splitlines()[-1] == f"val\ttrial {record['best']['trial']}\tpcc\t{score:.4f}"
    assert not list(tuned.rglob("*.safetensors"))

    best = resolve(tuned / "best.toml")
    assert {key: value_of(best, key) for key in record["best"]["settings"]} == record["best"]["settings"]
    metrics = train(best, tmp_path / "run", device="cpu", shown=False)
    history = read_trial(tuned, record["best"]["trial"]).history
    scores = [row["score"] for row in metrics["history"]]
    assert scores[: len(history)] == pytest.approx([row["score"] for row in history], abs=1e-4)
    assert set(metrics["test"]) == {"dev"}

    before = (tuned / "trials.tsv").read_bytes()
    again = l2g(*arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert (tuned / "trials.tsv").read_bytes() == before
    other = l2g(*arguments, "--resume", "--set", "finetune.batch_size=64")
    assert other.returncode == 2
    assert "other settings, data or another model: finetune.batch_size (32 then, 64 now)" in other.stderr


@pytest.mark.slow
def test_a_table_is_tuned_test_labels_are_nothing_to_it_and_one_bad_trial_does_not_stop_the_others(
    toml: Path, tmp_path: Path
) -> None:
    """Trial 1 cannot write where its run should be; the others end as they would without it."""
    path = Path(resolve(toml).sections["data"]["name"])
    flags = [
        "model.backbone_training=none", "model.embedder_width=4", "model.backbone=minilm", "stages.search=false",
        "stages.align=false", "finetune.batch_size=32",
    ]  # fmt: skip
    sets = [part for flag in flags for part in ("--set", flag)]
    arguments = ("--max-epochs", 1, *sets)
    done = l2g("tune", path, "--output", tmp_path / "one", "--trials", 2, *arguments)
    assert done.returncode == 0, done.stderr
    first = table(tmp_path / "one")
    assert [row["outcome"] for row in first] == ["finished", "finished"]

    lines = path.read_text().splitlines()
    turned = [f"{a}\t{-float(b)}\t{c}" if c == "test" else f"{a}\t{b}\t{c}" for a, b, c in map(str.split, lines[1:])]
    path.write_text("\n".join([lines[0], *turned]) + "\n")
    done = l2g("tune", path, "--output", tmp_path / "two", "--trials", 2, *arguments)
    assert done.returncode == 0, done.stderr
    second = table(tmp_path / "two")
    assert [row["val_pcc"] for row in second] == [row["val_pcc"] for row in first]

    trial = trial_folder(tmp_path / "two", 2)
    trial.mkdir()
    (trial / "run").write_text("in the way")
    done = l2g("tune", path, "--output", tmp_path / "two", "--trials", 4, *arguments, "--resume")
    assert done.returncode == 0, done.stderr
    third = table(tmp_path / "two")
    assert third[:2] == second
    assert [row["outcome"] for row in third] == ["finished", "finished", "failed", "finished"]
    assert str(trial / "run") in third[2]["error"]
    assert "trial 2 failed: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_kill_9_and_resume_ends_with_the_same_table(toml: Path, tmp_path: Path) -> None:
    """One trial at a time, so that which are stopped does not depend on which are quicker."""
    cpus = len(os.sched_getaffinity(0))
    flags = ("--trials", 2, "--max-epochs", 6, "--grace-epochs", 2, "--cpus-per-trial", cpus)
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    done = l2g("tune", toml, "--output", unbroken, *flags)
    assert done.returncode == 0, done.stderr

    command = ["tune", toml, "--output", broken, *flags]
    process = subprocess.Popen(
        [sys.executable, "-c", "from l2g_core.cli import main; main()", *map(str, command)],
        env=os.environ | {MARK: str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    second = trial_folder(broken, 1)
    while process.poll() is None and not (second / "run" / "model" / "training.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed; give it more to do"
    assert read_trial(broken, 0).outcome == "finished"
    assert read_trial(broken, 1).outcome is None

    done = l2g("tune", toml, "--output", broken, *flags, "--resume")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 trials finished earlier, left as they are" in done.stderr
    assert "trial 0: epoch" not in done.stderr
    for name in ("trials.tsv", "best.toml", "tune.json"):
        assert (broken / name).read_text() == (unbroken / name).read_text(), name
    assert gone(str(tmp_path)), processes(str(tmp_path))
