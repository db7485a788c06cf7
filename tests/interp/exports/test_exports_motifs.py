"""MEME files, tables and pictures of patterns; and the export command."""

import csv
import dataclasses
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from folders import visible
from planted_run import planted_run
from run_files import write_run_folder

import motif_db
from l2g_core.dna import Interval
from l2g_core.runs.ledger import PLACE
from l2g_interp import exports
from l2g_interp.cli import main
from l2g_interp.exports.formats import FORMATS
from l2g_interp.exports.motif_files import LogoFile, _write_logo
from l2g_interp.motifs.co_occurrence import CoOccurrence
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Match, Pattern, Run

HOSTILE = "../<script>alert(1)</script>\"'\t\n width= 3 🧬" * 300


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return planted_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory) -> Path:
    """The same as a run folder."""
    return write_run_folder(tmp_path_factory.mktemp("folder"), run.patterns, run.matches, str(run.attributions))


def patterns_of(run: Run) -> list[Pattern]:
    return [pattern for found in run.patterns.values() for pattern in found]


def hostile(run: Run) -> tuple[list[Pattern], list[Match]]:
    patterns = [dataclasses.replace(pattern, target=HOSTILE + pattern.target) for pattern in patterns_of(run)]
    return patterns, [dataclasses.replace(m, target=HOSTILE + m.target, label=HOSTILE) for m in run.matches]


def test_meme_is_read_by_our_own_reader_memelite_and_biopython(run, tmp_path):
    from Bio.motifs import minimal
    from memelite.io import read_meme

    path = tmp_path / "motifs.meme"
    patterns = patterns_of(run)
    exports.write_meme(patterns, run.matches, path)
    ours, theirs = motif_db.load(path), read_meme(str(path))
    record = minimal.read(io.StringIO(path.read_text()))
    assert [motif.id for motif in ours] == [f"{p.target}.{p.name}" for p in patterns]
    assert [motif.name for motif in ours] == ["AP-1", "GATA", "", "DRE", "Ohler1", ""]
    assert len(theirs) == len(record) == len(patterns)
    for pattern, motif, (name, ppm), bio in zip(patterns, ours, theirs.items(), record, strict=True):
        expected = trimmed(pattern).ppm / trimmed(pattern).ppm.sum(axis=0)
        np.testing.assert_allclose(motif.ppm, expected, atol=2e-6)
        np.testing.assert_allclose(np.asarray(ppm), expected, atol=2e-6)
        np.testing.assert_allclose([bio.pwm[base] for base in "ACGT"], expected, atol=1 / pattern.n_seqlets)
        assert name.split()[0] == motif.id
        assert bio.num_occurrences == pattern.n_seqlets


def test_meme_with_hostile_names_is_still_plain_and_whole(run, tmp_path):
    path = tmp_path / "motifs.meme"
    patterns, matches = hostile(run)
    exports.write_meme(patterns, matches, path)
    assert path.read_text().isascii()
    found = motif_db.load(path)
    assert len({motif.id for motif in found}) == len(patterns)
    assert max(len(motif.id) + len(motif.name) for motif in found) < 255


def test_no_pattern_no_meme(tmp_path):
    with pytest.raises(ValueError, match="no pattern to write"):
        exports.write_meme([], [], tmp_path / "x.meme")
    assert not list(tmp_path.iterdir())


