"""Nodes of autograd graphs: all of them from a root, and the operations they are of. Imports nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

LEAF = "torch::autograd::AccumulateGrad"
_NODE = re.compile(r"(?P<name>\w+?)Backward(?:s|\d+)\Z")


def key_of(name: str) -> str:
    """A name of an operation without case and underscores, as nodes and functions have it alike."""
    return name.replace("_", "").lower()


def graph_nodes(root: Any, is_end: Callable[[Any], bool] = lambda node: False) -> Iterator[Any]:
    """All nodes of an autograd graph but its leaves; nothing before the nodes at which it ends."""
    seen: set[Any] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node is None or node in seen or node.name() == LEAF:
            continue
        seen.add(node)
        if not is_end(node):
            stack += [before for before, _ in node.next_functions]
        yield node


@cache
def describe_node(node_name: str) -> tuple[str, str, bool]:
    """Of a node's name the operation as torch names it, the same as a key, and whether it is torch's own."""
    match = _NODE.match(node_name)
    if match is None:  # a custom function, or what hides operations
        name = node_name.rpartition("::")[2].removesuffix("Backward")
        name = name.removeprefix("GeneratedBackwardFor_").removesuffix("_default")
        return name, key_of(name), False
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", match["name"]).lower()
    return name, key_of(name), True
