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
from l2g_interp.exports.motif_files import LogoFile, _stems, _write_logo
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.pipeline.hits import hit_files
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Hit, Match, Pattern, Run

HOSTILE = "../<script>alert(1)</script>\"'\t\n width= 3 🧬" * 300


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return planted_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory) -> Path:
    """The same as a run folder."""
    return write_run_folder(tmp_path_factory.mktemp("folder"), run.patterns, run.matches, str(run.attributions))


@pytest.fixture(scope="module")
def evidence(run, tmp_path_factory) -> Path:
    """A run folder with hits, on the genome: every second sequence is of the minus strand."""
    place = tmp_path_factory.mktemp("evidence")
    stored = read_attributions(run.attributions)
    places = [Interval("chr1", 200 * i, 200 * i + 150, "+-"[i % 2]) for i in range(len(stored))]
    write_attributions(place / "attributions.h5", dataclasses.replace(stored, coordinates=places))
    write_run_folder(place, run.patterns, run.matches)
    hit_files(place, place / "hits.tsv", shown=False)
    return place


def patterns_of(run: Run) -> list[Pattern]:
    return [pattern for found in run.patterns.values() for pattern in found]


def hostile(run: Run) -> tuple[list[Pattern], list[Match]]:
    patterns = [dataclasses.replace(pattern, target=HOSTILE + pattern.target) for pattern in patterns_of(run)]
    return patterns, [dataclasses.replace(m, target=HOSTILE + m.target, label=HOSTILE) for m in run.matches]


def rounded(value: float) -> float:
    """As tables have it: four significant digits."""
    return float(f"{value:.4g}")


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


def test_homer_is_read_again(run, tmp_path):
    path = tmp_path / "motifs.homer"
    patterns = patterns_of(run)
    exports.write_homer(patterns, run.matches, path)
    found = motif_db.load(path)
    assert [motif.name for motif in found][:3] == ["AP-1", "GATA", f"dev.{patterns[2].name}"]
    for pattern, motif in zip(patterns, found, strict=True):
        assert motif.id.endswith(f"{pattern.target}.{pattern.name}")
        expected = trimmed(pattern).ppm / trimmed(pattern).ppm.sum(axis=0)
        np.testing.assert_allclose(motif.ppm, expected, atol=2e-6)
    exports.write_homer(*hostile(run), path)
    assert len(motif_db.load(path)) == len(patterns)


@pytest.mark.parametrize("write", [exports.write_meme, exports.write_homer])
def test_no_pattern_no_file(tmp_path, write):
    with pytest.raises(ValueError, match="no pattern to write"):
        write([], [], tmp_path / "x")
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
    assert row.prediction == rounded(part.prediction[3])
    assert row.relative_error == rounded(part.delta[3] / abs(part.prediction[3] - part.reference_prediction[3]))
    assert (row.stability, row.length) == (rounded(part.stability[3]), 150)
    found = read_table(patterns, exports.PatternRow, "x")
    assert [row.name for row in found] == ["AP-1", "GATA", "pattern 2", "DRE", "Ohler1", "pattern 2"]
    assert [row.q_value for row in found] == [1e-4, 1e-4, 0.3] * 2
    assert found[0].reason.startswith("named by ATGACTCA of planted")
    assert found[2].reason.startswith("no significant match: the nearest, repressor")
    assert "ATGACTCA" in found[0].consensus
    assert {row.links for row in found} == {""}  # no database that is known on the web
    assert found[2].contribution < 0 < found[0].contribution
    known = next(e for e in run.effects if (e.target, e.pattern, e.copies) == ("dev", found[0].pattern, 1))
    assert (found[0].excess, found[0].control) == (rounded(known.excess), rounded(known.control))
    mine = [hit for hit in run.hits if (hit.target, hit.pattern) == ("dev", found[0].pattern)]
    assert (found[0].n_hits, found[0].n_sequences_hit) == (len(mine), len({hit.row for hit in mine}))
    both = read_table(pairs, exports.PairRow, "x")
    assert {(row.first_name, row.second_name) for row in both if row.target == "hk"} == {
        ("DRE", "Ohler1"), ("DRE", "pattern 2"), ("Ohler1", "pattern 2"),
    }  # fmt: skip
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


def test_a_pattern_links_to_its_gene_and_motif(run):
    known = dataclasses.replace(run.matches[0], motif_id="MA0247.3", flybase="FBgn0004110", rank=0)
    (row,) = exports.pattern_rows(run.patterns["dev"][:1], [known])
    assert row.links == "https://flybase.org/reports/FBgn0004110 https://jaspar.elixir.no/matrix/MA0247.3/"


def test_hits_bed_ends_with_the_name(run, tmp_path):
    some = [dataclasses.replace(run.hits[0], name=name) for name in ("AP-1 (kay)", "")]
    exports.write_hits_bed(some, None, tmp_path / "hits.bed")
    head, *rows = (line.split("\t") for line in (tmp_path / "hits.bed").read_text().splitlines())
    assert head[-1] == "motif"
    assert {row[-1] for row in rows} == {"AP-1_(kay)", "."}
    assert {len(row) for row in rows} == {len(head)}


