"""Multipliers through recurrent layers, from the last step to the first. Imports torch.

Gates vary, so each product of a step is of two factors, which have the mean of each other's two values; gates
and signals have the slope between baseline and row. Coefficients of all steps are computed at once: what is
left for each is a matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from agnostix.neural.deep_lift import slopes
from agnostix.neural.operations.recurrent import Cell, StepRules, Weights, WholeLayerRules
from agnostix.neural.operations.recurrent_steps import ACTIVATIONS, Steps, all_weights, run_steps
from agnostix.neural.operations.ruled import ruled


class JoinedOnce(StepRules):
    """Steps by operations of their own, whose weights are joined once, not at each step."""

    def __init__(self) -> None:
        self._joined: dict[int, tuple[Weights, Any, Any]] = {}

    def signal(self, x: Any, h: Any, weights: Weights, reset: Any = None) -> Any:
        """W x + U h + b (n, n_units)."""
        if reset is not None:
            return super().signal(x, h, weights, reset)
        if id(weights) not in self._joined:
            both = torch.cat([weights.by_input, weights.by_state], dim=1)
            self._joined[id(weights)] = weights, both, weights.bias
        _, both, bias = self._joined[id(weights)]
        return functional.linear(torch.cat([x, h], dim=1), both, bias)


class WholeLayers(WholeLayerRules):
    """Layers of one operation; `pair` gives what all of them have had, of the rows and of the baseline."""

    def __init__(self, pair: Any) -> None:
        self.passes: list[Steps] = []
        self._pair = pair

    def pass_direction(self, cell: Cell, x: Any, start: tuple[Any, ...], sizes: Sequence[int]) -> Any:
        """States with a graph, and of an LSTM its cells beside them."""
        place = len(self.passes)
        steps = run_steps(cell, x, start)
        self.passes.append(steps)
        value = steps.h.clone() if steps.c is None else torch.cat([steps.h, steps.c], dim=2)
        back = _pass_lstm if cell.kind == "lstm" else _pass_simple

        def pass_back(gradient: Any) -> tuple[Any, ...]:
            with torch.no_grad():
                return back(cell, gradient, *(passes[place] for passes in self._pair()))

        return ruled(value, pass_back, x, *start)


def _pass_lstm(cell: Cell, gradient: Any, one: Steps, base: Steps) -> tuple[Any, Any, Any]:
    """Multipliers of inputs, and of states and cells at the start, from those of states and cells."""
    by_input, by_state = all_weights(cell)
    enter, keep, leave = _mean(one.gates, base.gates).chunk(3, dim=2)
    of_enter, of_keep, of_leave = _gate_slopes(one, base).chunk(3, dim=2)
    signal, of_signal = _activated("lstm", one.signal, base.signal)
    out, of_out = _activated("lstm", one.c, base.c)
    kept = _mean(one.c_before, base.c_before)
    to_sums = torch.cat([signal * of_enter, kept * of_keep, out * of_leave, enter * of_signal], dim=2)
    of_states, of_cells = gradient[..., : one.h.shape[2]], gradient[..., one.h.shape[2] :]
    memory, before = torch.zeros_like(of_cells[0]), [torch.zeros_like(of_states[0]), *of_states]
    above, found = before[-1], []
    steps = list(enumerate(zip(of_cells, leave * of_out, keep, to_sums, strict=True)))
    for t, (of_cell, left, remains, to_sum) in reversed(steps):
        if cell.projection is not None:
            above = above @ cell.projection
        memory = torch.addcmul(memory + of_cell, above, left)
        found.append(torch.cat([memory, memory, above, memory], dim=1) * to_sum)
        above = torch.addmm(before[t], found[-1], by_state)
        memory = memory * remains
    return torch.stack(found[::-1]) @ by_input, above, memory


def _pass_simple(cell: Cell, gradient: Any, one: Steps, base: Steps) -> tuple[Any, Any]:
    """The same for layers without cells, GRU and simple ones."""
    by_input, by_state = all_weights(cell)
    signal, of_signal = _activated(cell.kind, one.signal, base.signal)
    of_inputs = of_state = of_signal
    keep: Any = [None] * len(gradient)
    if cell.kind == "gru":
        reset, keep = _mean(one.gates, base.gates).chunk(2, dim=2)
        of_reset, of_keep = _gate_slopes(one, base).chunk(2, dim=2)
        to_signal = (1 - keep) * of_signal
        to_reset = to_signal * _mean(one.inner, base.inner) * of_reset
        to_keep = (_mean(one.h_before, base.h_before) - signal) * of_keep
        of_inputs = torch.cat([to_reset, to_keep, to_signal], dim=2)
        of_state = torch.cat([to_reset, to_keep, to_signal * reset], dim=2)
    n_parts = of_inputs.shape[2] // cell.n_units
    before = [torch.zeros_like(gradient[0]), *gradient]
    above, found = before[-1], []
    for t, (remains, to_sum) in reversed(list(enumerate(zip(keep, of_state, strict=True)))):
        found.append(above)
        rest = before[t] if remains is None else torch.addcmul(before[t], above, remains)
        above = torch.addmm(rest, above.repeat(1, n_parts) * to_sum, by_state)
    return (torch.stack(found[::-1]).repeat(1, 1, n_parts) * of_inputs) @ by_input, above


def _mean(one: Any, base: Any) -> Any:
    return (one + base) / 2


def _gate_slopes(one: Steps, base: Steps) -> Any:
    """Slopes of all gates between the baseline and the row."""
    return slopes.rescale(torch.sigmoid, "sigmoid", one.to_gates, one.gates, base.to_gates, base.gates)


def _activated(kind: str, x: Any, x0: Any) -> tuple[Any, Any]:
    """The mean of an activation's values at the row and the baseline, and its slope between them."""
    function = ACTIVATIONS[kind]
    y, y0 = function(x), function(x0)
    name = "relu" if kind == "rnn_relu" else "tanh"
    return _mean(y, y0), slopes.rescale(function, name, x, y, x0, y0)
