"""Only what a change affects is computed again: the numbers of plain batches, or plain batches, and it is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deeplift_models import Net, residual, sequences, settled, transformer, unet
from torch import nn
from torch.nn import functional as F

from l2g_interp.attributions.adapt import BothStrands
from l2g_interp.attributions.mutagenesis import agreement, mutants_of
from l2g_interp.attributions.windows import Windows, whole


def net(run, **layers: nn.Module) -> nn.Module:
    return settled(Net(run, **layers)).eval()


def conv(channels_in: int = 4, channels_out: int = 6, kernel: int = 5, **more) -> nn.Conv1d:
    return nn.Conv1d(channels_in, channels_out, kernel, **more)


def flat(h):
    return h.flatten(1)[:, :2] + h.mean(2)[:, :2]


NETWORKS = {
    "strides": lambda: net(
        lambda m, x: flat(m["b"](F.gelu(m["a"](x)))), a=conv(stride=2, padding=3), b=conv(6, 4, 3, stride=3)
    ),
    "even kernels": lambda: net(lambda m, x: flat(m["a"](x)), a=conv(kernel=4, padding="same", dilation=3)),
    "pooling": lambda: net(
        lambda m, x: flat(F.avg_pool1d(F.max_pool1d(m["a"](x), 3, 2, padding=1), 2)), a=conv(padding=2)
    ),
    "padded means": lambda: net(
        lambda m, x: flat(F.avg_pool1d(F.avg_pool1d(m["a"](x), 3, 1, 1), 4, 3, 1, False, False)), a=conv()
    ),
    "dilated and pooled": lambda: net(lambda m, x: flat(m["p"](m["a"](x))), a=conv(), p=nn.MaxPool1d(3, 2, 0, 2)),
    "norm in place": lambda: net(
        lambda m, x: flat(m["r"](m["n"](m["a"](x)))), a=conv(), n=nn.BatchNorm1d(6), r=nn.ReLU(inplace=True)
    ),
    "sum in place": lambda: net(
        lambda m, x: flat(_add_in_place(m["a"](x), m["b"](x))), a=conv(padding=2), b=conv(kernel=1)
    ),
    "side by side": lambda: net(
        lambda m, x: flat(torch.cat([m["a"](x), m["b"](x)], dim=1)), a=conv(padding=2), b=conv(kernel=1)
    ),
    "gates": lambda: net(lambda m, x: flat(torch.tanh(m["a"](x)) * torch.sigmoid(m["b"](x))), a=conv(), b=conv()),
    "scaled channels": lambda: net(lambda m, x: flat(m["a"](x) * torch.arange(6.0).double()[:, None] + 1), a=conv()),
    "both strands": lambda: BothStrands(net(lambda m, x: flat(F.relu(m["a"](x))), a=conv(kernel=4))).eval(),
    "columns first": lambda: net(lambda m, x: flat(m["a"](x).transpose(1, 2).transpose(1, 2)), a=conv()),
    "written before": lambda: net(lambda m, x: flat(_first_column_doubled(m["a"](x))), a=conv()),
    "residual": residual, "unet": unet, "transformer": lambda: transformer("bert"),
}  # fmt: skip


def _add_in_place(h, other):
    h += other
    return h


def _first_column_doubled(h):
    h = h.roll(1, 0).roll(-1, 0)  # whole by now
    h[:, :, 0] *= 2
    return h


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NETWORKS)
def test_windows_say_what_plain_batches_say(name):
    model, (x, _) = NETWORKS[name]().double(), sequences(2, 1)
    x[1, :, 10:14] = 0  # letters that are not known, too
    for one in x:
        ours, plain = (mutants_of(model, one, [0, 1], batch_size=37, windows=windows) for windows in (True, False))
        assert ours.refused == ""
        assert np.array_equal(np.isnan(ours.outputs), np.isnan(plain.outputs))
        np.testing.assert_allclose(ours.outputs, plain.outputs, rtol=0, atol=1e-12 * np.nanmax(np.abs(plain.outputs)))


def _width(h) -> int | None:
    return h.own.shape[2] if isinstance(h, Windows) else None


@pytest.mark.parametrize("name", ["strides", "pooling", "norm in place"])
def test_only_windows_are_computed(name):
    model, seen = NETWORKS[name](), []
    for layer in model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda _, args, out: seen.append(_width(out)))
    mutants_of(model, sequences(1, 1)[0][0], [0])
    by_windows = [width for width in seen if width is not None]
    assert len(by_windows) == len(seen) / 3  # the others: the sequence itself, and the changes that are compared
    assert max(by_windows) < 12


def _unseen(h):
    with torch._C.DisableTorchFunctionSubclass():  # as in compiled code
        return h * 2


UNFIT = {
    "not finite": lambda: net(lambda m, x: flat(_unseen(m["a"](x))), a=conv()),
    "writes into": lambda: net(lambda m, x: flat(_column_cleared(m["a"](x))), a=conv()),
}


def _column_cleared(h):
    h[:, :, 3] = 0
    return h


@pytest.mark.parametrize("said", UNFIT)
def test_what_passes_by_is_computed_plainly_and_said(said):
    model, (x, _) = UNFIT[said](), sequences(1, 1)
    found, plain = mutants_of(model, x[0], [0, 1]), mutants_of(model, x[0], [0, 1], windows=False)
    assert said in found.refused
    assert np.array_equal(found.outputs, plain.outputs)


def test_a_model_that_looks_at_the_class_is_found_out():
    """Other numbers for a tensor of another class: the plain forward is the judge."""
    model = net(lambda m, x: flat(m["a"](x)) * (2 if isinstance(x, Windows) else 1), a=conv())
    x = sequences(1, 1)[0][0]
    found, plain = mutants_of(model, x, [0, 1]), mutants_of(model, x, [0, 1], windows=False)
    assert "differ by" in found.refused
    assert np.array_equal(found.outputs, plain.outputs)


def test_a_batch_of_windows_is_that_batch():
    common, own = torch.zeros(1, 2, 9), torch.arange(1.0, 19).view(3, 2, 3)
    batch = Windows.of(common, own, torch.tensor([0, 6, 2]))
    assert batch.shape == (3, 2, 9)
    put_in = torch.zeros(3, 2, 9)
    for row, start in enumerate([0, 6, 2]):
        put_in[row, :, start : start + 3] = own[row]
    assert torch.equal(whole(batch), put_in)
    assert torch.equal(batch.sum(2), put_in.sum(2))
    assert torch.equal(batch[1], put_in[1])


def test_agreement_is_one_for_an_additive_model_and_unknown_for_a_flat_one():
    contributions = np.random.default_rng(0).normal(size=60)
    difference = np.repeat(-contributions[None], 4, 0)
    difference[0] = 0
    found = agreement(contributions, difference)
    assert found.pearson == pytest.approx(1)
    assert found.spearman == pytest.approx(1)
    noisy = agreement(contributions + np.random.default_rng(1).normal(size=60), difference)
    assert noisy.pearson_low < noisy.pearson < noisy.pearson_high
    assert 0.2 < noisy.pearson_high - noisy.pearson_low < 0.6
    assert np.isnan(agreement(np.zeros(60), difference).pearson)
