"""Operations on the network's own input whose rules give relevance itself. Imports torch."""

from __future__ import annotations

from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.graph import LEAF, RESHAPING, describe_node, graph_nodes, key_of
from agnostix.neural.operations.linear import LinearOperation

_RESHAPING = frozenset(key_of(name) for name in RESHAPING.split())
_SCALING = frozenset(["add", "div", "mul", "rsub", "sub"])


class DirectOperations:
    """Operations with direct rules in one forward pass, and what their inputs are at the corners of a box.

    The gradient by the points is then relevance, once it is free of the scales, as of a normalization, between
    points and operations.
    """

    def __init__(self, bounds: list[tuple[Any, Any]] | None = None) -> None:
        self.operations: list[LinearOperation] = []
        self._bounds = bounds

    def enter(self, linear: LinearOperation) -> None:
        """Note an operation; give it the bounds of its input, and what of its input is constant."""
        place = len(self.operations)
        self.operations.append(linear)
        if self._bounds is None:
            return
        low, high = linear.bounds = self._bounds[place]
        if (low == high).any():  # padding: relevance that falls on it is absorbed
            linear.hidden = (low == high).to(linear.source).expand_as(linear.source)

    def check(self, scores: Any) -> None:
        """DataError if the input reaches the scores past these operations."""
        ends = {one.source.grad_fn for one in self.operations}
        for node in graph_nodes(scores.grad_fn, lambda node: node in ends):
            passed = [before for before, _ in node.next_functions if before is not None]
            if node not in ends and any(before.name() == LEAF for before in passed):
                raise DataError(
                    "The input enters other operations than those with the rule 'first', as a shortcut does. "
                    "Rules for the input, ZBox, WSquare and Flat, need all of it to enter linear operations. "
                    "Use composite='epsilon_plus', or rules such as Epsilon for them."
                )

    def scales(self, points: Any) -> Any:
        """What a gradient by the points is to be divided by, so that it is relevance; None for 1."""
        found = None
        for one in self.operations:
            keys = {describe_node(node.name())[1] for node in graph_nodes(one.source.grad_fn)}
            if keys <= _RESHAPING:
                continue
            if not keys <= _RESHAPING | _SCALING or one.source.numel() != points.numel():
                names = ", ".join(sorted(keys - _RESHAPING - _SCALING)) or "overlapping parts"
                raise DataError(
                    f"Between the input and its first linear operation comes {names}. Rules for the input, ZBox, "
                    "WSquare and Flat, allow a change of shape and constant shifts and factors there. Use "
                    "composite='epsilon_plus'."
                )
            scale = torch.autograd.grad(one.source.sum(), points, retain_graph=True)[0]
            if found is not None and not torch.equal(found, scale):
                raise DataError(
                    "The input enters several first operations with different factors, so that ZBox, WSquare and "
                    "Flat have no common unit. Use composite='epsilon_plus'."
                )
            found = scale
        return found
