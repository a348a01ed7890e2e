"""Relevance through the steps of recurrent layers (Arras et al., 2017). Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from agnostix.neural.lrp.composites import Place
from agnostix.neural.lrp.linear import LinearRules
from agnostix.neural.operations.linear import LINEAR, LinearOperation
from agnostix.neural.operations.mode import Operation
from agnostix.neural.operations.recurrent import StepRules, Weights, run_cell, run_layers


class RecurrentRules(LinearRules):
    """Gates are held, and a step's signal is one linear operation of its input and the state before."""

    def _rule_recurrent(self, operation: Operation) -> Any:
        run = run_cell if operation.name.endswith("_cell") else run_layers
        before = self._own_place
        # All steps are one place, and inputs of 0 have no relevance: the rule is none for first operations.
        self._own_place = Place(LINEAR, self._layer_of(), self._depth_of(operation.args[0]) + 1, False)
        try:
            with self:
                return run(operation, _HeldGates(self))
        finally:
            self._own_place = before

    def pass_signal(self, source: Any, n_inputs: int, weights: Weights, reset: Any) -> Any:
        """A signal of a step's input and the state, side by side in the source (n, n_inputs + n_state)."""

        def multiply(x: Any, w: Any) -> Any:
            if reset is None:
                return functional.linear(x, w)
            parts = zip(*((one[:, :n_inputs], one[:, n_inputs:]) for one in (x, w)), strict=True)
            from_input, from_state = (functional.linear(*part) for part in parts)
            return from_input + reset * from_state

        bias = weights.bias
        if reset is not None and bias is not None:
            bias = weights.input_bias + reset * weights.state_bias
        weight = torch.cat([weights.by_input, weights.by_state], dim=1)
        linear = LinearOperation(LINEAR, multiply, source, weight, bias, self.kept)
        output = linear.run(lambda x: multiply(x, weight) if bias is None else multiply(x, weight) + bias)
        return self._pass_linear(linear, output)


class _HeldGates(StepRules):
    def __init__(self, mode: RecurrentRules) -> None:
        self._mode = mode

    def gated_by(self, tensor: Any) -> Any:
        return tensor.detach()

    def signal(self, x: Any, h: Any, weights: Weights, reset: Any = None) -> Any:
        source = torch.cat([x, h], dim=1)
        with self._mode.paused():
            return self._mode.pass_signal(source, x.shape[1], weights, reset)
