"""Relevance through all steps of a recurrent layer, from the last to the first. Imports torch.

With g the gradient that comes to a value, gates held and rho(g) what the rule of the signal z passes to the
state before, a step from h, c to h', c' passes

    lstm    g_c' += o tanh(c') / c' g_h';    g_z = i tanh(z) / z g_c';        g_c = f g_c',    g_h = rho(g_z)
    gru     g_z = (1 - k) tanh(z) / z g_h';  g_h = k g_h' + rho(g_z),         k being the gate that keeps
    rnn     g_z = tanh(z) / z g_h';          g_h = rho(g_z)

A rule is linear in g, so that rho is found once for all steps, as a sum of matrix products. Inputs, and what
biases and stabilizers absorb, come from the rule for the signals of all steps at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from agnostix.neural.lrp.conservation import OFFSET, Conservation, StepsAccount
from agnostix.neural.lrp.rules import Rule
from agnostix.neural.operations.derived import Derivation, negative, positive, size
from agnostix.neural.operations.linear import LinearOperation
from agnostix.neural.operations.recurrent_steps import ACTIVATIONS, Steps

_StepPart = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class _Term:
    """A part of what a rule passes to states: ((gradient * before) @ weight) * after, of all steps."""

    before: Any  # (n_steps, n, n_units)
    weight: Any  # (n_units, n_states)
    after: Any  # (n_steps, n, n_states) or None

    def scaled(self, factor: Any) -> _Term:
        """The same of a gradient that is to be multiplied by a factor (n_steps, n, n_units) first."""
        return _Term(self.before * factor, self.weight, self.after)

    def by_step(self) -> list[_StepPart]:
        """The part of each step, from its gradient (n, n_units), added to others."""
        if self.after is None:
            return [partial(_add_product, self.weight, one) for one in self.before]
        pairs = zip(self.before, self.after, strict=True)
        return [partial(_add_masked, self.weight, *pair) for pair in pairs]


def _add_product(weight: Any, before: Any, gradient: Any, rest: Any) -> Any:
    return torch.addmm(rest, gradient * before, weight)


def _add_masked(weight: Any, before: Any, after: Any, gradient: Any, rest: Any) -> Any:
    return torch.addcmul(rest, (gradient * before) @ weight, after)


class _StateSide:
    """An operation that notes what a rule passes back to the last of its inputs, instead of passing it."""

    def __init__(self, linear: LinearOperation, shape: Sequence[int], n_inputs: int, reset: Any) -> None:
        self.terms: list[_Term] = []
        self._linear, self._shape, self._n_inputs, self._reset = linear, shape, n_inputs, reset
        self._weights: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("transpose"):
            raise AttributeError(f"No transpose named {name!r} is known of the steps of a recurrent layer.")
        return getattr(self._linear, name)

    def map(self, name: str, x: Callable[[], Any], derivation: Derivation) -> Any:
        """As of the operation itself."""
        self._weights[name] = self._derive(derivation)
        return self._linear.map(name, x, derivation)

    def transpose(self, ratio: Any) -> Any:
        """Note products with the weight."""
        return self._note(ratio, self._linear.weight)

    def transpose_magnitudes(self, ratio: Any) -> Any:
        """Note products with the weight's size, by the signs of the inputs."""
        return self._note(ratio, self._derive(size), self._linear.input.value.sign())

    def transpose_split(self, is_positive: bool, ratio: Any) -> Any:
        """Note products of one sign."""
        own, other = self._derive(positive), self._derive(negative)
        if not is_positive:
            own, other = other, own
        is_up = (self._linear.input.value > 0).to(ratio)
        self._note(ratio, own, is_up)
        return self._note(ratio, other, 1 - is_up)

    def transpose_map(self, name: str, ratio: Any) -> Any:
        """Note products with the weight of a map."""
        return self._note(ratio, self._weights[name])

    def _derive(self, derivation: Derivation) -> Any:
        return self._linear.derive(derivation, self._linear.input.value)

    def _note(self, ratio: Any, weight: Any, after: Any = None) -> Any:
        before = ratio if self._reset is None else ratio * self._reset
        of_states = slice(self._n_inputs, None)
        if after is not None:
            after = after[:, of_states].unflatten(0, self._shape)
        self.terms.append(_Term(before.unflatten(0, self._shape), weight[:, of_states], after))
        return ratio.new_zeros(())


