"""What stands out of shuffled sequences: segments against their definition, and the rate that is promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2g_interp.motifs.standing_out import bars, maximal_segments, segments, strongest_windows


def by_definition(scores: list[float]) -> list[tuple[int, int]]:
    """Take the best stretch, then the best of what lies left and right of it, as Ruzzo and Tompa define them."""
    total = np.concatenate([[0.0], np.cumsum(scores)])
    stretches = [
        (total[j] - total[i], -(j - i), i, j) for i in range(len(scores)) for j in range(i + 1, len(scores) + 1)
    ]
    best = max(stretches, default=(0.0, 0, 0, 0))
    if best[0] <= 0:
        return []
    _, _, start, end = best
    right = [(a + end, b + end) for a, b in by_definition(scores[end:])]
    return [*by_definition(scores[:start]), (start, end), *right]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(-9, 9).map(lambda n: n + 0.0), max_size=14))
def test_maximal_segments_are_those_of_the_definition(values: list[float]) -> None:
    scores = [v + 1e-3 * np.sqrt(2) ** i for i, v in enumerate(values)]  # no two sums are equal
    found = maximal_segments(np.array(scores))
    assert [(a, b) for a, b, _ in found] == by_definition(scores)
    for start, end, left in found:
        assert left == pytest.approx(sum(scores[start:end]))


def test_the_promised_share_of_segments_is_by_chance() -> None:
    """Half of the sequences have a site; the others are like the controls. About one segment in ten may be chance."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (900, 200))
    profiles, controls = list(noise[:600]), list(noise[600:])
    for profile in profiles[:300]:
        profile[100:108] += 4.0
    found = bars(profiles, controls)
    per_sequence = [[s for s in segments(p, found) if s.total > 0] for p in profiles]
    on_site = [any(s.start < 108 and s.end > 100 for s in own) for own in per_sequence[:300]]
    assert np.mean(on_site) > 0.95
    false = sum(s.end <= 100 or s.start >= 108 for own in per_sequence[:300] for s in own) + sum(
        map(len, per_sequence[300:])
    )
    assert 0 < false / sum(map(len, per_sequence)) < 0.16


def test_of_more_of_the_same_nothing_passes_the_rate() -> None:
    """What is left is what one in ten shuffled sequences has, of either sign, and it is said."""
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 1, (200, 150))
    found = bars(list(noise[:100]), list(noise[100:]))
    assert not any(bar.by_rate for bar in found)
    assert np.mean([bool(segments(p, found)) for p in noise[:100]]) < 0.3


def test_negative_segments_have_a_bar_of_their_own() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.1, (100, 150))
    profiles = list(noise[:50])
    for profile in profiles:
        profile[40:47] -= 2.0
    found = segments(profiles[0], bars(profiles, list(noise[50:])), row=7)
    assert [(s.row, s.start, s.end) for s in found] == [(7, 40, 47)]
    assert found[0].total == pytest.approx(profiles[0][40:47].sum())


def test_one_in_five_controls_reaches_the_strongest_window() -> None:
    rng = np.random.default_rng(6)
    controls = list(rng.normal(0, 1, (200, 60)))
    least = strongest_windows(controls, [5, 9])
    for (sign, width), value in least.items():
        sums = [np.convolve(sign * c, np.ones(width), "valid").max() for c in controls]
        assert np.mean(np.array(sums) >= value) == pytest.approx(0.2, abs=0.006)
    assert strongest_windows([np.zeros(3)], [5])[1, 5] == np.inf


def test_where_few_sequences_have_a_site_the_strongest_of_the_controls_is_the_bar() -> None:
    """Shuffles have chance sites, too: in a whole library no height has ten times as many segments. It is said."""
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 0.1, (400, 120))
    for row in (*range(12), *range(300, 306)):  # as often by chance as a third of the sites
        noise[row, 50:57] += 1.0
    found = bars(list(noise[:300]), list(noise[300:]))
    assert not any(bar.by_rate for bar in found)
    stands_out = [segments(p, found) for p in noise[:300]]
    assert all(any(s.start < 57 and s.end > 50 for s in own) for own in stands_out[:12])
    reached = np.mean([bool([s for s in segments(p, found) if s.total > 0]) for p in noise[300:]])
    assert reached == pytest.approx(0.1, abs=0.02)
    assert all(bar.by_rate for bar in bars(list(noise[:12]), list(noise[306:])))
