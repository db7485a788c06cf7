"""Measured values: ids as our tables write them, gaps, and what cannot be right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import planted

from l2g_core.errors import InputError
from l2g_interp.records.attributions_file import write_attributions
from l2g_interp.records.observed import read_observed

IDS = ["=a", "-b", "'c", "d e"]


@pytest.fixture
def attributions(tmp_path: Path) -> Path:
    write_attributions(tmp_path / "attributions.h5", replace(planted(4, 60)[0], ids=IDS))
    return tmp_path / "attributions.h5"


def observed(attributions: Path, *lines: str) -> dict[str, np.ndarray]:
    path = attributions.with_name("observed.tsv")
    path.write_text("".join(line.replace("|", "\t") + "\n" for line in lines))
    return read_observed(path, attributions)


def test_ids_round_trip_and_gaps_are_not_measured(attributions: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = observed(attributions, "dev|id|other", "1|'=a|x", "2|'-b|x", "NA|'c|x")
    np.testing.assert_equal(found["dev"], [1, 2, np.nan, np.nan])
    assert "no row for 1 of the 4 sequences" in caplog.text
    np.testing.assert_equal(observed(attributions, "id|dev", "=a|1", "-b")["dev"], [1, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("id|dev", "=a|1", "'=a|2"), "lines 2 and 3 are both about '=a'"),
        (("id|dev", "x|1"), "none of its 1 ids"),
        (("id|dev|dev", "=a|1|2"), "two columns are called 'dev'"),
        (("id|dev", "=a|1,5"), "line 2: dev is '1,5', which is not a number"),
        (("id|dev", "=a|inf"), "line 2: dev is 'inf'"),
        (("id|x", "=a|1"), "needs a column 'id' and one named like a target"),
        ((), "it has none"),
    ],
)
def test_what_cannot_be_right_is_refused(attributions: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        observed(attributions, *lines)
