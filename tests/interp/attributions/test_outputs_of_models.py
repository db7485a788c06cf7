"""Models as people have them: what they return, what they take, their precision, their targets."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from deeplift_models import sequences
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_interp import attribute
from l2g_interp.attributions.adapt import adapt
from l2g_interp.attributions.outputs import parts_of

Named = namedtuple("Named", "logits log_counts")


@dataclass
class Fields:
    profile: Tensor
    total_counts: Tensor
    note: str = "not a number"


class Network(nn.Module):
    """A convolution, then a profile of ``tracks`` and a number; ``returns`` makes of them what the model returns."""

    def __init__(self, returns, tracks: int = 2, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.profile = nn.Conv1d(4, 8, 7, padding=3), nn.Conv1d(8, tracks, 5)
        self.total = nn.Linear(8, 1)
        self.conv.weight.data.mul_(3)
        self.returns = returns

    def forward(self, x):
        h = torch.relu(self.conv(x))
        return self.returns(self.profile(h), self.total(h.mean(2)))


def inputs(n: int = 3, references: int = 4) -> tuple[np.ndarray, np.ndarray]:
    x, r = sequences(n, references)
    return x.numpy().astype(np.int8), r.numpy().astype(np.int8)


def plain(model: nn.Module, wanted, x: np.ndarray, references: np.ndarray) -> np.ndarray:
    """``wanted(model(.))`` of the sequences, less its mean over their references: ``(n, targets)``."""
    dtype = next(model.parameters()).dtype
    with torch.no_grad():
        of_x = wanted(model.eval()(torch.from_numpy(x).to(dtype)))
        of_r = torch.stack([wanted(model(torch.from_numpy(rows).to(dtype))).mean(0) for rows in references])
    return (of_x - of_r).numpy()


def sums(found) -> np.ndarray:
    return np.stack([found[target].contributions.sum((1, 2)) for target in found.targets], 1)


def weighted(logits: Tensor) -> Tensor:
    """The field's reduction of a profile, written out: centred logits in the mean that their own softmax makes."""
    centred = logits - logits.mean(-1, keepdim=True)
    return (torch.exp(centred) * centred).sum(-1) / torch.exp(centred).sum(-1)


RETURNS = {
    "tuple": (lambda p, n: (p, n), "0", "1"),
    "list, the other way round": (lambda p, n: [n, p], "1", "0"),
    "dict": (lambda p, n: {"shape": p, "logcounts": n}, "shape", "logcounts"),
    "dict with more": (lambda p, n: OrderedDict(loss=None, profile=p, counts=n, hidden=(p, p)), "profile", "counts"),
    "named tuple": (Named, "logits", "log_counts"),
    "dataclass": (Fields, "profile", "total_counts"),
    "nested": (lambda p, n: {"head": {"profile": p, "counts": n}}, "head.profile", "head.counts"),
    "flat profile": (lambda p, n: (p[:, 0], n), "0", "1"),
    "counts (batch,)": (lambda p, n: (p, n[:, 0]), "0", "1"),
}


@pytest.mark.parametrize("kind", RETURNS)
def test_counts_and_profile_of_a_model_with_several_outputs(kind: str) -> None:
    returns, profile, counts = RETURNS[kind]
    model, (x, r) = Network(returns), inputs()
    output = model.eval()(torch.zeros(3, 4, x.shape[2]))
    assert {profile, counts} <= parts_of(output).keys()

    def counts_of(output):
        return parts_of(output)[counts].reshape(len(parts_of(output)[counts]), -1)

    def profile_of(output):
        value = weighted(parts_of(output)[profile])
        return value[:, None] if value.dim() == 1 else value

    for asked, wanted in (("counts", counts_of), (counts, counts_of), ("profile", profile_of)):
        found = attribute(model, x, references=r, output=asked)
        np.testing.assert_allclose(sums(found), plain(model, wanted, x, r), atol=2e-6)
        assert found.provenance["model_output"] == asked
    both = attribute(model, x, references=r, output="counts,profile")
    expected = np.concatenate([plain(model, counts_of, x, r), plain(model, profile_of, x, r)], 1)
    np.testing.assert_allclose(sums(both), expected, atol=2e-6)
    assert both.targets[0] == "counts"
    assert both.targets[1].startswith("profile")


