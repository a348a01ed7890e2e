"""LSTM, GRU and simple recurrent layers, layer by layer and step by step. Imports torch.

With gates i, f, o, r, z = sigmoid(W x + U h + b), and a signal g or n, a step from the state h, c is

    lstm    g = tanh(W x + U h + b);      c' = f c + i g;    h' = o tanh(c'), projected where a layer says so
    gru     n = tanh(W x + b + r (U h + b'));                h' = (1 - z) n + z h
    rnn     h' = tanh(W x + U h + b), or ReLU

`run_layers` and `run_cell` hand each layer and direction to a method's `StepRules`: operations of each step
come to its mode one by one, or, by `WholeLayerRules`, all steps have one rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from agnostix.neural.operations.mode import Operation, varies

_N_GATES = {"lstm": 3, "gru": 2, "rnn_tanh": 0, "rnn_relu": 0}


@dataclass(frozen=True)
class Weights:
    """Of some units: by input (n_units, n_inputs), by state (n_units, n_state), biases (n_units,) or None."""

    by_input: Any
    by_state: Any
    input_bias: Any = None
    state_bias: Any = None

    @property
    def bias(self) -> Any:
        """Sum of both biases."""
        return None if self.input_bias is None else self.input_bias + self.state_bias

    def units(self, chosen: Callable[[Any], Any]) -> Weights:
        """Weights of some of the units."""
        parts = (self.by_input, self.by_state, self.input_bias, self.state_bias)
        return Weights(*(None if part is None else chosen(part) for part in parts))


class StepRules:
    """How a method passes a layer in one direction; here step by step, as torch computes them."""

    def signal(self, x: Any, h: Any, weights: Weights, reset: Any = None) -> Any:
        """W x + U h + b (n, n_units), where W x + b + reset (U h + b') is asked for."""
        if reset is not None:
            inner = functional.linear(h, weights.by_state, weights.state_bias)
            return functional.linear(x, weights.by_input, weights.input_bias) + reset * inner
        both = torch.cat([weights.by_input, weights.by_state], dim=1)
        return functional.linear(torch.cat([x, h], dim=1), both, weights.bias)

    def run_direction(
        self, cell: Cell, data: Any, sizes: Sequence[int], start: tuple[Any, ...], is_reverse: bool
    ) -> tuple[Any, tuple[Any, ...]]:
        """Outputs (sum of sizes, n_outputs) and each row's last state; sizes are the rows of each step."""
        inputs, from_inputs = data.split(list(sizes)), cell.gates_of(data).split(list(sizes))
        order = range(len(sizes) - 1, -1, -1) if is_reverse else range(len(sizes))
        outputs: list[Any] = [None] * len(sizes)
        ended = []  # states of rows whose sequences are over, in the order of time
        state = tuple(one[: sizes[order[0]]] for one in start)
        for t in order:
            n, n_before = sizes[t], len(state[0])
            if n < n_before:
                ended.append(tuple(one[n:] for one in state))
                state = tuple(one[:n] for one in state)
            elif n > n_before:
                state = tuple(
                    torch.cat([one, first[n_before:n]]) for one, first in zip(state, start, strict=True)
                )
            state = cell.step(inputs[t], from_inputs[t], state)
            outputs[t] = state[0]
        if ended:
            state = tuple(torch.cat(parts) for parts in zip(state, *reversed(ended), strict=True))
        return torch.cat(outputs), state


class WholeLayerRules(StepRules):
    """Rules of a method that passes all steps of a layer in one direction by one operation."""

    def pass_direction(self, cell: Cell, x: Any, start: tuple[Any, ...], sizes: Sequence[int]) -> Any:
        """States (n_steps, n, n_outputs) from inputs (n_steps, n, n_inputs); of an LSTM beside them c.

        Sequences that are shorter end with zeros; sizes are the rows of each step.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define pass_direction.")

    def run_direction(
        self, cell: Cell, data: Any, sizes: Sequence[int], start: tuple[Any, ...], is_reverse: bool
    ) -> tuple[Any, tuple[Any, ...]]:
        """Outputs (sum of sizes, n_outputs) and each row's last state; sizes are the rows of each step."""
        n_steps, n = len(sizes), sizes[0]
        if sizes[-1] == n:
            x = data.unflatten(0, (n_steps, n))
            states = self.pass_direction(cell, x.flip(0) if is_reverse else x, start, sizes)
            last, states = states[-1], states.flip(0) if is_reverse else states
            outputs = states.flatten(0, 1)
        else:
            places, ends = _find_places(sizes, is_reverse, data.device)
            x = data.new_zeros(n_steps * n, data.shape[1]).index_copy(0, places, data)
            states = self.pass_direction(cell, x.unflatten(0, (n_steps, n)), start, sizes).flatten(0, 1)
            last, outputs = states[ends], states[places]
        if cell.kind != "lstm":
            return outputs, (last,)
        n_outputs = outputs.shape[1] - cell.n_units
        return outputs[:, :n_outputs], (last[:, :n_outputs], last[:, n_outputs:])


def _find_places(sizes: Sequence[int], is_reverse: bool, device: Any) -> tuple[Any, Any]:
    """Places of packed inputs, and of the ends (n,) of sequences, among n_steps times n."""
    counts = torch.tensor(sizes)
    n = sizes[0]
    lengths = (counts[:, None] > torch.arange(n)).sum(dim=0)
    rows = torch.cat([torch.arange(size) for size in sizes])
    steps = torch.arange(len(sizes)).repeat_interleave(counts)
    if is_reverse:
        steps = lengths[rows] - 1 - steps
    ends = (lengths - 1) * n + torch.arange(n)
    return (steps * n + rows).to(device), ends.to(device)


class Cell:
    """One layer in one direction: a function from inputs and a state to the next state."""

    def __init__(self, kind: str, weights: Weights, projection: Any, rules: StepRules) -> None:
        self.kind = kind  # "lstm", "gru", "rnn_tanh" or "rnn_relu"
        self.projection = projection  # (n_outputs, n_units) or None
        self.rules = rules
        n_gates = _N_GATES[kind]
        n = len(weights.by_input) // (n_gates + 1)
        # An LSTM's signal stands between its gates.
        start = min(n_gates, 2) * n
        self.n_units = n
        self.gates = weights.units(lambda part: torch.cat([part[:start], part[start + n :]]))
        self.signal = weights.units(lambda part: part[start : start + n])

    def gates_of(self, x: Any) -> Any:
        """What inputs (n, n_inputs) add to gates (n, n_gates * n_units)."""
        return functional.linear(x, self.gates.by_input, self.gates.bias)

    def step(self, x: Any, from_x: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """The next state, h first, from inputs (n, n_inputs), what they add to gates, and the state."""
        h = state[0]
        if self.kind.startswith("rnn"):
            z = self.rules.signal(x, h, self.signal)
            return (torch.tanh(z) if self.kind == "rnn_tanh" else torch.relu(z),)
        from_h = functional.linear(h, self.gates.by_state)
        gates = torch.sigmoid(from_x + from_h).chunk(_N_GATES[self.kind], dim=1)
        if self.kind == "gru":
            reset, keep = gates
            return ((1 - keep) * torch.tanh(self.rules.signal(x, h, self.signal, reset)) + keep * h,)
        enter, keep, leave = gates
        c = keep * state[1] + enter * torch.tanh(self.rules.signal(x, h, self.signal))
        h = leave * torch.tanh(c)
        return (h if self.projection is None else functional.linear(h, self.projection)), c


def has_varying_weights(operation: Operation) -> bool:
    """Whether weights depend on the input; of packed sequences, the sizes of steps come before the states."""
    args = operation.args
    if operation.name.endswith("_cell"):
        return any(map(varies, args[2:]))
    return any(map(varies, args[3] if isinstance(args[3], list | tuple) else args[2]))


def run_cell(operation: Operation, rules: StepRules) -> Any:
    """One step of `nn.LSTMCell` and its like."""
    names = ("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")
    x, state, *weights = (operation.operand(i, name) for i, name in enumerate(names))
    kind = operation.name.removesuffix("_cell")
    cell = Cell(kind, Weights(*weights), None, rules)
    is_single = x.ndim == 1
    states = tuple(state) if kind == "lstm" else (state,)
    if is_single:
        x, states = x[None], tuple(one[None] for one in states)
    states = rules.run_direction(cell, x, [len(x)], states, False)[1]
    found = tuple(one[0] for one in states) if is_single else states
    return found if kind == "lstm" else found[0]


def run_layers(operation: Operation, rules: StepRules) -> tuple[Any, ...]:
    """Outputs, h and for LSTM c of `nn.LSTM` and its like, of sequences of equal lengths or packed ones."""
    args, kind = operation.args, operation.name
    is_packed = isinstance(args[3], list | tuple)
    data, sizes, state = (args[0], args[1].tolist(), args[2]) if is_packed else (args[0], None, args[1])
    first = 3 if is_packed else 2
    flat_weights, has_biases, n_layers, dropout, train, is_both_ways = args[first : first + 6]
    if sizes is None:
        data = data.transpose(0, 1) if args[8] else data
        n_steps, n_rows = data.shape[:2]
        data, sizes = data.flatten(0, 1), [n_rows] * n_steps
    states = tuple(state) if kind == "lstm" else (state,)
    n_directions = 1 + bool(is_both_ways)
    cells = _cells(kind, flat_weights, has_biases, n_layers * n_directions, rules)
    finals = []
    for layer in range(n_layers):
        if layer and train and dropout:
            data = functional.dropout(data, dropout)
        outputs = []
        for place in range(layer * n_directions, (layer + 1) * n_directions):
            start = tuple(one[place] for one in states)
            output, final = rules.run_direction(cells[place], data, sizes, start, place % n_directions == 1)
            outputs.append(output)
            finals.append(final)
        data = outputs[0] if n_directions == 1 else torch.cat(outputs, dim=1)
    if not is_packed:
        data = data.unflatten(0, (n_steps, n_rows))
        data = data.transpose(0, 1) if args[8] else data
    return data, *(torch.stack(one) for one in zip(*finals, strict=True))


def _cells(
    kind: str, flat_weights: Sequence[Any], has_biases: bool, n_cells: int, rules: StepRules
) -> list[Cell]:
    """The cells of layers and directions, from weights in torch's order."""
    n_each = len(flat_weights) // n_cells
    n_own = 4 if has_biases else 2
    cells = []
    for k in range(n_cells):
        own = flat_weights[k * n_each : (k + 1) * n_each]
        cells.append(Cell(kind, Weights(*own[:n_own]), own[n_own] if n_each > n_own else None, rules))
    return cells
