"""'l2g-interp variants' on files: a VCF with every odd record, tables, resuming, what is told and the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pysam
import pytest
from browser import BROWSER, DRIVER, accessible, chrome, fits, opened, pages  # noqa: F401
from counting_model import ACTIVATOR
from evidence_run import evidence_run, interp
from page_reader import HOSTILE, Page
from variant_truth import broken_sites, write_table

import l2g_interp.pipeline.variant_scores as stage
from l2g_interp.pipeline.variant_tables import safe_ids
from l2g_interp.records.tables import read_table
from l2g_interp.variants import MotifChange, NotScored, ScoreOptions, VariantEffect

MODEL = ("--model", "counting_model:build")
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
SITE = 150  # where the activator lies


def genome(folder: Path) -> tuple[Path, str]:
    letters = np.random.default_rng(5).choice(list("ACGT"), 400)
    letters[SITE : SITE + len(ACTIVATOR)] = list(ACTIVATOR)
    text = "".join(letters)
    path = folder / "genome.fa"
    path.write_text(f">chr1\n{text}\n>chrM\n{text[:90]}\n")
    return path, text


def records(text: str) -> str:
    """One record of each kind; the second allele of the first breaks the site, too."""
    inside, base = SITE + 3, text[SITE + 2]
    other = [b for b in "ACGT" if b != base]
    strand = next(p for p in range(20, 60) if text[p] in "AC")
    swapped = next(p for p in range(60, 90) if text[p] in "AC")
    rows = [
        f"1\t{inside}\trs1\t{base}\t{other[0]},{other[1]}\t.\tPASS\tDP=3",
        f"chr1\t{inside}\t.\t{text[SITE + 2 : SITE + 4]}\t{base}\t.\t.\t.",
        f"chr1\t100\t.\t{text[99]}\t{text[99]}GG\t.\t.\t.",
        f"chr1\t{strand + 1}\t.\t{'TG'['AC'.index(text[strand])]}\t{'CT'['AC'.index(text[strand])]}\t.\t.\t.",
        f"chr1\t{swapped + 1}\tsw\t{'G' if text[swapped] == 'A' else 'T'}\t{text[swapped]}\t.\t.\t.",
        f"chr1\t110\t.\t{text[109]}\t*\t.\t.\t.",
        f"chr1\t110\t.\t{text[109]}\t<DEL>\t.\tlow\tEND=120",
        f"chr1\t110\t.\t{text[109]}\t.\t.\t.\t.",
        "chr7\t110\t.\tA\tC\t.\t.\t.",
        "chr1\t4000\t.\tA\tC\t.\t.\t.",
        f"MT\t50\t.\t{text[49]}\t{'A' if text[49] != 'A' else 'C'}\t.\t.\t.",
    ]
    return "\n".join(rows) + "\n"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_allele_is_scored_or_told(tmp_path: Path, end: str) -> None:
    path, text = genome(tmp_path)
    vcf = tmp_path / "v.vcf"
    vcf.write_bytes(f"##fileformat=VCFv4.3\n{COLUMNS}{records(text)}".replace("\n", end).encode())
    out = tmp_path / "out"
    done = interp(
        "variants", *MODEL, "--vcf", vcf, "--genome", path, "--length", 80, "--random", 20, "--output", out
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = read_table(out / "variants.tsv", VariantEffect, "x")
    scored = [row for row in rows if row.target == "act"]
    assert [(r.chrom, r.kind) for r in scored] == [
        ("chr1", "SNV"), ("chr1", "SNV"), ("chr1", "deletion"), ("chr1", "insertion"), ("chrM", "SNV")
    ]  # fmt: skip
    assert [round(r.difference, 3) for r in scored] == [-2, -2, -2, 0, 0]
    assert all(0 < r.p_value <= 1 and r.q_value >= r.p_value and r.n_random == 20 for r in rows)
    left_out = read_table(out / "not_scored.tsv", NotScored, "x")
    assert [r.reason.split(",")[0] for r in left_out] == [
        "REF is that of the other strand", "REF and ALT are swapped", "deleted by another variant (*)",
        "symbolic allele", "no alternative allele", "no such chromosome", "outside the chromosome",
    ]  # fmt: skip
    assert "7 of 12 alleles not scored" in done.output
    assert "REF is that of the other strand: 1 alleles (chr1:" in done.output
    counts = json.loads((out / "run.json").read_text())["steps"]["variants"]["counts"]
    assert (counts["alleles"], counts["scored"], sum(counts["not_scored"].values())) == (12, 5, 7)
    before = pysam.set_verbosity(0)
    with pysam.VariantFile(str(out / "variants.vcf")) as file:
        annotated = list(file)
    pysam.set_verbosity(before)
    assert annotated[0].info["L2G_DIFF_act"] == pytest.approx((-2, -2), abs=1e-3)
    assert annotated[0].info["L2G_NOTE"] == ("scored", "scored")
    assert annotated[0].info["L2G_P_act"] == pytest.approx([scored[0].p_value, scored[1].p_value], rel=1e-3)
    assert "L2G_DIFF_act" not in annotated[3].info
    assert annotated[3].info["L2G_NOTE"] == ("REF_is_that_of_the_other_strand",)
    page = Page((out / "variants.html").read_text())
    assert "5 of 12 alleles were scored" in page.text
    assert "no such chromosome: 1" in page.text
    assert not [value for name, value in page.attributes if name in ("src", "action") and value]


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    path, text = genome(tmp_path)
    vcf, out = tmp_path / "v.vcf", tmp_path / "out"
    vcf.write_text(f"##fileformat=VCFv4.3\n{COLUMNS}{records(text)}")
    given = ("variants", *MODEL, "--output", out)
    for more, told in (
        (("--vcf", vcf), "--vcf together with --genome"),
        (("--vcf", vcf, "--genome", path, "--variants", vcf), "--variants together with --fasta"),
        (("--vcf", vcf, "--genome", path), "give --length"),
        (("--vcf", path, "--genome", path, "--length", 80), "first line is not"),
        (("--vcf", vcf, "--genome", tmp_path / "none.fa", "--length", 80), "none.fa"),
        (("--vcf", vcf, "--genome", path, "--length", 80, "--targets", "dev"), "no target 'dev'"),
        (("--vcf", vcf, "--genome", path, "--length", 80, "--run", tmp_path), "attributions.h5"),
    ):
        done = interp(*given, *more)
        assert done.exit_code == 2, done.output
        assert told in done.output
        assert done.output.count("Error:") == 1
    for rows, told in (("", "no variants in it"), (f"chr1\t9\t.\t{text[9:12]}\tA\t.\t.\t.\n", "none of its 1 alleles")):
        vcf.write_text(f"##fileformat=VCFv4.3\n{COLUMNS}{rows}")
        done = interp(*given, "--vcf", vcf, "--genome", path, "--length", 80)
        assert done.exit_code == 2, done.output
        assert told in done.output
        assert not [found for found in out.iterdir() if found.is_file()]


def test_an_interruption_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, text = genome(tmp_path)
    vcf = tmp_path / "v.vcf"
    rows = [f"chr1\t{p}\t.\t{text[p - 1]}\t{'C' if text[p - 1] != 'C' else 'G'}\t.\t.\t.\n" for p in range(60, 300)]
    vcf.write_text(f"##fileformat=VCFv4.3\n{COLUMNS}{''.join(rows)}")
    given = ("variants", *MODEL, "--vcf", vcf, "--genome", path, "--length", 80, "--random", 3)
    assert interp(*given, "--output", tmp_path / "whole").exit_code == 0
    monkeypatch.setattr(ScoreOptions, "block", lambda self, length: 50)
    plain, calls = stage.scores_of, []

    def stops(*each):
        calls.append(each)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*each)

    monkeypatch.setattr(stage, "scores_of", stops)
    stopped = interp(*given, "--output", tmp_path / "out")
    assert stopped.exit_code == 130
    assert "--resume" in stopped.output
    assert "--resume" in interp(*given, "--output", tmp_path / "out").output
    done = interp(*given, "--output", tmp_path / "out", "--resume")
    assert done.exit_code == 0, done.output
    assert len(calls) == 3 + 3
    for name in ("variants.tsv", "not_scored.tsv"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "whole" / name).read_text()
    again = interp(*given, "--output", tmp_path / "out")
    assert again.exit_code == 0
    assert "left as it is" in again.output


def test_names_of_targets_become_ids_of_fields() -> None:
    assert safe_ids(["dev", "dev-hk", "dev_hk", "H3K4 (me)"]) == ["dev", "dev_hk_1", "dev_hk_2", "H3K4__me_"]


@pytest.fixture(scope="module")
def of_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command wrote about sites of a run's motifs; the run lies beside it."""
    folder = tmp_path_factory.mktemp("run")
    run = evidence_run(folder)
    given = write_table(folder / "v.tsv", [v for v, _ in broken_sites(0)][::6])
    done = interp(
        "variants", *MODEL, "--variants", given, "--fasta", run / "x.fa", "--length", 90, "--random", 10, "--run", run,
        "--strongest", 12, "--output", folder / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "out"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(of_a_run: Path, chrome, width: int) -> None:  # noqa: F811
    with opened(chrome, of_a_run / "variants.html", width):
        assert fits(chrome)
        accessible(chrome)
        assert pages(chrome) > 1


@pytest.mark.slow
def test_motifs_of_a_run_are_named_in_table_page_and_vcf(of_a_run: Path, tmp_path: Path) -> None:
    run, given = of_a_run.parent, of_a_run.parent / "v.tsv"
    rows = read_table(of_a_run / "variants.tsv", VariantEffect, "x")
    told = [row for row in rows if "lost" in row.motifs]
    assert len(told) == 12
    assert len([row for row in rows if row.motifs]) == 24
    changes = read_table(of_a_run / "motif_changes.tsv", MotifChange, "x")
    assert {(c.target, c.position) for c in changes if c.what == "lost"} == {(r.target, r.position) for r in told}
    page = Page((of_a_run / "variants.html").read_text())
    assert page.tags.count("figure") == 12
    assert page.text.count("Reference ") >= 12
    assert "lost, -" in page.text
    assert not (of_a_run / "variants.vcf").exists()
    other = interp(
        "variants", "--model", "counting_model:other", "--variants", given, "--fasta", run / "x.fa", "--length", 90,
        "--run", run, "--output", tmp_path / "other",
    )  # fmt: skip
    assert other.exit_code == 2
    assert "give the model of the run" in other.output


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    name = HOSTILE.split()[0].replace("\t", "")[:2000]
    (tmp_path / "x.fa").write_text(f">{name}\n{'ACGTTGCA' * 10}\n")
    (tmp_path / "v.tsv").write_text(f"name\tid\tposition\tref\talt\n<b>rs</b>\t{name}\t5\tT\t{'ACG' * 9}\n")
    done = interp(
        "variants", *MODEL, "--variants", tmp_path / "v.tsv", "--fasta", tmp_path / "x.fa", "--random", 0,
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert table(tmp_path / "out" / "variants.tsv")[0]["chrom"]
    page = Page((tmp_path / "out" / "variants.html").read_text())
    assert "script" not in page.tags
    assert "b" not in page.tags
