"""From alleles in files to changes, windows and random changes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from l2g_interp.variants import Variant, VariantEffect, in_region
from l2g_interp.variants.changes import Change, change_of, letters_of
from l2g_interp.variants.random_changes import random_changes
from l2g_interp.variants.windows import window_around

#            1234567890123456789012345678901234567890
SEQUENCE = "ACGTTGCAAACCGGTTAGGCATTTACGATCNNNACCATGA"
LETTERS = letters_of({"chr1": SEQUENCE, "chrM": SEQUENCE[:20]})


def variant(position: int, ref: str, alt: str, chrom: str = "chr1") -> Variant:
    return Variant(chrom, position, ".", ref, alt)


@pytest.mark.parametrize(
    ("given", "expected", "kind"),
    [
        (variant(3, "G", "A"), Change("chr1", 2, "G", "A"), "SNV"),
        (variant(3, "g", "a"), Change("chr1", 2, "G", "A"), "SNV"),
        (variant(3, "GTT", "GAT"), Change("chr1", 3, "T", "A"), "SNV"),
        (variant(3, "GTT", "CTA"), Change("chr1", 2, "GTT", "CTA"), "MNV"),
        (variant(3, "G", "GAC"), Change("chr1", 3, "", "AC"), "insertion"),
        (variant(3, "GTT", "G"), Change("chr1", 3, "TT", ""), "deletion"),
        (variant(3, "GT", "CAA"), Change("chr1", 2, "GT", "CAA"), "delins"),
        (variant(3, "G", "A", "1"), Change("chr1", 2, "G", "A"), "SNV"),
        (variant(3, "G", "A", "MT"), Change("chrM", 2, "G", "A"), "SNV"),
    ],
)
def test_what_both_alleles_share_is_left_out(given: Variant, expected: Change, kind: str) -> None:
    change = change_of(given, LETTERS, 20)
    assert change == expected
    assert isinstance(change, Change)
    assert change.kind == kind


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (variant(3, "G", "."), "no alternative allele"),
        (variant(3, "G", "*"), "deleted by another"),
        (variant(3, "G", "<DEL>"), "symbolic"),
        (variant(3, "G", "<*>"), "symbolic"),
        (variant(3, "G", "G[chr1:9["), "breakend"),
        (variant(3, "G", "GT."), "breakend"),
        (variant(3, "G", "R"), "letters other"),
        (variant(3, "N", "A"), "letters other"),
        (variant(3, "G", "-"), "letters other"),
        (variant(3, "G", "A", "chr9"), "no such sequence"),
        (variant(0, "G", "A"), "outside"),
        (variant(40, "AC", "A"), "outside"),
        (variant(3, "C", "A"), "the other strand"),
        (variant(4, "AA", "A"), "the other strand"),
        (variant(3, "A", "G"), "swapped"),
        (variant(3, "A", "T"), "differs"),
        (variant(31, "A", "T"), "the reference has letters"),
        (variant(3, "G", "G"), "the same"),
        (variant(3, "G", "G" + 11 * "A"), "longer than half"),
    ],
)
def test_what_cannot_be_scored_is_told(given: Variant, reason: str) -> None:
    told = change_of(given, LETTERS, 20)
    assert isinstance(told, str)
    assert reason in told


def test_a_window_lies_around_the_change_and_moves_inwards_at_the_ends() -> None:
    def start(position: int) -> int:
        change = change_of(variant(position, SEQUENCE[position - 1], "A"), LETTERS, 11)
        assert isinstance(change, Change)
        window = window_around(change, LETTERS, 11)
        assert window is not None
        assert window.reference == SEQUENCE[window.start : window.start + 11]
        return window.start

    assert start(15) == 14 - 5
    assert start(3) == 0
    assert start(39) == len(SEQUENCE) - 11


def test_either_end_of_the_window_stays_where_the_length_changes() -> None:
    insertion, deletion = Change("chr1", 15, "", "AC"), Change("chr1", 15, "TA", "")
    window = window_around(insertion, LETTERS, 12)
    assert window is not None
    left, right = window.alternatives(insertion.start - window.start, 0, "AC")
    whole = SEQUENCE[:15] + "AC" + SEQUENCE[15:]
    assert left == whole[window.start : window.start + 12]
    assert right == whole[window.start + 2 : window.start + 14]
    window = window_around(deletion, LETTERS, 12)
    assert window is not None
    left, right = window.alternatives(deletion.start - window.start, 2, "")
    whole = SEQUENCE[:15] + SEQUENCE[17:]
    assert left == whole[window.start : window.start + 12]
    assert right == whole[window.start - 2 : window.start + 10]
    assert left[0] == window.reference[0]
    assert right[-1] == window.reference[-1]


def test_a_deletion_needs_bases_on_either_side() -> None:
    short = letters_of({"s": "ACGTACGTAC"})
    assert window_around(Change("s", 4, "A", "C"), short, 10) is not None
    assert window_around(Change("s", 4, "", "C"), short, 10) is not None
    assert window_around(Change("s", 4, "A", ""), short, 10) is None


@pytest.mark.parametrize(
    "change",
    [
        Change("chr1", 15, "T", "A"), Change("chr1", 15, "TAG", "CAT"), Change("chr1", 15, "", "ACGT"),
        Change("chr1", 15, "TA", ""), Change("chr1", 15, "TA", "CCC"),
    ],
)  # fmt: skip
def test_random_changes_are_of_the_kind_and_length_of_the_variant(change: Change) -> None:
    window = window_around(change, LETTERS, 32)
    assert window is not None
    drawn = random_changes(window, change, 300, 7)
    assert drawn == random_changes(window, change, 300, 7)
    assert drawn != random_changes(window, change, 300, 8)
    assert {(n_ref, len(alt)) for _, n_ref, alt in drawn} == {(change.n_ref, len(change.alt))}
    for at, n_ref, alt in drawn:
        there = window.reference[at : at + n_ref]
        assert "N" not in there
        if not change.longer:
            changed = [a != b for a, b in zip(there, alt, strict=True)]
            assert changed == [a != b for a, b in zip(change.ref, change.alt, strict=True)]
    assert len({at for at, _, _ in drawn}) > 15
    letters = Counter("".join(alt for _, _, alt in drawn))
    assert not change.alt or set(letters) == set("ACGT")


def test_random_changes_of_one_sequence_are_shared() -> None:
    one, other = Change("chr1", 15, "T", "A"), Change("chr1", 16, "A", "G")
    window = window_around(one, LETTERS, 32)
    assert window is not None
    assert random_changes(window, one, 20, 0) == random_changes(window, other, 20, 0)


def test_rows_of_a_region() -> None:
    rows = [
        VariantEffect("t", chrom, position, ".", ref, "C", "SNV", 0, 9, *(0.0,) * 4, 0, 1.0, 1.0)
        for chrom, position, ref in (("a", 10, "G"), ("a", 11, "GTT"), ("b", 10, "G"), ("a", 20, "G"))
    ]
    assert [row.position for row in in_region(rows, "a", 9, 10)] == [10]
    assert [row.position for row in in_region(rows, "a", 12, 20)] == [11, 20]
    assert in_region(rows, "a", 13, 19) == []


def test_windows_of_many_places_have_the_bases_of_the_sequence() -> None:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 200))
    letters = letters_of({"s": text})
    for _ in range(200):
        at, n_ref, n_alt = int(rng.integers(200)), int(rng.integers(4)), int(rng.integers(4))
        alt = "".join(rng.choice(list("ACGT"), n_alt))
        change = Change("s", min(at, 200 - n_ref), text[at : at + n_ref][: 200 - at], alt)
        window = window_around(change, letters, 40)
        assert window is not None
        whole = text[: change.start] + alt + text[change.start + change.n_ref :]
        for shown in window.alternatives(change.start - window.start, change.n_ref, alt):
            assert len(shown) == 40
            assert shown in whole
