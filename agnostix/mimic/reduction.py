"""Trees with fewer splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agnostix.mimic.rule_tree import RuleTree
from agnostix.typing import Bools, Codes, Floats


def reduced(tree: RuleTree, splits: Bools) -> tuple[RuleTree, Codes]:
    """Leave splits out.

    Parameters
    ----------
    tree : RuleTree
        Which.
    splits : ndarray of bool of shape (n_nodes,)
        Nodes that go on splitting. One of them to one of whose sides no given row goes gives way to the other
        side, and the drawn rows on that side are forgotten.

    Returns
    -------
    tree : RuleTree
        The smaller one; what is told of its nodes are sums and means over its leaves.
    kept : ndarray of int
        Its nodes' places in the larger one.
    """
    kept, left, right, here = [_heir(tree, splits, 0)], [-1], [-1], 0
    while here < len(kept):
        node = kept[here]
        if splits[node] and tree.left[node] >= 0:
            left[here], right[here] = len(kept), len(kept) + 1
            kept += [_heir(tree, splits, int(side[node])) for side in (tree.left, tree.right)]
            left += [-1, -1]
            right += [-1, -1]
        here += 1
    smaller = _taken(tree, np.array(kept), np.array(left), np.array(right))
    return _summed(smaller), np.array(kept)


def _heir(tree: RuleTree, splits: Bools, node: int) -> int:
    """A node, or the one below that takes its place since no given row turns off on the way."""
    while splits[node] and tree.left[node] >= 0:
        sides = [int(side[node]) for side in (tree.left, tree.right)]
        held = [side for side in sides if tree.n_real[side] > 0]
        if len(held) != 1:
            break
        node = held[0]
    return node


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


def _summed(tree: RuleTree) -> RuleTree:
    """What is told of inner nodes, out of what is told of leaves."""
    leaf = tree.left < 0
    weight = summed_up(tree, np.where(leaf, tree.weight, 0.0))
    sums = summed_up(tree, np.where(leaf, tree.weight, 0.0)[:, None] * tree.values)
    values = np.where(leaf[:, None], tree.values, sums / weight[:, None])
    loss = np.where(leaf, tree.loss, 0.0)
    for node in np.flatnonzero(~leaf)[::-1]:
        for side in (tree.left[node], tree.right[node]):
            loss[node] += loss[side] + weight[side] * ((values[side] - values[node]) ** 2).sum()
    counts = [summed_up(tree, np.where(leaf, kind, 0)) for kind in (tree.n_real, tree.n_synthetic)]
    return replace(tree, values=values, n_real=counts[0], n_synthetic=counts[1], weight=weight, loss=loss)


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
