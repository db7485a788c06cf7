"""State of a training between epochs: everything comes back, and another run's is refused with the difference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from l2g_core.errors import InputError
from l2g_core.runs.identity import Identity
from l2g_core.runs.state import restore_state, seeded_epoch, store_state

IDENTITY = Identity("test", {"options": {"lr": 0.1, "betas": (0.9, 0.98)}, "data": "abc"})
OPTIMIZERS: dict[str, Callable] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, betas=(0.9, 0.98)),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "plain sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def step(model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    x = torch.randn(8, 3, generator=seeded_epoch(0, epoch))
    optimizer.zero_grad()
    (model(x) ** 2).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_going_on_from_a_stored_state_is_going_on(tmp_path: Path, name: str) -> None:
    first, again = network(), network()
    optimizer, fresh = (OPTIMIZERS[name](m.parameters()) for m in (first, again))
    step(first, optimizer, 0)
    optimizer.param_groups[0]["lr"] = 0.05
    store_state(tmp_path / "s", {"net": first}, optimizer, {"epoch": 1}, IDENTITY)
    assert restore_state(tmp_path / "s", {"net": again}, fresh, IDENTITY) == {"epoch": 1}
    for model, used in ((first, optimizer), (again, fresh)):
        step(model, used, 1)
    for key, value in first.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=0)


def test_weights_that_do_not_learn_are_not_stored(tmp_path: Path) -> None:
    model = network()
    model[0].requires_grad_(False)  # pyright: ignore
    store_state(tmp_path / "s", {"net": model}, None, {}, IDENTITY)
    from safetensors import safe_open

    with safe_open(tmp_path / "s", "pt") as file:
        assert "net.0.weight" not in set(file.keys())
        assert {"net.2.weight", "net.1.running_mean"} <= set(file.keys())
    assert restore_state(tmp_path / "s", {"net": model}, None, IDENTITY) == {}


def test_no_state_is_none(tmp_path: Path) -> None:
    assert restore_state(tmp_path / "s", {"net": network()}, None, IDENTITY) is None


def test_another_run_is_refused_with_both_values_on_one_line(tmp_path: Path) -> None:
    store_state(tmp_path / "s", {"net": network()}, None, {}, IDENTITY)
    other = Identity("test", {"options": {"lr": 0.2, "betas": (0.9, 0.98), "clip": 1}, "data": "xyz"})
    with pytest.raises(InputError) as refused:
        restore_state(tmp_path / "s", {"net": network()}, None, other)
    message = str(refused.value)
    assert "options.lr (0.1 then, 0.2 now), options.clip (nothing then, 1 now), data (abc then, xyz now)" in message
    assert "betas" not in message
    assert "\n" not in message


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    store_state(tmp_path / "s", {"net": network()}, None, {}, IDENTITY)
    (tmp_path / "s").write_bytes((tmp_path / "s").read_bytes()[:50])
    with pytest.raises(InputError, match="not a complete training state"):
        restore_state(tmp_path / "s", {"net": network()}, None, IDENTITY)
    store_state(tmp_path / "s", {"net": nn.Linear(2, 2)}, None, {}, IDENTITY)
    with pytest.raises(InputError, match="weights of another shape"):
        restore_state(tmp_path / "s", {"net": network()}, None, IDENTITY)
