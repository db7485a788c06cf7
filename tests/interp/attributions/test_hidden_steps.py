"""Steps that could pass by the engine: each is right, or refused by name, never wrong in silence."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from deeplift_models import LENGTH, Net, around, missed, sequences, settled
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from l2g_interp import attribute
from l2g_interp.attributions.deeplift import deep_lift_shap, rules
from l2g_interp.attributions.deeplift.refusals import UnsupportedFunction

TARGETS = [0, 1]


def explained(model: nn.Module, n: int = 2, references: int = 4, **options) -> float:
    """How far the sums of contributions are from the differences of the model's plain forward."""
    x, compared = sequences(n, references)
    return missed(model, x, compared, deep_lift_shap(model, x, compared, TARGETS, **options))


def written(make, where, value):
    """``make(h)[where(h)] = value(h)``, times h."""

    def middle(h):
        target = make(h)
        target[where(h)] = value(h)
        return h * target

    return middle


def in_place(make, write):
    def middle(h):
        target = make(h)
        write(target, h)
        return h * target

    return middle


FIRST = (slice(None), slice(0, 2))
INDEX = (slice(None), torch.tensor([4, 0]))


def fills_two_channels(target, h):
    target[:, 1:][:, :2].copy_(h[:, :2].square())
    target.select(1, 0).add_(h[:, 3])


def no_grad_in_place(h):
    with torch.no_grad():
        target = torch.zeros_like(h)
        fills_two_channels(target, h)
    return h * target


class Swish(torch.autograd.Function):
    """As many ports write it, here with the wrong backward."""

    @staticmethod
    def forward(ctx, h, slope):
        ctx.save_for_backward(h)
        return h * torch.sigmoid(slope * h)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore
        return 7 * grad, None


class Reversed(torch.autograd.Function):
    """A gradient reversal, in the newer style."""

    @staticmethod
    def forward(h):  # pyright: ignore
        return h.view_as(h)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable()

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore
        return -grad


BOUND = Swish.apply  # the way most ports call it


def _without_gradients(function, h):
    with torch.no_grad():
        return function(h).tanh()


RIGHT = {
    "values written into a slice of a constant": written(torch.zeros_like, lambda h: FIRST, lambda h: h[:, 2:4].sin()),
    "values written at a tensor of indices": written(torch.ones_like, lambda h: INDEX, lambda h: h[:, 2:4].tanh()),
    "values written into a view of a view": in_place(torch.zeros_like, fills_two_channels),
    "a mask made from the sequence, the same for all": written(torch.zeros_like, lambda h: h < 1e6, lambda h: 0.3),
    "a copy of another kind": lambda h: h * h.new_tensor(h.sigmoid()),
    "numbers collected in lists": lambda h: h * torch.tensor([[r[0, 0], r[3, 1]] for r in h]).mean(1)[:, None, None],
    "data": lambda h: h * F.softplus(h.data),
    "a detached scale": lambda h: h / (1 + h.detach().abs().amax(1, keepdim=True)),
    "a straight-through estimate": lambda h: h + (torch.tanh(2 * h) - h).detach(),
    "detached and not used": lambda h: (h.detach().mean(), h.tanh())[1],
    "a detached leaf": lambda h: h.detach().requires_grad_().sigmoid(),
    "deepcopy": lambda h: copy.deepcopy(h.detach()).tanh() * h,
    "a decision that is the same for all": lambda h: h.tanh() if bool((h.amax(2) < 1e6).all()) else h,
    "written in place under no_grad": no_grad_in_place,
    "checkpoint": lambda h: checkpoint(lambda z: F.silu(2 * z) * z, h, use_reentrant=False),
    "two checkpoints": lambda h: checkpoint_sequential([torch.tanh, F.gelu, torch.exp], 2, h, use_reentrant=False),
    "a reentrant checkpoint": lambda h: checkpoint(lambda z: F.elu(z) * z, h, use_reentrant=True),
    "an autograd function": lambda h: BOUND(h, 1.5) + Swish.apply(h, 0.5),
    "an autograd function under no_grad": lambda h: h.tanh() + _without_gradients(lambda z: BOUND(z, 2.0), h),
    "a gradient reversal": lambda h: Reversed.apply(h).sigmoid(),
    "double precision inside": lambda h: (h.double().cumsum(2) / 9).sigmoid().to(h.dtype),
    "double precision and type_as": lambda h: h.to(torch.float64).square().add(0.1).log().type_as(h),
}


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.filterwarnings("ignore:To copy construct", "ignore:None of the inputs")
def test_what_changes_no_value_is_right(kind):
    assert explained(around(RIGHT[kind])) < 1e-4


