"""Forward passes of rows and baselines whose gradients are multipliers of DeepLIFT. Imports torch.

The pass of the rows comes first; then each baseline has one of its own, whose operations are paired with
those of the rows in their order. Rules take what both have kept when multipliers are passed back, so that
several baselines need one forward pass of the rows. Linear operations, sums and changes of shape have torch's
own derivative, which is their multiplier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.deep_lift import slopes
from agnostix.neural.deep_lift.operands import (
    arrange_last,
    find_pooled,
    function_of,
    rearrange,
    reduced_axes,
    sum_to,
    varying_operands,
)
from agnostix.neural.deep_lift.recurrent import JoinedOnce, WholeLayers
from agnostix.neural.deep_lift.reductions import reduce
from agnostix.neural.deep_lift.reveal_cancel import Feeds, pass_back_parts
from agnostix.neural.deep_lift.tape import Tape
from agnostix.neural.operations import composites
from agnostix.neural.operations.composites import CompositeRules
from agnostix.neural.operations.mode import Operation, varies
from agnostix.neural.operations.normalization import read_normalization
from agnostix.neural.operations.recurrent import has_varying_weights, run_cell, run_layers
from agnostix.neural.operations.ruled import ruled

_DROPOUTS = frozenset(
    ["dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "native_dropout"]
)


class MultiplierMode(CompositeRules):
    """Context of the forward passes, by "rescale" or "reveal_cancel"."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rows = self._tape = Tape(self.kept)
        self.base: Tape
        self._feeds = Feeds(self.kept) if rule == "reveal_cancel" else None

    def begin_base(self) -> None:
        """The next pass is of a baseline."""
        self.base = self._tape = Tape(self.kept)

    def end(self) -> None:
        """A pass is over: what is known of nodes of its graph would hold it."""
        if self._feeds is not None:
            self._feeds.clear()

    def _begin(self, operation: Operation) -> None:
        if operation.name in _DROPOUTS and operation.operand(1, "p", 0.5) and operation.operand(2, "train"):
            raise composites.refuse(
                f"{operation.name} that is random in evaluation too",
                "Let it be active only while the module is in training.",
            )
        self._tape.enter(operation)
        if operation.is_in_place:
            self.kept.before_writing(operation.args[0])

    def pair(self, place: int) -> tuple[Any, Any]:
        """What an operation has kept, of the rows and of the baseline."""
        one, base = self.rows.steps[place], self.base.steps[place]
        return [kept.value for kept in one.values], [kept.value for kept in base.values]

    def _rule_function(self, operation: Operation) -> Any:
        operands = varying_operands(operation)
        if len(operands) > 1:
            raise composites.refuse(
                f"{operation.name} with several operands that vary with the input",
                "Write it by torch.maximum, torch.minimum, products and functions of one number.",
            )
        (x,) = operands
        name, function = _name_function(operation), function_of(operation, x)
        with torch.no_grad():
            y = function(x)
        place = self._tape.keep(x, y)
        feed = None if self._feeds is None or x.shape != y.shape else self._feeds.find(x)
        if feed is not None:
            return ruled(y, lambda g: pass_back_parts(self, place, function, feed, g), *feed.sources)

        def pass_back(gradient: Any) -> tuple[Any]:
            (x, y), (x0, y0) = self.pair(place)
            return (sum_to(gradient * slopes.rescale(function, name, x, y, x0, y0), x.shape),)

        return ruled(y, pass_back, x)

    def _rule_linear(self, operation: Operation) -> Any:
        x, weight, bias = (operation.operand(i, name) for i, name in enumerate(("input", "weight", "bias")))
        if not (varies(x) and varies(weight)):
            return self._fed(operation)
        rest = operation.args[3:]
        kwargs = {
            name: one for name, one in operation.kwargs.items() if name not in ("input", "weight", "bias")
        }
        function = operation.function
        product = self._multiply(lambda a, b: function(a, b, None, *rest, **kwargs), x, weight)
        if bias is None:
            return product
        return product + (bias if operation.name == "linear" else bias.reshape(-1, *[1] * (weight.ndim - 2)))

    def _rule_matrix_product(self, operation: Operation) -> Any:
        first, second = operation.args[0], operation.operand(1, "other")
        if second is None:
            second = operation.kwargs.get("mat2", operation.kwargs.get("vec", operation.kwargs.get("tensor")))
        if not (varies(first) and varies(second)):
            return self._fed(operation)
        return self._multiply(operation.function, first, second)

    def _rule_product(self, operation: Operation) -> Any:
        first, second = operation.args[0], operation.operand(1, "other")
        if not (varies(first) and varies(second)):
            return operation.run()
        return self._multiply(torch.mul, first, second)

    def _rule_einsum(self, operation: Operation) -> Any:
        equation, *operands = operation.args
        if isinstance(operands[0], list | tuple):
            operands = list(operands[0])
        if sum(map(varies, operands)) < 2:
            return operation.run()
        if len(operands) > 2:
            with self:
                return composites.contract(equation, operands)
        return self._multiply(lambda a, b: torch.einsum(equation, a, b), *operands)

    def _multiply(self, multiply: Callable[[Any, Any], Any], first: Any, second: Any) -> Any:
        """A product of two varying factors."""
        with torch.no_grad():
            product = multiply(first, second)
        place = self._tape.keep(first, second)
        return ruled(product, lambda g: slopes.multiply_back(multiply, g, *self.pair(place)), first, second)

    def _rule_quotient(self, operation: Operation) -> Any:
        first, second = operation.args[0], operation.operand(1, "other")
        if operation.kwargs.get("rounding_mode") is not None:
            raise composites.refuse(f"{operation.name} with rounding", "Leave rounding out.")
        if not varies(second):
            return operation.run()
        with torch.no_grad():
            quotient = torch.div(first, second)
        if not varies(first):
            place = self._tape.keep(second)

            def pass_back(gradient: Any) -> tuple[Any]:
                (b,), (b0,) = self.pair(place)
                return (sum_to(-gradient * first / (b * b0), b.shape),)

            return ruled(quotient, pass_back, second)
        place = self._tape.keep(first, second)

        def pass_both(gradient: Any) -> tuple[Any, Any]:
            (a, b), (a0, b0) = self.pair(place)
            of_a, of_b = slopes.divide_back(gradient, a, a0, b, b0)
            return sum_to(of_a, a.shape), sum_to(of_b, b.shape)

        return ruled(quotient, pass_both, first, second)

    def _rule_softmax(self, operation: Operation) -> Any:
        x = operation.operand(0, "input")
        axis = operation.operand(1, "dim")
        with torch.no_grad():
            y = operation.run()
        place, dtype = self._tape.keep(x), y.dtype
        back = slopes.softmax_back if operation.name == "softmax" else slopes.log_softmax_back

        def pass_back(gradient: Any) -> tuple[Any]:
            (x,), (x0,) = self.pair(place)
            return (back(gradient, x.to(dtype), x0.to(dtype), axis).to(x.dtype),)

        return ruled(y, pass_back, x)

    def _rule_reduction(self, operation: Operation) -> Any:
        with self:
            found = reduce(operation)
        if found is not None:
            return found
        if not operation.name.endswith("logsumexp"):
            return operation.run()
        x, keeps = operation.operand(0, "input"), operation.operand(2, "keepdim", False)
        (axis,) = reduced_axes(operation.operand(1, "dim"), x.ndim)
        with torch.no_grad():
            y = operation.run()
        place = self._tape.keep(x)

        def pass_back(gradient: Any) -> tuple[Any]:
            (x,), (x0,) = self.pair(place)
            return (slopes.logsumexp_back(gradient if keeps else gradient.unsqueeze(axis), x, x0, axis),)

        return ruled(y, pass_back, x)

    def _rule_normalization(self, operation: Operation) -> Any:
        norm = read_normalization(operation)
        if norm is None or not varies(norm.x) or varies(norm.weight) or varies(norm.bias):
            return operation.run()
        with torch.no_grad():
            y = operation.run()
        x = norm.x
        place = self._tape.keep(x)
        self._tape.steps[place].notes["norm"] = norm.without_graph()

        def pass_back(gradient: Any) -> tuple[Any]:
            (x,), (x0,) = self.pair(place)
            norms = (tape.steps[place].notes["norm"] for tape in (self.rows, self.base))
            return (slopes.normalize_back(gradient, x, x0, *norms),)

        return ruled(y, pass_back, x)

    def _rule_batch_norm(self, operation: Operation) -> Any:
        if operation.operand(5, "training") or operation.operand(3, "running_mean") is None:
            raise composites.refuse(
                "batch_norm by statistics of the batch, in which rows depend on each other",
                "Use nn.BatchNorm with track_running_stats=True.",
            )
        return self._fed(operation)

    def _rule_max_pooling(self, operation: Operation) -> Any:
        x = operation.operand(0, "input")
        with torch.no_grad():
            result = operation.run()
        y, *rest = result if isinstance(result, tuple) else (result,)
        n_axes = next(int(one) for one in operation.name if one.isdigit())
        find = find_pooled(operation)
        pooled = self._maximum(x, y, list(range(x.ndim - n_axes, x.ndim)), find)
        return (pooled, *rest) if isinstance(result, tuple) else pooled

    def _rule_maximum(self, operation: Operation) -> Any:
        x, other = operation.operand(0, "input"), operation.operand(1, "other")
        is_smallest = "min" in operation.name
        if isinstance(other, torch.Tensor):
            with self:
                both = torch.stack(torch.broadcast_tensors(x, other), dim=-1)
                return both.amin(dim=-1) if is_smallest else both.amax(dim=-1)
        axes = reduced_axes(operation.operand(1, "dim"), x.ndim)
        with torch.no_grad():
            result = operation.run()
        y = result if isinstance(result, torch.Tensor) else result[0]
        sign = -1 if is_smallest else 1

        def find(x: Any) -> Any:
            return (sign * arrange_last(x, axes)).argmax(dim=-1, keepdim=True)

        largest = self._maximum(x, y, axes, find, sign)
        return largest if isinstance(result, torch.Tensor) else type(result)((largest, result[1]))

    def _maximum(self, x: Any, y: Any, axes: list[int], find: Callable[[Any], Any], sign: int = 1) -> Any:
        """The largest values of x over axes, or the smallest; `find` gives their places (..., n_outputs)."""
        place = self._tape.keep(x)

        def pass_back(gradient: Any) -> tuple[Any]:
            (x,), (x0,) = self.pair(place)
            x0 = x0.expand_as(x)
            arranged = [sign * arrange_last(one, axes) for one in (x, x0)]
            winners = [find(one) for one in (x, x0)]
            found = slopes.maximum_back(gradient.reshape(winners[0].shape), *arranged, *winners)
            return (rearrange(found, axes, x.shape),)

        return ruled(y, pass_back, x)

    def _rule_sum(self, operation: Operation) -> Any:
        if operation.name == "lerp" and varies(operation.operand(2, "weight")):
            with self:
                return composites.interpolate(operation)
        return self._fed(operation)

    def _rule_recurrent(self, operation: Operation) -> Any:
        run = run_cell if operation.name.endswith("_cell") else run_layers
        if self._feeds is not None or has_varying_weights(operation):
            with self:
                return run(operation, JoinedOnce())
        place = len(self._tape.steps) - 1
        layers = WholeLayers(lambda: [one.steps[place].notes["layers"] for one in (self.rows, self.base)])
        result = run(operation, layers)
        self._tape.keep(*(steps.h for steps in layers.passes))
        self._tape.steps[place].notes["layers"] = layers.passes
        return result

    def _fed(self, operation: Operation) -> Any:
        """A linear operation's output, whose parts the next operation may need."""
        if self._feeds is None:
            return operation.run()
        return self._feeds.run(operation, self._tape)


def _name_function(operation: Operation) -> str:
    """The name of a function whose slope has a form of its own."""
    if operation.name == "pow" and isinstance(operation.args[-1], int | float) and operation.args[-1] == 2:
        return "square"
    return operation.name


def refuse_difference(kind: str, name: str, owner: str, model: str) -> DataError:
    """DataError for a network that computes the row in another way than the baseline."""
    whose = f"{owner} cannot explain the network {model}"
    if kind == "constants":
        return DataError(
            f"{whose}: its operation {name} takes a tensor or number that was computed from the input "
            "without a gradient, as by a comparison, argmax or detach, and that is not the same for the row "
            "and the baseline. Write torch.relu(x) for x * (x > 0) and for torch.where(x > 0, x, 0), and "
            "torch.amax(x, dim) for x at an argmax."
        )
    return DataError(
        f"{whose}: from {name} on, it runs other operations for the row than for the baseline. Leave "
        "branches that depend on values of the input out of its forward, or use IntegratedGradientsExplainer."
    )