class LayerPass:
    """The backward pass of a layer in one direction."""

    def __init__(
        self, kind: str, steps: Steps, signal: LinearOperation, rule: Rule, account: StepsAccount
    ) -> None:
        self._kind, self._steps, self._rule = kind, steps, rule
        self._signal, self._account = signal, account
        self._projection: LinearOperation | None = None
        self._projection_account: StepsAccount
        self._known: tuple[Any, Any, Any, Any, Any] | None = None

    def project(self, projection: LinearOperation, conservation: Conservation) -> None:
        """Let states be a projection of what leaves the cells."""
        self._projection = projection
        sizes = [one.shape[0] for one in self._account.steps]
        account = self._projection_account = StepsAccount(conservation, sizes, self._steps.h.shape[2])
        for one, output in zip(account.steps, self._steps.h, strict=True):
            one.output = output[: one.shape[0]]

    def pass_back(self, gradient: Any, are_varying: Sequence[bool]) -> tuple[Any, ...]:
        """Gradients by inputs and states at the start; what those that do not vary have is absorbed."""
        with torch.no_grad():
            starts: tuple[Any, ...]
            entering, keep, leave, to_state, to_cell = self._coefficients()
            n_states = self._steps.h.shape[2]
            of_states, of_cells = gradient[..., :n_states], gradient[..., n_states:]
            if self._kind == "lstm":
                found, above, starts = self._run_lstm(of_states, of_cells, keep, leave, to_state, to_cell)
            else:
                found, starts = self._run_simple(of_states, keep, to_state)
                above = None
            passed = self._rule.pass_back(self._signal, (found * entering).flatten(0, 1), self._account)
            if self._projection is not None and above is not None:
                self._rule.pass_back(self._projection, above.flatten(0, 1), self._projection_account)
            n_inputs, shape = self._steps.x.shape[2], found.shape[:2]
            passed = passed[:, :n_inputs].unflatten(0, shape)
        x = self._signal.input.value[:, :n_inputs].unflatten(0, shape)
        values = (x, self._steps.h_before[0], *self._first_cells())
        for is_varying, one, value in zip(are_varying, (passed, *starts), values, strict=True):
            if not is_varying:
                self._account.absorb_sums(OFFSET, (one * value).sum(dim=-1).flatten())
        return passed, *starts

    def _first_cells(self) -> tuple[Any, ...]:
        return () if self._steps.c_before is None else (self._steps.c_before[0],)

    def _run_lstm(
        self, of_states: Any, of_cells: Any, keep: Any, leave: Any, to_state: Any, to_cell: Any
    ) -> tuple[Any, Any, tuple[Any, Any]]:
        """Gradients by cells and by states after each step (n_steps, n, ...), and by those at the start."""
        cell, before = torch.zeros_like(of_cells[0]), [torch.zeros_like(of_states[0]), *of_states]
        has_cells = bool(of_cells.any())
        state, none = before[-1], cell.new_zeros(())
        found, above = [], []
        steps = list(enumerate(zip(of_cells, keep, leave, to_state, to_cell, strict=True)))
        for t, (of_cell, kept, left, back, project) in reversed(steps):
            above.append(state)
            if project:
                state = _fold(project, state, none)
            cell = torch.addcmul(cell + of_cell if has_cells else cell, state, left)
            found.append(cell)
            state = _fold(back, cell, before[t])
            cell = cell * kept
        return torch.stack(found[::-1]), torch.stack(above[::-1]), (state, cell)

    def _run_simple(self, of_states: Any, keep: Any, to_state: Any) -> tuple[Any, tuple[Any]]:
        """Gradients by states after each step (n_steps, n, n_units), and by those at the start."""
        before = [torch.zeros_like(of_states[0]), *of_states]
        state, found = before[-1], []
        for t, (kept, back) in reversed(list(enumerate(zip(keep, to_state, strict=True)))):
            found.append(state)
            rest = before[t] if kept is None else torch.addcmul(before[t], state, kept)
            state = _fold(back, state, rest)
        return torch.stack(found[::-1]), (state,)

    def _coefficients(self) -> tuple[Any, Any, Any, Any, Any]:
        """Of signals by what they enter, of what is kept and leaves, and what rules pass at each step."""
        if self._known is not None:
            return self._known
        steps = self._steps
        n_steps, n_inputs = len(steps.x), steps.x.shape[2]
        signal = self._signal.output.value.unflatten(0, steps.signal.shape[:2])
        entering = _secant(ACTIVATIONS[self._kind](signal), signal)
        keep, leave, reset = [None] * n_steps, None, None
        if self._kind == "lstm":
            enter, keep, leave = steps.gates.chunk(3, dim=2)
            entering = entering * enter
            leave = leave * _secant(torch.tanh(steps.c), steps.c)
        elif self._kind == "gru":
            reset, keep = steps.gates.chunk(2, dim=2)
            entering = entering * (1 - keep)
            reset = reset.flatten(0, 1)
        terms = _find_terms(self._rule, self._signal, self._account, signal.shape[:2], n_inputs, reset)
        to_state = _by_step([one.scaled(entering) for one in terms])
        to_cell: list[Any] = [()] * n_steps
        if self._projection is not None:
            account = self._projection_account
            to_cell = _by_step(_find_terms(self._rule, self._projection, account, signal.shape[:2], 0, None))
        self._known = entering, keep, leave, to_state, to_cell
        return self._known


def _find_terms(
    rule: Rule,
    linear: LinearOperation,
    account: StepsAccount,
    shape: Sequence[int],
    n_inputs: int,
    reset: Any,
) -> list[_Term]:
    """What a rule passes to the states of all steps, which are the inputs after the first n_inputs."""
    side = _StateSide(linear, shape, n_inputs, reset)
    silent = copy.copy(account)
    silent.is_ignored = True
    rule.pass_back(side, torch.ones_like(linear.output.value), silent)  # type: ignore[arg-type]
    return side.terms


def _by_step(terms: Sequence[_Term]) -> list[tuple[_StepPart, ...]]:
    return list(zip(*(one.by_step() for one in terms), strict=True))


def _fold(parts: Sequence[_StepPart], gradient: Any, rest: Any) -> Any:
    """The sum of a step's parts and the rest."""
    for one in parts:
        rest = one(gradient, rest)
    return rest


def _secant(result: Any, value: Any) -> Any:
    """f(x) / x for an f with a slope of 1 at 0, or where f(x) is 0 of 0."""
    return torch.where(value == 0, 1.0, result / torch.where(value == 0, 1.0, value))
