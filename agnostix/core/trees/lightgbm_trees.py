"""LightGBM's models as ensembles of plain arrays, read from its own text."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.trees.ensemble import (
    CATEGORY,
    NAN_AS_ZERO,
    NAN_LEFT,
    NAN_RIGHT,
    ZERO_LEFT,
    ZERO_RIGHT,
    Tree,
    TreeEnsemble,
)
from agnostix.core.typing import Bools
from agnostix.exceptions import DataError

_MISSING = ((NAN_AS_ZERO, NAN_AS_ZERO), (ZERO_RIGHT, ZERO_LEFT), (NAN_RIGHT, NAN_LEFT))
"""By LightGBM's kind of missing values (none, zero, NaN) and whether they go left."""


def read_lightgbm(model: Any) -> tuple[TreeEnsemble, int]:
    """Margins of an LGBMClassifier, LGBMRegressor or LGBMRanker, and by what its raw scores are larger.

    A random forest's predictions are of the mean of its trees, but its raw scores are their sum.
    """
    best = getattr(model, "best_iteration_", None)
    text = model.booster_.model_to_string(num_iteration=best if best and best > 0 else -1)
    header, _, rest = text.partition("\nTree=0\n")
    if not rest:
        raise DataError(f"{type(model).__name__} has no trees. Use algorithm='kernel'.")
    blocks = rest.partition("\nend of trees")[0].split("\nTree=")
    n_each = int(_entries(header)["num_tree_per_iteration"])
    n_averaged = len(blocks) // n_each if "\naverage_output" in header else 1
    read = [
        _read_tree(_entries(block), number % n_each, 1.0 / n_averaged, type(model).__name__)
        for number, block in enumerate(blocks)
    ]
    return TreeEnsemble.from_trees(read, np.zeros(n_each), np.float64), n_averaged


def _entries(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _read_tree(entries: dict[str, str], output: int, scale: float, name: str) -> Tree:
    if entries.get("is_linear", "0") != "0":
        raise DataError(
            f"{name} has linear models in its leaves (linear_tree=True), and constants are read. Use "
            "algorithm='kernel'."
        )

    def numbers(key: str, dtype: Any) -> Any:
        return np.array(entries.get(key, "").split(), dtype=dtype)

    n_leaves = int(entries["num_leaves"])
    n_splits = n_leaves - 1
    values = np.zeros((n_splits + n_leaves, 1))
    values[n_splits:, 0] = numbers("leaf_value", float) * scale
    if n_splits == 0:
        end, zero = np.array([-1]), np.zeros(1, dtype=np.intp)
        return Tree(end, end, zero, np.zeros(1), zero, values, output)
    kinds = numbers("decision_type", np.intp)
    table = np.array(_MISSING)
    missing = table[(kinds >> 2) & 3, (kinds >> 1) & 1]
    threshold = numbers("threshold", float)
    splits = np.flatnonzero(kinds & 1)
    subset = np.full(n_splits + n_leaves, -1)
    subset[splits] = np.arange(splits.size)
    missing[splits] = CATEGORY
    starts, words = numbers("cat_boundaries", np.intp), numbers("cat_threshold", np.uint32)
    sets = threshold[splits].astype(np.intp)

    def child(key: str) -> Any:
        at = numbers(key, np.intp)
        return np.concatenate([np.where(at < 0, n_splits + ~at, at), np.full(n_leaves, -1)])

    def padded(array: Any) -> Any:
        return np.concatenate([array, np.zeros(n_leaves, dtype=array.dtype)])

    return Tree(
        left=child("left_child"),
        right=child("right_child"),
        feature=padded(numbers("split_feature", np.intp)),
        threshold=padded(threshold),
        missing=padded(missing),
        values=values,
        output=output,
        subset=subset,
        subsets=[_subset(words[starts[one] : starts[one + 1]]) for one in sets],
    )


def _subset(words: Any) -> Bools:
    """Codes that go left (n_codes + 2,); unknown ones and missing values go right."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")
    return np.append(bits.astype(bool), [False, False])
