"""bigWig and BED line up with the genome to the base, on both strands, and pass their formats' validators."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matrices import ppm_of
from named import GATA
from planted import planted_attributions

from l2g_core import dna
from l2g_core.errors import InputError
from l2g_interp import exports
from l2g_interp.records.attributions_file import read_attributions, write_attributions
from l2g_interp.records.types import Attributions, Pattern, Seqlets

SITE = "ATGACTCC"
VALUES = {"A": 1.0, "C": 2.0, "G": 4.0, "T": 8.0}  # what a base of the genome contributes, seen from the plus strand
BED = "chr1\t20\t80\ta\t0\t+\nchr1\t60\t120\tb\t0\t-\nchr1\t200\t230\tc\t0\t-\nchr2\t0\t60\td\nchr2\t60\t120\te\t0\t-\n"


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    """Two chromosomes with the site on either strand, and a third that no interval touches."""
    rng = np.random.default_rng(0)
    chroms = {name: rng.choice(list("ACGT"), 260) for name in ("chr1", "chr2", "chrUn_x")}
    for name, start, strand in (("chr1", 65, "+"), ("chr1", 100, "-"), ("chr1", 210, "+"), ("chr2", 5, "-")):
        chroms[name][start : start + len(SITE)] = list(SITE if strand == "+" else dna.reverse_complement(SITE))
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text("".join(f">{name}\n{''.join(letters)}\n" for name, letters in chroms.items()))
    return path


@pytest.fixture(scope="module")
def sequences(genome) -> dna.Sequences:
    """Overlapping intervals, one of 30 bp, which padding fills up, and one without a strand."""
    path = genome.with_name("regions.bed")
    path.write_text(BED)
    return dna.read_bed(path, genome)


@pytest.fixture(scope="module")
def attributions(sequences, tmp_path_factory) -> Path:
    """What every base contributes depends on the letter of the genome's plus strand alone."""
    codes = dna.one_hot(sequences.sequences, 60)
    forward = np.array([VALUES[base] for base in "ACGT"], dtype=np.float32)
    assert sequences.intervals is not None
    seen = np.array([forward[::-1] if place.strand == "-" else forward for place in sequences.intervals])
    hypothetical = np.repeat(seen[:, :, None], 60, axis=2)
    path = tmp_path_factory.mktemp("attributions") / "attributions.h5"
    write_attributions(path, _attributions(codes, hypothetical, sequences))
    return path


def _attributions(codes: np.ndarray, hypothetical: np.ndarray, sequences: dna.Sequences) -> Attributions:
    like = planted_attributions(len(codes), codes.shape[2])
    part = dataclasses.replace(like["dev"], one_hot=codes, hypothetical=hypothetical.astype(np.float32))
    lengths = np.array([len(s) for s in sequences.sequences])
    return Attributions(sequences.ids, codes, lengths, {"dev": part}, sequences.intervals)


def letters(genome: Path) -> dict[str, str]:
    found = dna.read_fasta(genome)
    return dict(zip(found.ids, found.sequences, strict=True))


def read_bigwig(path: Path) -> dict[str, np.ndarray]:
    """Every chromosome base by base, NaN where there is nothing; the file's own checks passed."""
    import pyBigWig

    with pyBigWig.open(str(path)) as file:
        assert file.isBigWig()
        header = file.header()
        assert header["version"] == 4
        values = {name: np.array(file.values(name, 0, size)) for name, size in file.chroms().items()}
        known = np.concatenate([v[np.isfinite(v)] for v in values.values()])
        assert (header["nBasesCovered"], header["minVal"], header["maxVal"]) == (
            len(known), int(known.min()), int(known.max()),  # pyBigWig cuts them to whole numbers
        )  # fmt: skip
        assert header["sumData"] == pytest.approx(known.sum(), rel=1e-3)
    return values


def check_bed(path: Path, n_fields: int = 9):
    """The BED specification's rules, by bioframe."""
    import bioframe
    from bioframe.io import bed

    table = bioframe.read_table(path, schema=f"bed{n_fields}", schema_is_strict=True)
    assert bed.validate_bed_fields(table, bed.BED_FIELD_NAMES[:n_fields], strict_score=True) == (set(), set(), set())
    assert all(bed.check_is_sorted(table).values())
    assert bioframe.is_bedframe(table)
    return table