def bool_mask(h):
    mask = torch.zeros(h.shape, dtype=torch.bool)
    mask[:, 0].logical_or_(h[:, 0] > 0)
    return mask


REFUSED = {
    "a mask written through a view": (lambda h: h * bool_mask(h), "gt|logical_or_"),
    "masked_fill_ of a constant": (in_place(torch.ones_like, lambda t, h: t.masked_fill_(h < 0, 0.1)), "masked_fill_"),
    "index_fill_ at the maximum": (
        in_place(torch.ones_like, lambda t, h: t[0].index_fill_(1, h[0].argmax(1), 0.1)),
        "index_fill_",
    ),
    "where on constants": (lambda h: h * torch.where(h > 0.1, 1.0, 0.3), "where"),
    "integers copied": (
        in_place(lambda h: torch.zeros(h.shape, dtype=torch.int32), lambda t, h: t.copy_(9 * h)),
        "copy_",
    ),
    "a string for a type": (lambda h: h + h.mul(9).type("torch.IntTensor"), "Tensor.type"),
    "the type of another tensor": (lambda h: h + (9 * h).type_as(torch.ones(1, dtype=torch.int16)), "type_as"),
    "to another tensor": (lambda h: h * (9 * h).to(torch.ones(1, dtype=torch.long)), r"Tensor\.to"),
    "new_tensor of integers": (lambda h: h * torch.ones(1, dtype=torch.int32).new_tensor(9 * h), "new_tensor"),
    "torch.tensor as integers": (lambda h: h * torch.as_tensor(9 * h, dtype=torch.long), "as_tensor"),
    "an embedding under no_grad": (lambda h: _embedded(h), "hidden step"),
    "a Python number": (lambda h: h * float(h.amax(2).mean()), "__float__.*Python's numbers"),
    "a complex number": (lambda h: h * complex(h.mean() + 0j).real, "__complex__"),
    "an index": (lambda h: h * list(range(1, LENGTH + 1))[h[0, 0].argmax()], "__index__"),
    "item": (lambda h: h + h.amax(2).sum().item(), "item"),
    "lists": (lambda h: h + torch.tensor(h.amax(2).tolist())[:, :, None], "tolist"),
    "numpy": (lambda h: h + torch.from_numpy(np.tanh(h.detach().numpy())), "numpy"),
    "numpy's asarray": (lambda h: h + torch.from_numpy(np.asarray(h.detach()).copy()), "__array__|numpy"),
    "the index of a maximum": (lambda h: h.flip(2).gather(2, h.max(2, keepdim=True)[1]), "argmax"),
    "a gradient inside": (lambda h: _slope(h), "autograd.grad takes a gradient"),
    "torch.func.grad": (torch.func.grad(lambda h: F.softplus(h).sum()), "torch.vmap or torch.func"),
    "torch.func.jvp": (lambda h: torch.func.jvp(torch.sin, (h,), (h,))[1], "torch.vmap or torch.func"),
    "vmap": (torch.vmap(lambda a: F.silu(a) * a), "torch.vmap or torch.func"),
    "vmap of a mask": (lambda h: h * torch.vmap(lambda a: a.to(torch.float32))(h > 0.1), "torch.vmap or torch.func"),
    "the shape of what a mask picks": (lambda h: h * (h > 0.2).nonzero().shape[0], "nonzero"),
    "an embedding of an argmax": (
        lambda h: h * F.embedding(h.argmax(1), torch.ones(6, 1)).mT * torch.sin(h.argmax(1)).unsqueeze(1),
        "argmax.*product of the one-hot with its weights",
    ),
    "an extension": (lambda h: torch.ops.aten.silu(h), r"torch\.ops\.aten\.silu has no rule"),
    "memory handed over": (lambda h: torch.from_dlpack(h.detach()).tanh(), "dlpack"),
}


def _embedded(h):
    with torch.no_grad():
        return h * F.embedding((h.mean(1) > 0).long(), torch.tensor([[0.2], [0.7]])).mT


def _slope(h):
    with torch.enable_grad():
        leaf = h.detach().requires_grad_()
        return torch.autograd.grad(F.softplus(leaf).sum(), leaf)[0]


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_a_hidden_step_is_refused_by_name(kind):
    middle, words = REFUSED[kind]
    with pytest.raises(UnsupportedFunction, match=words) as said:
        explained(around(middle))
    assert "\n" not in str(said.value)


