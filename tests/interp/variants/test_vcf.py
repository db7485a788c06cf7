"""VCF as people have it: every odd record is scored or told, and the annotated copy is read by other tools."""

from __future__ import annotations

from pathlib import Path

import pysam
import pysam.bcftools
import pytest

from l2g_core.errors import InputError
from l2g_interp.variants.rows import Variant
from l2g_interp.variants.table import read_table
from l2g_interp.variants.vcf import Field, annotate_vcf, read_vcf

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
RECORDS = """chr1\t5\t.\tA\tC\t.\t.\t.
chr1\t7\trs1\tA\tC,G\t50\tPASS\tDP=3
chr1\t9\t.\tA\t*\t.\t.\t.
chr1\t9\tx;y\tA\t<DEL>\t.\t.\tSVTYPE=DEL;END=20
chr1\t9\t.\tA\t.\t.\t.\t.
2\t9\t.\tAT\tA,<*>\t.\tq10\tFOO=a,b
chr1\t3\t.\ta\tg\t.\t.\t.
"""
ALLELES = [
    ("chr1", 5, ".", "A", "C", 1), ("chr1", 7, "rs1", "A", "C", 2), ("chr1", 7, "rs1", "A", "G", 2),
    ("chr1", 9, ".", "A", "*", 3), ("chr1", 9, "x;y", "A", "<DEL>", 4), ("chr1", 9, ".", "A", ".", 5),
    ("2", 9, ".", "AT", "A", 6), ("2", 9, ".", "AT", "<*>", 6), ("chr1", 3, ".", "a", "g", 7),
]  # fmt: skip
FIELDS = [Field("L2G_DIFF_t", "Float", "Difference"), Field("L2G_NOTE", "String", "Whether it was scored")]


def vcf(folder: Path, version: str = "4.2", header: str = "", records: str = RECORDS, end: str = "\n") -> Path:
    path = folder / "x.vcf"
    text = f"##fileformat=VCFv{version}\n{header}{COLUMNS}{records}"
    path.write_bytes(text.replace("\n", end).encode())
    return path


@pytest.mark.parametrize("version", ["4.1", "4.2", "4.3", "4.4", "4.5"])
@pytest.mark.parametrize("header", ["", '##contig=<ID=chr1,length=900>\n##FILTER=<ID=q10,Description="q">\n'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_alleles_of_every_version(tmp_path: Path, version: str, header: str, end: str) -> None:
    assert list(read_vcf(vcf(tmp_path, version, header, end=end))) == [Variant(*allele) for allele in ALLELES]


def test_compressed_and_binary(tmp_path: Path) -> None:
    path = vcf(tmp_path, header="##contig=<ID=chr1>\n##contig=<ID=2>\n")
    pysam.tabix_compress(str(path), str(tmp_path / "x.vcf.gz"))
    annotate_vcf(path, tmp_path / "y.vcf", FIELDS, [{}] * len(ALLELES), "")  # declares what BCF needs declared
    pysam.bcftools.view("-O", "b", "-o", str(tmp_path / "x.bcf"), str(tmp_path / "y.vcf"), catch_stdout=False)
    for name in ("x.vcf.gz", "x.bcf"):
        assert [v.alt for v in read_vcf(tmp_path / name)] == [allele[4] for allele in ALLELES]


def test_blank_lines_at_the_end_are_no_records(tmp_path: Path) -> None:
    assert len(list(read_vcf(vcf(tmp_path, records=RECORDS + "\n\n")))) == len(ALLELES)
    assert list(read_vcf(vcf(tmp_path, records=""))) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"##fileformat=VCFv4.2\n{COLUMNS}chr1\t5\t.\tA\tC\t.\t.\t.\n\nchr1\t6\t.\tA\tC\t.\t.\t.\n", "line 4 is blank"),
        (f"##fileformat=VCFv4.2\n{COLUMNS}chr1\t5\t.\tA\tC\n", "line 3: 5 columns"),
        (f"##fileformat=VCFv4.2\n{COLUMNS}chr1 5 . A C . . .\n", "line 3: 1 columns"),
        (f"##fileformat=VCFv4.2\n{COLUMNS}chr1\tx\t.\tA\tC\t.\t.\t.\n", "line 3: 'x' is not a position"),
        (f"##fileformat=VCFv4.2\n{COLUMNS}chr1\t5\t.\tA\tC\t.\t.\t.\nchr1\t6\t.\tA", "line 4: 4 columns"),
        ("##fileformat=VCFv4.2\n", "#CHROM"),
        ("chr1\t5\t.\tA\tC\t.\t.\t.\n", "first line is not"),
        (COLUMNS + "chr1\t5\t.\tA\tC\t.\t.\t.\n", "first line is not"),
        ("", "first line is not"),
    ],
)
def test_what_is_no_vcf_is_one_line_with_file_and_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.vcf") as error:
        list(read_vcf(path))
    assert told in str(error.value)
    with pytest.raises(InputError, match=r"x\.vcf"):
        annotate_vcf(path, tmp_path / "y.vcf", FIELDS, [], "")
    assert not (tmp_path / "y.vcf").exists()


