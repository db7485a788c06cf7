import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matrices import ppm_of

from l2g_interp import motifs
from l2g_interp.records.types import Pattern, Seqlets


def pattern_of(cwm: np.ndarray, starts: list[int], is_revcomp: list[bool]) -> Pattern:
    width = cwm.shape[1]
    start = np.array(starts)
    seqlets = Seqlets(np.arange(len(start)), start, start + width, np.array(is_revcomp))
    return Pattern("dev", "pos_patterns.pattern_0", "+", np.abs(cwm), cwm, cwm, seqlets)


@given(st.text("ACGT", min_size=1, max_size=20))
def test_reverse_complement_is_an_involution_and_pairs_the_bases(text):
    ppm = ppm_of(text)
    other = motifs.reverse_complement(ppm)
    assert motifs.consensus(other) == text[::-1].translate(str.maketrans("ACGT", "TGCA"))
    np.testing.assert_array_equal(motifs.reverse_complement(other), ppm)


@pytest.mark.parametrize(
    ("heights", "options", "span"),
    [
        ([0, 0.1, 1, 0.5, 0.3, 0.2, 0], {}, (2, 5)),  # 0.3 of the largest is kept
        ([0, 0.1, -1, 0.5, -0.3, 0.2, 0], {}, (2, 5)),  # the sign does not matter
        ([0, 0.1, 1, 0.1, 0.9, 0.2, 0], {}, (2, 5)),  # a gap inside stays
        ([0, 0.1, 1, 0.5, 0.3, 0.2, 0], {"flank": 1}, (1, 6)),
        ([1, 1], {"flank": 4}, (0, 2)),
        ([0, 0, 0], {}, (0, 3)),
        ([0, 0.1, 1, 0.5, 0.3, 0.2, 0], {"threshold": 0.6}, (2, 3)),
    ],
)
def test_trim_span(heights, options, span):
    cwm = np.zeros((4, len(heights)))
    cwm[1] = heights
    assert motifs.trim_span(cwm, **options) == span


def test_trimming_moves_the_seqlets_of_both_strands():
    cwm = np.zeros((4, 10))
    cwm[0, 2:6] = 1
    result = motifs.trimmed(pattern_of(cwm, [100, 100], [False, True]))
    assert result.cwm.shape == (4, 4)
    assert result.seqlets.start.tolist() == [102, 104]  # columns 2-5 read backwards are bases 4-7
    assert result.seqlets.end.tolist() == [106, 108]


def test_information_is_two_bits_for_a_sure_base_and_none_for_a_uniform_column():
    ppm = np.array([[1, 0.25, 0.5], [0, 0.25, 0.5], [0, 0.25, 0], [0, 0.25, 0]])
    np.testing.assert_allclose(motifs.information(ppm), [2, 0, 1])
    np.testing.assert_allclose(motifs.information_logo(ppm).sum(axis=0), [2, 0, 1])


def test_information_against_a_background():
    ppm = np.array([[1.0], [0], [0], [0]])
    assert motifs.information(ppm, (0.5, 0.2, 0.2, 0.1)) == pytest.approx(1)


def test_normalised_keeps_proportions_and_fills_empty_columns():
    result = motifs.normalised(np.array([[2.0, 0], [1, 0], [1, 0], [0, 0]]))
    np.testing.assert_allclose(result, [[0.5, 0.25], [0.25, 0.25], [0.25, 0.25], [0, 0.25]])


@pytest.mark.parametrize(
    ("column", "letter"),
    [
        ([0.9, 0.1, 0, 0], "A"),
        ([0.5, 0.5, 0, 0], "M"),
        ([0.45, 0.05, 0.45, 0.05], "R"),
        ([0.34, 0.33, 0.33, 0], "V"),
        ([0.25, 0.25, 0.25, 0.25], "N"),
        ([0.55, 0.15, 0.15, 0.15], "A"),
        ([0, 0, 0, 0], "N"),
    ],
)
def test_consensus(column, letter):
    assert motifs.consensus(np.array([column], dtype=float).T) == letter


@given(offset=st.integers(-12, 12), width=st.integers(1, 12), size=st.integers(1, 12), strand=st.sampled_from("+-"))
def test_placing_keeps_the_offset_and_starts_the_axis_at_zero(offset, width, size, strand):
    rng = np.random.default_rng(0)
    motif = rng.dirichlet([1] * 4, size=size).T
    pattern_start, motif_start, drawn = motifs.place(width, motif, offset, strand)
    assert motif_start - pattern_start == offset
    assert min(pattern_start, motif_start) == 0
    np.testing.assert_array_equal(drawn, motif if strand == "+" else motifs.reverse_complement(motif))


def test_padded_puts_the_matrix_where_it_belongs():
    matrix = np.arange(8.0).reshape(4, 2)
    result = motifs.padded(matrix, 1, 4)
    np.testing.assert_array_equal(result[:, 1:3], matrix)
    assert not result[:, [0, 3]].any()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("ATGACTCA", "ATGACTCA", 1.0),
        ("ATGACTCA", "TGAGTCAT", 1.0),  # the other strand
        ("ATGACTCA", "CATGACTCA", 1.0),  # shifted
        ("ATGACTCA", "ATGTCTCA", 0.0),  # one sure base differs
        ("ATGACTCA", "GGG", 0.0),
    ],
)
def test_similarity(first, second, expected):
    assert motifs.similarity(ppm_of(first), ppm_of(second)) == pytest.approx(expected)
    assert motifs.similarity(ppm_of(second), ppm_of(first)) == pytest.approx(expected)


def test_similarity_is_the_worst_column():
    assert motifs.similarity(ppm_of("ACGTT", 1.0), ppm_of("ACGTT", 0.9)) == pytest.approx(0.9)
