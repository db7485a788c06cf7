import dataclasses

import numpy as np
import pytest
from matrices import motif_of, pattern_of, ppm_of, random_motifs

from l2g_core.errors import InputError
from l2g_interp import motifs
from l2g_interp.motifs import tomtom
from l2g_interp.records.types import Match
from motif_db.motif import Motif

KNOWN = {"AP-1": "ATGACTCA", "GATA": "AGATAAGAC", "DRE": "TATCGATAG", "Ohler1": "AGTGTGACC", "E-box": "GCAGCTGTT"}


@pytest.fixture(scope="module")
def database() -> list[Motif]:
    return [motif_of(text, name, symbol=name) for name, text in KNOWN.items()] + random_motifs(60)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_pattern_finds_its_motif(database, name, sign):
    matches = tomtom.match_motifs([pattern_of(ppm_of(KNOWN[name], 0.85), sign, flank=8)], database)
    assert [match.rank for match in matches] == [1, 2, 3, 4, 5]
    assert matches[0].label == name
    assert tomtom.significant(matches[0])
    assert not tomtom.significant(matches[-1])
    assert [match.p_value for match in matches] == sorted(match.p_value for match in matches)
    assert [match.q_value for match in matches] == sorted(match.q_value for match in matches)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (2, 0), (0, 3), (1, 2)])
@pytest.mark.parametrize("longer", ["motif", "pattern"])
def test_offset_and_strand_put_the_motif_on_the_pattern(reverse, left, right, longer):
    """The columns that `place` lays over one another are the same."""
    whole = ppm_of("CCATGACTCAGT", 0.9)
    part = whole[:, left : whole.shape[1] - right]
    query, known = (whole, part) if longer == "pattern" else (part, whole)
    known = motifs.reverse_complement(known) if reverse else known
    pattern = pattern_of(query, flank=5)
    match = tomtom.match_motifs([pattern], [Motif("x", "x", "db", known), *random_motifs(30)])[0]
    assert match.motif_id == "x"
    assert match.offset == (left if longer == "pattern" else -left)
    assert match.strand == ("-" if reverse else "+")
    assert match.overlap == part.shape[1]
    start, motif_start, drawn = motifs.place(query.shape[1], known, match.offset, match.strand)
    width = max(start + query.shape[1], motif_start + drawn.shape[1])
    on_axis = motifs.padded(query, start, width), motifs.padded(drawn, motif_start, width)
    both = (on_axis[0].sum(axis=0) > 0) & (on_axis[1].sum(axis=0) > 0)
    np.testing.assert_allclose(on_axis[0][:, both], on_axis[1][:, both])


def test_flat_ends_are_left_out_but_the_offset_counts_from_the_trimmed_pattern(database):
    ppm = np.hstack([np.full((4, 4), 0.25), ppm_of(KNOWN["AP-1"], 0.9)])
    pattern = pattern_of(ppm)  # contributions everywhere, so trimming keeps the flat columns
    match = tomtom.match_motifs([pattern], database)[0]
    assert (match.label, match.offset, match.overlap) == ("AP-1", 4, 8)
    assert tomtom.significant(match)


def flat(rng, width: int) -> np.ndarray:
    return rng.dirichlet([40] * 4, size=width).T


def test_flat_patterns_do_not_match_flat_motifs():
    """Euclidean distance finds flat columns alike: without the shuffles nearly all of these are 'significant'."""
    rng = np.random.default_rng(3)
    long_and_flat = [
        Motif(f"f{i}", "", "db", np.hstack([flat(rng, 8), rng.dirichlet([0.2] * 4, size=6).T])) for i in range(10)
    ]
    targets = [motif.ppm for motif in long_and_flat + random_motifs(60)]
    queries = [flat(rng, 8), *(np.hstack([rng.dirichlet([0.2] * 4, size=5).T, flat(rng, 8)]) for _ in range(9))]
    trusting = tomtom.compare(queries, targets, n_shuffles=0).q_value.min(axis=1)
    careful = tomtom.compare(queries, targets).q_value.min(axis=1)
    assert (trusting <= tomtom.SIGNIFICANT_Q).sum() >= 5
    assert (careful <= tomtom.SIGNIFICANT_Q).sum() <= 2
    assert (careful >= trusting).all()


def test_q_values_are_benjamini_hochberg_over_the_database(database):
    targets = [motif.ppm for motif in database]
    plain = tomtom.compare([ppm_of(KNOWN["GATA"], 0.9)], targets, n_shuffles=0)
    p_values = np.sort(plain.p_value[0])
    expected = np.minimum.accumulate((p_values * len(p_values) / np.arange(1, len(p_values) + 1))[::-1])[::-1]
    np.testing.assert_allclose(np.sort(plain.q_value[0]), np.minimum(expected, 1))


