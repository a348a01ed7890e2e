"""Trees as indented text."""

from __future__ import annotations

from collections.abc import Sequence

from agnostix.mimic.rule_tree import RuleTree

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


def split_words(tree: RuleTree, node: int) -> tuple[str, str]:
    """What a split asks, as said of its two sides.

    Parameters
    ----------
    tree : RuleTree
        The tree.
    node : int
        One that splits.

    Returns
    -------
    tuple of str
        Of the left side and of the right one.
    """
    feature, missing = tree.features[tree.feature[node]], bool(tree.missing_left[node])
    gaps = (" or missing" if missing else "", "" if missing else " or missing") if feature.gaps else ("", "")
    if feature.levels is not None:
        left = tree.levels[node]
        sides = [[k for k in range(len(feature.levels)) if (k in left) == own] for own in (True, False)]
        left_words, right_words = (_labels(feature.name, feature.told(side), side) for side in sides)
        return left_words + gaps[0], right_words + gaps[1]
    cut = float(tree.threshold[node])
    if cut == float("inf"):
        return f"{feature.name} not missing", f"{feature.name} missing"
    return f"{feature.name} <= {feature.said(cut)}{gaps[0]}", f"{feature.name} > {feature.said(cut)}{gaps[1]}"


def _labels(name: str, told: str, side: list[int]) -> str:
    return f"{name} {told}" if side else f"{name} never seen"


def _below(tree: RuleTree, told: Sequence[str], node: int, indent: str) -> list[str]:
    lines = []
    sides = (int(tree.left[node]), int(tree.right[node]))
    for side, words, mark, deeper in zip(
        sides, split_words(tree, node), (_BRANCH, _LAST), (_DOWN, _GAP), strict=True
    ):
        is_leaf = tree.left[side] < 0
        lines.append(f"{indent}{mark}{words}" + (f": {told[side]}" if is_leaf else ""))
        if not is_leaf:
            lines += _below(tree, told, side, indent + deeper)
    return lines
