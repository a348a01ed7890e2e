"""Nodes of autograd graphs: all of them from a root, and the operations they are of. Imports nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

POOLING = """
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d amax amin avg_pool2d
    avg_pool3d fractional_max_pool2d fractional_max_pool3d kthvalue logsumexp max max_pool2d
    max_pool2d_with_indices max_pool3d_with_indices min mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d
    mkldnn_max_pool3d sort topk
"""
RESHAPING = """
    alias as_strided as_strided_scatter cat channel_shuffle chunk clone col2im conj constant_pad_nd copy
    diag_embed diagonal diagonal_scatter expand flip gather im2col index index_add index_copy index_fill
    index_put index_select lift lift_fresh masked_fill masked_scatter masked_select narrow
    pack_padded_sequence permute pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
    reflection_pad3d repeat replication_pad1d replication_pad2d replication_pad3d reshape_alias roll rot90
    scatter scatter_add select select_scatter slice slice_scatter split split_with_sizes squeeze stack t
    take to_copy transpose tril triu unbind unfold unsafe_index unsafe_index_put unsafe_split
    unsafe_split_with_sizes unsafe_view unsqueeze upsample_bicubic2d upsample_bicubic2d_aa
    upsample_bilinear2d upsample_bilinear2d_aa upsample_linear1d upsample_nearest1d upsample_nearest2d
    upsample_nearest3d upsample_nearest_exact1d upsample_nearest_exact2d upsample_nearest_exact3d
    upsample_trilinear3d view where
"""
"""Names of operations, for lists of those that a method knows."""
UNSEEN = {
    "differentiablegraph": "DifferentiableGraph is a function compiled to TorchScript, whose operations "
    "cannot be seen: use the function it was made from.",
    "notimplemented": "NotImplemented is an operation that has no derivative in torch: write it by others.",
    "compiledfunction": "CompiledFunction is a part that torch.compile made: use the module it was made "
    "from.",
}
"""Nodes that hide operations, by key, and what to do about them."""
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
    match = _NODE.match(node_name.removeprefix("torch::autograd::"))
    if match is None:  # a custom function, or what hides operations
        name = node_name.rpartition("::")[2].removesuffix("Backward")
        name = name.removeprefix("GeneratedBackwardFor_").removesuffix("_default")
        return name, key_of(name), False
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", match["name"]).lower()
    return name, key_of(name), True