def test_bigwig_to_the_base(attributions, genome, tmp_path, caplog):
    path = tmp_path / "dev.bw"
    with caplog.at_level("INFO"):
        exports.write_bigwig(attributions, "dev", path, exports.chrom_sizes(genome))
    found = read_bigwig(path)
    assert list(found) == ["chr1", "chr2", "chrUn_x"]
    covered = {"chr1": [(20, 120), (200, 230)], "chr2": [(0, 120)], "chrUn_x": []}
    for chrom, text in letters(genome).items():
        expected = np.full(len(text), np.nan)
        for start, end in covered[chrom]:
            expected[start:end] = [VALUES[base] for base in text[start:end]]
        np.testing.assert_array_equal(found[chrom], expected)
    assert "20 bases lie in several sequences" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["dev.bw"]


def test_overlapping_sequences_are_averaged_each_on_its_own_strand(sequences, genome, tmp_path):
    """The first base of a minus-strand sequence is the last of its interval."""
    pair = dataclasses.replace(sequences.subset([0, 1]))
    codes = dna.one_hot(pair.sequences, 60)
    hypothetical = np.broadcast_to(np.arange(60.0), codes.shape).copy()
    write_attributions(tmp_path / "a.h5", _attributions(codes, hypothetical, pair))
    exports.write_bigwig(tmp_path / "a.h5", "dev", tmp_path / "a.bw", exports.chrom_sizes(genome))
    plus, minus = np.arange(60.0), np.arange(60.0)[::-1]
    expected = np.concatenate([plus[:40], (plus[40:] + minus[:20]) / 2, minus[20:]])
    np.testing.assert_array_equal(read_bigwig(tmp_path / "a.bw")["chr1"][20:120], expected)


def test_many_rows_are_read_in_blocks(attributions, genome, tmp_path, monkeypatch):
    sizes = exports.chrom_sizes(genome)
    exports.write_bigwig(attributions, "dev", tmp_path / "one.bw", sizes)
    monkeypatch.setattr("l2g_interp.exports.genome.BLOCK", 2)
    exports.write_bigwig(attributions, "dev", tmp_path / "two.bw", sizes)
    assert (tmp_path / "one.bw").read_bytes() == (tmp_path / "two.bw").read_bytes()


def pattern_at(sequences: dna.Sequences, sign: str = "+", flank: int = 2) -> Pattern:
    """The site wherever it is in the sequences, with flanks that contribute nothing; and one seqlet in padding."""
    rows, starts, reverse = [], [], []
    for row, sequence in enumerate(sequences.sequences):
        for text, other in ((SITE, False), (dna.reverse_complement(SITE), True)):
            if (at := sequence.find(text)) >= 0:
                rows, starts, reverse = [*rows, row], [*starts, at - flank], [*reverse, other]
    rows, starts, reverse = [*rows, 2], [*starts, 40], [*reverse, False]  # the third has 30 bp
    pad = ((0, 0), (flank, flank))
    cwm = np.pad(ppm_of(SITE, 0.9), pad) * (1 if sign == "+" else -1)
    start = np.array(starts)
    seqlets = Seqlets(np.array(rows), start, start + cwm.shape[1], np.array(reverse))
    return Pattern("dev", f"{'pos' if sign == '+' else 'neg'}_patterns.pattern_0", sign, np.abs(cwm), cwm, cwm, seqlets)


def test_bed_finds_the_site_in_the_genome(attributions, sequences, genome, tmp_path):
    path = tmp_path / "seqlets.bed"
    pattern = pattern_at(sequences)
    named = dataclasses.replace(GATA, pattern=pattern.name)
    n = exports.write_seqlets_bed([pattern, pattern_at(sequences, "-")], [named], attributions, path)
    table = check_bed(path)
    assert n == len(table) == 2 * 5
    text = letters(genome)
    for row in table.itertuples():
        assert row.end - row.start == len(SITE) + 4
        site = text[row.chrom][row.thickStart : row.thickEnd]
        assert (site if row.strand == "+" else dna.reverse_complement(site)) == SITE
    plus = table[table.name.str.contains("pos")]
    assert {(r.chrom, r.thickStart, r.strand) for r in plus.itertuples()} == {
        ("chr1", 65, "+"), ("chr1", 100, "-"), ("chr1", 210, "+"), ("chr2", 5, "-"),
    }  # fmt: skip
    assert set(plus.name) == {"dev.pos_patterns.pattern_0:GATA_(srp)"}
    assert set(table.itemRgb) == {"26,95,180", "198,40,40"}