def test_missing_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        list(read_vcf(tmp_path / "none.vcf"))
    (tmp_path / "x.vcf.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    with pytest.raises(InputError, match=r"x\.vcf\.gz"):
        list(read_vcf(tmp_path / "x.vcf.gz"))


@pytest.mark.parametrize("version", ["4.1", "4.4"])
def test_the_annotated_copy_is_read_by_other_tools(tmp_path: Path, version: str) -> None:
    values = [
        {"L2G_DIFF_t": 0.1234 * (i + 1) if i % 2 == 0 else float("nan"), "L2G_NOTE": "a, b; c" if i else "scored"}
        for i in range(len(ALLELES))
    ]
    output = tmp_path / "y.vcf"
    annotate_vcf(vcf(tmp_path, version), output, FIELDS, values, "l2g-interp variants --vcf x.vcf")
    assert output.read_text().startswith(f"##fileformat=VCFv{version}\n")
    before = pysam.set_verbosity(0)
    with pysam.VariantFile(str(output)) as file:
        records = list(file)
        assert file.header.info["L2G_DIFF_t"].number == "A"
        assert {"chr1", "2"} <= set(file.header.contigs)
        assert "q10" in file.header.filters
    pysam.set_verbosity(before)
    assert [(r.chrom, r.pos, r.alts) for r in records][1] == ("chr1", 7, ("C", "G"))
    assert records[0].info["L2G_DIFF_t"] == pytest.approx((0.1234,))
    assert records[0].info["L2G_NOTE"] == ("scored",)
    second = records[1].info["L2G_DIFF_t"]
    assert second[0] is None
    assert second[1] == pytest.approx(3 * 0.1234)
    assert records[1].info["L2G_NOTE"] == ("a_b|_c", "a_b|_c")
    assert records[1].info["DP"] == "3"
    assert "L2G_NOTE" not in records[4].info
    assert records[5].filter.keys() == ["q10"]


def test_bcftools_reads_the_annotated_copy(tmp_path: Path) -> None:
    output = tmp_path / "y.vcf"
    annotate_vcf(vcf(tmp_path), output, FIELDS, [{"L2G_DIFF_t": 0.5, "L2G_NOTE": "s"}] * len(ALLELES), "l2g-interp")
    told = pysam.bcftools.query("-i", "INFO/L2G_DIFF_t>0.4", "-f", "%POS\t%INFO/L2G_DIFF_t\n", str(output))
    assert told.splitlines()[1] == "7\t0.5,0.5"


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "v.tsv"
    path.write_text("name\tid\tposition\tref\talt\nrs1\ts1\t5\tA\tC,G\n\ts2\t6\tAC\tA\n")
    assert list(read_table(path)) == [
        Variant("s1", 5, "rs1", "A", "C", 1), Variant("s1", 5, "rs1", "A", "G", 1), Variant("s2", 6, ".", "AC", "A", 2)
    ]  # fmt: skip
    for text, told in (
        ("id\tpos\tref\talt\n", "no column position"),
        ("id\tposition\tref\talt\ns1\tx\tA\tC\n", "line 2: position 'x'"),
        ("id\tposition\tref\talt\ns1\t5\tA\n", "line 2: fewer columns"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=told):
            list(read_table(path))
