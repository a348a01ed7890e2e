"""Trees as a function of plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostix.surrogate_tree.literals import moment, python_value
from agnostix.surrogate_tree.rule_tree import RuleTree

_HEAD = '''import datetime


def is_missing(value):
    return value is None or value != value


def {name}(row):
    """{told}"""
'''


def python_function(tree: RuleTree, answers: Sequence[Any], name: str, told: str) -> str:
    """A module with one function from a row, a mapping from column names to values, to what the tree says.

    Parameters
    ----------
    tree : RuleTree
        The tree.
    answers : sequence of n_nodes values
        What is said at each leaf.
    name : str
        Of the function.
    told : str
        Its docstring, without quotes.

    Returns
    -------
    str
        Source that needs nothing but Python. Missing values are None or NaN.
    """
    head = _HEAD.format(name=name, told=told)
    source = head + "\n".join(_lines(tree, answers, 0, "    ")) + "\n"
    return source if "datetime." in source else source.removeprefix("import datetime\n\n\n")


def _lines(tree: RuleTree, answers: Sequence[Any], node: int, indent: str) -> list[str]:
    """The smaller side is indented, so that deep trees stay within what Python can read."""
    if tree.left[node] < 0:
        return [f"{indent}return {python_value(answers[node])}"]
    sides = [int(tree.left[node]), int(tree.right[node])]
    goes_left = _n_leaves(tree, sides[0]) <= _n_leaves(tree, sides[1])
    first, second = sides if goes_left else sides[::-1]
    inner = _lines(tree, answers, first, indent + "    ")
    return [f"{indent}if {_question(tree, node, goes_left)}:", *inner, *_lines(tree, answers, second, indent)]


def _n_leaves(tree: RuleTree, node: int) -> int:
    if tree.left[node] < 0:
        return 1
    return _n_leaves(tree, int(tree.left[node])) + _n_leaves(tree, int(tree.right[node]))


def _question(tree: RuleTree, node: int, goes_left: bool) -> str:
    """What is true of the rows that go to a side."""
    feature, missing = tree.features[tree.feature[node]], bool(tree.missing_left[node]) == goes_left
    value = f"row[{feature.name!r}]"
    if feature.levels is not None:
        side = [(k in tree.levels[node]) == goes_left for k in range(len(feature.levels))]
        named = [label for label, own in zip(feature.levels, side, strict=True) if own != missing]
        told = ", ".join(python_value(label) for label in named) + ("," if len(named) == 1 else "")
        return f"{value} {'not in' if missing else 'in'} ({told})"
    cut = float(tree.threshold[node])
    if np.isinf(cut):
        return str(missing) if goes_left == missing else f"{'' if missing else 'not '}is_missing({value})"
    compared = f"{value} {'<=' if goes_left else '>'} {python_value(moment(feature, cut))}"
    return f"is_missing({value}) or {compared}" if missing else f"not is_missing({value}) and {compared}"