def swish(x):
    return x * torch.sigmoid(1.5 * x)


def step(x):
    return (x > 0.1).float()


def compiled(where):
    traced = torch.jit.trace(lambda x: F.softplus(x) - 0.5, torch.zeros(2, 6, LENGTH))
    module = torch.jit.script(nn.Sequential(nn.Conv1d(6, 6, 3, padding=1), nn.ELU()).eval())
    mask = torch.jit.script(step)
    return {
        "a function": torch.jit.script(swish),
        "a mask": lambda h: h * mask(h),
        "in a closure": lambda h: F.relu(traced(h)),
        "in a list": lambda h, parts=(module,): parts[0](h),
        "in a dictionary, under no_grad": lambda h, parts={"a": traced}: _without_gradients(parts["a"], h),
    }[where]


WHERE = ("a function", "a mask", "in a closure", "in a list", "in a dictionary, under no_grad")


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_found_wherever_it_is_kept(where):
    with pytest.raises(UnsupportedFunction, match=r"compiled code runs aten.*PYTORCH_JIT=0"):
        explained(around(compiled(where)))


@pytest.mark.filterwarnings("ignore")
def test_what_is_compiled_of_constants_is_right():
    waves = torch.jit.trace(lambda t: torch.sin(0.3 * t), torch.arange(3.0))
    times = torch.arange(40.0)
    assert explained(around(lambda h: F.gelu(h) * waves(times) + torch.vmap(torch.cos)(times))) < 1e-4


IN_PLACE = {
    "relu": F.relu,
    "softmax": lambda h: torch.softmax(h, 2),
    "layer norm": lambda h: F.layer_norm(h, (LENGTH,)),
    "max pool": lambda h: F.max_pool1d(h, 3, 1, 1),
    "attention": lambda h: F.scaled_dot_product_attention(h, h, h),
    "quotient": lambda h: h / (1 + h.square()),
    "product": lambda h: h.flip(2) @ h.mT @ h,
}


@pytest.mark.parametrize("first", IN_PLACE)
def test_what_comes_out_of_a_rule_may_be_changed_in_place(first):
    def middle(h):
        out = IN_PLACE[first](h)
        out += h
        out[:, :2].mul_(h[:, 2:4])
        return out.clamp_(max=2).tanh_()

    assert explained(around(middle)) < 1e-4


def test_hooks_on_gradients_change_no_contribution():
    def middle(h):
        if h.requires_grad:
            h.register_hook(lambda grad: 5 * grad)
            h.retain_grad()
        return F.elu(h)

    assert explained(around(middle)) < 1e-4


class Outside(torch.autograd.Function):
    """Computes where torch does not see it."""

    @staticmethod
    def forward(ctx, h):
        out = torch.empty(h.shape)
        with torch._C.DisableTorchFunction():
            out.numpy()[:] = np.sin(h.detach().numpy())
        return out

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore
        return grad


def test_an_autograd_function_that_computes_elsewhere_is_refused_by_name():
    with pytest.raises(UnsupportedFunction, match=r"the torch.autograd.Function .*Outside"):
        explained(around(Outside.apply))


def test_backward_hooks_of_modules_are_refused():
    model = around(F.gelu)
    model.layers["conv"].register_full_backward_hook(lambda module, given, made: tuple(3 * g for g in given))
    with pytest.raises(UnsupportedFunction, match="remove the backward hooks"):
        explained(model)


def test_a_model_that_returns_integers_is_refused():
    model = settled(Net(lambda m, x: (m["conv"](x) > 0.1).sum(2), conv=nn.Conv1d(4, 2, 5)))
    x, references = sequences(2, 3)
    with pytest.raises(UnsupportedFunction, match=r"the model returns torch\.int64"):
        deep_lift_shap(model, x, references, TARGETS)


def without_gradients(context):
    def run(m, x):
        with context():
            h = F.gelu(m["norm"](m["conv"](x)))
            h = m["attention"](h.mT, h.mT, h.mT)[0]
        return m["head"](h.mean(1)) + m["own"](x.flatten(1)).tanh()

    layers = {
        "conv": nn.Conv1d(4, 6, 5, padding=2),
        "norm": nn.BatchNorm1d(6),
        "attention": nn.MultiheadAttention(6, 2, batch_first=True),
        "head": nn.Linear(6, 2),
        "own": nn.Linear(4 * LENGTH, 2),
    }
    return settled(Net(run, **layers))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)])
