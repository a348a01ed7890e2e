"""Relevance through every kind of operation, as input times a modified gradient. Imports torch.

A value keeps its relevance y g, g being the gradient that comes to it, if an operation passes gradients that
sum to y g over its inputs: ReLU, sums, reshaping, pooling and constant factors do so by themselves. The rest:

    linear operation     the rule that the composite assigns
    batch norm           merged into the linear operation before it where its rule splits products
    f(x)                 (f(x) - f(0)) / x; f(0) is absorbed
    a b, a a gate        a is held                  (LSTM: Arras et al., 2017; attention: CP-LRP)
    a b                  half to each factor        (AttnLRP, Achtibat et al., 2024)
    softmax              its derivative             (AttnLRP); what it loses is absorbed
    normalization        the standard deviation is held; offsets are absorbed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from agnostix.neural.graph import LEAF
from agnostix.neural.lrp.composites import Composite, Place
from agnostix.neural.lrp.conservation import OFFSET, SOFTMAX, Account, Conservation
from agnostix.neural.lrp.direct import DirectOperations
from agnostix.neural.lrp.gates import find_gate, is_softmax
from agnostix.neural.lrp.rules import DirectRule, Rule
from agnostix.neural.operations import composites
from agnostix.neural.operations.catalog import ZERO_AT_ZERO
from agnostix.neural.operations.linear import (
    LinearOperation,
    read_linear,
    read_matrix_product,
)
from agnostix.neural.operations.mode import Operation, OperationMode, replace_tensors, tensors, varies
from agnostix.neural.operations.ruled import note_of, ruled


@dataclass
class Note:
    """What a node of the graph is, for operations that come after it."""

    name: str
    is_elementwise: bool = False
    operation: LinearOperation | None = None
    rule: Rule | None = None
    place: Place | None = None


class RelevanceMode(OperationMode):
    """Context of a forward pass whose gradients are relevance over input."""

    def __init__(
        self,
        composite: Composite,
        attention: str,
        conservation: Conservation,
        direct: DirectOperations,
        layer_of: Callable[[], str] = lambda: "",
    ) -> None:
        super().__init__()
        self._composite = composite
        self._holds_attention = attention == "cp_lrp"
        self._conservation = conservation
        self.direct = direct
        self._layer_of = layer_of

    def _rule_linear(self, operation: Operation) -> Any:
        linear = read_linear(operation, self.kept)
        if linear is None:
            return operation.run()
        weight, bias = operation.operand(1, "weight"), operation.operand(2, "bias")
        rest = {
            name: operation.kwargs[name]
            for name in operation.kwargs
            if name not in ("input", "weight", "bias")
        }
        output = linear.run(lambda x: operation.function(x, weight, bias, *operation.args[3:], **rest))
        return self._pass_linear(linear, output)

    def _rule_matrix_product(self, operation: Operation) -> Any:
        linear = read_matrix_product(operation, self.kept)
        if linear is not None:
            return self._pass_linear(linear, linear.run(lambda x: linear.multiply(x, linear.weight)))
        return self._multiply(operation, operation.function)

    def _pass_linear(self, linear: LinearOperation, output: Any) -> Any:
        """The output of a linear operation with the graph of its rule."""
        place = self._place_of(linear)
        rule = self._composite.rule_of(place)
        if isinstance(rule, DirectRule):
            linear.bounds = self.direct.enter(linear)
        note = Note(linear.kind, operation=linear, rule=rule, place=place)
        return self._ruled_linear(note, output)

    def _ruled_linear(self, note: Note, output: Any) -> Any:
        account = self._conservation.enter(output.shape)
        linear, rule = note.operation, note.rule
        assert linear is not None and rule is not None

        def pass_back(gradient: Any) -> tuple[Any]:
            return (rule.pass_back(linear, gradient, account),)

        return self._entered(account, ruled(output, pass_back, linear.source, note=note))

    def _rule_batch_norm(self, operation: Operation) -> Any:
        x, weight, bias, mean, variance, uses_batch, _, eps = (*operation.args[:8],)
        if uses_batch or mean is None:
            raise composites.refuse("batch statistics", "")
        scale = (variance + eps).rsqrt() if weight is None else weight * (variance + eps).rsqrt()
        offset = -mean * scale if bias is None else bias - mean * scale
        shape = (-1, *[1] * (x.ndim - 2))
        scale, offset = scale.reshape(shape), offset.reshape(shape)
        note = self._mergeable(x)
        with torch.no_grad():
            output = operation.run()
        if note is None:
            return self._scaled(x, output, scale, offset)
        merged = note.operation.merged(scale, offset, output)
        return self._ruled_linear(Note(note.name, operation=merged, rule=note.rule, place=note.place), output)

    def _scaled(self, x: Any, output: Any, scale: Any, offset: Any) -> Any:
        """An output scale x + offset, whose offset absorbs its share."""
        account = self._conservation.enter(output.shape)

        def pass_back(gradient: Any) -> tuple[Any]:
            account.absorb(OFFSET, gradient * offset)
            return (gradient * scale,)

        return self._entered(account, ruled(output, pass_back, x))

    def _mergeable(self, x: Any) -> Note | None:
        """The linear operation whose output x is, if what comes next can and must be merged into it."""
        note = note_of(x.grad_fn)
        is_linear = isinstance(note, Note) and note.operation is not None
        needs = is_linear and note.rule.splits_products and note.operation.can_merge
        return note if needs else None

    def _rule_sum(self, operation: Operation) -> Any:
        constants = [one for one in tensors((operation.args, operation.kwargs)) if not varies(one)]
        is_shift = operation.name not in ("cat", "concat", "stack") or bool(constants)
        offset = self._value_at_zero(operation) if is_shift else None
        result = operation.run()
        if operation.name == "setitem":
            result = operation.args[0]
            self._absorb_constant(result, offset)
            return None
        return self._absorb_constant(result, offset) if offset is not None else result

    def _value_at_zero(self, operation: Operation) -> Any:
        """What constants give where everything that varies is 0."""

        def change(tensor: Any) -> Any:
            if varies(tensor):
                return torch.zeros_like(tensor)
            return tensor.clone() if operation.is_in_place else tensor

        with torch.no_grad():
            args, kwargs = replace_tensors(operation.args, change), replace_tensors(operation.kwargs, change)
            result = operation.function(*args, **kwargs)
        return args[0] if operation.is_in_place else result

    def _absorb_constant(self, output: Any, offset: Any) -> Any:
        """An output that has a graph, part of which is a constant that absorbs its share."""
        account = self._conservation.enter(output.shape)
        output.register_hook(lambda gradient: account.absorb(OFFSET, gradient * offset))
        return self._entered(account, output)

    def _rule_product(self, operation: Operation) -> Any:
        first, second = operation.args[0], operation.operand(1, "other")
        if not (varies(first) and varies(second)):
            return operation.run()
        return self._multiply(operation, operation.compute)

    def _multiply(self, operation: Operation, multiply: Callable[[Any, Any], Any]) -> Any:
        """A product of two varying factors."""
        first, second = operation.args[0], operation.operand(1, "other")
        if second is None:
            second = operation.kwargs["mat2"]
        place = find_gate(first, second)
        if place is not None and (self._holds_attention or not is_softmax((first, second)[place])):
            return self._hold(first, second, place, multiply)
        kept = self.kept.keep(first), self.kept.keep(second)
        with torch.no_grad():
            output = multiply(first, second)

        def pass_back(gradient: Any) -> Any:
            leaves = [one.value.detach().requires_grad_() for one in kept]
            with torch.enable_grad():
                product = multiply(*leaves)
            return torch.autograd.grad(product, leaves, gradient / 2)

        return ruled(output, pass_back, first, second, note=Note("product"))

    def _hold(self, first: Any, second: Any, place: int, multiply: Callable[[Any, Any], Any]) -> Any:
        """A product one factor of which is held."""
        factors = [first.detach(), second.detach()]
        carrier = 1 - place
        leaf = factors[carrier].requires_grad_()
        with torch.enable_grad():
            product = multiply(*factors)

        def pass_back(gradient: Any) -> Any:
            return torch.autograd.grad(product, leaf, gradient, retain_graph=True)

        return ruled(product.detach(), pass_back, (first, second)[carrier], note=Note("product"))

    def _rule_quotient(self, operation: Operation) -> Any:
        first, second = operation.args[0], operation.operand(1, "other")
        if not varies(second):
            return operation.run()
        if varies(first):  # the divisor is a normalizer
            return operation.compute(first, second.detach())
        return operation.run()

    def _rule_function(self, operation: Operation) -> Any:
        if operation.name == "relu" or any(
            varies(one) for one in tensors((operation.args[1:], operation.kwargs))
        ):
            return operation.run()
        x = operation.operand(0, "input")
        with torch.no_grad():
            output = operation.compute(x)
            zero = None if operation.name in ZERO_AT_ZERO else operation.compute(torch.zeros_like(x))
        if self._composite.passes(Place(operation.name, self._layer_of(), 0, False)):
            zero = None
        elif zero is not None and not torch.isfinite(zero).all():
            return operation.run()
        account = self._conservation.enter(output.shape)
        kept = self.kept.keep(x), self.kept.keep(output)

        def pass_back(gradient: Any) -> tuple[Any]:
            value, result = (one.value for one in kept)
            rise = result if zero is None else result - zero
            is_near = value.abs() < torch.finfo(value.dtype).eps ** 0.5
            slope = rise / torch.where(is_near, torch.ones_like(value), value)
            if is_near.any():
                slope = torch.where(is_near, self._derivative(operation, value), slope)
            if zero is not None:
                account.absorb(OFFSET, gradient * zero)
            return (gradient * slope,)

        note = Note(operation.name, is_elementwise=True)
        return self._entered(account, ruled(output, pass_back, x, note=note))

    def _derivative(self, operation: Operation, value: Any) -> Any:
        leaf = value.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(operation.compute(leaf).sum(), leaf)[0]

    def _rule_softmax(self, operation: Operation) -> Any:
        x = operation.operand(0, "input")
        with torch.no_grad():
            output = operation.run()
        account = self._conservation.enter(output.shape)
        kept = self.kept.keep(x), self.kept.keep(output)

        def pass_back(gradient: Any) -> tuple[Any]:
            value, result = (one.value for one in kept)
            leaf = value.detach().requires_grad_()
            with torch.enable_grad():
                passed = torch.autograd.grad(operation.compute(leaf), leaf, gradient)[0]
            account.absorb(SOFTMAX, result * gradient - torch.where(passed == 0, 0.0, value * passed))
            return (passed,)

        return self._entered(account, ruled(output, pass_back, x, note=Note(operation.name)))

    def _rule_attention(self, operation: Operation) -> Any:
        with self:
            return composites.attend(operation)

    def _rule_glu(self, operation: Operation) -> Any:
        with self:
            return composites.gate_linear_unit(operation)

    def _rule_added_product(self, operation: Operation) -> Any:
        with self:
            return composites.add_products(operation)

    def _entered(self, account: Account, output: Any) -> Any:
        account.output = output
        return output

    def _place_of(self, linear: LinearOperation) -> Place:
        """Where a linear operation is: nodes are followed back to the linear operations before it."""
        depth, seen, stack = 0, set(), [linear.source.grad_fn]
        while stack:
            node = stack.pop()
            if node is None or node in seen or node.name() == LEAF:
                continue
            seen.add(node)
            note = note_of(node)
            if isinstance(note, Note) and note.place is not None:
                depth = max(depth, note.place.depth)
            else:
                stack += [before for before, _ in node.next_functions]
        return Place(linear.kind, self._layer_of(), depth + 1, depth == 0)
