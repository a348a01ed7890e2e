"""Relevance through functions of one number, softmax, maxima and normalization. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from agnostix.neural.lrp.composites import Place
from agnostix.neural.lrp.conservation import OFFSET, SOFTMAX
from agnostix.neural.lrp.linear import LinearRules
from agnostix.neural.lrp.mode import Note
from agnostix.neural.operations.catalog import ZERO_AT_ZERO
from agnostix.neural.operations.mode import Operation, tensors, varies
from agnostix.neural.operations.normalization import read_normalization, scale_and_offset
from agnostix.neural.operations.ruled import ruled


class FunctionRules(LinearRules):
    """Nonlinear operations of one operand that varies."""

    def _rule_function(self, operation: Operation) -> Any:
        is_passed = self._composite.passes(Place(operation.name, self._layer_of(), 0, False))
        function = _read_function(operation)
        if operation.name == "relu" or function is None:
            return operation.run()
        x, compute = function
        with torch.no_grad():
            output = compute(x)
            start = None if operation.name in ZERO_AT_ZERO else compute(torch.zeros_like(x))
        is_passed = is_passed and start is not None
        if start is not None and not is_passed and not torch.isfinite(start).all():
            return operation.run()
        if start is not None and (is_passed or not start.any()):
            start = None
        account = self._conservation.enter(output.shape)
        kept = self.kept.keep(x), self.kept.keep(output)

        def pass_back(gradient: Any) -> tuple[Any]:
            value, result = (one.value for one in kept)
            if start is not None:
                account.absorb(OFFSET, gradient * start)
            elif is_passed:  # an operand of 0 cannot have relevance
                account.absorb(OFFSET, torch.where(value == 0, gradient * result, 0.0))
            passed = gradient * _secant(compute, value, result, start)
            while note.passed:
                passed = passed + note.passed.pop()
            return (passed,)

        note = Note(_gate_name(operation), is_elementwise=True, operand=kept[0])
        return self._entered(account, ruled(output, pass_back, x, note=note))

    def _rule_softmax(self, operation: Operation) -> Any:
        x = operation.operand(0, "input")
        with torch.no_grad():
            output = operation.run()
        account = self._conservation.enter(output.shape)
        kept = self.kept.keep(x), self.kept.keep(output)

        def pass_back(gradient: Any) -> tuple[Any]:
            value, result = (one.value for one in kept)
            passed = _gradient(operation.compute, value, gradient)
            account.absorb(SOFTMAX, result * gradient - torch.where(passed == 0, 0.0, value * passed))
            return (passed,)

        return self._entered(account, ruled(output, pass_back, x, note=Note(operation.name)))

    def _rule_maximum(self, operation: Operation) -> Any:
        """The larger of x and a constant: what is not x is absorbed. Maxima of x alone pass by themselves."""
        operands = [operation.operand(0, "input"), operation.operand(1, "other")]
        is_pair = all(isinstance(one, torch.Tensor) for one in operands)
        if not is_pair or all(map(varies, operands)):
            return operation.run()
        x, constant = operands if varies(operands[0]) else reversed(operands)
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            output = operation.function(leaf, constant)
        slope = torch.autograd.grad(output.sum(), leaf)[0] if output.shape == x.shape else None
        if slope is None:
            with self:
                pair = (x.expand_as(output), constant)
                return operation.function(*pair)
        output = output.detach()
        account = self._conservation.enter(output.shape)
        rest = output - torch.where(slope == 0, 0.0, slope * leaf.detach())

        def pass_back(gradient: Any) -> tuple[Any]:
            account.absorb(OFFSET, gradient * torch.where(slope == 1, 0.0, rest))
            return (gradient * slope,)

        return self._entered(account, ruled(output, pass_back, x, note=Note(operation.name)))

    def _rule_normalization(self, operation: Operation) -> Any:
        norm = read_normalization(operation)
        with torch.no_grad():
            output = operation.run()
        if norm is None:
            names = ("input", "weight", "bias", "running_mean", "running_var")
            x, weight, bias, *statistics = (operation.operand(i, name) for i, name in enumerate(names))
            eps = operation.operand(7, "eps")
            return self._scaled(x, output, *scale_and_offset(statistics, weight, bias, eps, x.ndim))
        account = self._conservation.enter(output.shape)
        with torch.no_grad():
            deviation = norm.deviation(norm.x)

        def pass_back(gradient: Any) -> tuple[Any]:
            if norm.bias is not None:
                account.absorb(OFFSET, gradient * norm.bias)
            return (norm.center(norm.scale(gradient, deviation)),)

        return self._entered(account, ruled(output, pass_back, norm.x, note=Note(operation.name)))


def _read_function(operation: Operation) -> tuple[Any, Callable[[Any], Any]] | None:
    """The operand that varies and the function of it; None if there are several."""
    args = operation.args or (operation.kwargs["input"],)
    if sum(map(varies, tensors((args, {**operation.kwargs, "input": None})))) != 1:
        return None
    place = next((i for i, one in enumerate(args) if varies(one)), None)
    if place is None:
        return None
    if not operation.args:
        rest = {name: one for name, one in operation.kwargs.items() if name != "input"}
        return args[0], replace(operation, kwargs=rest).compute
    return args[place], lambda x: operation.compute(*args[:place], x)


def _gate_name(operation: Operation) -> str:
    """The name of a function; what is bounded on both sides is a hard tanh, whatever it is called."""
    bounds = (operation.operand(1, "min"), operation.operand(2, "max"))
    is_bounded = operation.name == "relu6" or (operation.name in ("clamp", "clip") and None not in bounds)
    return "hardtanh" if is_bounded else operation.name


def _secant(compute: Callable[[Any], Any], value: Any, result: Any, start: Any) -> Any:
    """(f(x) - f(0)) / x, and the derivative where x is so small that rounding would count."""
    if start is None:
        is_near = value == 0
        slope = result / value  # NaN at 0
    else:
        is_near = value.abs() <= torch.finfo(value.dtype).eps ** 0.5
        slope = (result - start) / value
    if not is_near.any():
        return slope
    derivative = _gradient(compute, value, torch.ones_like(value))
    return torch.where(is_near, derivative.nan_to_num(0.0, 0.0, 0.0), slope)


def _gradient(compute: Callable[[Any], Any], value: Any, gradient: Any) -> Any:
    """Gradient of a function at a value."""
    leaf = value.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(compute(leaf), leaf, gradient)[0]
