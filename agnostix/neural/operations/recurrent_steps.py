"""What each step of a recurrent layer has had and made, computed in a few operations a step. Imports torch."""

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
    made: list[list[Any]] = [[] for _ in range(4)]
    sizes = [3 * cell.n_units, cell.n_units]
    for from_x in functional.linear(x, by_input, bias):
        sums = torch.addmm(from_x, h, by_state.T)
        to_gates, signal = sums.split(sizes, dim=1)
        gates = torch.sigmoid(to_gates)
        enter, keep, leave = gates.chunk(3, dim=1)
        c = torch.addcmul(enter * torch.tanh(signal), keep, c)
        h = leave * torch.tanh(c)
        if cell.projection is not None:
            h = functional.linear(h, cell.projection)
        for listed, one in zip(made, (sums, gates, c, h), strict=True):
            listed.append(one)
    sums, gates, cells, states = map(torch.stack, made)
    to_gates, signal = sums.split(sizes, dim=2)
    h_before, c_before = _before(states, start[0]), _before(cells, start[1])
    return Steps(x, states, h_before, signal, to_gates, gates, cells, c_before)


def _run_gru(cell: Cell, x: Any, start: tuple[Any, ...]) -> Steps:
    by_input, by_state = all_weights(cell)
    own, signals = cell.gates, cell.signal
    biases = [None, None]
    if own.bias is not None:
        biases = [
            torch.cat([gates, signal])
            for gates, signal in ((own.input_bias, signals.input_bias), (own.state_bias, signals.state_bias))
        ]
    (h,) = start
    made: list[list[Any]] = [[] for _ in range(5)]
    sizes = [2 * cell.n_units, cell.n_units]
    for from_x in functional.linear(x, by_input, biases[0]):
        gates_of_x, signal_of_x = from_x.split(sizes, dim=1)
        gates_of_h, inner = functional.linear(h, by_state, biases[1]).split(sizes, dim=1)
        to_gates = gates_of_x + gates_of_h
        gates = torch.sigmoid(to_gates)
        reset, keep = gates.chunk(2, dim=1)
        signal = torch.addcmul(signal_of_x, reset, inner)
        h = torch.lerp(torch.tanh(signal), h, keep)
        for listed, one in zip(made, (to_gates, gates, inner, signal, h), strict=True):
            listed.append(one)
    to_gates, gates, inner, signal, states = map(torch.stack, made)
    return Steps(x, states, _before(states, start[0]), signal, to_gates, gates, inner=inner)


def _run_simple(cell: Cell, x: Any, start: tuple[Any, ...]) -> Steps:
    activate, weights = ACTIVATIONS[cell.kind], cell.signal
    (h,) = start
    signals, states = [], []
    for from_x in functional.linear(x, weights.by_input, weights.bias):
        signals.append(torch.addmm(from_x, h, weights.by_state.T))
        h = activate(signals[-1])
        states.append(h)
    made = torch.stack(states)
    return Steps(x, made, _before(made, start[0]), torch.stack(signals))


def _before(states: Any, start: Any) -> Any:
    """States before each step from those after each."""
    return torch.cat([start[None], states[:-1]])


_RUNS = {"lstm": _run_lstm, "gru": _run_gru}
