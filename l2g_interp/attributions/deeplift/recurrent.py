"""Recurrent networks, unrolled: one step after the other in functions that have rules. Each runs with the engine on.

It is exact, and slower than the fused functions: about a dozen calls per position, layer and direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

State = Sequence[Tensor]  # what goes from step to step: ``(h,)``, or ``(h, c)`` of an LSTM


def lstm_step(name: str, inputs: Tensor, state: State, weights: Sequence[Any]) -> State:
    """One step from the projected input ``(batch, 4 width)``: gates i, f, g, o (Hochreiter & Schmidhuber 1997)."""
    h, c = state
    gates = inputs + F.linear(h, *weights[:2])
    i, f, _, o = torch.sigmoid(gates).chunk(4, -1)
    c = f * c + i * torch.tanh(gates.chunk(4, -1)[2])
    h = o * torch.tanh(c)
    return (h if len(weights) < 3 else F.linear(h, weights[2])), c


def gru_step(name: str, inputs: Tensor, state: State, weights: Sequence[Any]) -> State:
    """One step from the projected input ``(batch, 3 width)``: gates r, z, n (Cho et al. 2014)."""
    (h,) = state
    of_input, of_state = inputs.chunk(3, -1), F.linear(h, *weights[:2]).chunk(3, -1)
    r, z = (torch.sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    n = torch.tanh(of_input[2] + r * of_state[2])
    return (n + z * (h - n),)


def plain_step(name: str, inputs: Tensor, state: State, weights: Sequence[Any]) -> State:
    """One step of a plain network, with tanh or ReLU."""
    total = inputs + F.linear(state[0], *weights[:2])
    return (torch.relu(total) if "relu" in name else torch.tanh(total),)


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": plain_step}


def recurrent(func: Callable, input: Tensor, *args: Any) -> tuple[Tensor, ...]:
    """What ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` call, with any number of layers, in one direction or both."""
    if isinstance(args[0], Tensor) and not args[0].is_floating_point():
        raise NotImplementedError(f"torch.{func.__name__} of packed sequences has no rule; give it padded ones")
    state, params, has_biases, layers, dropout, training, both_ways, batch_first = args
    if training and dropout > 0:
        raise NotImplementedError(f"torch.{func.__name__} with dropout between layers; call model.eval() first")
    states = [state] if isinstance(state, Tensor) else list(state)
    ways = 2 if both_ways else 1
    each = len(params) // (layers * ways)
    steps = input.transpose(0, 1) if batch_first else input
    last: list[State] = []
    for layer in range(layers):
        outputs = []
        for way in range(ways):
            k = layer * ways + way
            out, final = _one_way(
                func.__name__, steps.flip(0) if way else steps, tuple(s[k] for s in states),
                params[k * each : (k + 1) * each], has_biases,
            )  # fmt: skip
            outputs.append(out.flip(0) if way else out)
            last.append(final)
        steps = outputs[0] if ways == 1 else torch.cat(outputs, -1)
    out = steps.transpose(0, 1) if batch_first else steps
    return (out, *(torch.stack(s) for s in zip(*last, strict=True)))


def _one_way(
    name: str, steps: Tensor, state: State, params: Sequence[Tensor], has_biases: bool
) -> tuple[Tensor, State]:
    """Outputs ``(positions, batch, width)`` of one layer in one direction, and its last state."""
    w_in, w_state, *others = params
    b_in, b_state = others[:2] if has_biases else (None, None)
    step, out = STEPS[name.split("_")[0]], []
    for inputs in F.linear(steps, w_in, b_in).unbind(0):
        state = step(name, inputs, state, (w_state, b_state, *others[2 if has_biases else 0 :]))
        out.append(state[0])
    return torch.stack(out), state


def cell(func: Callable, input: Tensor, state: Any, w_in: Tensor, w_state: Tensor, b_in: Any = None,
         b_state: Any = None) -> Any:  # fmt: skip
    """What ``nn.LSTMCell``, ``nn.GRUCell`` and ``nn.RNNCell`` call."""
    states = (state,) if isinstance(state, Tensor) else tuple(state)
    step = STEPS[func.__name__.split("_")[0]]
    out = step(func.__name__, F.linear(input, w_in, b_in), states, (w_state, b_state))
    return out if len(out) > 1 else out[0]


RECURRENT: dict[str, Callable] = {
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrent),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), cell),
}
