"""Two motifs together, against networks in which every interaction is known by arithmetic."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest
from counting_model import Counter as CountingModel
from interacting_model import BONUS, MOTIFS, SPACING, Interacting, Probability

from l2g_core import dna
from l2g_core.errors import InputError
from l2g_interp.effects.arrangements import FIRST, SECOND, Site, draw_places, orientations, planted
from l2g_interp.effects.backgrounds import draw_backgrounds
from l2g_interp.effects.interactions import signed_rank
from l2g_interp.effects.pairs import kind_of, plant_pairs
from l2g_interp.effects.scales import SCALES
from l2g_interp.records.types import PairEffect


def random_dna(n: int, length: int, seed: int = 0) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 4, (n, length))
    return np.eye(4, dtype=np.int8)[codes].transpose(0, 2, 1).copy()


def exact(*names: str) -> dict[str, np.ndarray]:
    return {name: dna.one_hot([MOTIFS[name]])[0].astype(float) for name in names}


@pytest.fixture(scope="module")
def one_hot() -> np.ndarray:
    return random_dna(30, 120)


def plant(model, motifs: dict[str, np.ndarray], one_hot: np.ndarray, **given) -> list[PairEffect]:
    return plant_pairs(model.eval(), motifs, one_hot, **({"spacings": (0, SPACING, 15)} | given))


def kinds(rows: list[PairEffect], target: str) -> Counter[tuple[str, str, str]]:
    return Counter((r.first, r.second, r.kind) for r in rows if r.target == target and r.kind != "additive")


def test_an_interaction_is_found_at_its_spacing_and_orientation_and_nowhere_else(one_hot: np.ndarray) -> None:
    rows = plant(Interacting(), exact("A", "B"), one_hot)
    assert len(rows) == (4 + 2 * 3) * 3 * 4, "orientations, spacings, targets"
    (found,) = (r for r in rows if r.target == "spaced" and r.kind != "additive")
    assert (found.first, found.second, found.first_strand, found.second_strand) == ("A", "B", "+", "-")
    assert (found.spacing, found.distance, found.kind) == (SPACING, SPACING + 8, "synergistic")
    assert found.interaction == found.excess == pytest.approx(BONUS)
    assert (found.first_effect, found.second_effect) == pytest.approx((2, 1))
    assert found.interaction_low <= found.interaction <= found.interaction_high
    assert found.p_value < 1e-4
    assert found.q_value < 0.01
    others = [r for r in rows if r is not found]
    assert all(abs(r.interaction) < 0.2 and r.q_value > 0.05 for r in others)


@pytest.mark.slow
def test_enough_alone_is_antagonistic_and_needed_together_synergistic(one_hot: np.ndarray) -> None:
    rows = plant(Interacting(), exact("C", "D", "E", "F"), one_hot)
    assert kinds(rows, "either") == {
        ("C", "D", "antagonistic"): 12, ("C", "C", "antagonistic"): 9, ("D", "D", "antagonistic"): 9,
    }  # fmt: skip
    assert kinds(rows, "both") == {("E", "F", "synergistic"): 12}
    assert not kinds(rows, "sum")
    both = [r for r in rows if (r.target, r.first, r.second) == ("both", "E", "F")]
    assert all(r.interaction == pytest.approx(4, abs=0.5) for r in both)


@pytest.mark.slow
def test_what_only_saturates_adds_up_on_the_logit(one_hot: np.ndarray) -> None:
    motifs = exact("A", "C", "repressor")
    plain = kinds(plant(Probability(), motifs, one_hot), "probability")
    assert plain[("A", "A", "antagonistic")] == 9
    assert plain[("A", "repressor", "lowers")] == 12, "they pull in opposite ways: only the direction is told"
    assert not kinds(plant(Probability(), motifs, one_hot, scale="logit"), "probability")


@pytest.mark.slow
def test_the_arrangement_decides_and_not_the_strand_of_the_sequence(one_hot: np.ndarray) -> None:
    """(A +, B -) read on the other strand is (B +, A -): planted second, B is found by the same rows."""
    (one,) = (r for r in plant(Interacting(), exact("A", "B"), one_hot) if r.kind != "additive")
    (two,) = (r for r in plant(Interacting(), exact("B", "A"), one_hot) if r.kind != "additive")
    assert (two.first, two.second, two.first_strand, two.second_strand) == ("B", "A", "+", "-")
    assert two.interaction == one.interaction
    assert len(orientations("A", "A")) == 3
    assert len(orientations("A", "B")) == 4


def test_sites_lie_where_the_arrangement_says(one_hot: np.ndarray) -> None:
    motifs = exact("A", "E")
    places, kept = draw_places(motifs, draw_backgrounds(one_hot, 0), (0, 9, 200), 10, seed=3)
    assert kept == (0, 9), "there is no room for 200 bp"
    assert places.reverse.sum() == 15
    made = planted(places, [Site("A", FIRST, "+"), Site("E", SECOND, "-")], 9)
    site = f"{MOTIFS['A']}{'.' * 9}{dna.reverse_complement(MOTIFS['E'])}"
    for i, x in enumerate(made):
        text = dna.decode(x) if not places.reverse[i] else dna.reverse_complement(dna.decode(x))
        mine = text[places.anchor[i] - 8 : places.anchor[i] + 18]
        assert all(a in (b, ".") for a, b in zip(site, mine, strict=True))
        changed = (x != places.backgrounds.one_hot[i]).any(axis=0)
        assert changed.sum() <= 17, "nothing else is changed"


@pytest.mark.slow
def test_the_same_whatever_the_other_motifs_and_the_batch(one_hot: np.ndarray) -> None:
    soft = {name: ppm * 0.8 + 0.05 for name, ppm in exact("A", "B", "C").items()}

    def numbers(motifs: dict[str, np.ndarray], **given) -> list[tuple]:
        rows = plant(Interacting(), motifs, one_hot, **({"spacings": (SPACING,), "n_backgrounds": 10} | given))
        return [(r.joint_effect, r.excess, r.p_value) for r in rows if {r.first, r.second} == {"A", "B"}]

    without = {name: soft[name] for name in ("A", "B")}
    assert numbers(without) == numbers(soft) == numbers(soft, batch_size=7)
    assert numbers(without, seed=1) != numbers(without)


def test_p_values_are_those_of_symmetric_differences() -> None:
    values = np.random.default_rng(0).normal(size=(2000, 20)) * np.exp(np.random.default_rng(1).normal(size=(2000, 1)))
    p_values = signed_rank(values)
    for level in (0.01, 0.05, 0.2):
        assert (p_values <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 2000))
    assert signed_rank(np.zeros((1, 20))) == 1
    few = np.zeros((1, 20))
    few[0, :3] = 1.0, 2.0, 3.0
    assert signed_rank(few) == 0.25, "three of the same sign: a quarter"


@pytest.mark.parametrize(
    ("one", "two", "joint", "kind"),
    [
        (2.0, 1.0, 6.0, "synergistic"), (2.0, 2.0, 2.0, "antagonistic"), (0.0, 0.0, 4.0, "synergistic"),
        (-1.0, -1.0, -3.0, "synergistic"), (2.0, 0.0, 0.0, "antagonistic"), (2.0, -1.0, 2.0, "raises"),
        (1.0, -1.0, -1.0, "lowers"), (2.0, 2.0, 4.1, "additive"),
    ],
)  # fmt: skip
def test_kinds(one: float, two: float, joint: float, kind: str) -> None:
    excess = joint - one - two
    numbers = {"first_effect": one, "second_effect": two, "joint_effect": joint}
    given = numbers | {"excess": excess, "interaction": excess}
    assert kind_of(given, 0.01) == kind
    assert kind_of(given, 0.06) == "additive"
    assert kind_of(given | {"interaction": -excess}, 0.01) == "additive", "it is the control that deviates"
    assert kind_of(given, 0.01, strongest=100.0) == "additive"


def test_what_makes_no_sense_is_refused(one_hot: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    motifs = exact("A", "B")
    with pytest.raises(InputError, match="two motifs of up to 8 bp, 200 bp apart, have no room"):
        plant(Interacting(), motifs, one_hot, spacings=[200])
    with pytest.raises(InputError, match="ascending order"):
        plant(Interacting(), motifs, one_hot, spacings=[5, 0])
    with pytest.raises(InputError, match="9 backgrounds: at least 10"):
        plant(Interacting(), motifs, one_hot, n_backgrounds=9)
    with pytest.raises(InputError, match="no scale 'probit'; there are output, logit, log"):
        plant(Interacting(), motifs, one_hot, scale="probit")
    with pytest.raises(InputError, match="scale logit: the model's outputs go from"):
        plant(Interacting(), motifs, one_hot, scale="logit")
    with pytest.raises(InputError, match="scale log: the model's outputs go down to"):
        plant(CountingModel(), motifs, one_hot, scale="log")
    assert plant(Interacting(), {}, one_hot) == []
    broken = Interacting()
    broken.sites["A"].scan.bias.data[0] = np.nan  # type: ignore[union-attr]
    with pytest.raises(InputError, match="predicts NaN or infinity for 20 of 20 sequences"):
        plant(broken, motifs, one_hot)
    with caplog.at_level(logging.WARNING):
        plant(Interacting(), motifs, one_hot, spacings=[0, 300], n_backgrounds=10)
    assert "too short for spacings of 300 bp" in caplog.text
    assert "10 backgrounds are too few to tell a single one of 40 arrangements" in caplog.text


def test_scales_are_inverse_to_what_they_undo() -> None:
    x = np.array([-3.0, 0.0, 2.0])
    np.testing.assert_allclose(SCALES["logit"](1 / (1 + np.exp(-x))), x)
    np.testing.assert_allclose(SCALES["log"](np.exp(x)), x)
    assert np.isfinite(SCALES["logit"](np.array([0.0, 1.0]))).all()
    assert SCALES["output"](x) is x
