from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2g_core.dna import decode, one_hot
from l2g_core.errors import InputError
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles


def pairs(sequence: str) -> Counter:
    return Counter(pairwise(sequence))


@settings(deadline=None, max_examples=40)
@given(st.text(alphabet="ACGTN", min_size=1, max_size=60), st.integers(0, 2**40))
def test_dinucleotides_gaps_and_ends_are_kept(sequence, seed):
    for shuffled in dinucleotide_shuffles(one_hot([sequence])[0], 3, seed):
        letters = decode(shuffled)
        assert [c == "N" for c in letters] == [c == "N" for c in sequence]
        assert pairs(letters) == pairs(sequence)
        for old, new in zip(sequence.split("N"), letters.split("N"), strict=True):
            assert (old[:1], old[-1:]) == (new[:1], new[-1:])
            assert pairs(old) == pairs(new)


@pytest.mark.parametrize(("sequence", "distinct"), [("ACCCACGATGATA", 72), ("GATTACAGAT", None)])
def test_every_shuffle_is_equally_likely(sequence, distinct):
    same_ends = (
        {sequence[0] + "".join(p) + sequence[-1] for p in set(permutations(sequence[1:-1]))} if not distinct else None
    )
    possible = {s for s in same_ends if pairs(s) == pairs(sequence)} if same_ends else None
    n = distinct or len(possible or ())
    draws = Counter(decode(s) for s in dinucleotide_shuffles(one_hot([sequence])[0], 200 * n, 1))
    assert len(draws) == n
    if possible is not None:
        assert set(draws) == possible
    chi_square = sum((count - 200) ** 2 / 200 for count in draws.values())
    assert chi_square < n - 1 + 4 * np.sqrt(2 * (n - 1))


def test_a_sequence_does_not_depend_on_its_neighbours_or_its_padding():
    batch = one_hot(["ACGTTGCAAGGTACC", "TTTGACCA", "CCATGGACATTAG"])
    together = dinucleotide_shuffles(batch, 4, 7)
    alone = dinucleotide_shuffles(one_hot(["TTTGACCA"])[0], 4, 7)
    np.testing.assert_array_equal(together[1][:, :, :8], alone)
    assert not together[1][:, :, 8:].any()
    assert together.dtype == np.int8
    assert not np.array_equal(together, dinucleotide_shuffles(batch, 4, 8))


def test_the_number_of_cores_does_not_matter():
    code = (
        "import hashlib; from l2g_core.dna import one_hot;"
        "from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles as d;"
        "print(hashlib.sha256(d(one_hot(['ACGTTGCAAGGTACCAGGATTACA'])[0], 200, 3).tobytes()).hexdigest())"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"RAYON_NUM_THREADS": n},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for n in ("1", "5")
    }
    assert len(results) == 1


def test_a_sequence_with_one_order_is_its_own_reference():
    x = one_hot(["AAAAAA"])
    np.testing.assert_array_equal(dinucleotide_shuffles(x, 2, 0)[0], np.repeat(x, 2, 0))


def test_what_is_no_sequence_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        dinucleotide_shuffles(one_hot(["ACGT"])[0], 0, 0)
    with pytest.raises(InputError, match="not one-hot"):
        dinucleotide_shuffles(np.ones((4, 5), np.int8), 1, 0)


def test_no_sequences_give_no_references():
    assert dinucleotide_shuffles(np.empty((0, 4, 9), np.int8), 3, 0).shape == (0, 3, 4, 9)
