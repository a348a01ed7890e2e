"""Which factor of a product is a gate: held, so that the other one carries the relevance."""

from __future__ import annotations

from typing import Any

from agnostix.neural.graph import RESHAPING, describe_node, key_of
from agnostix.neural.operations.ruled import note_of

_SATURATING = frozenset(["hardsigmoid", "sigmoid", "special_expit", "expit", "softmax"])
_SYMMETRIC = frozenset(["tanh", "erf", "special_erf", "hardtanh", "clamp"])
"""Gates once a constant is added, as 1 + tanh(x)."""
_NORMALIZERS = frozenset(["reciprocal", "rsqrt"])
_SHIFTS = frozenset(["add", "sub", "rsub"])
_PASSED = frozenset(key_of(name) for name in RESHAPING.split()) | {"mul", "div", "neg", "mean", "sum"}
_ELEMENTWISE = frozenset(["add", "sub", "rsub", "mul", "div", "neg", "pow", "toCopy", "tocopy", "relu"])
_MOST_STEPS = 48


def find_gate(first: Any, second: Any) -> int | None:
    """Which of two varying factors is a gate, 0 or 1; None if neither is, or both are."""
    edges = [_edge(factor) for factor in (first, second)]
    gates = [_is_gate(edge[0]) for edge in edges]
    if gates[0] == gates[1]:
        gates = [_is_made_of(edges[0], edges[1]), _is_made_of(edges[1], edges[0])]
    return None if gates[0] == gates[1] else gates.index(True)


def is_softmax(factor: Any) -> bool:
    """Whether a factor is a softmax, up to its shape."""
    return _find(factor.grad_fn, frozenset(["softmax"]))


def _edge(tensor: Any) -> tuple[Any, int]:
    return tensor.grad_fn, tensor.output_nr


def _is_gate(node: Any) -> bool:
    return _find(node, _SATURATING | _NORMALIZERS)


def _find(node: Any, wanted: frozenset[str]) -> bool:
    """Whether a node is one of the operations wanted, reached by reshaping and constants alone."""
    is_shifted = False
    for _ in range(_MOST_STEPS):
        if node is None:
            return False
        note = note_of(node)
        name = getattr(note, "name", None) or describe_node(node.name())[1]
        if name in wanted or (is_shifted and name in _SYMMETRIC):
            return True
        before = [one for one, _ in node.next_functions if one is not None]
        if note is not None or len(before) != 1 or name not in _PASSED | _SHIFTS:
            return False
        is_shifted = is_shifted or name in _SHIFTS
        node = before[0]
    return False


def _is_made_of(edge: tuple[Any, int], other: tuple[Any, int]) -> bool:
    """Whether a factor is made of the other one, number by number, and is not the same."""
    seen: set[Any] = set()
    stack = [edge]
    while stack and len(seen) < _MOST_STEPS:
        one = stack.pop()
        if one[0] is None or one in seen:
            continue
        seen.add(one)
        if one == other:
            return edge != other
        note = note_of(one[0])
        is_elementwise = getattr(note, "is_elementwise", False)
        if is_elementwise or describe_node(one[0].name())[1] in _ELEMENTWISE:
            stack += one[0].next_functions
    return False
