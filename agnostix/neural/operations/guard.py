"""What the graph of a forward pass shows that no rule has seen. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.graph import POOLING, RESHAPING, UNSEEN, describe_node, graph_nodes, key_of
from agnostix.neural.operations.ruled import is_ruled

HOMOGENEOUS = frozenset(
    key_of(name)
    for name in [
        *POOLING.split(),
        *RESHAPING.split(),
        *[
            "add",
            "cumsum",
            "fill",
            "fmax",
            "fmin",
            "fused_dropout",
            "maximum",
            "mean",
            "minimum",
            "nansum",
            "native_dropout",
            "neg",
            "relu",
            "rsub",
            "sub",
            "sum",
            "zero",
        ],
    ]
) - {"kthvalue", "logsumexp", "sort", "topk"}
"""Operations whose values are sums of the gradient times the operands: of degree 1."""
_SCALES = frozenset(["mul", "div", "lerp"])
"""The same if the other factor is constant."""
_COPIES = frozenset(["copyslices", "copybackwards"])
_REMEDIES = UNSEEN | {
    "checkpointfunction": "CheckpointFunction is a checkpoint, whose operations cannot be seen: turn "
    "checkpointing off, as model.gradient_checkpointing_disable() does.",
    "warnnotimplemented": "WarnNotImplemented is an operation that has no derivative in torch, as those of a "
    "quantized module: use the module before it was quantized.",
}


def refuse_checkpoint() -> None:
    """DataError inside a checkpoint, whose part runs again in the backward pass, without rules."""
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    if top is not None and top(False) is not None:
        raise DataError(
            "The network runs a part of it in a checkpoint, which runs again in the backward pass, without "
            "rules. Turn checkpointing off, as model.gradient_checkpointing_disable() does."
        )


def find_unseen(
    root: Any,
    is_known: Callable[[Any], bool] = lambda node: False,
    passing: Set[str] = HOMOGENEOUS,
    scales: Set[str] = _SCALES,
) -> Mapping[str, str]:
    """Operations of a graph that have no rule, by name, with what to do about them, "" where nothing special.

    is_known says of other nodes of torch that a method lets them pass; keys of those that have their own
    derivative are `passing`, or `scales` if all operands but one are constant.
    """
    unseen: dict[str, str] = {}
    for node in graph_nodes(root):
        if is_ruled(node) or is_known(node):
            continue
        name, key, is_own = describe_node(node.name())
        n_varying = sum(before is not None for before, _ in node.next_functions)
        passes = key in passing or (key in scales and n_varying == 1 and _is_numerator(node, key))
        if key in _COPIES or (is_own and passes):
            continue
        unseen[name] = _REMEDIES.get(key, "")
    return unseen


def _is_numerator(node: Any, key: str) -> bool:
    return key != "div" or node.next_functions[0][0] is not None