def test_tables(run, tmp_path):
    evidence = {"effects": run.effects, "hits": run.hits}
    sequences, patterns, pairs = exports.write_tables(
        patterns_of(run), run.matches, run.attributions, tmp_path / "new", **evidence
    )
    rows = read_table(sequences, exports.SequenceRow, "x")
    stored = read_attributions(run.attributions)
    assert [(r.target, r.id) for r in rows] == [(t, i) for t in ("dev", "hk") for i in stored.ids]
    assert {row.coordinates for row in rows} == {""}
    row, part = rows[len(stored) + 3], stored["hk"]
    assert row.prediction == part.prediction[3]
    assert row.relative_error == pytest.approx(part.delta[3] / abs(part.prediction[3] - part.reference_prediction[3]))
    assert (row.stability, row.length) == (part.stability[3], 150)
    found = read_table(patterns, exports.PatternRow, "x")
    assert [row.name for row in found] == ["AP-1", "GATA", "pattern 2", "DRE", "Ohler1", "pattern 2"]
    assert [row.q_value for row in found] == [1e-4, 1e-4, 0.3] * 2
    assert found[0].reason.startswith("named by ATGACTCA of planted")
    assert found[2].reason.startswith("no significant match: the nearest, repressor")
    assert "ATGACTCA" in found[0].consensus
    assert found[2].contribution < 0 < found[0].contribution
    known = next(e for e in run.effects if (e.target, e.pattern, e.copies) == ("dev", found[0].pattern, 1))
    assert (found[0].excess, found[0].control) == pytest.approx((known.excess, known.control))
    mine = [hit for hit in run.hits if (hit.target, hit.pattern) == ("dev", found[0].pattern)]
    assert (found[0].n_hits, found[0].n_sequences_hit) == (len(mine), len({hit.row for hit in mine}))
    both = read_table(pairs, CoOccurrence, "x")
    assert len(both) == 2 * 3  # three patterns of each of two targets
    for row in both:
        rows = [{h.row for h in run.hits if (h.target, h.pattern) == (row.target, n)} for n in (row.first, row.second)]
        assert (row.with_first, row.with_second, row.together) == (len(rows[0]), len(rows[1]), len(rows[0] & rows[1]))


def test_tables_tell_coordinates_where_they_are_known_and_take_one_target(run, tmp_path):
    stored = read_attributions(run.attributions)
    places = [Interval("chr1", 10 * i, 10 * i + 150, "-") for i in range(len(stored))]
    write_attributions(tmp_path / "a.h5", dataclasses.replace(stored, coordinates=places))
    rows = exports.sequence_rows(tmp_path / "a.h5", ["hk"])
    assert [row.coordinates for row in rows][:2] == ["chr1:0-150(-)", "chr1:10-160(-)"]
    assert {row.target for row in rows} == {"hk"}


def test_a_pattern_that_was_not_compared_says_so(run):
    (row,) = exports.pattern_rows(patterns_of(run)[:1], [])
    assert np.isnan(row.excess)
    assert row.n_hits == -1
    assert (row.name, row.q_value, row.motif_id) == ("pattern 0", 1.0, "")
    assert row.reason.startswith("no significant match")


