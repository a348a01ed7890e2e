"""Reveal-cancel: positive and negative parts of differences pass functions apart. Imports torch.

With u the input of a linear operation x = w u + b, D = u - u0, and f a function of x:

    p = sums of w D over w D > 0,    n = those over w D < 0,    x - x0 = p + n
    y_p = (f(x0 + p) - f(x0) + f(x0 + n + p) - f(x0 + n)) / 2,    y_n likewise,    y - y0 = y_p + y_n

The multiplier of u is the sum of w times y_p / p or y_n / n, by the sign of w D, half of each where D is 0.
Batch norm after a linear operation is part of it, sums of linear operations are one; other operands of such
a sum have weight 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from agnostix.neural.deep_lift import slopes
from agnostix.neural.deep_lift.operands import sum_to
from agnostix.neural.deep_lift.tape import Tape
from agnostix.neural.operations.catalog import LINEAR, MATRIX_PRODUCTS
from agnostix.neural.operations.kept import KeptValues
from agnostix.neural.operations.linear import LinearOperation, read_linear, read_matrix_product
from agnostix.neural.operations.mode import Operation, varies
from agnostix.neural.operations.normalization import scale_and_offset

if TYPE_CHECKING:
    from agnostix.neural.deep_lift.multipliers import MultiplierMode

_SIGNS = {"add": 1, "iadd": 1, "radd": 1, "sub": -1, "isub": -1, "subtract": -1}
"""Of the second operand."""


@dataclass(frozen=True)
class Term:
    """A linear operation w u that is part of a sum; w None for 1, with a scale that broadcasts to the sum."""

    source: Any  # u with its graph
    version: int  # of u
    step: int  # at which u was kept
    place: int  # among the values that were kept there
    multiply: Callable[[Any, Any], Any] | None = None
    weight: Any = None
    scale: Any = None

    def scaled(self, scale: Any) -> Term:
        """The term times a scale."""
        return replace(self, scale=scale if self.scale is None else self.scale * scale)

    def apply(self, u: Any, weight: Any, shape: Any) -> Any:
        """The linear map of another u, or with another weight, without the scale."""
        return u.expand(shape) if self.multiply is None else self.multiply(u, weight)


@dataclass(frozen=True)
class Feed:
    """What a tensor is the sum of, constants apart."""

    terms: tuple[Term, ...]

    @property
    def sources(self) -> tuple[Any, ...]:
        """The inputs of the linear operations."""
        return tuple(term.source for term in self.terms)


class Feeds:
    """Tensors of a pass that are outputs of linear operations, by their nodes."""

    def __init__(self, kept: KeptValues) -> None:
        self._kept = kept
        self._by_node: dict[Any, Feed] = {}

    def clear(self) -> None:
        """Forget all nodes."""
        self._by_node.clear()

    def find(self, x: Any) -> Feed | None:
        """What x is the sum of, if that is known and still there."""
        feed = self._by_node.get(x.grad_fn)
        if feed is None or any(term.source._version != term.version for term in feed.terms):
            return None
        return feed

    def run(self, operation: Operation, tape: Tape) -> Any:
        """Run an operation, and note what its output is the sum of."""
        feed = self._read(operation, tape)
        if operation.is_in_place:
            self._kept.before_writing(operation.args[0])
        output = operation.run()
        if feed is not None and isinstance(output, torch.Tensor):
            self._by_node[output.grad_fn] = feed
        return output

    def _read(self, operation: Operation, tape: Tape) -> Feed | None:
        if operation.name in LINEAR:
            return self._of(read_linear(operation, self._kept), tape)
        if operation.name in MATRIX_PRODUCTS:
            return self._of(read_matrix_product(operation, self._kept), tape)
        if operation.name == "batch_norm":
            return self._scaled(operation)
        if operation.name in _SIGNS and operation.kwargs.get("alpha", 1) == 1:
            return self._summed(operation, tape)
        return None

    def _of(self, linear: LinearOperation | None, tape: Tape) -> Feed | None:
        if linear is None:
            return None
        source = linear.source
        step = tape.keep(source)
        return Feed((Term(source, source._version, step, 0, linear.multiply, linear.weight),))

    def _scaled(self, operation: Operation) -> Feed | None:
        x, weight, bias, mean, variance, _, _, eps = operation.args[:8]
        feed = self.find(x)
        if feed is None:
            return None
        scale, _ = scale_and_offset((mean, variance), weight, bias, eps, x.ndim)
        return Feed(tuple(term.scaled(scale) for term in feed.terms))

    def _summed(self, operation: Operation, tape: Tape) -> Feed | None:
        first, second = operation.operand(0, "input"), operation.operand(1, "other")
        signs = ((first, 1), (second, _SIGNS[operation.name]))
        operands = [(one, sign) for one, sign in signs if varies(one)]
        step = tape.keep(*(one for one, _ in operands))
        terms: list[Term] = []
        for place, (one, sign) in enumerate(operands):
            feed = self.find(one)
            own = (Term(one, one._version, step, place),) if feed is None else feed.terms
            terms += own if sign == 1 else [term.scaled(-1.0) for term in own]
        is_one = len(operands) == 1
        return None if is_one and self.find(operands[0][0]) is None else Feed(tuple(terms))


class _Parts:
    """Positive and negative products of a term's difference, and multipliers through them."""

    def __init__(self, term: Term, u: Any, u0: Any, shape: Any) -> None:
        self._change = u - u0
        self._scale = term.scale
        weight = term.weight
        self._leaves = [one.requires_grad_() for one in (self._change.clone(), self._change.abs())]
        with torch.enable_grad():
            self._maps = [
                term.apply(leaf, one, shape)
                for leaf, one in zip(
                    self._leaves, (weight, None if weight is None else weight.abs()), strict=True
                )
            ]
        lin, mag = (one.detach() for one in self._maps)
        if self._scale is not None:
            lin, mag = lin * self._scale, mag * abs(self._scale)
        self.positive, self.negative = (lin + mag) / 2, (lin - mag) / 2

    def pass_back(self, of_positive: Any, of_negative: Any) -> Any:
        """Multiplier of u from those of its positive and its negative products."""
        even, odd = (of_positive + of_negative) / 2, (of_positive - of_negative) / 2
        if self._scale is not None:
            even, odd = even * self._scale, odd * abs(self._scale)
        by_lin, by_mag = (
            torch.autograd.grad(product, leaf, gradient)[0]
            for product, leaf, gradient in zip(self._maps, self._leaves, (even, odd), strict=True)
        )
        return by_lin + self._change.sign() * by_mag


