"""Relevance through recurrent layers (Arras et al., 2017). Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from agnostix.neural.lrp.composites import Place
from agnostix.neural.lrp.conservation import StepsAccount
from agnostix.neural.lrp.linear import LinearRules
from agnostix.neural.lrp.mode import Note
from agnostix.neural.lrp.steps import LayerPass
from agnostix.neural.operations.composites import refuse
from agnostix.neural.operations.guard import refuse_checkpoint
from agnostix.neural.operations.linear import LINEAR, LinearOperation
from agnostix.neural.operations.mode import Operation, tensors, varies
from agnostix.neural.operations.recurrent import (
    Cell,
    WholeLayerRules,
    has_varying_weights,
    run_cell,
    run_layers,
)
from agnostix.neural.operations.recurrent_steps import Steps, run_steps
from agnostix.neural.operations.ruled import ruled


class RecurrentRules(LinearRules):
    """Gates are held, and a step's signal is one linear operation of its input and the state before."""

    def _rule_recurrent(self, operation: Operation) -> Any:
        refuse_checkpoint()
        is_cell = operation.name.endswith("_cell")
        if has_varying_weights(operation):
            raise refuse(f"{operation.name} with weights that depend on the input", "Make them parameters.")
        # All steps are one place, and inputs of 0 have no relevance: the rule is none for first operations.
        depth = max(self._depth_of(one) for one in tensors(operation.args) if varies(one))
        place = Place(LINEAR, self._layer_of(), depth + 1, False)
        return (run_cell if is_cell else run_layers)(operation, _HeldGates(self, place))

    def pass_layer(
        self, cell: Cell, x: Any, start: tuple[Any, ...], sizes: Sequence[int], place: Place
    ) -> Any:
        """States of a layer in one direction, with a graph, and of an LSTM its cells beside them."""
        rule = self._composite.rule_of(place)
        steps = run_steps(cell, x, start)
        signal = self._read_signal(cell, steps)
        account = StepsAccount(self._conservation, sizes, cell.n_units)
        layer = LayerPass(cell.kind, steps, signal, rule, account)
        if cell.projection is not None:
            layer.project(self._read_projection(cell, steps), self._conservation)
        value = steps.h.clone() if steps.c is None else torch.cat([steps.h, steps.c], dim=2)
        for one, output in zip(account.steps, steps.h, strict=True):
            one.output = output[: one.shape[0]]
        are_varying = [varies(one) for one in (x, *start)]
        return ruled(
            value,
            lambda gradient: layer.pass_back(gradient, are_varying),
            x,
            *start,
            note=Note(cell.kind, place=place),
        )

    def _read_signal(self, cell: Cell, steps: Steps) -> LinearOperation:
        """Signals of all steps: of inputs and states, side by side in the source (n_steps * n, ...)."""
        weights, n_inputs = cell.signal, steps.x.shape[2]
        reset = None if cell.kind != "gru" else steps.gates[..., : cell.n_units].flatten(0, 1)

        def multiply(x: Any, w: Any) -> Any:
            if reset is None:
                return functional.linear(x, w)
            parts = zip(*((one[:, :n_inputs], one[:, n_inputs:]) for one in (x, w)), strict=True)
            from_input, from_state = (functional.linear(*part) for part in parts)
            return from_input + reset * from_state

        bias = weights.bias
        if reset is not None and bias is not None:
            bias = weights.input_bias + reset * weights.state_bias
        source = torch.cat([steps.x, steps.h_before], dim=2).flatten(0, 1)
        weight = torch.cat([weights.by_input, weights.by_state], dim=1)
        linear = LinearOperation(LINEAR, multiply, source, weight, bias, self.kept)
        linear.derived = self.derived
        linear.run(lambda x: multiply(x, weight) if bias is None else multiply(x, weight) + bias)
        return linear

    def _read_projection(self, cell: Cell, steps: Steps) -> LinearOperation:
        leave = steps.gates[..., 2 * cell.n_units :]
        source = (leave * torch.tanh(steps.c)).flatten(0, 1)
        linear = LinearOperation(LINEAR, functional.linear, source, cell.projection, None, self.kept)
        linear.derived = self.derived
        linear.run(lambda x: functional.linear(x, cell.projection))
        return linear


class _HeldGates(WholeLayerRules):
    def __init__(self, mode: RecurrentRules, place: Place) -> None:
        self._mode, self._place = mode, place

    def pass_direction(self, cell: Cell, x: Any, start: tuple[Any, ...], sizes: Sequence[int]) -> Any:
        return self._mode.pass_layer(cell, x, start, sizes, self._place)
