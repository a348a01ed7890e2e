"""Which factor of a product is a gate: held, so that the other one carries the relevance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agnostix.neural.graph import RESHAPING, describe_node, key_of
from agnostix.neural.operations.catalog import FUNCTIONS
from agnostix.neural.operations.ruled import note_of

_SATURATING = frozenset(["hardsigmoid", "sigmoid", "special_expit", "expit", "softmax"])
_SYMMETRIC = frozenset(["tanh", "erf", "special_erf", "hardtanh"])
"""Gates once a constant is added, as 1 + tanh(x)."""
_CLIPPED = "hardtanh"
"""A gate if a number is added before, as clamp(x + 3, 0, 6)."""
_NORMALIZERS = frozenset(["reciprocal", "rsqrt"])
_SHIFTS = frozenset(["add", "sub", "rsub"])
_PASSED = frozenset(key_of(name) for name in RESHAPING.split()) | {"mul", "div", "neg", "mean", "sum"}
_ELEMENTWISE = frozenset(map(key_of, FUNCTIONS)) | _SHIFTS | {"copy", "div", "mul", "neg", "relu", "tocopy"}
SHIFTED = "agnostix: a number is added"
"""Key of the metadata of nodes at which a number is added."""
_MOST_STEPS = 48


def find_gate(first: Any, second: Any) -> int | None:
    """Which of two varying factors is a gate, 0 or 1; None if neither is, or both are."""
    edges = [(factor.grad_fn, factor.output_nr) for factor in (first, second)]
    gates = [_is_gate(node) for node, _ in edges]
    if gates[0] == gates[1]:
        gates = [_is_made_of(edges[0], edges[1]), _is_made_of(edges[1], edges[0])]
    return None if gates[0] == gates[1] else gates.index(True)


def is_softmax(factor: Any) -> bool:
    """Whether a factor is a softmax, up to its shape and constants."""
    return bool(_path(factor.grad_fn)) and _path(factor.grad_fn)[-1] == "softmax"


def _is_gate(node: Any) -> bool:
    """Whether a node is a function that saturates or a normalizer, up to its shape and constants."""
    names = _path(node)
    last = names[-1] if names else ""
    if last in _SYMMETRIC and not _SHIFTS.isdisjoint(names):
        return True
    return last in _SATURATING | _NORMALIZERS or (last == _CLIPPED and _is_shifted(node, len(names)))


def _path(node: Any) -> list[str]:
    """Names of operations back to the first that is more than reshaping or by a constant, which is last."""
    names: list[str] = []
    while node is not None and len(names) < _MOST_STEPS:
        names.append(_name(node))
        before = _sources(node)
        if note_of(node) is not None or len(before) != 1 or names[-1] not in _PASSED | _SHIFTS:
            break
        node = before[0][0]
    return names


def _is_shifted(node: Any, n_steps: int) -> bool:
    """Whether a number was added to the operand of the function at the end of a path."""
    for _ in range(n_steps):
        sources = _sources(node)
        if len(sources) != 1:
            return False
        node = sources[0][0]
    return bool(node.metadata.get(SHIFTED, False))


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
        if getattr(note_of(one[0]), "is_elementwise", False) or _name(one[0]) in _ELEMENTWISE:
            stack += _sources(one[0])
    return False


def _name(node: Any) -> str:
    return getattr(note_of(node), "name", None) or describe_node(node.name())[1]


def _sources(node: Any) -> list[tuple[Any, int]]:
    """Edges to what a node is made of; a copy in place is made of its source alone."""
    edges: Iterable[tuple[Any, int]] = node.next_functions
    if describe_node(node.name())[1] == "copy" and len(node.next_functions) == 2:
        edges = node.next_functions[1:]
    return [edge for edge in edges if edge[0] is not None]