def test_bed_without_coordinates_counts_in_the_sequences(sequences, attributions, tmp_path, caplog):
    plain = dataclasses.replace(read_attributions(attributions), coordinates=None)
    write_attributions(tmp_path / "a.h5", plain)
    exports.write_seqlets_bed([pattern_at(sequences)], [], tmp_path / "a.h5", tmp_path / "a.bed")
    assert "'l2g-interp attribute --bed ... --genome ...'" in caplog.text
    table = check_bed(tmp_path / "a.bed")
    by_id = dict(zip(sequences.ids, sequences.sequences, strict=True))
    for row in table.itertuples():
        site = by_id[row.chrom][row.thickStart : row.thickEnd]
        assert (site if row.strand == "+" else dna.reverse_complement(site)) == SITE


@pytest.mark.parametrize("end", ["left", "right"])
@pytest.mark.parametrize("row", [0, 1])
def test_seqlets_that_reach_out_of_the_sequence_are_cut(sequences, attributions, tmp_path, end, row):
    pattern = pattern_at(sequences)
    start = np.array([-5 if end == "left" else 53])
    seqlets = Seqlets(np.array([row]), start, start + 12, np.array([False]))
    exports.write_seqlets_bed([dataclasses.replace(pattern, seqlets=seqlets)], [], attributions, tmp_path / "a.bed")
    (found,) = check_bed(tmp_path / "a.bed").itertuples()
    assert found.end - found.start == 7
    place = (sequences.intervals or [])[row]
    at_left = (end == "left") == (place.strand == "+")
    assert (found.start if at_left else found.end) == (place.start if at_left else place.end)


def test_names_in_bed_are_plain_whatever_the_target_is_called(sequences, attributions, tmp_path):
    target = "<x>\t\n🧬 \"'" * 2000
    pattern = dataclasses.replace(pattern_at(sequences), target=target)
    named = dataclasses.replace(GATA, target=target, pattern=pattern.name, label="<img src=x>\t\n" * 2000)
    exports.write_seqlets_bed([pattern], [named], attributions, tmp_path / "a.bed")
    table = check_bed(tmp_path / "a.bed")
    assert all(name.isascii() and name.isprintable() and " " not in name for name in table.name)


def test_contributions_without_coordinates_have_no_bigwig(tmp_path):
    path = tmp_path / "a.h5"
    write_attributions(path, planted_attributions(2, 60))
    with pytest.raises(InputError, match=r"a\.h5: .* no genome coordinates; attribute intervals.*--bed .* --genome"):
        exports.write_bigwig(path, "dev", tmp_path / "a.bw", {"chr1": 100})
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"chr1": 260}, r"chr2:0-60 lies on a chromosome without a size \(known: chr1, …\)"),
        ({"chr1": 119, "chr2": 260}, r"chr1:60-120\(-\) reaches beyond the chromosome \(0-119\)"),
    ],
)
def test_another_genome_is_refused(attributions, tmp_path, sizes, says):
    with pytest.raises(InputError, match=says):
        exports.write_bigwig(attributions, "dev", tmp_path / "a.bw", sizes)
    assert not list(tmp_path.iterdir())


def test_sizes_from_a_table_or_the_index(genome, tmp_path):
    sizes = exports.chrom_sizes(genome)
    assert sizes == {"chr1": 260, "chr2": 260, "chrUn_x": 260}
    assert exports.chrom_sizes(table=f"{genome}.fai") == sizes
    for text, says in (("chr1\n", "line 1: 'chr1' is not"), ("chr1\tlong\n", "line 1"), ("", "empty")):
        (tmp_path / "sizes").write_text(text)
        with pytest.raises(InputError, match=says):
            exports.chrom_sizes(table=tmp_path / "sizes")
    for given in ({}, {"genome": genome, "table": genome}):
        with pytest.raises(InputError, match=r"--genome .* or --chrom-sizes"):
            exports.chrom_sizes(**given)


def test_without_pybigwig_it_says_how_to_get_it(attributions, genome, tmp_path):
    """In a separate process, where the module cannot be imported."""
    program = (
        "import sys; sys.modules['pyBigWig'] = None\n"
        "from l2g_interp import exports\n"
        f"exports.write_bigwig({str(attributions)!r}, 'dev', {str(tmp_path / 'a.bw')!r}, {{'chr1': 260, 'chr2': 260}})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'l2g-interp[bigwig]'" in done.stderr
    assert not list(tmp_path.iterdir())
