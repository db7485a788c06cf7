"""Data sets in their published layouts, on made-up rows and on the real ones where those are."""

from __future__ import annotations

import gzip
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dataset_files import dna, publish
from hypothesis import given
from hypothesis import strategies as st

from l2g_core.cli import main as l2g
from l2g_core.datasets import DATASETS, Labelled, open_dataset, read_table, seen_in_training
from l2g_core.datasets.deepstarr import HALF, halves
from l2g_core.datasets.labelled import either_strand
from l2g_core.datasets.splits import draw
from l2g_core.dna import reverse_complement
from l2g_core.errors import InputError
from l2g_core.evaluation.metrics import METRICS, TASK_METRIC


def strands_of(data: Labelled) -> dict[str, set[str]]:
    """Sequence, whatever its strand -> the splits that it is in."""
    places: dict[str, set[str]] = {}
    for sequence, split in zip(data.data.sequences, data.splits, strict=True):
        places.setdefault(either_strand(sequence), set()).add(split)
    return places


def test_every_data_set_of_the_paper_is_there() -> None:
    families = Counter(name.partition("-")[0] for name in DATASETS)
    assert families == {"deepstarr": 1, "nt": 18, "gb": 8, "dart": 1, "table": 1}


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_opens_in_its_published_layout(name: str, tmp_path: Path) -> None:
    """A new entry of DATASETS is tested here without writing a test."""
    entry = DATASETS[name]
    location = publish(entry, tmp_path / "data")
    data = open_dataset(name, data_dir=location, seed=3)
    assert set(data.splits) == {"train", "val", "test"}
    assert all(len(places) == 1 for places in strands_of(data).values())
    assert data.labels.shape == (len(data), len(data.targets))
    assert len(set(data.data.ids)) == len(data)
    assert entry.metric in METRICS
    assert entry.task in TASK_METRIC
    if entry.classes:
        assert set(data.labels[:, 0]) == set(range(len(entry.classes)))
    if entry.name != "table":
        assert (data.task, data.metric) == (entry.task, entry.metric)
    again = open_dataset(name, data_dir=location, seed=3)
    assert (again.sha256, again.splits) == (data.sha256, data.splits)


@pytest.mark.parametrize("name", DATASETS)
def test_data_that_are_not_here_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        open_dataset(name, data_dir=tmp_path)
    message = str(error.value)
    assert str(tmp_path) in message
    assert "--data-dir" in message
    assert ("l2g fetch" in message) == bool(DATASETS[name].files)


def test_the_hash_does_not_depend_on_the_place(tmp_path: Path) -> None:
    entry = DATASETS["gb-demo_human_or_worm"]
    first = publish(entry, tmp_path / "one")
    second = tmp_path / "two" / "deep"
    second.parent.mkdir()
    first.rename(second)
    again = open_dataset(entry.name, data_dir=second)
    second.rename(first)
    assert open_dataset(entry.name, data_dir=first).sha256 == again.sha256
    (first / "train" / "human" / "0.txt").write_text("ACGT")
    assert open_dataset(entry.name, data_dir=first).sha256 != again.sha256


# --- DeepSTARR


def test_deepstarr_masks_blanks_and_keeps_strands_together(tmp_path: Path) -> None:
    data = open_dataset("deepstarr", data_dir=publish(DATASETS["deepstarr"], tmp_path))
    assert data.targets == ("dev", "hk")
    assert np.isnan(data.labels).sum(axis=0).tolist() == [0, 3]
    assert Counter(data.splits) == {"train": 40, "val": 40, "test": 40}
    assert data.split_source == "the source's own"


