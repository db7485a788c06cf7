"""The genome and its index: made, kept, mistrusted; damage and doubles are told in one line."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from l2g_core.dna import chromosome_sizes, read_bed
from l2g_core.errors import InputError

SEQUENCES = {"chr1": "ACGTTGCAAC" * 30, "chr2": "GGGGCCCCAA" * 7, "chrX": "TTTTTA"}
GENOME = "".join(f">{name} some words\n" + "\n".join(s[i : i + 60] for i in range(0, len(s), 60)) + "\n"
                 for name, s in SEQUENCES.items())  # fmt: skip
SIZES = {name: len(sequence) for name, sequence in SEQUENCES.items()}


def bgzip(path: Path, text: str) -> None:
    from Bio.bgzf import BgzfWriter

    with BgzfWriter(str(path)) as file:
        file.write(text)


@pytest.fixture(params=["g.fa", "g.fa.gz", "bgzipped.fa"])
def genome(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / request.param
    path.write_text(GENOME) if path.name == "g.fa" else bgzip(path, GENOME)
    return path


def windows(genome: Path) -> list[str]:
    bed = genome.parent / "x.bed"
    bed.write_text("chr1\t55\t125\nchr2\t0\t70\nchrX\t1\t6\n")
    return read_bed(bed, genome).sequences


EXPECTED = [SEQUENCES["chr1"][55:125], SEQUENCES["chr2"], SEQUENCES["chrX"][1:]]


def test_the_index_is_made_next_to_the_genome_and_used(genome: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert windows(genome) == EXPECTED
    index = genome.with_name(genome.name + ".fai")
    made = index.stat().st_mtime_ns
    assert windows(genome) == EXPECTED
    assert index.stat().st_mtime_ns == made
    assert chromosome_sizes(genome) == SIZES
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("chr1\t300\t17\t60\t61\nchr2\t70\t339\t60\t61\n", "of another file"),  # a chromosome is missing
        ("chr1\t300\t30\t60\t61\nchr2\t70\t339\t60\t61\nchrX\t6\t428\t6\t7\n", "of another file"),
        ("chr1\t300\t17\t60\t61\nchr2\t70\t339\t60\t61\nchrX\t5\t428\t6\t7\n", "of another file"),  # a base too few
        ("", "of another file"),
        ("chr1\t300", "not readable"),
    ],
)
def test_an_index_that_does_not_fit_is_made_again(
    genome: Path, content: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    chromosome_sizes(genome)
    genome.with_name(genome.name + ".fai").write_text(content)
    assert windows(genome) == EXPECTED
    assert reason in caplog.text
    assert chromosome_sizes(genome) == SIZES


def test_an_index_older_than_the_genome_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">chr1\nACGT\n")
    chromosome_sizes(path)
    path.write_text(GENOME)
    os.utime(tmp_path / "g.fa.fai", (0, 0))
    assert windows(path) == EXPECTED


def test_a_large_bgzipped_genome_has_several_blocks(tmp_path: Path) -> None:
    sequences = {f"c{i}": ("ACGTTGCA" * 5000)[i : i + 30_000] for i in range(8)}
    bgzip(tmp_path / "g.fa.gz", "".join(f">{name}\n{s}\n" for name, s in sequences.items()))
    (tmp_path / "x.bed").write_text("".join(f"{name}\t29000\t30000\n" for name in sequences))
    for _ in range(2):  # with a new index, then with the one that is there
        cut = read_bed(tmp_path / "x.bed", tmp_path / "g.fa.gz").sequences
        assert cut == [s[29_000:] for s in sequences.values()]


READ = "import sys; from l2g_core.dna import chromosome_sizes as sizes; print(sizes(sys.argv[1]))"
WITHOUT_RIGHTS = (  # root may write anywhere, unless it gives that up
    "import ctypes, os, sys\nlibc = ctypes.CDLL(None)\n"
    "[libc.prctl(24, right) for right in (1, 2)]\n"  # PR_CAPBSET_DROP: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


@pytest.mark.skipif(sys.platform != "linux", reason="gives up rights as Linux does")
@pytest.mark.parametrize("index", [None, "chr1\t1\t6\t60\t61\n"])
def test_a_genome_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path, index: str | None) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "g.fa").write_text(GENOME)
    if index:
        (folder / "g.fa.fai").write_text(index)
        os.utime(folder / "g.fa.fai", (0, 0))
    folder.chmod(0o555)
    command = [sys.executable, "-c", WITHOUT_RIGHTS, "-c", READ, str(folder / "g.fa")]
    done = subprocess.run(command, capture_output=True, text=True)
    folder.chmod(0o755)
    assert done.stdout.strip() == str(SIZES), done.stderr
    assert "the index cannot be kept (Permission denied)" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["g.fa"] + ["g.fa.fai"] * bool(index)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("g.fa", b"", "cannot be indexed"),
        ("g.fa", b"ACGT\n", "cannot be indexed .* line 1"),
        ("g.fa", b">a\nACGT\n>b\nGG\n>a\nGG\n", 'two chromosomes are called "a"'),
        ("g.fa", b">a\nACGT\nACGTACGT\nAC\n", "Line length"),
        ("g.fa", b"\xef\xbb\xbf>a\nACGT\n", "byte-order mark"),
        ("g.fa", b">a\nAC\n\n>b\nA\xffC\n", "line 5: byte 0xff"),
        ("g.fa", b">a\nACGT ACGT\nAC\n", "line 2: byte 0x20"),  # would shift all that follows
        ("g.fa", gzip.compress(b">a\nACGT\n", mtime=0), "gzipped.*bgzip"),
        ("g.2bit", b"\x43\x27\x41\x1a", "2bit.*twoBitToFa"),
        ("g.fa", b"\x1a\x41\x27\x43", "2bit.*twoBitToFa"),
    ],
)
def test_a_genome_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        chromosome_sizes(tmp_path / name)
    assert "\n" not in str(told.value)
    assert not (tmp_path / f"{name}.fai").exists()


@pytest.mark.parametrize("damage", [slice(-40, None), slice(60, 64)])
def test_a_damaged_bgzipped_genome_is_told(tmp_path: Path, damage: slice) -> None:
    bgzip(tmp_path / "g.fa.gz", GENOME)
    content = bytearray((tmp_path / "g.fa.gz").read_bytes())
    del content[damage]
    (tmp_path / "g.fa.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"g\.fa\.gz: not a complete gzip file"):
        chromosome_sizes(tmp_path / "g.fa.gz")


def test_a_folder_is_no_genome(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file that can be indexed"):
        chromosome_sizes(tmp_path)