@pytest.mark.parametrize("n", [1, 5, 24])
def test_a_small_database_is_filled_up(database, n):
    """Without a warning (warnings are errors here), and no made-up motif in the result."""
    few = database[:n]
    matches = tomtom.match_motifs([pattern_of(ppm_of(KNOWN["AP-1"], 0.85))], few, n_matches=30)
    assert len(matches) == n
    assert {match.motif_id for match in matches} == {motif.id for motif in few}
    assert matches[0].label == "AP-1"
    assert tomtom.significant(matches[0])
    assert not any(tomtom.significant(match) for match in matches[1:])


def test_matches_are_different_factors():
    same_label = [motif_of("ATGACTCA", f"copy{i}", label="AP-1", symbol="kay") for i in range(4)]
    nameless = [motif_of("CATGACTCA", "Q9XYZ1"), motif_of("TGAGTCAT", "Q9XYZ2")]
    twin = motif_of("ATGACTCA", "CrebA", symbol="CrebA")
    motifs_ = [*nameless, *same_label, twin, *random_motifs(40)]
    labels = [match.label for match in tomtom.match_motifs([pattern_of(ppm_of("ATGACTCA", 0.9))], motifs_)]
    assert len(set(labels)) == 5
    assert set(labels[:2]) == {"AP-1", "CrebA"}  # one matrix, two known factors: both are listed
    assert not {"Q9XYZ1", "Q9XYZ2"} & set(labels)  # copies of unknown origin


def test_of_two_factors_with_one_matrix_the_better_supported_comes_first():
    shared = "TATCGATAG"
    motifs_ = [
        motif_of(shared, "BEAF-32", symbol="BEAF-32"),
        motif_of(shared, "Dref_1", label="DRE", symbol="Dref"),
        motif_of("TTATCGATAG", "Dref_2", label="DRE", symbol="Dref"),
        *random_motifs(40),
    ]
    matches = tomtom.match_motifs([pattern_of(ppm_of(shared, 0.9))], motifs_)
    assert [match.label for match in matches[:2]] == ["DRE", "BEAF-32"]
    assert matches[0].p_value == matches[1].p_value


def test_labels_fall_back_to_the_names_of_the_database():
    ppm = ppm_of("ACGT", 0.9)
    assert tomtom.label_of(Motif("MA1", "kay", "db", ppm, label="AP-1")) == "AP-1"
    assert tomtom.label_of(Motif("MA1", "kay", "db", ppm)) == "kay"
    assert tomtom.label_of(Motif("MA1", "", "db", ppm)) == "MA1"


def test_the_result_does_not_depend_on_the_other_patterns(database):
    patterns = [
        pattern_of(ppm_of(text, 0.8), name=f"pos_patterns.pattern_{i}") for i, text in enumerate(KNOWN.values())
    ]
    together = tomtom.match_motifs(patterns, database)
    assert together == [match for pattern in patterns for match in tomtom.match_motifs([pattern], database)]


def test_patterns_with_unread_bases_are_matched(database):
    ppm = ppm_of(KNOWN["DRE"], 0.9) * 0.9  # one in ten seqlets has an N there
    assert tomtom.match_motifs([pattern_of(ppm)], database)[0].label == "DRE"


def test_best_matches_leave_out_what_is_not_significant(database):
    known, unknown = ppm_of(KNOWN["DRE"], 0.9), ppm_of("CCCCCCTTTTTT", 0.5)
    patterns = [pattern_of(known, name="a"), pattern_of(unknown, name="b")]
    best = tomtom.best_matches(tomtom.match_motifs(patterns, database))
    assert best.keys() == {("dev", "a")}
    assert isinstance(best["dev", "a"], Match)


def test_no_patterns_no_matches(database):
    assert tomtom.match_motifs([], database) == []
    assert tomtom.compare([], [motif.ppm for motif in database]).q_value.shape == (0, len(database))


def test_no_motifs():
    with pytest.raises(InputError, match="--database"):
        tomtom.match_motifs([pattern_of(ppm_of("ATGACTCA"))], [])


def test_rows_can_be_written(database):
    match = tomtom.match_motifs([pattern_of(ppm_of(KNOWN["DRE"], 0.9))], database, n_matches=1)[0]
    kinds = {type(value) for value in dataclasses.asdict(match).values()}
    assert kinds == {str, int, float}  # no numpy scalars
