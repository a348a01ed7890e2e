"""Trees as a function of plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostix.mimic.literals import moment, python_value
from agnostix.mimic.rule_tree import RuleTree

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
    n_left, n_right = (_n_leaves(tree, side) for side in sides)
    question = _question(tree, node)
    if n_left > n_right:
        question, sides = f"not ({question})", sides[::-1]
    inner = _lines(tree, answers, sides[0], indent + "    ")
    return [f"{indent}if {question}:", *inner, *_lines(tree, answers, sides[1], indent)]


def _n_leaves(tree: RuleTree, node: int) -> int:
    if tree.left[node] < 0:
        return 1
    return _n_leaves(tree, int(tree.left[node])) + _n_leaves(tree, int(tree.right[node]))


def _question(tree: RuleTree, node: int) -> str:
    """What is true of the rows that go left."""
    feature, missing = tree.features[tree.feature[node]], bool(tree.missing_left[node])
    value = f"row[{feature.name!r}]"
    if feature.levels is not None:
        left = tree.levels[node]
        named = [k for k in range(len(feature.levels)) if (k in left) != missing]
        labels = "".join(f"{python_value(feature.levels[k])}, " for k in named).strip()
        return f"{value} {'not in' if missing else 'in'} ({labels})"
    cut = float(tree.threshold[node])
    if np.isinf(cut):
        return "True" if missing else f"not is_missing({value})"
    compared = f"{value} <= {python_value(moment(feature, cut))}"
    return f"is_missing({value}) or {compared}" if missing else f"not is_missing({value}) and {compared}"