def pass_back_parts(
    mode: MultiplierMode, place: int, function: Callable[[Any], Any], feed: Feed, gradient: Any
) -> tuple[Any, ...]:
    """Multipliers of the sources of a feed, through a function of their sum."""
    (x, y), (x0, y0) = mode.pair(place)
    parts = []
    for term in feed.terms:
        values, values0 = mode.pair(term.step)
        parts.append(_Parts(term, values[term.place], values0[term.place], x.shape))
    positive, negative = sum(one.positive for one in parts), sum(one.negative for one in parts)
    with torch.no_grad():
        by_positive, by_negative = function(x0 + positive), function(x0 + negative)
    of_positive = (by_positive - y0 + y - by_negative) / 2
    of_negative = (by_negative - y0 + y - by_positive) / 2
    noise = 8 * torch.finfo(x.dtype).eps * torch.maximum(x.abs(), x0.abs().expand_as(x))
    slope = slopes.derivative(function, x)
    ratios = [
        torch.where(change.abs() <= noise, slope, of_change / torch.where(change == 0, 1.0, change))
        for change, of_change in ((positive, of_positive), (negative, of_negative))
    ]
    passed = [one.pass_back(gradient * ratios[0], gradient * ratios[1]) for one in parts]
    return tuple(sum_to(one, term.source.shape) for one, term in zip(passed, feed.terms, strict=True))