def test_logos_are_pictures_with_numbered_names(run, tmp_path):
    patterns, matches = hostile(run)
    paths = exports.write_logos(patterns[2:4], matches, tmp_path / "logos")
    assert {path.parent for path in paths} == {tmp_path / "logos"}
    assert sorted(path.name for path in paths if path.suffix == ".svg") == sorted(
        f"target_{i}.motif_{i}.{kind}.svg" for i in (0, 1) for kind in ("bits", "cwm", "cwm_reverse", "hcwm")
    )
    for path in paths[:-1]:
        if path.suffix == ".svg":
            assert ET.fromstring(path.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
        else:
            assert dark(path) > 100
    rows = read_table(paths[-1], LogoFile, "x")
    assert [row.file for row in rows] == [path.name for path in paths[:-1]]
    assert {row.target for row in rows} == {p.target for p in patterns[2:4]}


def dark(path: Path) -> int:
    """Pixels of a PNG that are not background."""
    from matplotlib import image

    return int((image.imread(path)[..., :3].min(axis=2) < 0.5).sum())


def test_letters_of_a_png_are_those_of_the_matrix(tmp_path):
    """Twice the height, about twice the ink; negative letters hang below the middle."""
    from matplotlib import image

    heights = np.zeros((4, 3))
    heights[3, 0], heights[3, 2] = 1.0, -1.0
    _, png = _write_logo(tmp_path / "x", heights, "x")
    ink = image.imread(png)[..., :3].min(axis=2) < 0.5
    height, width = ink.shape
    quarters = [ink[rows, columns].sum() for columns in (slice(0, width // 3), slice(2 * width // 3, None))
                for rows in (slice(0, height // 2), slice(height // 2, None))]  # fmt: skip
    assert min(quarters[0], quarters[3]) > 20 * max(quarters[1], quarters[2], 1)


def command(*arguments: object):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_the_formats_offered_are_those_there_are():
    (option,) = (o for o in main.commands["export"].params if o.name == "kind")
    assert tuple(option.type.choices) == tuple(FORMATS)
    text = command("--help").output
    assert all(f"\n  {kind} " in text for kind in FORMATS)


@pytest.mark.parametrize(
    ("kind", "more", "files"),
    [
        ("npz", ["--target", "dev"], {"x/one_hot.npz", "x/hypothetical.dev.npz"}),
        ("chrombpnet", ["--target", "hk"], {"x"}),
        ("bed", [], {"x"}),
        ("meme", ["--target", "hk"], {"x"}),
        ("tables", [], {"x/sequences.tsv", "x/patterns.tsv", "x/pairs.tsv"}),
        ("logos", ["--target", "hk", "--pattern", "pos_patterns.pattern_1"], None),
    ],
)
def test_every_format_by_command(folder, tmp_path, kind, more, files):
    result = command("--run", folder, "--format", kind, "--output", tmp_path / "x", *more)
    assert result.exit_code == 0, result.output
    written = {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and PLACE not in path.parts
    }
    printed = {str(Path(line).relative_to(tmp_path)) for line in result.output.splitlines() if line.startswith("/")}
    assert written == printed
    assert written == files if files else len(written) == 9
    if kind == "meme":
        assert next(motif.id for motif in motif_db.load(tmp_path / "x")) == "hk.pos_patterns.pattern_0"


def test_bigwig_by_command(run, tmp_path):
    stored = read_attributions(run.attributions)
    places = [Interval("chr1", 200 * i, 200 * i + 150) for i in range(len(stored))]
    write_attributions(tmp_path / "a.h5", dataclasses.replace(stored, coordinates=places))
    (tmp_path / "sizes").write_text("chr1\t20000\n")
    arguments = ("--attributions", tmp_path / "a.h5", "--format", "bigwig", "--output", tmp_path / "out")
    result = command(*arguments, "--chrom-sizes", tmp_path / "sizes")
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "out") == ["contributions.dev.bw", "contributions.hk.bw"]
    result = command(*arguments)
    assert result.exit_code == 2
    assert "--genome (the FASTA) or --chrom-sizes" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "npz"), "give --attributions (a file) or --run (a folder)"),
        (("--format", "npz", "--attributions", "FILE"), "holds one target; give --target, one of dev, hk"),
        (("--format", "npz", "--attributions", "FILE", "--target", "x"), "no target 'x'; it has dev, hk"),
        (("--format", "bed", "--attributions", "FILE"), "exports motifs: give --run"),
        (("--format", "meme", "--run", "FOLDER", "--target", "x"), "no target 'x'; it has dev, hk"),
        (("--format", "meme", "--run", "FOLDER", "--pattern", "x"), "no pattern 'x'; it has pos_patterns.pattern_0"),
        (("--format", "bigwig", "--run", "FOLDER", "--chrom-sizes", "FILE"), "no genome coordinates"),
        (("--format", "meme", "--run", "."), "make them with 'l2g-interp motifs"),
    ],
)
def test_bad_requests_are_one_line(run, folder, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    places = {"FILE": str(run.attributions), "FOLDER": str(folder)}
    result = command(*(places.get(a, a) for a in arguments), "--output", tmp_path / "x")
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert result.output.count("\n") == 1
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_hostile_names_stay_in_their_cell(run, tmp_path):
    patterns, matches = hostile(run)
    rows = exports.pattern_rows(patterns, matches)
    write_table(tmp_path / "p.tsv", rows, exports.PatternRow)
    with (tmp_path / "p.tsv").open(newline="") as handle:
        read = list(csv.DictReader(handle, delimiter="\t"))
    assert [row["name"] for row in read] == [row.name for row in rows]
    assert all(None not in row for row in read)