def test_deepstarr_takes_the_one_file_layout_and_chosen_targets(tmp_path: Path) -> None:
    rows = [("Train", dna(20), "1.0", ""), ("Val", dna(20), "2.0", "0.5"), ("Test", dna(20), "", "-1")]
    text = "set\tSequence\tDev_log2_enrichment\tHk_log2_enrichment\textra\n"
    text += "".join("\t".join(row) + "\tx\n" for row in rows)
    (tmp_path / "Sequences_activity_all.txt").write_text(text)
    data = open_dataset("deepstarr", data_dir=tmp_path, targets=["hk"])
    assert data.targets == ("hk",)
    assert data.splits == ["train", "val", "test"]
    np.testing.assert_array_equal(data.labels[:, 0], np.array([np.nan, 0.5, -1], dtype=np.float32))
    with pytest.raises(InputError, match="no target 'hkk'; choose from dev, hk"):
        open_dataset("deepstarr", data_dir=tmp_path, targets=["hkk"])


def test_without_a_split_chr2r_is_halved_and_both_strands_of_a_region_go_one_way(tmp_path: Path) -> None:
    regions = [("chr3L", 5), ("chr2R", 100), ("chr2R", HALF - 1), ("chr2R", HALF), ("chr2R", 20_000_000)]
    lines = ["sequence\tdev\thk\tchrom\tstart\tstrand"]
    for chromosome, start in regions:
        region = dna(30)
        for strand, sequence in (("+", region), ("-", reverse_complement(region))):
            lines.append(f"{sequence}\t1\t2\t{chromosome}\t{start}\t{strand}")
    (tmp_path / "activity.tsv").write_text("\n".join(lines) + "\n")
    data = open_dataset("deepstarr", data_dir=tmp_path)
    assert data.splits == ["train"] * 2 + ["val"] * 4 + ["test"] * 4
    assert all(len(places) == 1 for places in strands_of(data).values())
    assert halves(["chr2R", "chrX"], [HALF, HALF]) == ["test", "train"]


def test_sequences_and_activities_that_do_not_pair_up_are_refused(tmp_path: Path) -> None:
    publish(DATASETS["deepstarr"], tmp_path)
    with (tmp_path / "Sequences_activity_Val.txt").open("a") as handle:
        handle.write("1\tx\t1\n")
    with pytest.raises(InputError, match=r"Sequences_activity_Val.txt: 41 rows for 40 sequences"):
        open_dataset("deepstarr", data_dir=tmp_path)


# --- classes


def test_the_class_index_is_the_same_in_both_splits_whatever_the_order_of_folders(tmp_path: Path) -> None:
    marks = {"enhancer": "AAAA", "ocr": "CCCC", "promoter": "GGGG"}
    for split, order in (("test", ["promoter", "ocr", "enhancer"]), ("train", ["ocr", "enhancer", "promoter"])):
        for kind in order:
            place = tmp_path / split / kind
            place.mkdir(parents=True)
            for number in range(20):
                (place / f"{number}.txt").write_text(marks[kind] + dna(30))
    data = open_dataset("gb-human_ensembl_regulatory", data_dir=tmp_path)
    expected = ["ACG".index(sequence[0]) for sequence in data.data.sequences]
    assert data.labels[:, 0].tolist() == expected
    assert data.classes == ("enhancer", "ocr", "promoter")


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (">a|5", "record 1: class '5' is not one of 0, 1"),
        (">a", "record 1: class 'a' is not one of 0, 1"),
        (">", "record 1 has no name"),
    ],
)
def test_a_header_without_a_class_names_file_and_record(header: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "train.fna").write_text(f"{header}\nACGT\n>b|1\nACGA\n")
    (tmp_path / "test.fna").write_text(">a|0\nACGG\n")
    with pytest.raises(InputError, match=f"train.fna: {says}"):
        open_dataset("nt-H3", data_dir=tmp_path)


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}.fna").write_text("".join(f">a{i}|1\n{dna(20)}\n" for i in range(5)))
    with pytest.raises(InputError, match="every row is of class '1'; give at least two"):
        open_dataset("nt-H3", data_dir=tmp_path)


