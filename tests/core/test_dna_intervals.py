"""Intervals: summits, names, edges and contigs that the genome lacks."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2g_core.dna import Interval, dropped_record, read_bed
from l2g_core.errors import InputError
from l2g_core.intervals import unique_names
from l2g_core.sequence_files import open_bed

CHROMOSOME = "ACGTTGCAAC" * 60


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{CHROMOSOME}\n>chr2\n{CHROMOSOME[:100]}\n>MT\nACGTACGT\n")
    return path


def write(folder: Path, *lines: str, name: str = "x.bed") -> Path:
    path = folder / name
    text = "".join(line.replace(" ", "\t") + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


PEAKS = ("chr1 100 500 one 500 . 10 5 3 20", "chr1 100 500 two 500 - 10 5 3 350", "chr1 100 500 three 500 . 10 5 3 -1")


@pytest.mark.parametrize("name", ["x.narrowPeak", "x.bed", "x.narrowPeak.gz"])
def test_windows_of_a_narrowpeak_are_centred_on_its_summits(tmp_path: Path, genome: Path, name: str) -> None:
    data = read_bed(write(tmp_path, *PEAKS, name=name), genome, width=100)
    assert data.ids == ["one", "two", "three"]
    assert [str(place) for place in data.intervals or []] == ["chr1:70-170", "chr1:400-500(-)", "chr1:250-350"]
    assert data.sequences[0] == CHROMOSOME[70:170]


def test_without_a_width_a_peak_is_taken_whole(tmp_path: Path, genome: Path) -> None:
    assert read_bed(write(tmp_path, PEAKS[0]), genome).intervals == [Interval("chr1", 100, 500)]


@pytest.mark.parametrize(
    ("name", "line", "found"),
    [
        ("x.bed", "chr1 100 500 a 0 . 1 1 1 400", "'400' is not the summit"),
        ("x.bed", "chr1 100 500 a 0 . 1 1 1 -2", "'-2' is not the summit"),
        ("x.bed", "chr1 100 500 a 0 . 1 1 1 exon", "'exon' is not the summit"),
        ("x.narrowPeak", "chr1 100 500 a 0 .", "'' is not the summit"),
    ],
)
def test_a_summit_outside_the_peak_is_refused_by_line(
    tmp_path: Path, genome: Path, name: str, line: str, found: str
) -> None:
    with pytest.raises(InputError, match=f"line 2: {found}.*cut -f1-6"):
        read_bed(write(tmp_path, "chr1 1 9 a 0 . 1 1 1 4", line, name=name), genome, width=10)


def test_names_that_are_missing_or_shared_become_places(
    tmp_path: Path, genome: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ("chr1 0 4 .", "chr1 4 8 twin", "chr1 8 12 twin", "chr1 12 16 own", "chr1 0 4 .", "chr1 0 4 .")
    assert read_bed(write(tmp_path, *lines), genome).ids == [
        "chr1:0-4", "chr1:4-8", "chr1:8-12", "own", "chr1:0-4_2", "chr1:0-4_3",
    ]  # fmt: skip
    assert "1 names stand for several intervals (twin, …)" in caplog.text


@given(st.lists(st.tuples(st.sampled_from(["", ".", "a", "c:0-1", "c:0-1_2"]), st.integers(0, 2)), max_size=12))
def test_no_two_intervals_share_an_id(rows: list[tuple[str, int]]) -> None:
    names = unique_names([name for name, _ in rows], [Interval("c", start, start + 1) for _, start in rows])
    assert len(set(names)) == len(rows)


def test_what_has_no_place_is_dropped_counted_listed_and_told_at_once(
    tmp_path: Path, genome: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bed = write(tmp_path, "chr1 0 4 edge", "chr1 40 60 kept", "chrUn 0 9 lost", "chr2 90 110 end", "1 40 60 bare")
    data = read_bed(bed, genome, width=20)
    assert data.ids == ["kept"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    assert "4 of 5 intervals lie outside" in said
    assert "line 1: chr1:-8-12 reaches beyond" in said
    assert "line 3: no chromosome 'chrUn';" in said
    assert "line 5: no chromosome '1' (the genome calls it 'chr1')" in said
    with pytest.raises(InputError, match="4 of 5 intervals lie outside"):
        read_bed(bed, genome, width=20, on_edge="refuse")


@pytest.mark.parametrize(("chrom", "called"), [("1", "chr1"), ("CHR2", "chr2"), ("chrM", "MT"), ("chrmt", "MT")])
def test_if_nothing_is_left_the_error_says_what_the_genome_calls_it(
    tmp_path: Path, genome: Path, chrom: str, called: str
) -> None:
    with pytest.raises(InputError, match=f"1 of 1 intervals lie outside .*the genome calls it '{called}'"):
        read_bed(write(tmp_path, f"{chrom} 0 4"), genome)


@pytest.mark.parametrize(
    "line", ["chr1 0 1e3", "chr1 0 1\x1e", "chr1 0 20²", "chr1 0 " + "9" * 5000, "chrom start end", "chr1,0,4"]
)
def test_odd_coordinates_are_refused_by_line(tmp_path: Path, genome: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"line 1: .* is not an interval"):
        read_bed(write(tmp_path, line), genome)


def test_a_chromosome_may_be_called_like_a_track(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">track1\nACGT\n")
    assert read_bed(write(tmp_path, "track name=x", "track1 0 4"), tmp_path / "g.fa").sequences == ["ACGT"]


def test_what_was_dropped_is_on_record(tmp_path: Path, genome: Path) -> None:
    path = write(tmp_path, "chr1 0 50", "chr9 0 50", "chr2 90 120")
    told = ("line 2: no chromosome 'chr9'", "line 3: chr2:90-120 reaches beyond the chromosome (0-100)")
    for data in (read_bed(path, genome), open_bed(path, genome)):
        assert data.dropped == told
        assert dropped_record(data.dropped) == {"dropped_intervals": {"n": 2, "first": list(told)}}
    assert dropped_record(()) == {}