REDUCED = {
    "mean": (lambda p, n: p, lambda p: p.mean(2)),
    "sum": (lambda p, n: {"only": p}, lambda out: out["only"].sum(2)),
    "sum:1": (lambda p, n: p.transpose(1, 2), lambda p: p.sum(1)),
    "profile:1": (lambda p, n: (p.transpose(1, 2),), lambda out: weighted(out[0].transpose(1, 2))),
    "0:mean:2": (lambda p, n: (p, n), lambda out: out[0].mean(2)),
    "profile": (lambda p, n: p, weighted),
}
JOINT = {
    "joint-profile": lambda p, n: (p, n),
    "joint-profile:1": lambda p, n: p.transpose(1, 2),
    "only:joint-profile": lambda p, n: {"only": p},
}


@pytest.mark.parametrize("asked", JOINT)
def test_tracks_are_weighted_together_if_asked(asked: str) -> None:
    """As bpnet-lite does for the two strands."""
    model, (x, r) = Network(JOINT[asked]), inputs()
    found = attribute(model, x, references=r, output=asked)
    alone = Network(lambda p, n: weighted(p.flatten(1))[:, None])
    np.testing.assert_allclose(sums(found), plain(alone, lambda out: out, x, r), atol=2e-6)


@pytest.mark.parametrize("asked", REDUCED)
def test_positions_are_reduced_as_asked(asked: str) -> None:
    returns, wanted = REDUCED[asked]
    model, (x, r) = Network(returns, tracks=3), inputs()
    found = attribute(model, x, references=r, output=asked)
    assert found.targets == ("0", "1", "2")
    np.testing.assert_allclose(sums(found), plain(model, wanted, x, r), atol=1e-5)


def test_the_axis_that_the_model_has_names_for_is_kept() -> None:
    x, r = inputs()
    for returns, wanted in (
        (lambda p, n: p.transpose(1, 2), lambda out: out.mean(1)),
        (lambda p, n: p, lambda out: out.mean(2)),
    ):
        model = Network(returns, tracks=3)
        model.targets = ("a", "b", "c")  # type: ignore[assignment]
        found = attribute(model, x, references=r, output="mean")
        assert found.targets == ("a", "b", "c")
        np.testing.assert_allclose(sums(found), plain(model, wanted, x, r), atol=2e-6)


AS_IT_IS = {
    "(batch,)": (lambda p, n: n[:, 0], lambda out: out[:, None]),
    "squeezed, of a batch of one ()": (lambda p, n: n.squeeze(), lambda out: out.reshape(-1, 1)),
    "squeezed, of a batch of one (targets,)": (lambda p, n: p.mean(2).squeeze(), lambda out: out.reshape(-1, 2)),
    "(batch, targets, 1)": (lambda p, n: p.mean(2, keepdim=True), lambda out: out[:, :, 0]),
    "one in a tuple": (lambda p, n: (p.mean(2),), lambda out: out[0]),
    "one in a dict": (lambda p, n: {"loss": None, "logits": n}, lambda out: out["logits"]),
}


@pytest.mark.parametrize("kind", AS_IT_IS)
@pytest.mark.parametrize("n", [1, 3])
def test_what_can_mean_one_thing_only_needs_no_words(kind: str, n: int) -> None:
    returns, wanted = AS_IT_IS[kind]
    model, (x, r) = Network(returns), inputs(n, 3)
    found = attribute(model, x, references=r, batch_size=1)
    np.testing.assert_allclose(sums(found), plain(model, wanted, x, r), atol=2e-6)


def test_a_function_of_the_output() -> None:
    model, (x, r) = Network(lambda p, n: {"human": p}), inputs()
    found = attribute(model, x, references=r, output=lambda out: out["human"][:, 0, 20:30].mean(1))
    np.testing.assert_allclose(sums(found), plain(model, lambda o: o["human"][:, :1, 20:30].mean(2), x, r), atol=2e-6)


