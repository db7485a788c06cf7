"""Hits replaced by background letters, against a network whose need of each motif is known by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from interacting_model import A, B, C, D, E, F, Interacting

from l2g_core import dna
from l2g_core.errors import InputError
from l2g_interp.effects.removals import needed_of, remove_hits
from l2g_interp.effects.replaced import Span, draw_letters, free_spans, replaced
from l2g_interp.records.types import ALL_HITS, ALL_NAMED, Attributions, Hit, Removal, TargetAttributions

N, LENGTH, STARTS = 24, 120, (10, 45, 80)
SITES = {"spaced": (A, B), "either": (C, D), "both": (E, F), "sum": (A, C)}


def made() -> tuple[Attributions, list[Hit]]:
    """Random DNA with two sites of each of the pairs in `SITES`, a pair in each sequence in turn, and their hits."""
    rng = np.random.default_rng(2)
    texts, hits = [], []
    for row in range(4 * N):
        target, motifs = list(SITES.items())[row % 4]
        letters = rng.choice(list("ACGT"), LENGTH)
        for start, motif in zip(STARTS, motifs, strict=False):
            strand = "+-"[int(rng.integers(2))]
            site = motif if strand == "+" else dna.reverse_complement(motif)
            letters[start : start + len(motif)] = list(site)
            place = (row, f"s{row}", start, start + len(motif), strand)
            hits.append(Hit(target, f"planted/{motif}", "+", *place, 0.9, 1.5, 0, motif))
        texts.append("".join(letters))
    one_hot = dna.one_hot(texts)
    zero = np.zeros(len(texts), np.float32)
    blank = TargetAttributions(
        one_hot, np.zeros(one_hot.shape, np.float32), zero, zero, zero, np.zeros((len(texts), LENGTH), np.float32), zero
    )
    lengths = np.full(len(texts), LENGTH)
    return Attributions([f"s{i}" for i in range(len(texts))], one_hot, lengths, dict.fromkeys(SITES, blank)), hits


MATRICES = {("planted", m): dna.one_hot([m])[0].astype(float) for m in (A, B, C, D, E, F)}


@pytest.fixture(scope="module")
def removed() -> dict[tuple[str, str], Removal]:
    attributions, hits = made()
    rows = remove_hits(Interacting().eval(), attributions, hits, (), MATRICES)
    return {(row.target, row.name or row.pattern): row for row in rows}


@pytest.mark.parametrize(
    ("target", "motif", "loss"),
    [("spaced", A, 2), ("spaced", B, 1), ("either", C, 0), ("either", D, 0), ("both", E, 4), ("both", F, 4),
     ("sum", A, 2), ("sum", C, 1)],
)  # fmt: skip
def test_the_loss_is_what_arithmetic_says(removed: dict, target: str, motif: str, loss: float) -> None:
    row = removed[target, motif]
    assert (row.with_hits, row.n_sequences, row.n_hits, row.n_controls) == (N, N, N, N)
    assert row.loss == pytest.approx(loss, abs=0.15)
    assert row.loss_low <= row.loss <= row.loss_high
    assert row.control == pytest.approx(0, abs=0.1)
    assert row.needed == ("yes" if loss else "not shown")
    assert row.contribution == pytest.approx(1.5)
    assert np.isnan(row.singly)
    assert row.remade == 0


def test_redundancy_shows_as_much_lost_together_and_little_singly(removed: dict) -> None:
    either, both, total = (removed[target, ALL_NAMED] for target in ("either", "both", "sum"))
    assert either.loss == pytest.approx(2, abs=0.1)
    assert either.singly == pytest.approx(0, abs=0.1), "each stands in for the other"
    assert both.singly == pytest.approx(8, abs=0.4), "each is needed, and the loss counted twice"
    assert both.loss == pytest.approx(4, abs=0.1)
    assert total.singly == pytest.approx(total.loss, abs=0.1)
    assert total.n_hits == 2 * N
    assert total.contribution == pytest.approx(3)
    for row in (either, both, total):
        assert row.share == pytest.approx(1, abs=0.1)
        assert row.share_low <= row.share <= row.share_high
        assert removed[row.target, ALL_HITS].loss == pytest.approx(row.loss)


@pytest.mark.slow
def test_hits_that_only_resemble_count_only_among_all() -> None:
    from dataclasses import replace

    attributions, hits = made()
    rows = remove_hits(Interacting().eval(), attributions, [replace(h, tier=2) for h in hits if h.target == "sum"])
    assert [(r.pattern, round(r.loss)) for r in rows] == [(ALL_HITS, 3)]


@pytest.mark.slow
def test_the_draws_and_the_sample_depend_on_the_seed_alone() -> None:
    attributions, hits = made()
    mine = [hit for hit in hits if hit.target == "sum"]

    def run(**given) -> list[Removal]:
        return remove_hits(Interacting().eval(), attributions, mine, n_sequences=12, **given)

    first = run()
    assert [row.n_sequences for row in first] == [12] * 4
    assert repr(run(batch_size=5)) == repr(first)
    assert repr(run(seed=1)) != repr(first)


def test_letters_come_from_shuffles_and_never_make_the_site_again() -> None:
    text, motif = "CG" * 20 + "AATTAATT" + "ATAATTATAATTATAATTATTAAT", "AATT"  # rich in what the motif is made of
    x = dna.one_hot([text])[0]
    span = Span(40, 48, dna.one_hot([motif])[0].astype(float))
    letters = draw_letters(x, 300, 0)
    drawn, remade = replaced(x, [span], letters)
    plain, _ = replaced(x, [Span(40, 48)], letters)
    again = [motif in dna.decode(each[:, 37:51]) for each in plain]
    assert any(again), "else this tests nothing"
    left = sum(motif in dna.decode(each[:, 37:51]) for each in drawn)
    assert left < 0.2 * sum(again)
    assert remade == left / 300, "what all tries made again is told"
    np.testing.assert_array_equal(drawn[:, :, :40], np.repeat(x[None, :, :40], 300, axis=0))
    np.testing.assert_array_equal(drawn[:, :, 48:], np.repeat(x[None, :, 48:], 300, axis=0))


def test_a_site_that_cannot_be_removed_is_told() -> None:
    x = dna.one_hot(["A" * 60])[0]
    _, remade = replaced(x, [Span(20, 28, dna.one_hot(["A" * 8])[0].astype(float))], draw_letters(x, 4, 0))
    assert remade == 1


def test_controls_keep_off_hits_gaps_and_each_other() -> None:
    known = np.ones(60, dtype=bool)
    known[50:] = False
    rng = np.random.default_rng(0)
    for _ in range(200):
        spans = free_spans(known, [(10, 25), (30, 34)], [8, 5, 3], rng)
        assert spans is not None
        covered = np.concatenate([np.arange(s.start, s.end) for s in spans])
        assert len(set(covered.tolist())) == 16
        assert known[covered].all()
        assert not set(covered.tolist()) & {*range(10, 25), *range(30, 34)}
    assert free_spans(known, [(0, 45)], [8], rng) is None
    assert free_spans(known, [], [80], rng) is None


def test_needed_is_told_only_where_the_interval_says_so() -> None:
    def told(low: float, high: float, contribution: float) -> str:
        return needed_of({
            "excess": (low + high) / 2, "excess_low": low, "excess_high": high, "contribution": contribution,
        })  # fmt: skip

    assert told(0.1, 0.3, 1.0) == "yes"
    assert told(-0.3, -0.1, -1.0) == "yes"
    assert told(-0.3, -0.1, 1.0) == "opposite"
    assert told(-0.1, 0.1, 1.0) == "not shown"
    assert told(np.nan, np.nan, 1.0) == ""


def test_what_makes_no_sense_is_refused() -> None:
    attributions, hits = made()
    with pytest.raises(InputError, match="no target 'spaced'"):
        remove_hits(torch_sum(), attributions, hits)
    with pytest.raises(InputError, match="9 sequences: at least 10"):
        remove_hits(torch_sum(), attributions, hits, n_sequences=9)
    with pytest.raises(InputError, match="0 draws"):
        remove_hits(torch_sum(), attributions, hits, n_draws=0)
    assert remove_hits(torch_sum(), attributions, []) == []


def torch_sum():
    from counting_model import Counter

    return Counter().eval()