def test_classes_in_words_are_taken_where_there_are_as_many(tmp_path: Path) -> None:
    rows = "".join(f"{dna(20)}\t{('weak', 'none', 'strong')[i % 3]}\t1\n" for i in range(60))
    (tmp_path / "enhancers_types.tsv").write_text("sequence\tclass\tlabel\n" + rows)
    data = open_dataset("nt-enhancers_types", data_dir=tmp_path)
    assert data.classes == ("none", "strong", "weak")
    assert data.labels[:3, 0].tolist() == [2, 0, 1]


def test_too_long_a_sequence_is_refused_by_name(tmp_path: Path) -> None:
    rows = "".join(f">r{i}|{i % 2}\n{dna(501 if i == 3 else 500)}\n" for i in range(6))
    (tmp_path / "train.fna").write_text(rows)
    (tmp_path / "test.fna").write_text(rows.replace(">r", ">t"))
    with pytest.raises(InputError, match="record 'r3' has 501 bp and nt-H3 has at most 500"):
        open_dataset("nt-H3", data_dir=tmp_path)


# --- DART-Eval


def test_dart_cuts_the_genome_and_splits_by_chromosome(tmp_path: Path) -> None:
    genome = {name: dna(900) for name in ("chr1", "chr21", "chr5")}
    (tmp_path / "GRCh38.fa").write_text("".join(f">{name}\n{s}\n" for name, s in genome.items()))
    rows = [("chr1", 0, "K562"), ("chr21", 300, "H1ESC"), ("chr5", 400, "GM12878")]
    text = "".join(f"{c}\t{s}\t{s + 500}\t{label}\n" for c, s, label in rows)
    table = tmp_path / "peaks_by_cell_label_unique_dataloader_format.tsv"
    table.write_text("chr\tinput_start\tinput_end\tlabel\n" + text)
    data = open_dataset("dart-celltype", data_dir=tmp_path)
    assert data.data.sequences == [genome[c][s : s + 500] for c, s, _ in rows]
    assert data.splits == ["train", "val", "test"]
    assert data.labels[:, 0].tolist() == [4, 1, 0]
    table.write_text("chr\tinput_start\tinput_end\tlabel\nchr1\t0\t500\tK562\nchr5\t401\t901\tH1ESC\n")
    with pytest.raises(InputError, match="line 3: chr5:401-901 is not in"):
        open_dataset("dart-celltype", data_dir=tmp_path)
    table.write_text("chr\tlabel\tsequence\nchr1\tK562\tACGT\nchrM\tIMR90\tACGT\n")
    with pytest.raises(InputError, match="line 3: chromosome 'chrM' is in no split"):
        open_dataset("dart-celltype", data_dir=tmp_path)


def test_coordinates_are_exact_beyond_what_float32_holds(tmp_path: Path) -> None:
    text = "sequence\tdev\thk\tchrom\tstart\n" + f"{dna(9)}\t1\t2\tchr2R\t{HALF - 1}\n{dna(9)}\t1\t2\tchr2R\t9.5\n"
    (tmp_path / "activity.tsv").write_text(text)
    with pytest.raises(InputError, match=r"line 3: start is .9\.5.; it takes a whole number"):
        open_dataset("deepstarr", data_dir=tmp_path)


# --- splits


