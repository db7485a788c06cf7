"""Sums that miss are found out: mended where the model only mixes the rows of a batch, shown in delta where not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import sequences
from torch import nn
from torch.nn import functional as F

from l2g_core.errors import InputError
from l2g_interp import attribute
from l2g_interp.records.types import COMPLETENESS_BOUND, adds_up


class Body(nn.Module):
    """conv -> ``middle`` of (batch, 8, length) and the layers -> two targets."""

    def __init__(self, middle) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.inner, self.head = nn.Conv1d(4, 8, 7, padding=3), nn.Linear(8, 8), nn.Linear(8, 2)
        self.conv.weight.data.mul_(3)
        self.middle = middle

    def forward(self, x):
        return self.head(self.middle(self, x).flatten(1))


def both_strands(order):
    """Both strands in one batch, one after the other or in turn."""

    def middle(body, x):
        both = order(x, x.flip(1, 2))
        h = F.gelu(body.conv(both)).amax(2)
        forward, reverse = (h.chunk(2)) if order is reverse_first else (h[::2], h[1::2])
        return forward + reverse

    return middle


def reverse_first(x, flipped):
    return torch.cat([flipped, x])


def in_turn(x, flipped):
    return torch.stack([x, flipped], 1).flatten(0, 1)


def position_major(body, x):
    """Every position a row of its own, positions first: (length x batch, 8)."""
    h = body.conv(x).permute(2, 0, 1)
    rows = torch.tanh(body.inner(torch.relu(h.reshape(-1, 8))))
    return rows.view(h.shape).mean(0)


def halves_swapped(body, x):
    """Both halves of the sequence as rows of one batch, the second half first."""
    h = body.conv(x)
    first, second = h.chunk(2, dim=2)
    folded = F.silu(torch.cat([second, first]))
    b, a = folded.mean(2).chunk(2)
    return a * b


FOLDED = {
    "both strands, reverse first": both_strands(reverse_first),
    "both strands in turn": both_strands(in_turn),
    "position-major rows": position_major,
    "halves, swapped": halves_swapped,
}


def inputs(n: int = 3, references: int = 5) -> tuple[np.ndarray, np.ndarray]:
    x, r = sequences(n, references)
    return x.numpy().astype(np.int8), r.numpy().astype(np.int8)


def sums_hold(found) -> bool:
    return all(adds_up(vars(found[target])) for target in found.targets)


def plain_difference(model: nn.Module, x: np.ndarray, references: np.ndarray) -> np.ndarray:
    """f(x) - mean f(r), by the model's own forward on one row at a time."""
    with torch.no_grad():
        one = [model(torch.from_numpy(row)[None].float())[0] for row in x]
        means = [
            torch.stack([model(torch.from_numpy(r)[None].float())[0] for r in rows]).mean(0) for rows in references
        ]
    return (torch.stack(one) - torch.stack(means)).numpy()


@pytest.mark.parametrize("kind", FOLDED)
def test_a_model_that_folds_its_batch_is_right(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    model = Body(FOLDED[kind]).eval()
    x, references = inputs()
    wanted = plain_difference(model, x, references)
    found = attribute(model, x, references=references)
    for column, target in enumerate(("0", "1")):
        sums = found[target].contributions.sum((1, 2))
        np.testing.assert_allclose(sums, wanted[:, column], atol=1e-5 * np.abs(wanted).max() + 1e-6)
        assert found[target].completeness_error < 1e-4


def test_rounding_is_no_alarm() -> None:
    """A large output that hardly depends on the sequence: what is missed is what float32 rounds off."""
    model = Body(lambda body, x: 1e-4 * torch.relu(body.conv(x)).mean(2) + 1000.0).eval()
    x, references = inputs()
    assert sums_hold(attribute(model, x, references=references))


@pytest.mark.parametrize(
    ("delta", "prediction", "reference", "holds"),
    [
        (6e-8, 6e-8, 0.0, False),  # all of a tiny difference is missed, and rounding does not explain it
        (6e-8, 1.0 + 6e-8, 1.0, True),  # the same beside an output of 1 is rounding
        (1e-4, 1.0, 0.0, True),
        (1e-2, 1.0, 0.0, False),
        (float("nan"), 1.0, 0.0, True),  # a method that promises no sum
        (float("inf"), 1.0, float("nan"), False),  # nothing finite came out
    ],
)
def test_the_bound(delta: float, prediction: float, reference: float, holds: bool) -> None:
    numbers = {"delta": delta, "prediction": prediction, "reference_prediction": reference}
    assert adds_up({name: np.array([value]) for name, value in numbers.items()}) is holds


class Rescaled(nn.Module):
    """Predicts a multiple while a function mode is active, as a model with a hidden state may."""

    def __init__(self, factor: float = 0.5) -> None:
        super().__init__()
        self.factor = factor
        self.body = Body(lambda body, x: torch.relu(body.conv(x)).mean(2))

    def forward(self, x):
        watched = len(torch.overrides._get_current_function_mode_stack()) > 0
        return self.body(x) * (self.factor if watched else 1.0)


def test_what_is_stored_is_what_the_model_predicts() -> None:
    """A model that computes something else while it is recorded: its own prediction is kept, and the sums miss."""
    model = Rescaled().eval()
    x, references = inputs()
    with pytest.warns(UserWarning, match="0, 1: the contributions miss .* do not trust their sums") as said:
        found = attribute(model, x, references=references)
    assert len(said) == 1
    assert not sums_hold(found)
    assert found["0"].completeness_error > COMPLETENESS_BOUND
    with torch.no_grad():
        np.testing.assert_allclose(found["0"].prediction, model(torch.from_numpy(x).float())[:, 0], rtol=1e-5)


def test_what_is_not_finite_does_not_add_up() -> None:
    x, references = inputs()
    with pytest.warns(UserWarning, match="are not all finite"):
        found = attribute(Rescaled(float("nan")).eval(), x, references=references)
    assert not sums_hold(found)


def test_a_model_that_draws_numbers_is_refused() -> None:
    model = Body(lambda body, x: torch.relu(body.conv(x)).mean(2) * torch.rand(1)).eval()
    x, references = inputs()
    with pytest.raises(InputError, match="is not deterministic"):
        attribute(model, x, references=references)
