"""FASTA, BED and one-hot: what is read, and that bad input is refused in one line that names file and record."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2g_core.dna import (
    AMBIGUOUS,
    Interval,
    check_lengths,
    decode,
    one_hot,
    read_bed,
    read_fasta,
    reverse_complement,
)
from l2g_core.errors import InputError

GENOME = ">chr1\nACGTACGTNNACGTACGTTT\n>chr2 other words\nGGGGCCCCAA\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_one_hot_has_rows_acgt_and_pads_on_the_right() -> None:
    codes = one_hot(["ACGT", "nt"], length=5)
    assert codes.dtype == np.int8
    assert codes[0].T.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert codes[1].T.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@given(st.text(alphabet="ACGTN", min_size=1, max_size=60))
def test_decode_undoes_one_hot(sequence: str) -> None:
    assert decode(one_hot([sequence])[0]) == sequence


@given(st.text(alphabet="ACGT" + AMBIGUOUS, max_size=60))
def test_reverse_complement_twice_is_the_sequence(sequence: str) -> None:
    assert reverse_complement(reverse_complement(sequence)) == sequence


def test_one_hot_refuses_a_sequence_longer_than_the_array() -> None:
    with pytest.raises(InputError, match="5 bp does not fit into 4"):
        one_hot(["ACGTA"], length=4)


@pytest.mark.parametrize("gzipped", [False, True])
def test_fasta_is_read_plain_or_gzipped_in_either_case(tmp_path: Path, gzipped: bool) -> None:
    text = ">a first words\nacgt\nAC\n\n>b\nNNRY\n"
    path = tmp_path / ("x.fa.gz" if gzipped else "x.fa")
    path.write_bytes(gzip.compress(text.encode()) if gzipped else text.encode())
    data = read_fasta(path)
    assert data.ids == ["a", "b"]
    assert data.sequences == ["ACGTAC", "NNRY"]
    assert data.n_ambiguous == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.fa: the file is empty"),
        ("\n\n", "x.fa: the file is empty"),
        ("ACGT\n", "x.fa: not FASTA"),
        (">a\nAC\n>b\n>c\nGG\n", "x.fa: record 'b' has no sequence"),
        (">a\nAC\n>\nGG\n", "x.fa: record 2 has no name"),
        (">a\nAC\n>b\nAC\n>a\nGG\n", "x.fa: two records are called 'a'"),
        (">a\nACGT\n>b\nACXGT\n", "x.fa: record 'b' has 'X' at position 3"),
        (">a\nACGU\n", "x.fa: record 'a' has 'U' at position 4"),
        (">a\nAC-GT\n", "x.fa: record 'a' has '-' at position 3"),
    ],
)
def test_bad_fasta_is_refused_by_record(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_fasta(write(tmp_path / "x.fa", text))


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.fa: no such file"):
        read_fasta(tmp_path / "nowhere.fa")
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(b">a\nACGT\n" * 1000)[:-20])
    with pytest.raises(InputError, match=r"x\.fa\.gz: not a complete gzip"):
        read_fasta(tmp_path / "x.fa.gz")
    damaged = bytearray(gzip.compress(b">a\nACGT\n" * 1000))
    damaged[20:24] = b"\xff\x00\xff\x00"
    (tmp_path / "y.fa.gz").write_bytes(damaged)
    with pytest.raises(InputError, match=r"y\.fa\.gz: not a complete gzip"):
        read_fasta(tmp_path / "y.fa.gz")
    (tmp_path / "z.fa").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match=r"z\.fa: not a text file"):
        read_fasta(tmp_path / "z.fa")


def test_bed_is_cut_out_of_the_genome_with_strands(tmp_path: Path) -> None:
    genome = write(tmp_path / "g.fa", GENOME)
    bed = write(tmp_path / "x.bed", "# comment\ntrack name=x\nchr1\t0\t4\tone\t0\t+\nchr2\t3\t6\ttwo\t0\t-\n")
    data = read_bed(bed, genome)
    assert data.ids == ["one", "two"]
    assert data.sequences == ["ACGT", "GGC"]
    assert data.intervals == [Interval("chr1", 0, 4, "+"), Interval("chr2", 3, 6, "-")]


def test_bed_without_names_is_called_by_coordinates_and_resized_around_the_centre(tmp_path: Path) -> None:
    data = read_bed(write(tmp_path / "x.bed", "chr1 4 8\nchr1 10 12\n"), write(tmp_path / "g.fa", GENOME), width=6)
    assert data.ids == ["chr1:3-9", "chr1:8-14"]
    assert [len(s) for s in data.sequences] == [6, 6]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t0\t21", r"line 1: chr1:0-21 reaches beyond the chromosome \(0-20\)"),
        ("chr9\t0\t4", "line 1: no chromosome 'chr9'"),
        ("chr1\t4\t4", "line 1: start 4 is not before end 4"),
        ("chr1\t8\t4", "line 1: start 8 is not before end 4"),
        ("chr1\t-1\t4", "line 1: .* is not an interval"),
        ("chr1\t5", "line 1: .* is not an interval"),
        ("", "no intervals"),
    ],
)
def test_bad_bed_is_refused_by_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_bed(write(tmp_path / "x.bed", line + "\n"), write(tmp_path / "g.fa", GENOME))


def test_a_missing_genome_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"g\.fa: no such genome"):
        read_bed(write(tmp_path / "x.bed", "chr1\t0\t4\n"), tmp_path / "g.fa")


def test_lengths_outside_the_model_are_refused_by_record(tmp_path: Path) -> None:
    data = read_fasta(write(tmp_path / "x.fa", ">a\nACGT\n>b\nACGTACGT\n"))
    check_lengths(data, 4, 8)
    with pytest.raises(InputError, match="record 'b' has 8 bp and this model takes 4 bp"):
        check_lengths(data, 4, 4)
    with pytest.raises(InputError, match="record 'a' has 4 bp and this model takes 5 to 8 bp"):
        check_lengths(data, 5, 8)