@given(st.lists(st.sampled_from("ACGT"), min_size=30, max_size=120), st.integers(0, 5))
def test_a_drawn_split_is_seeded_balanced_and_keeps_repeats_and_strands_together(letters: list[str], seed: int) -> None:
    sequences = [letter * (1 + i // 4) for i, letter in enumerate(letters)]
    labels = np.array([[float(i % 2)] for i in range(len(sequences))], dtype=np.float32)
    splits, source = draw(["train"] * len(sequences), labels, sequences, seed, {"val": 5, "test": 0})
    assert splits == draw(["train"] * len(sequences), labels, sequences, seed, {"val": 5, "test": 0})[0]
    assert f"seed {seed}" in source
    places: dict[str, set[str]] = {}
    for sequence, split in zip(sequences, splits, strict=True):
        places.setdefault(either_strand(sequence), set()).add(split)
    assert all(len(found) == 1 for found in places.values())
    n_groups = len(places)
    assert abs(sum(found == {"val"} for found in places.values()) - n_groups / 10) <= 1


def test_rows_of_the_test_split_are_never_drawn(tmp_path: Path) -> None:
    location = publish(DATASETS["nt-H4"], tmp_path, n=100)
    data = open_dataset("nt-H4", data_dir=location, seed=1)
    assert Counter(data.splits) == {"train": 90, "val": 10, "test": 100}
    assert data.split("val").labels.mean() == 0.5
    assert open_dataset("nt-H4", data_dir=location, seed=2).splits != data.splits
    assert "seed 1" in data.split_source


def test_test_rows_that_are_training_rows_are_counted_in_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    region = dna(30)
    rows = [("train", region), ("test", reverse_complement(region)), ("test", dna(30)), ("val", region)]
    table = tmp_path / "t.tsv"
    table.write_text("split\tsequence\ty\n" + "".join(f"{split}\t{s}\t{i}\n" for i, (split, s) in enumerate(rows)))
    with caplog.at_level(logging.WARNING, logger="l2g_core"):
        data = open_dataset(table)
    assert seen_in_training(data).tolist() == [False, True, False, True]
    assert "2 validation or test rows are also training rows" in caplog.text


# --- tables and what is wrong with them


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sequence\tdev\nACGT\tfour\n", "line 2: dev is 'four', which is not a number"),
        ("sequence\tdev\nACGT\tinf\n", "line 2: dev is 'inf', which is not finite"),
        ("sequence\tdev\nACGT\t\n", "column 'dev' has no value at all"),
        ("sequence\tdevelopment\nACGT\t1\n", "no column 'dev'"),
        ("sequence\tdevs\nACGT\t1\n", "no column 'dev' .*did you mean 'devs'"),
        ("sequence\tdev\tsplit\nACGT\t1\tholdout\n", "column 'split' has 'holdout'"),
        ("sequence\tdev\nACXT\t1\n", "'X' at position 3"),
    ],
)
def test_bad_tables_name_file_record_and_remedy(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_table(path, ["dev"])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_slip_in_a_column_of_numbers_is_refused_and_does_not_cost_the_column(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("sequence\tdev\thk\tname\nACGT\t1\t1\ta\nACGA\t2\tnan\tb\nACCC\thigh\t3\t7\n")
    with pytest.raises(InputError, match=r"line 4: dev is 'high', which is not a number; .*--targets"):
        read_table(path)
    path.write_text(path.read_text().replace("high", ""))
    data = read_table(path)
    assert data.targets == ("dev", "hk")
    np.testing.assert_array_equal(data.labels, [[1, 1], [2, np.nan], [np.nan, 3]])


def test_a_column_is_found_whatever_its_case(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Sequence,Dev\nacgt,1\nACGA,2\n")
    assert read_table(path, ["dev"]).data.sequences == ["ACGT", "ACGA"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("deepstar", "did you mean 'deepstarr'"),
        ("nt-promoter-tata", "did you mean 'nt-promoter_tata'"),
        ("nothing.tsv", "no such file"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_dataset(name)


def test_recorded_hashes_are_believed_over_the_files(tmp_path: Path) -> None:
    location = publish(DATASETS["nt-H3"], tmp_path)
    (location / "H3" / "SHA256SUMS").write_text(f"{'0' * 64}  train.fna\n")
    with pytest.raises(InputError, match=r"train.fna: has sha256 .*SHA256SUMS says 0000"):
        open_dataset("nt-H3", data_dir=location)


def test_datasets_are_listed() -> None:
    done = CliRunner().invoke(l2g, ["datasets"])
    assert done.exit_code == 0, done.output
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert header[:5] == ["name", "task", "metric", "length", "rows"]
    assert [row[0] for row in rows] == list(DATASETS)
    assert {len(row) for row in rows} == {len(header)}


# --- the real files


def test_the_real_deepstarr_subset(shared: Path) -> None:
    data = open_dataset("deepstarr", data_dir=shared / "deepstarr")
    assert Counter(data.splits) == {"train": 7839, "val": 858, "test": 4500}
    assert data.data.longest == 249
    assert np.isnan(data.labels).any()
    assert all(len(places) == 1 for places in strands_of(data).values())


def test_the_real_tata_promoters(shared: Path) -> None:
    data = open_dataset("nt-promoter_tata", data_dir=shared / "nucleotide_transformer")
    assert Counter(data.splits) == {"train": 4904, "val": 613, "test": 613}
    assert data.data.longest == 300


def test_the_real_enhancers_have_test_rows_in_training(shared: Path) -> None:
    folder = shared / "nucleotide_transformer"
    with gzip.open(folder / "enhancers_ienhancer2L.tsv.gz", "rt") as handle:
        header = handle.readline().split("\t")
        known = sum(int(line.split("\t")[header.index("dup_of_train")]) for line in handle)
    types = open_dataset("nt-enhancers_types", data_dir=folder)
    assert len(types.classes) == 3
    test = np.array([split == "test" for split in types.splits])
    in_training_or_val = {
        either_strand(s) for s, split in zip(types.data.sequences, types.splits, strict=True) if split != "test"
    }
    seen = sum(either_strand(s) in in_training_or_val for s in types.split("test").data.sequences)
    assert seen == known == 100
    assert test.sum() == 400


@pytest.mark.parametrize("mark", ["H3", "H3K4me1", "H3K4me2", "H3K4me3", "H3K9ac", "H3K14ac", "H3K36me3", "H3K79me3"])
def test_the_real_histone_marks(mark: str, shared: Path) -> None:
    data = open_dataset(f"nt-{mark}", data_dir=shared / "nucleotide_transformer")
    assert set(data.splits) == {"train", "val", "test"}
    assert min(map(len, data.data.sequences)) >= 290
    assert data.data.longest <= 500


@pytest.mark.parametrize(("name", "rows"), [("human_nontata_promoters", 9034), ("human_enhancers_cohn", 6948)])
def test_the_real_benchmark_tables_are_split_again(name: str, rows: int, shared: Path) -> None:
    data = open_dataset(f"gb-{name}", data_dir=shared / "genomic_benchmarks")
    assert len(data) == rows
    counts = Counter(data.splits)
    assert abs(counts["val"] - rows / 10) < 0.01 * rows
    assert abs(counts["test"] - rows / 10) < 0.01 * rows
    assert "val and test: every 10th" in data.split_source
    assert all(len(places) == 1 for places in strands_of(data).values())


def test_commands_take_a_name_with_its_task_and_metric(tmp_path: Path) -> None:
    location = publish(DATASETS["gb-human_ensembl_regulatory"], tmp_path / "data")
    small = ["--embedder-width", "4", "--tokens", "8", "--backbone", "minilm", "--backbone-training", "none"]
    model = tmp_path / "model"
    where = ["gb-human_ensembl_regulatory", "--data-dir", str(location)]
    done = CliRunner().invoke(
        l2g, ["--quiet", "finetune", *where, "--output", str(model), *small, "--epochs", "1", "--device", "cpu"]
    )
    assert done.exit_code == 0, done.output
    scores = [line.split("\t") for line in done.stdout.splitlines()]
    assert {metric for _, _, metric, *_ in scores} == {"accuracy"}
    evaluated = CliRunner().invoke(
        l2g,
        ["--quiet", "evaluate", "--model", str(model), "--table", *where, "--device", "cpu", "--metric", "accuracy"],
    )
    assert evaluated.exit_code == 0, evaluated.output
    assert evaluated.stdout.splitlines() == [line for line in done.stdout.splitlines() if line.startswith("test")]
