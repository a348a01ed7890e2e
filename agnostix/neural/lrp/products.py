"""Relevance through products and quotients of factors that vary. Imports torch.

A gate is held, so that the other factor carries all relevance; of two factors of the same standing each has
half of it (AttnLRP, Achtibat et al., 2024). Divisors are normalizers and held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from agnostix.neural.lrp.conservation import SOFTMAX
from agnostix.neural.lrp.gates import find_exponential, find_gate, is_softmax
from agnostix.neural.lrp.linear import LinearRules
from agnostix.neural.lrp.mode import Note
from agnostix.neural.operations.composites import contract
from agnostix.neural.operations.linear import read_einsum, read_factors, read_matrix_product
from agnostix.neural.operations.mode import Operation, varies
from agnostix.neural.operations.ruled import ruled


class ProductRules(LinearRules):
    """Products, quotients and sums of products."""

    def _rule_matrix_product(self, operation: Operation) -> Any:
        linear = read_matrix_product(operation, self.kept)
        if linear is not None:
            return self._pass_linear(linear, linear.run(lambda x: linear.multiply(x, linear.weight)))
        first, second = read_factors(operation)
        return self._multiply(first, second, operation.compute)

    def _rule_product(self, operation: Operation) -> Any:
        first, second = read_factors(operation)
        if not (varies(first) and varies(second)):
            merged = self._merge_constant(operation)
            return operation.run() if merged is None else merged
        return self._multiply(first, second, operation.compute)

    def _rule_einsum(self, operation: Operation) -> Any:
        equation, operands = operation.args[0], operation.args[1:]
        if len(operands) == 1 and isinstance(operands[0], list | tuple):
            operands = tuple(operands[0])
        if len(operands) == 1:
            return operation.run()
        if len(operands) > 2:
            with self:
                return contract(equation, operands)
        if not all(map(varies, operands)):
            linear = read_einsum(equation, operands, self.kept)
            return self._pass_linear(linear, linear.run(lambda x: linear.multiply(x, linear.weight)))
        first, second = operands
        return self._multiply(first, second, lambda a, b: torch.einsum(equation, a, b))

    def _multiply(self, first: Any, second: Any, multiply: Callable[[Any, Any], Any]) -> Any:
        """A product of two varying factors."""
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
        with torch.enable_grad(), self.kept.saving():
            product = multiply(*factors)

        def pass_back(gradient: Any) -> Any:
            return torch.autograd.grad(product, leaf, gradient, retain_graph=True)

        return ruled(product.detach(), pass_back, (first, second)[carrier], note=Note("product"))

    def _rule_quotient(self, operation: Operation) -> Any:
        first, second = operation.args[0], operation.operand(1, "other")
        if not (varies(first) and varies(second)):
            merged = self._merge_constant(operation)
            return operation.run() if merged is None else merged
        found = find_exponential(first, second)
        if found is not None:
            return self._divide_by_sum(operation, *found)
        return operation.compute(first, second.detach())

    def _divide_by_sum(self, operation: Operation, exponential: Note, axes: list[int]) -> Any:
        """A softmax by hand: as that of torch, of what its exponentials are of."""
        first, second = operation.args[0].detach(), operation.operand(1, "other").detach()
        with torch.no_grad():
            output = operation.compute(first, second)
        account = self._conservation.enter(output.shape)
        kept, operand = self.kept.keep(output), exponential.operand
        assert operand is not None

        def pass_back(gradient: Any) -> tuple[Any]:
            own = kept.value * gradient
            passed = own - kept.value * own.sum(dim=axes, keepdim=True) if axes else own * 0
            account.absorb(SOFTMAX, own - torch.where(passed == 0, 0.0, operand.value * passed))
            exponential.passed.append(passed)
            return (torch.zeros_like(gradient),)

        return self._entered(account, ruled(output, pass_back, operation.args[0], note=Note("softmax")))
