"""Hits as Fi-NeMo writes them: columns, coordinates to the base, and numbers that agree with the contributions."""

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from matrices import ppm_of

from l2g_core.dna import Interval
from l2g_interp import exports
from l2g_interp.records.tables import cell, read_table
from l2g_interp.records.types import Hit, Pattern, Seqlets

# as Fi-NeMo 0.41 reads them
COLUMNS = (
    "chr", "start", "end", "start_untrimmed", "end_untrimmed", "motif_name", "hit_coefficient",
    "hit_coefficient_global", "hit_similarity", "hit_correlation", "hit_importance", "hit_importance_sq", "strand",
    "peak_name", "peak_id",
)  # fmt: skip
NOWHERE = Seqlets(*(np.empty(0, dtype=np.int64) for _ in range(3)), np.empty(0, dtype=bool))
SITE = "ATGACTCC"


def pattern(target: str = "dev", before: int = 2, after: int = 5) -> Pattern:
    """A site with columns on either side that are trimmed off."""
    cwm = np.pad(ppm_of(SITE, 0.9), ((0, 0), (before, after)))
    return Pattern(target, "pos_patterns.pattern_0", "+", cwm, cwm, cwm, NOWHERE)


def hit(row: int = 1, start: int = 10, strand: str = "+", of: str = "pos_patterns.pattern_0", **more) -> Hit:
    given = {"similarity": 0.8, "contribution": -2.0, "gain": 1.2}
    return Hit("dev", of, "+", row, f"s {row}", start, start + len(SITE), strand, seqlet=0, **given | more)


def written(hits: list[Hit], folder: Path, coordinates: list[Interval] | None = None) -> list[exports.FinemoHit]:
    exports.write_finemo_hits(hits, [pattern(), pattern("hk", 1, 0)], coordinates, folder / "hits.tsv")
    return read_table(folder / "hits.tsv", exports.FinemoHit, "x")


def test_the_columns_are_finemos() -> None:
    assert tuple(f.name for f in fields(exports.FinemoHit)) == COLUMNS


def test_numbers_and_names(tmp_path: Path) -> None:
    (row,) = written([hit()], tmp_path)
    assert (row.chr, row.start, row.end, row.strand) == ("NA", 10, 18, "+")
    assert (row.hit_coefficient, row.hit_coefficient_global) == (1.2, 1.2)
    assert (row.hit_similarity, row.hit_correlation) == (0.8, 0.8)
    assert (row.hit_importance, row.hit_importance_sq) == (2.0, 2.25)
    assert (row.motif_name, row.peak_name, row.peak_id) == ("pos_patterns.pattern_0", "s_1", 1)


@pytest.mark.parametrize(
    ("of", "strand", "untrimmed"),
    [
        ("pos_patterns.pattern_0", "+", (8, 23)),
        ("pos_patterns.pattern_0", "-", (5, 20)),
        ("hk/pos_patterns.pattern_0", "+", (9, 18)),
        ("jaspar-insects/MA0247.2", "-", (10, 18)),
    ],
)
def test_the_whole_pattern_around_the_hit(tmp_path: Path, of: str, strand: str, untrimmed: tuple[int, int]) -> None:
    (row,) = written([hit(of=of, strand=strand)], tmp_path)
    assert (row.start_untrimmed, row.end_untrimmed) == untrimmed


def test_on_the_genome_of_either_strand(tmp_path: Path) -> None:
    places = [Interval("chr1", 100, 150, "+"), Interval("chr2", 100, 150, "-")]
    forward, mirrored = written([hit(1), hit(0)], tmp_path, places)
    assert (forward.chr, forward.start, forward.end, forward.strand) == ("chr1", 110, 118, "+")
    assert (forward.start_untrimmed, forward.end_untrimmed) == (108, 123)
    assert (mirrored.chr, mirrored.start, mirrored.end, mirrored.strand) == ("chr2", 132, 140, "-")
    assert (mirrored.start_untrimmed, mirrored.end_untrimmed) == (127, 142)


def test_hits_without_a_similarity_are_written(tmp_path: Path) -> None:
    (row,) = written([hit(similarity=0.0, gain=0.0)], tmp_path)
    assert row.hit_importance_sq == 0.0
    (row,) = written([hit(gain=float("nan"))], tmp_path)  # from a table of an older version
    assert np.isnan([row.hit_coefficient, row.hit_importance_sq]).all()


@pytest.mark.parametrize("width", [49, 50])
def test_finemo_finds_where_a_region_begins(tmp_path: Path, width: int, caplog: pytest.LogCaptureFixture) -> None:
    """It takes region start + summit less half of what it cuts out around the middle of the array."""
    places = [Interval("chr1", 100, 100 + width), Interval("chr2", 7, 7 + width, "+")]
    exports.write_regions_bed(["a b", "c"], places, width, tmp_path / "r.bed")
    rows = [line.split("\t") for line in (tmp_path / "r.bed").read_text().splitlines()]
    assert [len(row) for row in rows] == [10, 10]
    assert [row[3] for row in rows] == ["a_b", "c"]
    for half in (20, 24):
        begins = width // 2 - half  # of the cut, in the array
        assert [int(row[1]) + int(row[9]) - half - begins for row in rows] == [100, 7]
    assert not caplog.text
    exports.write_regions_bed(["a"], [replace(places[0], strand="-")], width, tmp_path / "r.bed")
    assert "mirror hits in those of the minus strand" in caplog.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.1235"), (1.23456e-05, "1.235e-05"), (float("nan"), "nan"), (2.0, "2"), (-0.5, "-0.5"),
        (np.float32(0.1), "0.1"), (123456, 123456), ("0.123456", "0.123456"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_numbers_in_tables_have_four_digits(value: object, shown: object) -> None:
    assert cell(value) == shown


def test_a_table_that_is_read_and_written_again_is_the_same(tmp_path: Path) -> None:
    exports.write_finemo_hits([hit(similarity=1 / 3, gain=2 / 3)], [], None, tmp_path / "a.tsv")
    rows = read_table(tmp_path / "a.tsv", exports.FinemoHit, "x")
    assert rows[0].hit_similarity == 0.3333
    with (tmp_path / "a.tsv").open(newline="") as handle:
        assert [list(row.values()) for row in csv.DictReader(handle, delimiter="\t")] == [
            [str(cell(getattr(row, name))) for name in COLUMNS] for row in rows
        ]
