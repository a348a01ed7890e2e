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
_MASKS = frozenset(["copy", "maskedfill", "mul"])
_OF_SUMS = frozenset(["add", "clamp", "clampmin", "copy", "squeeze", "sum", "unsqueeze", "view"])
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


def note_before_copies(tensor: Any) -> Any:
    """The note of what a tensor is, also if that was done in place."""
    node = tensor.grad_fn
    while node is not None and _name(node) == "copy" and len(_sources(node)) == 1:
        node = _sources(node)[0][0]
    return note_of(node)


def find_exponential(numerator: Any, divisor: Any) -> tuple[Any, list[int]] | None:
    """Of a softmax by hand, e / sum(e), the note of e = exp(x) and the axes of the sum; None of others.

    Constants may be factors of e, as masks, and may be added to the sum.
    """
    node, is_masked = numerator.grad_fn, False
    while note_of(node) is None and len(_sources(node)) == 1 and _name(node) in _MASKS:
        is_masked = is_masked or _name(node) != "copy"
        node = _sources(node)[0][0]
    note = note_of(node)
    if _name(node) != "exp" or note is None or note.operand.value.shape != numerator.shape:
        return None
    names, own, node = set(), numerator.grad_fn, divisor.grad_fn
    while not (node is own or node is None or _name(node) == "exp") and len(_sources(node)) == 1:
        names.add(_name(node))
        node = _sources(node)[0][0]
    if (
        not (node is own or (not is_masked and _is_alike(note, note_of(node))))
        or "sum" not in names
        or not names <= _OF_SUMS
    ):
        return None
    axes = [i for i in range(-divisor.ndim, 0) if divisor.shape[i] == 1 < numerator.shape[i]]
    return (note, axes) if divisor.ndim == numerator.ndim else None


def _is_alike(note: Any, other: Any) -> bool:
    """Whether two exponentials are of the same numbers."""
    one, two = (getattr(each, "operand", None) for each in (note, other))
    if one is None or two is None or one.value.shape != two.value.shape:
        return False
    return bool((one.value == two.value).all())


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