def test_a_backbone_without_gradients_is_right(context):
    assert explained(without_gradients(context)) < 1e-4


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_whole_model_without_gradients_is_right(context):
    model = around(lambda h: F.layer_norm(h, (LENGTH,)).tanh())
    model.forward = context()(model.forward)
    assert explained(model) < 1e-4


def test_a_caller_in_inference_mode_changes_nothing():
    x, references = (t.numpy() for t in sequences(2, 3))
    model = around(F.gelu)
    expected = attribute(model, x, references=references)["0"].hypothetical
    with torch.inference_mode():
        np.testing.assert_array_equal(attribute(model, x, references=references)["0"].hypothetical, expected)
        made_there = Net(
            lambda m, x: m["head"](F.gelu(m["norm"](m["conv"](x))).mean(2)),
            conv=nn.Conv1d(4, 6, 5),
            norm=nn.BatchNorm1d(6),
            head=nn.Linear(6, 2),
        ).eval()
        found = attribute(made_there, x, references=references)["0"]
    assert found.completeness_error < 1e-4


class Remembers(nn.Module):
    """Writes what it sees into its own buffers and attributes."""

    def __init__(self, uses: str) -> None:
        super().__init__()
        self.uses = uses
        self.conv, self.head = nn.Conv1d(4, 6, 5), nn.Linear(6, 2)
        self.register_buffer("numbers", torch.zeros(6, 36))
        self.counts = torch.zeros(6, dtype=torch.long)

    def forward(self, x):
        h = self.conv(x)
        self.numbers.copy_(h[-1])
        self.counts.copy_(h.detach().mul(9).amax((0, 2)))
        h = h * self.counts[:, None] if self.uses == "counts" else h
        return self.head((h.tanh() * (self.numbers if self.uses == "numbers" else 1)).mean(2))


def test_a_model_keeps_no_trace_in_its_buffers():
    model = settled(Remembers("nothing"))
    assert explained(model) < 1e-4
    assert not model.numbers.requires_grad
    assert not vars(model.counts)
    assert torch.isfinite(model(torch.rand(1, 4, LENGTH))).all()


def test_integers_kept_in_a_buffer_are_refused_by_name():
    with pytest.raises(UnsupportedFunction, match="copy_"):
        explained(settled(Remembers("counts")), n=1)


def test_what_is_kept_in_a_buffer_and_used_is_right():
    """The buffer holds the last row of the batch, so a pass has one row; its own rows stand beside it."""
    assert explained(settled(Remembers("numbers")), n=1, references=1) < 1e-4


FOLDED = {
    "strands in turn": lambda h: (lambda t: t[::2] * t[1::2])(F.gelu(torch.stack([h, h.flip(1, 2)], 1).flatten(0, 1))),
    "position-major": lambda h: F.layer_norm(h.permute(2, 0, 1).reshape(-1, 6), (6,)).view(LENGTH, -1, 6).amax(0),
    "a loop over rows": lambda h: torch.stack([torch.softmax(row @ row.mT, -1) @ row for row in h]),
    "windows, major": lambda h: _attended(h.unflatten(2, (4, 10)).permute(2, 0, 3, 1).reshape(-1, 10, 6)).unflatten(
        0, (4, -1)
    )[1],
    "no batch dimension of one": lambda h: torch.tanh(h.squeeze()).view(h.shape),
    "channels on the batch": lambda h: (
        F.max_pool1d(h.transpose(0, 1).reshape(-1, 1, LENGTH), 4).view(6, -1, 10).transpose(0, 1)
    ),
}


def _attended(t):
    return F.scaled_dot_product_attention(t, t, t)


@pytest.mark.parametrize("kind", FOLDED)
@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_any_order_of_rows_is_right(kind, batch_size):
    assert explained(around(FOLDED[kind]), 3, 5, batch_size=batch_size) < 1e-4


def test_packed_rows_of_unequal_length_are_right():
    def run(m, x):
        lengths = x.sum((1, 2)).long().tolist()
        h = m["conv"](x).mT
        together = F.silu(torch.cat([row[:n] for row, n in zip(h, lengths, strict=True)])).square()
        return m["head"](torch.stack([part.mean(0) for part in together.split(lengths)]))

    model = settled(Net(run, conv=nn.Conv1d(4, 6, 5, padding=2), head=nn.Linear(6, 2)))
    x, references = sequences(3, 5)
    for i, end in enumerate((40, 31, 22)):
        x[i, :, end:] = references[i, :, :, end:] = 0
    assert missed(model, x, references, deep_lift_shap(model, x, references, TARGETS)) < 1e-4