def test_logos_are_called_by_target_name_and_pattern(run, tmp_path):
    label = dataclasses.replace(run.matches[0], label="AP-1 (kay/Jra)", rank=0)
    paths = exports.write_logos(run.patterns["dev"][:1] + run.patterns["dev"][2:], [label], tmp_path / "new" / "logos")
    stems = ["dev.AP-1_kay_Jra.pos_patterns.pattern_0", "dev.neg_patterns.pattern_2"]
    assert run.patterns["dev"][2].name == "neg_patterns.pattern_2"
    assert [path.name for path in paths if path.suffix == ".svg"] == [
        f"{stem}.{kind}.svg" for stem in stems for kind in ("cwm", "cwm_reverse", "hcwm", "bits")
    ]


def test_names_that_differ_in_case_only_are_different_files(run):
    pattern = run.patterns["dev"][0]
    both = [pattern, dataclasses.replace(pattern, target="DEV")]
    assert _stems(both, {}) == ["dev.pos_patterns.pattern_0", "DEV.pos_patterns.pattern_0~2"]


def test_hostile_names_become_no_paths(run, tmp_path):
    patterns, matches = hostile(run)
    paths = exports.write_logos(patterns[2:4], matches, tmp_path / "logos")
    assert {path.parent for path in paths} == {tmp_path / "logos"}
    assert len({path.name.lower() for path in paths}) == 2 * 4 * 2 + 1
    assert all(path.name.isascii() and len(path.name) < 255 and not path.name.startswith(".") for path in paths)
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
        ("npz", [], {"x/one_hot.npz", "x/hypothetical.dev.npz", "x/hypothetical.hk.npz"}),
        ("chrombpnet", [], {"x/contributions.dev.h5", "x/contributions.hk.h5"}),
        ("chrombpnet", ["--target", "hk"], {"x/contributions.hk.h5"}),
        ("bed", [], {"x"}),
        ("meme", ["--target", "hk"], {"x"}),
        ("homer", [], {"x"}),
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
        (("--format", "finemo", "--attributions", "FILE"), "exports motifs: give --run"),
        (("--format", "finemo", "--run", "FOLDER"), "no hits of these motifs; call them with 'l2g-interp hits'"),
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


@pytest.mark.parametrize(("kind", "name"), [("chrombpnet", "x.h5"), ("finemo", "x.tsv"), ("bigwig", "x.bw")])
def test_a_file_may_be_named_and_holds_one_target(evidence, tmp_path, kind, name):
    sizes = tmp_path / "sizes"
    sizes.write_text("chr1\t100000\n")
    given = ("--run", evidence, "--format", kind, "--output", tmp_path / name, "--chrom-sizes", sizes)
    result = command(*given)
    assert result.exit_code == 2, result.output
    assert f"{name}: a file of --format {kind} holds one target" in result.output
    assert result.output.count("\n") == 1
    result = command(*given, "--target", "hk")
    assert result.exit_code == 0, result.output
    files = ["sizes", name] + (["x.regions.bed"] if kind == "chrombpnet" else [])
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != PLACE) == sorted(files)
    again = command(*given, "--target", "hk")
    assert again.exit_code == 0, again.output


def test_chrombpnet_comes_with_its_regions(evidence, tmp_path):
    result = command("--run", evidence, "--format", "chrombpnet", "--output", tmp_path / "x")
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "x") == ["contributions.dev.h5", "contributions.hk.h5", "regions.bed"]
    stored = read_attributions(evidence / "attributions.h5")
    rows = [line.split("\t") for line in (tmp_path / "x" / "regions.bed").read_text().splitlines()]
    assert [row[3] for row in rows] == stored.ids
    assert [(row[0], int(row[1]), int(row[2])) for row in rows] == [
        (place.chrom, place.start, place.end) for place in stored.coordinates
    ]
    assert {row[9] for row in rows} == {str(150 // 2)}


def test_finemo_hits_agree_with_the_contributions(evidence, tmp_path):
    """Where hits do not overlap: of two that do, the second has what the first left."""
    result = command("--run", evidence, "--format", "finemo", "--output", tmp_path / "x")
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "x") == ["hits.dev.tsv", "hits.hk.tsv"]
    stored = read_attributions(evidence / "attributions.h5")
    total = alone = 0
    for target in ("dev", "hk"):
        rows = read_table(tmp_path / "x" / f"hits.{target}.tsv", exports.FinemoHit, "x")
        total += len(rows)
        for row in rows:
            if any(other is not row and other.start < row.end and row.start < other.end for other in rows):
                continue
            place = stored.coordinates[row.peak_id]
            start, end = row.start - place.start, row.end - place.start
            if place.strand == "-":
                start, end = place.end - row.end, place.end - row.start
            here = stored[target].contributions[row.peak_id, :, start:end].astype(float)
            assert row.hit_importance == pytest.approx(abs(here.sum()), rel=1e-3)
            assert row.hit_importance_sq == pytest.approx((here**2).sum(), rel=1e-3)
            alone += 1
    assert total == len(read_table(evidence / "hits.tsv", Hit, "x"))
    assert alone > 100


def test_hostile_names_stay_in_their_cell(run, tmp_path):
    patterns, matches = hostile(run)
    rows = exports.pattern_rows(patterns, matches)
    write_table(tmp_path / "p.tsv", rows, exports.PatternRow)
    with (tmp_path / "p.tsv").open(newline="") as handle:
        read = list(csv.DictReader(handle, delimiter="\t"))
    assert [row["name"] for row in read] == [row.name for row in rows]
    assert all(None not in row for row in read)
