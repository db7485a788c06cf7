"""Tables as people have them: what is learned of them, what is said, and what is refused."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dataset_files import dna
from hypothesis import given, settings
from hypothesis import strategies as st

from l2g_core.cli import main as l2g
from l2g_core.datasets import Labelled, read_table
from l2g_core.datasets.columns import not_a_target
from l2g_core.datasets.labelled import tell_what_is_learned
from l2g_core.errors import InputError
from l2g_core.evaluation.labels import columns_of, output_names

SMALL = ["--embedder-width", "4", "--tokens", "8", "--backbone", "minilm", "--backbone-training", "none"]
QUICK = [*SMALL, "--layers", "1", "--epochs", "1", "--batch-size", "8", "--device", "cpu"]
DNA = [dna(24) for _ in range(40)]


def write(path: Path, columns: Mapping[str, Sequence[object]], mark: str = "\t") -> Path:
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("".join(mark.join(map(str, row)) + "\n" for row in rows))
    return path


def columns(n: int = 12, /, **more: Sequence[object]) -> dict[str, Sequence[object]]:
    return {"sequence": list(DNA[:n]), "y": [f"{i * 0.37 % 2:.3f}" for i in range(n)], **more}


def numbered(n: int = 12) -> Sequence[object]:
    return list(range(n))


# --- what is a target


@pytest.mark.parametrize(
    "name",
    ["", "Unnamed: 0", "...1", "index", "row_number", "id", "ID", "Name", "gene_id", "geneID", "chrom", "Chr",
     "seqnames", "start", "chromStart", "peak_end", "END", "strand", "pos", "fold",
     "Fold", "set", "CV_fold", "width"],
)  # fmt: skip
def test_row_numbers_ids_places_and_splits_are_learned_only_by_name(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", columns(**{name: [i * 10 for i in range(12)]}))
    assert read_table(path).targets == ("y",)
    if name:
        assert read_table(path, [name]).targets == (name,)


@pytest.mark.parametrize(
    "name", ["y", "dev", "fold_change", "log2_enrichment", "H3K27ac", "score", "restart_rate", "acid"]
)
def test_measurements_are_targets(name: str) -> None:
    assert not_a_target(name) is None


def test_what_is_not_learned_is_listed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    more = {"fold": numbered(), "note": [f"word {i}" for i in range(12)], "z": ["NA"] * 12, "kind": ["a", "b"] * 6}
    data = read_table(write(tmp_path / "t.tsv", columns(**more)))
    assert data.left_out == (
        "fold (split)", "note (text, such as 'word 0')", "z (nothing measured)", "kind (classes)",
    )  # fmt: skip
    with caplog.at_level(logging.INFO, logger="l2g_core"):
        tell_what_is_learned(data, "regression")
    first, second = caplog.messages
    assert "learning (regression) y (12 rows), of 12 rows: 11 train, 1 val, 0 test" in first
    assert "not learned: fold (split), note" in second


def test_nothing_to_learn_says_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", {"sequence": DNA[:12], "start": numbered(), "note": [f"n{i}" for i in range(12)]})
    with pytest.raises(InputError, match=r"not learned unless asked for: start \(place\), note \(text.*--targets"):
        read_table(path)
    assert read_table(path, ["start"]).targets == ("start",)


def test_numbers_between_words_are_no_classes(tmp_path: Path) -> None:
    """Values below the detection limit, say: told, and refused by line if asked for."""
    path = write(tmp_path / "t.tsv", columns(y2=["<0.1"] * 8 + ["1.5", "2", "3.5", "4"]))
    assert read_table(path).left_out == ("y2 (numbers and text, such as '<0.1')",)
    with pytest.raises(InputError, match=r"line 2: y2 is '<0\.1', which is not a number"):
        read_table(path, ["y2"])


def test_a_column_without_a_name_is_no_id_unless_it_is_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", columns(**{"": [f"{i}.5" for i in range(12)]}))
    data = read_table(path)
    assert (data.data.ids[0], data.left_out) == ("row_1", ("Unnamed: 2 (row numbers)",))


# --- not measured, commas, separators


@pytest.mark.parametrize("mark", ["NA", "NaN", "nan", ".", "", "N/A", "#N/A", "None"])
def test_a_target_stays_however_much_of_it_was_not_measured(mark: str, tmp_path: Path) -> None:
    values: Sequence[object] = [mark] * 10 + ["1.5", "-2"]
    data = read_table(write(tmp_path / "t.tsv", columns(y2=values)))
    assert data.targets == ("y", "y2")
    np.testing.assert_array_equal(data.labels[:, 1], [np.nan] * 10 + [1.5, -2])


@pytest.mark.parametrize("number", ["1,600", "0,25", "-1,5", "1.234,5", "1,234.5", "12,5e-3"])
@pytest.mark.parametrize("n", [12, 5])
def test_decimal_commas_are_named(number: str, n: int, tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", columns(y2=["NA"] * (12 - n) + [number] * n))
    with pytest.raises(InputError, match=rf"line {14 - n}: y2 is '{number}'; write decimals with a point"):
        read_table(path)


def test_an_underscore_is_no_part_of_a_number(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", columns(cluster=["1_2"] * 12))
    assert read_table(path).targets == ("y",)
    with pytest.raises(InputError, match="cluster is '1_2', which is not a number"):
        read_table(path, ["cluster"])
    with pytest.raises(InputError, match="y is '1e300', which is not finite"):
        read_table(write(tmp_path / "u.tsv", columns() | {"y": ["1e300"] + ["1"] * 11}))


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".txt"])
@pytest.mark.parametrize("mark", ["\t", ",", ";"])
def test_another_separator_than_the_name_says_is_read_right(ending: str, mark: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"t{ending}", columns(note=["a"] * 12), mark)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_table(path).labels.tolist() == read_table(write(tmp_path / "plain.tsv", columns())).labels.tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id sequence y\nr0 ACGT 1\n", "put tabs between the columns"),
        ("sequence\ty\ty\nACGT\t1\t2\n", "two columns are called 'y'"),
        ("sequence\ty\nACGT\t1\t\n", "the rows end in tab and the header does not"),
        ("sequence\ty\nA\tx\tACGT\t1\n", "the rows have more cells than the header"),
        ("id,sequence\ty\nr,ACGT\t1\n", r"separated by '.'"),
        ('sequence\ty\tnote\nACGT\t1\t"5 prime\nACGA\t2\tx"\nACGG\t1\tz\n', "column 'note' starts with a quote"),
        ("sequence\ty\n", "the table has no rows"),
        ("sequence\ta\tb\n" + "ACGT\tx\tu\nACGA\ty\tv\n" * 2, r"several columns of classes \(a, b\)"),
        ("sequence\ta\n" + "ACGT\tx=1\nACGA\ty\n" * 2, "the class 'x=1' has a '='"),
    ],
)
def test_other_faults_have_their_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_table(path)
    assert "\n" not in str(error.value)


def test_the_row_names_that_r_writes_are_ids(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text('"sequence"\t"y"\n"enh1"\t"ACGT"\t1.5\n"enh2"\t"ACGA"\tNA\n')
    data = read_table(path)
    assert (data.data.ids, data.targets) == (["enh1", "enh2"], ("y",))


# --- ids and splits


def test_ids_may_be_blank_and_repeats_are_named(tmp_path: Path) -> None:
    ids = ["a", "", *(f"r{i}" for i in range(10))]
    assert read_table(write(tmp_path / "t.tsv", columns(ID=ids))).data.ids[:3] == ["a", "row_2", "r0"]
    assert read_table(write(tmp_path / "t.tsv", columns())).data.ids[-1] == "row_12"
    ids[4] = "a"
    with pytest.raises(InputError, match=r"lines 2, 6 are all called 'a' in column 'ID'; give every row its own id"):
        read_table(write(tmp_path / "t.tsv", columns(ID=ids)))


@pytest.mark.parametrize("name", ["Split", "set", "fold"])
def test_a_split_of_any_usual_name_is_used(name: str, tmp_path: Path) -> None:
    splits: Sequence[object] = ["Train"] * 8 + ["valid"] * 2 + ["TEST"] * 2
    assert read_table(write(tmp_path / "t.tsv", columns(**{name: splits}))).splits[-3:] == ["val", "test", "test"]


# --- classes


@pytest.mark.parametrize(
    ("values", "known", "task"),
    [
        (["weak", "none", "strong", "NA"], ("none", "strong", "weak"), "classification"),
        (["True", "False", "true", ""], ("False", "True"), "classification"),
    ],
)
def test_words_and_truths_are_learned_as_classes(
    values: Sequence[object], known: tuple[str, ...], task: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.tsv", {"sequence": DNA[:12], "kind": [*values] * 3})
    data = read_table(path)
    assert (data.task, data.classes, data.targets) == (task, known, ("kind",))
    names = [str(value).capitalize() if known == ("False", "True") else value for value in values[:3]]
    np.testing.assert_array_equal(data.labels[:4, 0], [*(known.index(str(name)) for name in names), np.nan])
    outputs = output_names(data, task)
    assert outputs == tuple(f"kind={name}" for name in known)
    assert columns_of(outputs, task) == (["kind"], list(known))


def test_several_columns_of_truths_are_several_labels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.tsv", {"sequence": DNA[:4], "a": ["True", "False"] * 2, "b": ["TRUE", "NA", "FALSE", ""]}
    )
    data = read_table(path)
    assert (data.task, data.classes, data.targets) == ("multilabel", (), ("a", "b"))
    np.testing.assert_array_equal(data.labels, [[1, 1], [0, np.nan], [1, 0], [0, np.nan]])


def test_words_are_learned_as_nothing_but_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", {"sequence": DNA[:12], "kind": ["b", "a"] * 6})
    with pytest.raises(InputError, match="column 'kind' has the classes a, b; learn them with --task classification"):
        output_names(read_table(path), "regression")


def run(*arguments: object):
    return CliRunner().invoke(l2g, list(map(str, arguments)))


def test_classes_keep_their_names_from_training_to_the_table_of_predictions(tmp_path: Path) -> None:
    kinds: Sequence[object] = ["weak enhancer", "promoter"] * 20
    table = write(tmp_path / "t.tsv", {"sequence": DNA, "kind": kinds})
    done = run("finetune", table, "--output", tmp_path / "m", *QUICK)
    assert done.exit_code == 0, done.output
    assert "learning (classification) kind: promoter (20 rows), weak enhancer (20 rows)" in done.stderr
    stored = json.loads((tmp_path / "m" / "config.json").read_text())
    assert stored["config"]["targets"] == ["kind=promoter", "kind=weak enhancer"]
    other = write(
        tmp_path / "o.tsv", {"sequence": DNA[:6], "kind": ["weak enhancer"] * 5 + ["NA"], "split": ["test"] * 6}
    )
    asked = ("--model", tmp_path / "m", "--table", other, "--device", "cpu")
    found = run("evaluate", *asked, "--metric", "accuracy", "--output", tmp_path / "e.json")
    assert found.exit_code == 0, found.output
    exported = run("export", *asked, "--metric", "accuracy", "--output", tmp_path / "p.tsv")
    assert exported.exit_code == 0, exported.output
    with (tmp_path / "p.tsv").open() as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert [row["observed kind"] for row in rows] == ["weak enhancer"] * 5
    hits = [float(row["predicted kind=weak enhancer"]) > float(row["predicted kind=promoter"]) for row in rows]
    assert json.loads((tmp_path / "e.json").read_text())["scores"] == {"kind": sum(hits) / 5}
    other.write_text(other.read_text().replace("weak", "strong"))
    refused = run("evaluate", *asked)
    assert refused.exit_code == 2
    assert "line 2: kind is 'strong enhancer', which is not one of the model's classes (pro" in refused.output


def test_training_needs_training_rows_and_evaluation_does_not(tmp_path: Path) -> None:
    table = write(tmp_path / "t.tsv", columns(40) | {"sequence": DNA, "y": [f"{i % 7}.5" for i in range(40)]})
    assert run("finetune", table, "--output", tmp_path / "m", *QUICK).exit_code == 0
    held_out = write(tmp_path / "h.tsv", columns(split=["test"] * 12))
    found = run("evaluate", "--model", tmp_path / "m", "--table", held_out, "--device", "cpu")
    assert found.exit_code == 0, found.output
    refused = run("finetune", held_out, "--output", tmp_path / "n", *QUICK)
    assert refused.exit_code == 2
    assert "no row has split 'train'" in refused.output
    assert not (tmp_path / "n").exists()


# --- any text


CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["ACGT", "NA", "1", "1,5", "true", "a", '"', "\t", "\n", "sequence", "id", "split", "train", "y"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=5), max_size=6), st.sampled_from("\t,;"), st.sampled_from(["tsv", "csv"]))
def test_any_text_is_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]], mark: str, ending: str
) -> None:
    path = tmp_path_factory.mktemp("t") / f"t.{ending}"
    header = mark.join(["id", "sequence", "y"])
    path.write_text("\n".join([header, *(mark.join(row) for row in cells)]), newline="")
    data = or_one_line(lambda: read_table(path), path)
    assert data is None or data.labels.shape == (len(data), len(data.targets))


def or_one_line(read: Callable[[], Labelled], path: Path) -> Labelled | None:
    """What it reads; None if it refuses, in one line that names the file."""
    try:
        return read()
    except InputError as error:
        message = str(error)
    assert str(path) in message
    assert "\n" not in message
    return None