def test_a_folded_batch_costs_few_passes():
    model, passes = around(FOLDED["position-major"]), []
    model.register_forward_hook(lambda *_: passes.append(1))
    deep_lift_shap(model, *sequences(2, 60), [0])
    assert len(passes) < 12


PADDED = torch.arange(LENGTH) > 31


@pytest.mark.parametrize("padding", [PADDED, PADDED.flip(0)], ids=["right", "left"])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_an_encoder_with_padding_predicts_what_is_explained(padding, norm_first):
    layer = nn.TransformerEncoderLayer(6, 2, 9, batch_first=True, norm_first=norm_first, activation="gelu")
    norm = nn.LayerNorm(6)
    encoder = nn.TransformerEncoder(layer, 2, norm=norm, enable_nested_tensor=not norm_first)
    model = settled(
        Net(
            lambda m, x: m["head"](
                m["encoder"](m["conv"](x).mT, src_key_padding_mask=padding.expand(len(x), -1)).flatten(1)
            ),
            conv=nn.Conv1d(4, 6, 5, padding=2),
            encoder=encoder,
            head=nn.Linear(6 * LENGTH, 2),
        )
    )
    assert explained(model) < 1e-4
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("both", [True, False])
def test_attention_weights_are_right(average, both):
    def run(m, x):
        tokens = m["conv"](x).mT
        attended, weights = m["attention"](tokens, tokens, tokens, average_attn_weights=average)
        weights = weights if average else weights.amax(1)
        mixed = weights.square() @ tokens
        return m["head"]((mixed + attended if both else mixed).mean(1))

    attention = nn.MultiheadAttention(6, 2, batch_first=True)
    model = settled(Net(run, conv=nn.Conv1d(4, 6, 5), attention=attention, head=nn.Linear(6, 2)))
    assert explained(model) < 1e-4


def test_attention_of_single_rows_is_right():
    def run(m, x):
        tokens = m["conv"](x).mT
        return m["head"](torch.stack([m["attention"](row, row, row)[0] for row in tokens]).mean(1))

    layers = {"conv": nn.Conv1d(4, 6, 5), "attention": nn.MultiheadAttention(6, 2), "head": nn.Linear(6, 2)}
    assert explained(settled(Net(run, **layers))) < 1e-4


def test_a_refusal_says_where_and_how_to_add_a_rule():
    model = around(lambda h: torch.cumsum(h, dim=2).tanh())
    rules.LINEAR.discard(torch.cumsum)
    try:
        with pytest.raises(
            UnsupportedFunction, match=r"torch\.cumsum has no rule \(test_hidden_steps\.py, line"
        ) as said:
            explained(model)
        assert "from l2g_interp.attributions.deeplift import rules; then rules.LINEAR.add(torch.cumsum)" in str(
            said.value
        )
    finally:
        rules.LINEAR.add(torch.cumsum)
    assert explained(model) < 1e-4


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_hidden_step_may_be_let_through_with_a_warning():
    x, references = sequences(2, 3)
    with pytest.warns(UserWarning, match="compiled code"):
        result = deep_lift_shap(around(torch.jit.script(swish)), x, references, [0], on_missing="warn")
    assert result.unruled == ("compiled code",)


def test_an_output_that_does_not_depend_on_the_sequence_has_no_contributions():
    model = settled(Net(lambda m, x: m["head"]((x.sum(1) > -1).float()), head=nn.Linear(LENGTH, 2)))
    x, references = sequences(2, 3)
    result = deep_lift_shap(model, x, references, TARGETS)
    assert not result.hypothetical.any()
    np.testing.assert_allclose(result.delta, 0, atol=1e-6)


def test_a_thread_that_trains_beside_keeps_its_own_gradients():
    """Autograd functions run their forward only while a model is explained, but not in other threads."""
    ready, go = threading.Event(), threading.Event()
    found = []

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad

    def train():
        ready.wait(20)
        x = torch.ones(3, requires_grad=True)
        Doubled.apply(x).sum().backward()
        found.append(x.grad.tolist())
        go.set()

    def middle(h):
        ready.set()
        assert go.wait(20)
        return h

    thread = threading.Thread(target=train)
    thread.start()
    model = around(lambda h: h)
    inner = model.run
    model.run = lambda m, x: inner(m, middle(x))
    deep_lift_shap(model, *sequences(1, 2), [0])
    thread.join()
    assert found == [[2.0, 2.0, 2.0]]
