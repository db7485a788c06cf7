"""Scores of a checkpoint on labelled rows, and predictions beside them as picture and table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from small_training import labelled, model, write_table

from l2g_core.cli import main
from l2g_core.datasets import read_table
from l2g_core.dna import reverse_complement
from l2g_core.errors import InputError
from l2g_core.evaluation.evaluate import Evaluation, evaluate
from l2g_core.evaluation.plots import draw_evaluation
from l2g_core.evaluation.predict import predict

PNG = b"\x89PNG"


def command(*arguments: object, name: str = "evaluate"):
    return CliRunner().invoke(main, [name, *map(str, arguments), "--device", "cpu"])


def test_evaluation_scores_both_strands_averaged() -> None:
    network = model().eval()
    data = labelled(np.random.default_rng(0).normal(size=(30, 1)), ["train"] * 10 + ["test"] * 20)
    found = evaluate(network, data)
    sequences = data.split("test").data.sequences
    turned = predict(network, [reverse_complement(s) for s in sequences], network.longest)
    np.testing.assert_allclose(found.outputs, turned, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        expected = np.corrcoef(data.labels[10:, 0], predict(network, sequences, network.longest)[:, 0])[0, 1]
    assert found.scores == {"t0": pytest.approx(expected, abs=1e-5)}
    assert found.as_json()["definition"].startswith("Pearson correlation per target")
    assert evaluate(network, data, "all").as_json()["rows"] == {"t0": 30}


def test_the_command_writes_scores(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 40)
    model().save_pretrained(tmp_path / "m")
    output = tmp_path / "out" / "metrics.json"
    done = command("--model", tmp_path / "m", "--table", table, "--split", "val", "--output", output)
    assert done.exit_code == 0, done.output
    stored = json.loads(output.read_text())
    *first, beside = done.output.strip().split("\t")
    assert first == ["val", "dev", "pcc", f"{stored['scores']['dev']:.4f}"]
    assert beside.startswith("6-mer ridge ")
    assert stored["rows"] == {"dev": 4}


def test_predictions_are_exported_beside_what_was_observed(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 40)
    network = model()
    network.save_pretrained(tmp_path / "m")
    common = ("--model", tmp_path / "m", "--table", table, "--split", "val")
    picture, numbers = tmp_path / "out" / "p.png", tmp_path / "out" / "p.tsv"
    for output in (picture, numbers):
        done = command(*common, "--output", output, name="export")
        assert done.exit_code == 0, done.output
    assert picture.read_bytes().startswith(PNG)
    data = read_table(table, ["dev"]).split("val")
    written = pd.read_csv(numbers, sep="\t")
    assert list(written) == ["id", "observed dev", "predicted dev"]
    assert written["id"].tolist() == list(data.data.ids)
    np.testing.assert_allclose(written["observed dev"], data.labels[:, 0], rtol=1e-5)
    expected = predict(network, data.data.sequences, network.longest)
    np.testing.assert_allclose(written["predicted dev"], expected[:, 0], rtol=1e-4)
    refused = command(*common, "--output", tmp_path / "p.gif", name="export")
    assert refused.exit_code == 2
    assert "end it with .png, .svg, .pdf" in refused.output


def test_what_cannot_be_evaluated_is_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 40)
    model().save_pretrained(tmp_path / "m")
    same = ("--model", tmp_path / "m", "--table", table)
    for more, words in {
        (): "no row to evaluate has split 'test' (found: train, val)",
        ("--split", "val", "--metric", "auroc"): "--metric auroc is not for regression",
    }.items():
        done = command(*same, *more)
        assert done.exit_code == 2
        assert words in done.output
    table.write_text(table.read_text().replace("dev", "activity"))
    assert "no column 'dev'" in command(*same).output
    with pytest.raises(InputError, match="this model takes 16 to 60 bp"):
        evaluate(model(targets=("t0",)), labelled(np.ones((5, 1)), length=70), "all")


@pytest.mark.slow
def test_a_classifier_with_adapters_is_trained_and_evaluated_from_the_command_line(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    data = labelled(np.zeros((60, 1)))
    rows = [f"{s}\t{int(i % 3 == 0)}\t{'test' if i % 4 == 0 else 'train'}" for i, s in enumerate(data.data.sequences)]
    table.write_text("sequence\tenhancer\tsplit\n" + "\n".join(rows) + "\n")
    done = CliRunner().invoke(
        main,
        ["finetune", str(table), "--output", str(tmp_path / "m"), "--task", "classification", "--metric", "f1",
         "--backbone", "minilm", "--layers", "1", "--backbone-training", "lora", "--lora-rank", "2", "--no-augment",
         "--embedder-width", "8", "--tokens", "15", "--epochs", "2", "--patience", "1", "--device", "cpu"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    trained = json.loads((tmp_path / "m" / "metrics.json").read_text())
    found = command("--model", tmp_path / "m", "--table", table, "--metric", "f1", "--output", tmp_path / "e.json")
    assert found.exit_code == 0, found.output
    scored = json.loads((tmp_path / "e.json").read_text())
    assert scored["scores"] == trained["test"]
    assert scored["definition"] == trained["definition"]
    assert scored["rows"] == {"enhancer": 15}


@pytest.mark.parametrize("task", ["regression", "multilabel", "classification"])
@pytest.mark.parametrize("n", [40, 1500])
def test_every_task_has_its_picture(tmp_path: Path, task: str, n: int) -> None:
    rng = np.random.default_rng(0)
    targets = ("a",) if task == "classification" else ("a", "b", "c")
    labels = rng.normal(size=(n, len(targets)))
    if task != "regression":
        labels = (labels > 0).astype(float)
    if task != "classification":
        labels[::3, 1] = np.nan
    outputs = labels + rng.normal(size=labels.shape)
    if task == "classification":
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    metric = {"regression": "pcc", "multilabel": "auroc", "classification": "mcc"}[task]
    scores: dict[str, float | None] = dict.fromkeys(targets, 0.5)
    if task != "classification":
        scores["c"] = None
    names = ("a=0", "a=1") if task == "classification" else targets
    found = Evaluation(task, metric, "test", tuple(map(str, range(n))), targets, names, labels.astype(np.float32),
                       np.nan_to_num(outputs).astype(np.float32), scores)  # fmt: skip
    for name in ("p.svg", "p.png"):
        draw_evaluation(found, tmp_path / name)
    drawn = (tmp_path / "p.svg").read_text()
    assert f"a: {metric.upper()} 0.500" in drawn
    assert ("PCC undefined" in drawn) == (task == "regression")
    again = tmp_path / "again.svg"
    draw_evaluation(found, again)
    assert again.read_text() == drawn


def test_predictions_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    network = model()
    with torch.no_grad():
        network.head.bias.fill_(torch.nan)
    network.save_pretrained(tmp_path / "model")
    (tmp_path / "x.fa").write_text(f">a\n{'ACGTT' * 9}\n>b\n{'ACGTA' * 9}\n")
    (tmp_path / "x.tsv").write_text(f"id\tsequence\tdev\nc\t{'ACGTT' * 9}\t1\nd\t{'ACGTA' * 9}\t2\n")
    written = ("--fasta", tmp_path / "x.fa", "--output", tmp_path / "p.tsv")
    said = command("--model", tmp_path / "model", *written, name="predict").output
    assert "x.fa: predictions for 2 sequences (a, …) are NaN or infinite" in said
    said = command("--model", tmp_path / "model", "--table", tmp_path / "x.tsv", "--split", "all").output
    assert "x.tsv: predictions for 2 sequences (c, …) are NaN or infinite" in said


def test_ids_of_our_own_tables_are_read_without_what_keeps_spreadsheets_from_running_them(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("id\tsequence\tdev\n'=a\tACGT\t1\n'b\tACGA\t2\n")
    assert read_table(tmp_path / "x.tsv").data.ids == ["=a", "'b"]
