"""The baseline of 6-mer counts: what is counted, what is learned, and where it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_training import model, write_table

from l2g_core.cli import main
from l2g_core.datasets.labelled import Labelled
from l2g_core.dna import Sequences, reverse_complement
from l2g_core.evaluation.kmers import kmer_counts, kmer_scores

SPLITS = ["train"] * 200 + ["val"] * 40 + ["test"] * 60


def rows(labels: np.ndarray, sequences: list[str]) -> Labelled:
    names = [f"s{i}" for i in range(len(sequences))]
    targets = tuple(f"t{i}" for i in range(labels.shape[1]))
    return Labelled(Sequences(names, sequences, "made up"), targets, labels.astype(np.float32), SPLITS, "drawn", "0")


@pytest.fixture(scope="module")
def sequences() -> list[str]:
    rng = np.random.default_rng(0)
    made = ["".join(rng.choice(list("ACGT"), 80)) for _ in SPLITS]
    return [s[:30] + site + s[36:] for s, site in zip(made, 150 * ["GATAAG", "CCCCCC"], strict=True)]


def test_both_strands_count_and_unknown_letters_do_not() -> None:
    sequences = ["ACGTNACGTTTA", "GATAAGGATAAG", "ACG", "", "ACGTAC" * 300]
    counts = kmer_counts(sequences)
    assert counts.shape == (5, 2080)
    np.testing.assert_array_equal(counts.sum(axis=1), [2, 7, 0, 0, 1795])
    np.testing.assert_array_equal(counts, kmer_counts([reverse_complement(s) for s in sequences]))
    assert kmer_counts(["AAC"], k=2).tolist() == [[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]]  # AA (TT), AC (GT), ...
    assert counts[1].max() == 2


@pytest.mark.parametrize("task", ["regression", "classification", "multilabel"])
def test_it_learns_what_6_mers_can_tell_and_nothing_from_noise(task: str, sequences: list[str], tmp_path: Path) -> None:
    signal = np.array([float("GATAAG" in s) for s in sequences])
    noise = np.random.default_rng(1).permutation(signal)
    labels = signal[:, None] if task == "classification" else np.stack([signal, noise], axis=1)
    labels[::7, 0] = np.nan
    found = kmer_scores(rows(labels, sequences), ("val", "test"), task, cache=tmp_path)
    assert list(found) == ["val", "test"]
    assert min(found["test"]["t0"] or 0, found["val"]["t0"] or 0) > 0.9
    if task != "classification":
        chance = {"regression": 0.0, "multilabel": 0.5}[task]
        assert found["test"]["t1"] == pytest.approx(chance, abs=0.25)
        assert kmer_scores(rows(labels, sequences), ("val",), task, cache=tmp_path)["val"] == found["val"]


def test_labels_of_other_rows_are_nothing_to_it_and_scores_are_remembered(sequences: list[str], tmp_path: Path) -> None:
    labels = np.array([[float("GATAAG" in s)] for s in sequences])
    first = kmer_scores(rows(labels, sequences), ("val",), "regression", cache=tmp_path)
    turned = np.where(np.array(SPLITS)[:, None] == "test", -labels, labels)
    assert kmer_scores(rows(turned, sequences), ("val",), "regression", cache=tmp_path) == first
    assert len(list(tmp_path.iterdir())) == 2
    for file in tmp_path.iterdir():
        file.write_text('{"val": {"t0": 0.125}}')
    assert kmer_scores(rows(labels, sequences), ("val",), "regression", cache=tmp_path) == {"val": {"t0": 0.125}}
    none = rows(labels, sequences).subset(list(range(200, 300)))
    assert kmer_scores(none, ("test",), "regression", cache=tmp_path) == {}


def test_it_stands_beside_the_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    table = write_table(tmp_path / "t.tsv", 40)
    model().save_pretrained(tmp_path / "m")
    asked = ["evaluate", "--model", tmp_path / "m", "--table", table, "--split", "val", "--device", "cpu"]
    done = CliRunner().invoke(main, list(map(str, asked)))
    assert done.exit_code == 0, done.output
    split, target, metric, _, beside = done.stdout.strip().split("\t")
    assert (split, target, metric) == ("val", "dev", "pcc")
    assert re.fullmatch(r"6-mer ridge -?\d\.\d{4}", beside)
    made = table.read_text().splitlines()
    only = tmp_path / "test_rows_alone.tsv"
    only.write_text("\n".join([f"{made[0]}\tsplit", *(f"{line}\ttest" for line in made[1:])]) + "\n")
    asked = ["evaluate", "--model", tmp_path / "m", "--table", only, "--device", "cpu"]
    done = CliRunner().invoke(main, list(map(str, asked)))
    assert done.exit_code == 0, done.output
    assert len(done.stdout.strip().split("\t")) == 4
