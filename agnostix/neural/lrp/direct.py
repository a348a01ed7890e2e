"""Operations on the network's own input whose rules give relevance itself. Imports torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.graph import LEAF, RESHAPING, describe_node, graph_nodes, key_of
from agnostix.neural.lrp.rules import DirectRule
from agnostix.neural.operations.linear import LinearOperation
from agnostix.neural.operations.ruled import note_of

_RESHAPING = frozenset(key_of(name) for name in RESHAPING.split())
_SCALING = frozenset(["add", "div", "mul", "rsub", "sub"])


class Reached(BaseException):
    """All operations with direct rules were run, in a pass for the inputs of these alone.

    Not an Exception, which a network may catch.
    """


class Bounds:
    """Tensors (1, ...) between which the input of an operation lies, and what a rule makes of them once."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low = low
        self.high = high
        self._made: dict[str, Any] = {}

    def find(self, name: str, make: Callable[[], Any]) -> Any:
        """What make gives, made for the first batch."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


class DirectOperations:
    """Operations with direct rules in one forward pass, and what their inputs are at the corners of a box.

    The gradient by the points is then relevance, once it is free of the scales between points and operations,
    as those of a normalization.
    """

    def __init__(self, bounds: list[Bounds] | None = None, n_wanted: int | None = None) -> None:
        self.operations: list[LinearOperation] = []
        self._bounds = bounds
        self._n_wanted = n_wanted  # after which Reached is raised

    def enter(self, linear: LinearOperation) -> None:
        """Note an operation; give it the bounds of its input, and what of its input is constant."""
        place = len(self.operations)
        self.operations.append(linear)
        if len(self.operations) == self._n_wanted:
            raise Reached
        if self._bounds is None:
            return
        linear.bounds = self._bounds[place]
        low, high = linear.bounds.low, linear.bounds.high
        if (low == high).any():  # padding: relevance that falls on it is absorbed
            linear.hidden = (low == high).to(linear.source).expand_as(linear.source)

    def check(self, scores: Any) -> None:
        """DataError if the input reaches the scores past these operations."""
        for node in graph_nodes(scores.grad_fn, _is_direct):
            before = [one for one, _ in node.next_functions if one is not None]
            if not _is_direct(node) and any(one.name() == LEAF for one in before):
                raise DataError(
                    "The input enters other operations than those with the rule 'first', as a shortcut does. "
                    "Rules for the input, ZBox, WSquare and Flat, need all of it to enter linear operations. "
                    "Use composite='epsilon_plus', or rules such as Epsilon for them."
                )

    @property
    def nodes_before(self) -> set[Any]:
        """Nodes of the graph between the points and these operations."""
        return {node for one in self.operations for node in graph_nodes(one.source.grad_fn)}

    def scales(self, points: Any) -> Any:
        """What a gradient by the points is to be divided by, so that it is relevance; 0 where none enters."""
        found = torch.zeros_like(points)
        for one in self.operations:
            scale = _scale_of(one, points)
            if ((scale != found) & (scale != 0) & (found != 0)).any():
                raise DataError(
                    "The input enters several first operations with different factors, so that ZBox, WSquare "
                    "and Flat have no common unit. Use composite='epsilon_plus'."
                )
            found = torch.where(scale == 0, found, scale)
        return found


def _is_direct(node: Any) -> bool:
    return isinstance(getattr(note_of(node), "rule", None), DirectRule)


def _describe(node: Any) -> tuple[str, str]:
    """Key and name of the operation that a node is of."""
    note = note_of(node)
    name, key, _ = describe_node(node.name())
    name = re.sub(r"(?<=\d)_d\Z", "d", name)  # avg_pool2d
    return (key, name) if note is None else (note.name, note.name)


def _scale_of(operation: LinearOperation, points: Any) -> Any:
    """Factor (as points) of the points in the input of an operation; 0 for those that do not enter it."""
    source = operation.source
    if source.grad_fn is None:
        return torch.ones_like(points)
    names = dict(map(_describe, graph_nodes(source.grad_fn)))
    is_reshaped = names.keys() <= _RESHAPING
    if not is_reshaped and (not names.keys() <= _RESHAPING | _SCALING or source.numel() != points.numel()):
        between = {name for key, name in names.items() if key not in _RESHAPING | _SCALING}
        raise DataError(
            f"Between the input and its first linear operation comes {', '.join(sorted(between)) or 'copy'}. "
            "Rules for the input, ZBox, WSquare and Flat, allow a change of shape and constant shifts and "
            "factors there. Use composite='epsilon_plus', or with layer name the one right before the linear "
            "operation."
        )
    scale = torch.autograd.grad(source.sum(), points, retain_graph=True)[0]
    return (scale != 0).to(scale) if is_reshaped else scale
