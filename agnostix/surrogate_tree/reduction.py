"""Trees with fewer splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agnostix.core.typing import Bools, Codes
from agnostix.surrogate_tree.rule_tree import RuleTree


def reduced(tree: RuleTree, splits: Bools) -> tuple[RuleTree, Codes]:
    """Leave splits out.

    Parameters
    ----------
    tree : RuleTree
        Which.
    splits : ndarray of bool of shape (n_nodes,)
        Nodes that go on splitting, if those above them do.

    Returns
    -------
    tree : RuleTree
        The smaller one.
    kept : ndarray of int
        Its nodes' places in the larger one.
    """
    kept, left, right, here = [0], [-1], [-1], 0
    while here < len(kept):
        node = kept[here]
        if splits[node] and tree.left[node] >= 0:
            left[here], right[here] = len(kept), len(kept) + 1
            kept += [int(tree.left[node]), int(tree.right[node])]
            left += [-1, -1]
            right += [-1, -1]
        here += 1
    return _taken(tree, np.array(kept), np.array(left), np.array(right)), np.array(kept)


def _taken(tree: RuleTree, kept: Codes, left: Codes, right: Codes) -> RuleTree:
    leaf = left < 0
    return replace(
        tree,
        feature=np.where(leaf, -1, tree.feature[kept]),
        threshold=np.where(leaf, np.nan, tree.threshold[kept]),
        levels=tuple(frozenset() if end else tree.levels[node] for end, node in zip(leaf, kept, strict=True)),
        missing_left=tree.missing_left[kept] & ~leaf,
        left=left,
        right=right,
        values=tree.values[kept],
        n_real=tree.n_real[kept],
        n_synthetic=tree.n_synthetic[kept],
        weight=tree.weight[kept],
        loss=tree.loss[kept],
    )


def summed_up(tree: RuleTree, counts: Codes) -> Codes:
    """From numbers at leaves to numbers at all nodes.

    Parameters
    ----------
    tree : RuleTree
        Which.
    counts : ndarray of shape (n_nodes, ...)
        0 where there is no leaf.

    Returns
    -------
    ndarray of shape (n_nodes, ...)
    """
    out = counts.copy()
    for node in np.flatnonzero(tree.left >= 0)[::-1]:  # children come after their parents
        out[node] = out[tree.left[node]] + out[tree.right[node]]
    return out
