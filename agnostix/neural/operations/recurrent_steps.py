"""What each step of a recurrent layer has had and made, by a few operations a step. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from agnostix.neural.operations.recurrent import Cell

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "lstm": torch.tanh,
    "gru": torch.tanh,
    "rnn_tanh": torch.tanh,
    "rnn_relu": torch.relu,
}
"""What a signal passes, by the kind of layer."""


@dataclass(frozen=True)
class Steps:
    """Values without a graph (n_steps, n, ...); gates are in the order i, f, o or r, z."""

    x: Any
    h: Any  # states after each step
    h_before: Any
    signal: Any  # before its activation
    to_gates: Any = None  # before their sigmoid
    gates: Any = None
    c: Any = None  # an LSTM's cells
    c_before: Any = None
    inner: Any = None  # a GRU's U h + b', before its reset


def run_steps(cell: Cell, x: Any, start: tuple[Any, ...]) -> Steps:
    """Steps from inputs (n_steps, n, n_inputs) and states (n, ...)."""
    with torch.no_grad():
        return _RUNS.get(cell.kind, _run_simple)(cell, x.detach(), tuple(one.detach() for one in start))


def all_weights(cell: Cell) -> tuple[Any, Any]:
    """Weights of gates and signal by input (n, n_inputs) and by state (n, n_state)."""
    own, signal = cell.gates, cell.signal
    return torch.cat([own.by_input, signal.by_input]), torch.cat([own.by_state, signal.by_state])


def _run_lstm(cell: Cell, x: Any, start: tuple[Any, ...]) -> Steps:
    by_input, by_state = all_weights(cell)
    bias = None if cell.signal.bias is None else torch.cat([cell.gates.bias, cell.signal.bias])
    h, c = start
    n, of_state = 3 * cell.n_units, by_state.T
    sums, cells, states = [], [], []
    for from_x in functional.linear(x, by_input, bias):
        both = torch.addmm(from_x, h, of_state)
        enter, keep, leave = torch.sigmoid(both.narrow(1, 0, n)).chunk(3, dim=1)
        c = torch.addcmul(enter * torch.tanh(both.narrow(1, n, cell.n_units)), keep, c)
        h = leave * torch.tanh(c)
        if cell.projection is not None:
            h = functional.linear(h, cell.projection)
        sums.append(both)
        cells.append(c)
        states.append(h)
    before = [_before(made, first) for made, first in ((states, start[0]), (cells, start[1]))]
    made = torch.stack(sums)
    to_gates, signal = made.narrow(2, 0, n), made.narrow(2, n, cell.n_units)
    return Steps(
        x, before[0][1:], before[0][:-1], signal, to_gates, to_gates.sigmoid(), before[1][1:], before[1][:-1]
    )


def _run_gru(cell: Cell, x: Any, start: tuple[Any, ...]) -> Steps:
    by_input, by_state = all_weights(cell)
    own, signals = cell.gates, cell.signal
    biases: list[Any] = [None, None]
    if own.bias is not None:
        biases = [
            torch.cat([gates, signal])
            for gates, signal in ((own.input_bias, signals.input_bias), (own.state_bias, signals.state_bias))
        ]
    (h,) = start
    n, of_state, n_gates = cell.n_units, by_state.T, 2 * cell.n_units
    made: list[list[Any]] = [[] for _ in range(4)]
    for from_x in functional.linear(x, by_input, biases[0]):
        from_h = h @ of_state if biases[1] is None else torch.addmm(biases[1], h, of_state)
        to_gates = from_x.narrow(1, 0, n_gates) + from_h.narrow(1, 0, n_gates)
        inner = from_h.narrow(1, n_gates, n)
        reset, keep = torch.sigmoid(to_gates).chunk(2, dim=1)
        signal = torch.addcmul(from_x.narrow(1, n_gates, n), reset, inner)
        h = torch.lerp(torch.tanh(signal), h, keep)
        for listed, one in zip(made, (to_gates, inner, signal, h), strict=True):
            listed.append(one)
    states = _before(made.pop(), start[0])
    to_gates, inner, signal = map(torch.stack, made)
    return Steps(x, states[1:], states[:-1], signal, to_gates, to_gates.sigmoid(), inner=inner)


def _run_simple(cell: Cell, x: Any, start: tuple[Any, ...]) -> Steps:
    activate, weights = ACTIVATIONS[cell.kind], cell.signal
    (h,) = start
    of_state = weights.by_state.T
    signals, states = [], []
    for from_x in functional.linear(x, weights.by_input, weights.bias):
        signals.append(torch.addmm(from_x, h, of_state))
        h = activate(signals[-1])
        states.append(h)
    made = _before(states, start[0])
    return Steps(x, made[1:], made[:-1], torch.stack(signals))


def _before(states: list[Any], start: Any) -> Any:
    """The state at the start and after each step (1 + n_steps, n, ...)."""
    return torch.stack([start, *states])


_RUNS = {"lstm": _run_lstm, "gru": _run_gru}
