"""Tracks on matplotlib: letters stand at their positions, the band is the standard error, nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from planted import planted_attributions

from l2g_core.errors import InputError
from l2g_interp import draw_logo, draw_track
from l2g_interp.records.types import Attributions

LENGTH = 120


@pytest.fixture(scope="module")
def attributions() -> Attributions:
    return planted_attributions(3, length=LENGTH)


@pytest.fixture(autouse=True)
def _no_figure_is_left() -> Iterator[None]:
    yield
    plt.close("all")


def letters_and_band(ax) -> tuple[list, list]:
    bars = [patch for container in ax.containers for patch in container]
    return [patch for patch in ax.patches if patch not in bars], bars


def test_letters_stand_at_their_positions_as_high_as_their_contributions(attributions: Attributions) -> None:
    ax = draw_track(attributions, 1, "dev", start=30, end=70)
    contributions = attributions["dev"].contributions[1, :, 30:70].sum(axis=0)
    letters, _ = letters_and_band(ax)
    boxes = sorted((letter.get_path().get_extents() for letter in letters), key=lambda box: box.x0)
    assert [round((box.x0 + box.x1) / 2) for box in boxes] == [*(30 + np.flatnonzero(contributions))]
    np.testing.assert_allclose([box.height for box in boxes], np.abs(contributions[contributions != 0]), rtol=1e-5)
    assert ax.get_xlim() == (29.5, 69.5)


def test_the_band_is_so_many_standard_errors_to_either_side(attributions: Attributions) -> None:
    ax = draw_track(attributions, 0, "hk", band=3.0)
    _, bars = letters_and_band(ax)
    contributions = attributions["hk"].contributions[0].sum(axis=0)
    error = attributions["hk"].standard_error[0]
    assert len(bars) == LENGTH
    np.testing.assert_allclose([bar.get_y() for bar in bars], contributions - 3 * error, atol=1e-6)
    np.testing.assert_allclose([bar.get_height() for bar in bars], 6 * error, atol=1e-6)
    low, high = ax.get_ylim()
    assert low <= (contributions - 3 * error).min()
    assert high >= (contributions + 3 * error).max()


def test_hypothetical_contributions_are_four_letters_and_no_band(attributions: Attributions) -> None:
    ax = draw_track(attributions, 0, "dev", end=20, hypothetical=True)
    letters, bars = letters_and_band(ax)
    assert (len(letters), len(bars)) == (80, 0)
    assert not letters_and_band(draw_track(attributions, 0, "dev", band=0.0))[1]


def test_tracks_that_share_an_axis_all_fit(attributions: Attributions) -> None:
    _, axes = plt.subplots(2, 1, sharex=True, sharey=True)
    alone = [draw_track(attributions, 0, target).get_ylim() for target in attributions.targets]
    for ax, target in zip(axes, attributions.targets, strict=True):
        draw_track(attributions, 0, target, ax=ax)
    assert axes[0].get_ylim() == axes[1].get_ylim() == (min(a[0] for a in alone), max(a[1] for a in alone))


def test_an_id_is_text_and_no_formula(attributions: Attributions) -> None:
    strange = Attributions(["$\\frac{", "b", "c"], attributions.one_hot, attributions.lengths, attributions.by_target)
    ax = draw_track(strange, 0, "dev", end=10)
    ax.figure.canvas.draw()
    assert ax.get_title(loc="left") == "$\\frac{: dev"


def test_a_logo_may_start_anywhere() -> None:
    logo = draw_logo(np.eye(4), plt.subplots()[1], start=17)
    assert list(logo.df.index) == [17, 18, 19, 20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "liver"), "no target 'liver'"),
        ((3, "dev"), "rows 0 to 2"),
        ((0, "dev", 10, 500), "has 120 bp"),
        ((0, "dev", 10, 10), "10 to 10 is not a range within sequence"),
    ],
)
def test_what_is_missing_is_an_error(attributions: Attributions, arguments: tuple, message: str) -> None:
    row, target, *stretch = arguments
    with pytest.raises(InputError, match=message):
        draw_track(attributions, row, target, **dict(zip(("start", "end"), stretch, strict=False)))
