"""Which splits of a tree go first when it is made smaller."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.rule_tree import RuleTree

ROUNDING = 1e-14
"""Share of the mean square of all answers up to which a split gains nothing but rounding."""


def weakest_links(tree: RuleTree) -> Floats:
    """The price of a leaf at which each split is given up, along the cost-complexity path.

    Parameters
    ----------
    tree : RuleTree
        Which.

    Returns
    -------
    ndarray of shape (n_nodes,)
        In units of loss over the weight of all rows; 0 where it is but rounding, infinite at leaves.

    References
    ----------
    .. [1] Breiman, L., Friedman, J. H., Olshen, R. A., Stone, C. J. (1984).
       Classification and regression trees. Chapman & Hall.
       https://doi.org/10.1201/9781315139470
    """
    price, loss = np.full(tree.n_nodes, np.inf), tree.loss / tree.weight[0]
    splits, paid = tree.left >= 0, 0.0
    rounding = ROUNDING * float(loss[0] + (tree.values[0] ** 2).sum())
    while splits.any():
        below, leaves = _below(tree, splits, loss)
        room = np.maximum(leaves - 1, 1)
        cost = np.where(splits, (loss - below) / room, np.inf)
        cost[cost <= rounding] = 0.0
        paid = max(paid, float(cost.min()))
        for node in np.flatnonzero(cost <= paid):
            gone = splits & _under(tree, int(node))
            price[gone], splits = paid, splits & ~gone
    return price


def _below(tree: RuleTree, splits: Bools, loss: Floats) -> tuple[Floats, Codes]:
    """Loss and number of the leaves below each node."""
    below, leaves = loss.copy(), np.ones(tree.n_nodes, dtype=np.intp)
    for node in np.flatnonzero(splits)[::-1]:
        sides = [tree.left[node], tree.right[node]]
        below[node], leaves[node] = below[sides].sum(), leaves[sides].sum()
    return below, leaves


def _under(tree: RuleTree, top: int) -> Bools:
    """A node and all below it."""
    found = np.zeros(tree.n_nodes, dtype=bool)
    found[top] = True
    for node in np.flatnonzero(tree.left >= 0):
        if found[node]:
            found[[tree.left[node], tree.right[node]]] = True
    return found


def stand_ins(tree: RuleTree, splits: Bools) -> Codes:
    """The leaf of a smaller tree to which each node's rows come.

    Parameters
    ----------
    tree : RuleTree
        The larger tree.
    splits : ndarray of bool of shape (n_nodes,)
        Nodes that go on splitting.

    Returns
    -------
    ndarray of int of shape (n_nodes,)
        Nodes of the larger tree; those that go on splitting stand for themselves.
    """
    found = np.arange(tree.n_nodes)
    for node in np.flatnonzero(tree.left >= 0):
        if found[node] != node or not splits[node]:
            found[[tree.left[node], tree.right[node]]] = found[node]
    return found