REFUSED = {
    "which": (lambda p, n: (p, n), None, r"returns 2 outputs.* 0 \(batch, 2, \d+\), 1 \(batch, 1\)"),
    "positions": (
        lambda p, n: p,
        None,
        r"\(batch, 2, \d+\); say how to reduce it over its last axis: profile, joint-profile, sum",
    ),
    "positions of one": (lambda p, n: {"a": p, "b": n}, "a", r"output a is .*a:profile, a:joint-profile, a:sum"),
    "no such name": (lambda p, n: {"a": p, "b": n}, "c", r"no single output 'c' among them; it returns a \(batch"),
    "no such index": (lambda p, n: (p, n), 2, r"no single output '2'"),
    "two profiles": (lambda p, n: (p, p, n), "profile", r"no single output 'profile'"),
    "no such reduction": (lambda p, n: p, "max", r"no single output 'max'|reductions are"),
    "of numbers": (lambda p, n: (p, n), "1:sum:2", r"has no axis to reduce"),
    "no numbers": (lambda p, n: "none", None, r"returns str for two sequences"),
    "four axes": (lambda p, n: p[..., None, None], "sum", r"has no axis to reduce"),
    "many": (lambda p, n: [n] * 400, None, r"7 \(batch, 1\) and 392 more"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_mean_several_things_is_refused_with_what_there_is(kind: str) -> None:
    returns, asked, says = REFUSED[kind]
    x, r = inputs()
    with pytest.raises(InputError, match=says) as refused:
        attribute(Network(returns), x, references=r, output=asked)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


class Last(nn.Module):
    """Takes ``(batch, length, 4)``."""

    targets = ("a", "b")

    def __init__(self, flat: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.read, self.flat = nn.Linear(4, 8), flat
        self.head = nn.LazyLinear(2) if flat else nn.Linear(8, 2)
        if flat:
            self(torch.zeros(1, sequences(1, 1)[0].shape[2], 4))

    def forward(self, x):
        h = torch.tanh(self.read(x.reshape(len(x), -1, 4)))
        return self.head(h.flatten(1) if self.flat else h.mean(1))


class Strict(Last):
    def forward(self, x):
        return super().forward(x) if x.shape[2] == 4 else self.read(x)


def turned(model: nn.Module):
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = model

        def forward(self, x):
            return self.inside(x.transpose(1, 2))

    return Turned()


def test_a_model_that_takes_the_channels_last() -> None:
    x, r = inputs()
    wanted = plain(turned(Strict()), lambda out: out, x, r)
    said = attribute(Strict(), x, references=r, layout="channels-last")
    np.testing.assert_allclose(sums(said), wanted, atol=2e-6)
    assert said.targets == ("a", "b")
    with pytest.warns(UserWarning, match="is given \\(batch, length, 4\\)") as warned:
        found = attribute(Strict(), x, references=r)
    assert len(warned) == 1
    np.testing.assert_array_equal(found["a"].contributions, said["a"].contributions)
    assert found.provenance["layout"] == "channels-last"


def test_a_model_that_takes_either_layout_gets_what_is_asked_for() -> None:
    x, r = inputs()
    model = Last(flat=True)
    first, last = (attribute(model, x, references=r, layout=layout) for layout in ("channels-first", "channels-last"))
    np.testing.assert_allclose(sums(first), plain(model, lambda out: out, x, r), atol=2e-6)
    np.testing.assert_allclose(sums(last), plain(turned(model), lambda out: out, x, r), atol=2e-6)
    assert "layout" not in first.provenance


def test_a_layout_that_the_model_does_not_take_is_refused() -> None:
    x, r = inputs()
    with pytest.raises(InputError, match=r"fails for sequences \(batch, 4, \d+\) with RuntimeError"):
        attribute(Strict(), x, references=r, layout="channels-first")
    with pytest.raises(InputError, match="channels-first or channels-last"):
        attribute(Strict(), x, references=r, layout="NWC")


class Controlled(Network):
    def forward(self, x, control, *, scale=None):
        _, n = super().forward(x)
        return n + control.mean((1, 2))[:, None] * (1 if scale is None else scale)


def test_constant_inputs_beside_the_sequence() -> None:
    x, r = inputs()
    model, control = Controlled(lambda p, n: (p, n)), torch.ones(1, 2, x.shape[2])
    alone = attribute(Network(lambda p, n: n), x, references=r)["0"]
    for extra, shift in (
        (control, 1.0),
        ([control], 1.0),
        ({"control": control, "scale": torch.tensor([[3.0]])}, 3.0),
    ):
        found = attribute(model, x, references=r, extra=extra)["0"]
        np.testing.assert_allclose(found.prediction, alone.prediction + shift, atol=1e-6)
        np.testing.assert_allclose(found.contributions, alone.contributions, atol=1e-6)
    with pytest.raises(InputError, match="give its further inputs with extra="):
        attribute(model, x, references=r)
    with pytest.raises(InputError, match=r"extra input 0 is \(3, 2"):
        attribute(model, x, references=r, extra=control.expand(3, -1, -1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_explained_in_float32_and_the_model_left_alone(dtype: torch.dtype) -> None:
    x, r = inputs()
    model = Network(lambda p, n: n).to(dtype).train()
    with pytest.warns(UserWarning, match="copy in float32") as warned:
        found = attribute(model, x, references=r)
    assert len(warned) == 1
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert model.training
    assert found["0"].completeness_error < 1e-5
    np.testing.assert_allclose(sums(found), plain(model.float(), lambda out: out, x, r), atol=1e-6)
    assert str(dtype).removeprefix("torch.") in found.provenance["computed_in"]


def test_double_precision_stays() -> None:
    x, r = inputs()
    model = Network(lambda p, n: n).double()
    found = attribute(model, x, references=r)
    np.testing.assert_allclose(sums(found), plain(model, lambda out: out, x, r), atol=1e-7)
    assert "computed_in" not in found.provenance


class Many(Network):
    def __init__(self, names) -> None:
        super().__init__(lambda p, n: p.mean(2), tracks=len(names))
        self.targets = names


def targets_of(names, wanted) -> tuple[str, ...]:
    x, r = inputs(1, 1)
    return attribute(Many(names), x, references=r, targets=wanted).targets


def test_targets_by_pattern() -> None:
    names = ("H3K4me1", "H3K27ac", "CTCF")
    assert targets_of(names, ["H3K*"]) == ("H3K4me1", "H3K27ac")
    assert targets_of(names, ["CTCF", "H3K*", "H3K27ac"]) == ("CTCF", "H3K4me1", "H3K27ac")
    assert targets_of(names, ["all"]) == names
    assert targets_of(("all", "H3K*", "H3K4me1"), ["all", "H3K*"]) == ("all", "H3K*")
    assert targets_of(("all", "other"), None) == ("all", "other")
    with pytest.raises(InputError, match="no target 'h3k\\*'; it has H3K4me1"):
        targets_of(names, ["h3k*"])


def test_the_difference_of_two_targets_is_a_target() -> None:
    x, r = inputs()
    model = Many(("dev", "hk", "a-b"))
    found = attribute(model, x, references=r, targets=["dev", "hk", "dev-hk", "a-b"])
    assert found.targets == ("dev", "hk", "dev-hk", "a-b")
    for key in ("hypothetical", "prediction", "reference_prediction"):
        expected = getattr(found["dev"], key) - getattr(found["hk"], key)
        np.testing.assert_allclose(getattr(found["dev-hk"], key), expected, atol=1e-6)
    assert found["dev-hk"].completeness_error < 1e-4
    alone = attribute(model, x, references=r, targets=["dev-a-b"])
    assert alone.targets == ("dev-a-b",)


def test_differences_that_are_none_are_refused() -> None:
    for wanted, says in (("dev-dev", "of a target from itself"), ("dev-no", "no target 'dev-no'")):
        with pytest.raises(InputError, match=says):
            targets_of(("dev", "hk"), [wanted])
    with pytest.raises(InputError, match="could be a minus b-a or a-b minus a"):
        targets_of(("a", "b", "a-b", "b-a"), ["a-b-a"])


def test_hundreds_of_names_are_not_listed() -> None:
    names = tuple(f"track_{i:03}" for i in range(500))
    with pytest.raises(InputError, match="it has 500, and the nearest are track_4") as refused:
        targets_of(names, ["trak_412"])
    assert len(str(refused.value)) < 300
    with pytest.raises(InputError, match="two targets one name: x;"):
        targets_of(("x",) * 500, None)


def test_a_model_that_needs_nothing_is_left_as_it_is() -> None:
    model = Network(lambda p, n: n)
    assert adapt(model, inputs()[0]).network is model


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(InputError, match=r"the model is a function; give a torch\.nn\.Module"):
        attribute(lambda x: x.sum(2), inputs()[0])  # type: ignore[arg-type]
