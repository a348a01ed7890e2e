"""Trees as indented text."""

from __future__ import annotations

from collections.abc import Sequence

from agnostix.mimic.rule_feature import RuleFeature
from agnostix.mimic.rule_tree import RuleTree

_BRANCH, _LAST, _DOWN, _GAP = "├─ ", "└─ ", "│  ", "   "
_MOST_LABELS = 3
"""Labels that are always listed, rather than those of the other side."""


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
        left, every = tree.levels[node], range(len(feature.levels))
        sides = ([k for k in every if k in left], [k for k in every if k not in left])
        left_words, right_words = (_labels(feature, own, other) for own, other in (sides, sides[::-1]))
        return left_words + gaps[0], right_words + gaps[1]
    cut = float(tree.threshold[node])
    if cut == float("inf"):
        return f"{feature.name} not missing", f"{feature.name} missing"
    return f"{feature.name} <= {feature.said(cut)}{gaps[0]}", f"{feature.name} > {feature.said(cut)}{gaps[1]}"


def _labels(feature: RuleFeature, own: list[int], other: list[int]) -> str:
    """A side by its labels, or by those of the other side where these are fewer."""
    if not own:
        return f"{feature.name} never seen"
    if other and len(own) > max(len(other), _MOST_LABELS):
        told = feature.told(other)
        return f"{feature.name} " + (f"not {told}" if told.startswith("in") else f"not {told[2:]}")
    return f"{feature.name} {feature.told(own)}"


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
