"""Files as people have them: any name and packing, byte-order marks, damage, endless lines, bombs."""

from __future__ import annotations

import bz2
import gzip
import tracemalloc
from pathlib import Path

import pytest

from l2g_core.dna import open_text, read_bed, read_fasta
from l2g_core.errors import InputError
from l2g_core.text import LONGEST_LINE

FASTA = b">a\nACGT\n>b\nGG\n"


@pytest.mark.parametrize("name", ["x.fa", "x.fa.gz", "x.txt"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_is_read_by_what_it_is_not_by_its_name(tmp_path: Path, name: str, mark: bytes, pack) -> None:
    (tmp_path / name).write_bytes(pack(mark + FASTA))
    data = read_fasta(tmp_path / name)
    assert (data.ids, data.sequences) == (["a", "b"], ["ACGT", "GG"])


def test_a_byte_order_mark_is_left_out_after_going_back_to_the_start(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_bytes(gzip.compress(b"\xef\xbb\xbf" + FASTA))
    with open_text(tmp_path / "x.fa") as handle:
        assert handle.read(1) == ">"
        handle.seek(0)
        assert handle.read() == FASTA.decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bz2.compress(FASTA), "compressed by bzip2; unpack it"),
        (FASTA.decode().encode("utf-16"), "not a text file .* UTF-16; save it as UTF-8"),
        (b"\x43\x27\x41\x1a" + bytes(20), "2bit, .* twoBitToFa"),
        (b">a\nAC\xe9GT\n", "not a text file .* 0xe9"),
        (gzip.compress(FASTA, mtime=0) + b"more", "not a complete gzip"),
    ],
)
def test_what_is_not_text_is_named_with_the_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.fa").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.fa: {message}"):
        read_fasta(tmp_path / "x.fa")


def bomb(path: Path, start: bytes, repeated: bytes, times: int) -> Path:
    with gzip.open(path, "wb") as file:
        file.write(start)
        for _ in range(times):
            file.write(repeated)
    return path


@pytest.mark.parametrize(
    ("start", "repeated", "message"),
    [
        (b">a\n", b"A" * 2**20, "a line of more than 16 MiB|expands more than 250-fold"),
        (b">a\n", (b"A" * 63 + b"\n") * 2**14, "expands more than 250-fold"),
    ],
)
def test_a_small_file_cannot_fill_the_memory(tmp_path: Path, start: bytes, repeated: bytes, message: str) -> None:
    path = bomb(tmp_path / "x.fa.gz", start, repeated, 100)
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        read_fasta(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # it would be 100 MB and more


def test_one_huge_line_is_refused_plain_or_in_a_bed(tmp_path: Path) -> None:
    (tmp_path / "x.bed").write_bytes(b"chr1\t1\t2" + b"\t" * (LONGEST_LINE + 200_000))
    (tmp_path / "g.fa").write_bytes(b">chr1\nACGT\n")
    with pytest.raises(InputError, match=r"x\.bed: a line of more than 16 MiB"):
        read_bed(tmp_path / "x.bed", tmp_path / "g.fa")


def test_a_sequence_longer_than_any_model_reads_is_taken_for_a_genome(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_bytes(b">chr1\n" + (b"ACGT" * 2**18 + b"\n") * (LONGEST_LINE // 2**20 + 1))
    with pytest.raises(InputError, match=r"record 'chr1' has .* give a genome as --genome"):
        read_fasta(tmp_path / "x.fa")
