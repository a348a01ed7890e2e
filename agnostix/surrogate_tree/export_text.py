"""Trees as indented text."""

from __future__ import annotations

from collections.abc import Sequence

from agnostix.surrogate_tree.rule_tree import RuleTree

_BRANCH, _LAST, _DOWN, _GAP = "├─ ", "└─ ", "│  ", "   "


def tree_text(tree: RuleTree, told: Sequence[str]) -> str:
    """One line for each node: what leads to it, and at leaves what is said there.

    Parameters
    ----------
    tree : RuleTree
        The tree.
    told : sequence of n_nodes str
        What is said at each leaf.

    Returns
    -------
    str
    """
    if tree.left[0] < 0:
        return f"any row: {told[0]}"
    return "\n".join(_below(tree, told, 0, ""))


def _below(tree: RuleTree, told: Sequence[str], node: int, indent: str) -> list[str]:
    lines = []
    sides = (int(tree.left[node]), int(tree.right[node]))
    for side, words, mark, deeper in zip(
        sides, tree.sides(node), (_BRANCH, _LAST), (_DOWN, _GAP), strict=True
    ):
        is_leaf = tree.left[side] < 0
        lines.append(f"{indent}{mark}{words}" + (f": {told[side]}" if is_leaf else ""))
        if not is_leaf:
            lines += _below(tree, told, side, indent + deeper)
    return lines
