"""A decision tree as plain arrays, its columns, and its paths as rules.

A split of numbers sends values up to a threshold to the left, a split of levels sends a set of them there.
Missing values go where the split says, and so do levels that were not seen in fit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.features import format_number
from agnostix.core.frames import columns, kind_of, to_codes, to_numbers
from agnostix.core.names import label_texts
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

RESOLUTION = 1e-6
"""Precision of the thresholds in rules, relative to the range of the column."""
NO_LEVELS: frozenset[int] = frozenset()
_MOST_LEVELS = 3
"""Number of levels that are listed even where the other side has fewer."""


@dataclass(frozen=True)
class RuleFeature:
    """A column of numbers, dates or levels, as a tree reads and names it."""

    name: str
    levels: tuple[Any, ...] | None = None  # seen in fit, ordered; None for numbers and dates
    origin: float = 0.0  # subtracted from dates, in ticks, so that single precision resolves them
    dtype: Any = None  # of dates and durations; None for numbers and levels
    has_missing: bool = False  # whether values were missing in fit
    width: float = np.inf  # of the range of numbers in fit, which their text resolves

    @classmethod
    def from_column(cls, name: str, column: Any) -> RuleFeature:
        """Learn levels or origin from a Series."""
        kind = kind_of(column)
        if kind == "nested":  # never split on
            return cls(name, ())
        if kind == "categorical":
            codes, levels = to_codes(column)
            return cls(name, levels, has_missing=bool((codes < 0).any()))
        numbers = to_numbers(column)
        missing = np.isnan(numbers)
        if kind == "numeric":
            present = numbers[np.isfinite(numbers)]
            half = float(present.max() / 2 - present.min() / 2) if present.size else 0.0
            return cls(name, has_missing=bool(missing.any()), width=2 * min(half, 1e307) or np.inf)
        origin = 0.0 if missing.all() else float(numbers[~missing].min())
        return cls(name, origin=origin, dtype=column.dtype, has_missing=bool(missing.any()))

    def encode(self, column: Any) -> Floats:
        """Numbers, ticks since the origin or level codes, shape (n_rows,); NaN for missing and unseen."""
        if self.levels == ():
            return np.full(len(column), np.nan)
        if self.levels is not None:
            codes, levels = to_codes(column)
            code_of = {level: float(code) for code, level in enumerate(self.levels)}
            return np.array([*(code_of.get(level, np.nan) for level in levels), np.nan])[codes]
        numbers = to_numbers(column) - self.origin
        self.check_finite(numbers)
        return numbers

    @property
    def is_plain(self) -> bool:
        """Whether numbers are encoded as they are."""
        return self.levels is None and self.dtype is None

    def check_finite(self, numbers: Floats) -> None:
        """Raise DataError for infinite numbers (n_rows,)."""
        if np.isinf(numbers).any():
            raise DataError(
                f"Column {self.name!r} holds infinite values, which no rule can split. Replace them, for "
                "example with missing values."
            )

    def format_number(self, number: float) -> str:
        """An encoded number as text: a date, or the shortest form that the range of the column needs."""
        if self.dtype is None:
            return _format_float(number, RESOLUTION * self.width)
        return _format_date(number + self.origin, self.dtype)

    @cached_property
    def _level_texts(self) -> list[str]:
        return label_texts(self.levels or ())

    def format_levels(self, codes: Iterable[int]) -> str:
        """Levels as text: "= a" for one, "in {a, b}" for several."""
        assert self.levels is not None
        levels = [self._level_texts[code] for code in sorted(codes)]
        return f"= {levels[0]}" if len(levels) == 1 else f"in {{{', '.join(levels)}}}"


def encode_table(features: tuple[RuleFeature, ...], table: Any) -> Floats:
    """All columns of a table encoded, shape (n_rows, n_columns); an array of float64 as it is."""
    if isinstance(table, np.ndarray) and table.dtype == float and all(one.is_plain for one in features):
        for feature, numbers in zip(features, table.T, strict=True):
            feature.check_finite(numbers)
        return table
    encoded = np.empty((len(table), len(features)), order="F")
    for position, (feature, column) in enumerate(zip(features, columns(table).values(), strict=True)):
        encoded[:, position] = feature.encode(column)
    return encoded


@dataclass(frozen=True)
class Condition:
    """Values of one column that a path admits."""

    feature: int  # position of the column
    low: float  # exclusive bound of numbers, -inf for none
    high: float  # inclusive bound of numbers, inf for none
    levels: tuple[int, ...] | None  # codes of those admitted; None for numbers
    missing: bool  # whether missing values and unseen levels are admitted

    @classmethod
    def unrestricted(cls, position: int, feature: RuleFeature) -> Condition:
        """The condition that admits all values."""
        levels = None if feature.levels is None else tuple(range(len(feature.levels)))
        return cls(position, -np.inf, np.inf, levels, True)

    def restrict_range(self, low: float, high: float, missing: bool) -> Condition:
        """The intersection with low < value <= high."""
        return replace(
            self, low=max(self.low, low), high=min(self.high, high), missing=self.missing and missing
        )

    def restrict_levels(self, levels: frozenset[int], missing: bool) -> Condition:
        """The intersection with a set of levels."""
        assert self.levels is not None
        kept = tuple(level for level in self.levels if level in levels)
        return replace(self, levels=kept, missing=self.missing and missing)

    @property
    def only_missing(self) -> bool:
        """Whether no present value is admitted."""
        return self.levels == () or self.low >= self.high

    def describe(self, feature: RuleFeature) -> str:
        """The condition as text."""
        name = feature.name
        if self.only_missing:
            return f"{name} missing"
        if self._admits_all(feature):
            return f"{name} any" if self.missing else f"{name} not missing"
        or_missing = " or missing" if self.missing and feature.has_missing else ""
        if self.levels is not None:
            return f"{name} {feature.format_levels(self.levels)}{or_missing}"
        if np.isinf(self.low):
            return f"{name} <= {feature.format_number(self.high)}{or_missing}"
        if np.isinf(self.high):
            return f"{name} > {feature.format_number(self.low)}{or_missing}"
        low, high = feature.format_number(self.low), feature.format_number(self.high)
        return f"{low} < {name} <= {high}{or_missing}"

    def _admits_all(self, feature: RuleFeature) -> bool:
        if feature.levels is not None and self.levels is not None:
            return len(self.levels) == len(feature.levels)
        return bool(np.isinf(self.low) and np.isinf(self.high))


@dataclass(frozen=True)
class RuleTree:
    """A binary tree whose nodes are numbered from the root, parents before children."""

    features: tuple[RuleFeature, ...]  # the columns, in the table's order
    output_names: tuple[str, ...]
    feature: Codes  # (n_nodes,), position of the split's column; -1 at leaves
    threshold: Floats  # (n_nodes,), inf sends all but missing values left; NaN at leaves and for levels
    levels: tuple[frozenset[int], ...]  # per node, codes of those that go left
    missing_left: Bools  # (n_nodes,), whether missing values and unseen levels go left
    left: Codes  # (n_nodes,), child; -1 at leaves
    right: Codes  # (n_nodes,), child; -1 at leaves
    values: Floats  # (n_nodes, n_outputs), mean predictions in the model's units
    n_observed: Codes  # (n_nodes,), observed training rows
    n_synthetic: Codes  # (n_nodes,), synthetic training rows
    weight: Floats  # (n_nodes,), weight of the training rows
    loss: Floats  # (n_nodes,), their weighted squared distance from `values`, summed over outputs

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.left.size

    @property
    def leaves(self) -> Codes:
        """The leaves from left to right, shape (n_leaves,)."""
        leaves, stack = [], [0]
        while stack:
            node = stack.pop()
            if self.left[node] < 0:
                leaves.append(node)
            else:
                stack += [int(self.right[node]), int(self.left[node])]
        return np.array(leaves)

    @property
    def depth(self) -> int:
        """Number of splits on the longest path."""
        return max(len(self.path(leaf)) for leaf in self.leaves) - 1

    @property
    def parents(self) -> Codes:
        """Parent of each node, shape (n_nodes,); -1 for the root."""
        parents = np.full(self.n_nodes, -1)
        inner = np.flatnonzero(self.left >= 0)
        parents[self.left[inner]] = parents[self.right[inner]] = inner
        return parents

    def apply(self, table: Any) -> Codes:
        """Leaf of each row of a table with the tree's columns, shape (n_rows,)."""
        return self.apply_encoded(encode_table(self.features, table))

    def apply_encoded(self, encoded: Floats) -> Codes:
        """Leaf of each encoded row (n_rows, n_columns), shape (n_rows,)."""
        nodes = np.zeros(encoded.shape[0], dtype=np.intp)
        for node in np.flatnonzero(self.left >= 0).tolist():
            rows = np.flatnonzero(nodes == node)
            goes_left = self._goes_left(node, encoded[rows, self.feature[node]])
            nodes[rows] = np.where(goes_left, self.left[node], self.right[node])
        return nodes

    def path(self, node: int) -> list[int]:
        """Nodes from the root to a node, both included."""
        parents, path = self.parents, [int(node)]
        while parents[path[0]] >= 0:
            path.insert(0, int(parents[path[0]]))
        return path

    def conditions(self, node: int) -> list[Condition]:
        """Conditions on a node's path, one per column, in the order of the columns' first splits."""
        conditions: dict[int, Condition] = {}
        for parent, child in itertools.pairwise(self.path(node)):
            position = int(self.feature[parent])
            above = conditions.get(position) or Condition.unrestricted(position, self.features[position])
            conditions[position] = self._restrict(above, parent, child == self.left[parent])
        return list(conditions.values())

    def rule(self, node: int) -> str:
        """The conditions on a node's path as text; "any row" for the root."""
        texts = [one.describe(self.features[one.feature]) for one in self.conditions(node)]
        texts = [f"({text})" if text.endswith(" or missing") else text for text in texts]
        return " and ".join(texts) or "any row"

    def describe_leaves(self) -> tuple[np.ndarray, np.ndarray]:
        """Rules (n_nodes,) and conditions (n_nodes, n_columns) of the leaves as text; empty elsewhere."""
        rules = np.full(self.n_nodes, "", dtype=object)
        conditions = np.full((self.n_nodes, len(self.features)), "", dtype=object)
        for leaf in self.leaves:
            rules[leaf] = self.rule(int(leaf))
            for one in self.conditions(int(leaf)):
                conditions[leaf, one.feature] = one.describe(self.features[one.feature])
        return rules, conditions

    def describe_split(self, node: int) -> tuple[str, str]:
        """The two sides of a split as text, with those levels alone that the splits above admit."""
        feature, missing_left = self.features[self.feature[node]], bool(self.missing_left[node])
        sides = (missing_left, not missing_left)
        or_missing = [" or missing" if feature.has_missing and side else "" for side in sides]
        if feature.levels is not None:
            position = int(self.feature[node])
            above = [one.levels for one in self.conditions(node) if one.feature == position]
            admitted = above[0] or () if above else range(len(feature.levels))
            left = [level for level in admitted if level in self.levels[node]]
            right = [level for level in admitted if level not in self.levels[node]]
            return (
                _describe_levels(feature, left, right) + or_missing[0],
                _describe_levels(feature, right, left) + or_missing[1],
            )
        threshold = float(self.threshold[node])
        if np.isinf(threshold):
            return f"{feature.name} not missing", f"{feature.name} missing"
        text = feature.format_number(threshold)
        return f"{feature.name} <= {text}{or_missing[0]}", f"{feature.name} > {text}{or_missing[1]}"

    def _goes_left(self, node: int, encoded: Floats) -> Bools:
        if self.features[self.feature[node]].levels is None:
            goes_left = encoded <= self.threshold[node]
        else:
            goes_left = np.isin(encoded, np.fromiter(self.levels[node], dtype=float))
        return np.where(np.isnan(encoded), self.missing_left[node], goes_left)

    def _restrict(self, condition: Condition, node: int, goes_left: bool) -> Condition:
        """A condition after one side of a split."""
        missing = bool(self.missing_left[node]) == goes_left
        levels = self.features[condition.feature].levels
        if levels is not None:
            left = self.levels[node]
            return condition.restrict_levels(
                left if goes_left else frozenset(range(len(levels))) - left, missing
            )
        threshold = float(self.threshold[node])
        bounds = (-np.inf, threshold) if goes_left else (threshold, np.inf)
        return condition.restrict_range(*bounds, missing)


def _describe_levels(feature: RuleFeature, levels: list[int], other: list[int]) -> str:
    """A side of a split by its levels, or by those of the other side if these are fewer."""
    if not levels:
        return f"{feature.name} never seen"
    if other and len(levels) > max(len(other), _MOST_LEVELS):
        return f"{feature.name} not " + feature.format_levels(other).removeprefix("= ")
    return f"{feature.name} {feature.format_levels(levels)}"


def _format_float(number: float, error: float) -> str:
    """The shortest text of a number in single precision, or with more digits for an error at most this."""
    with np.errstate(over="ignore"):
        single = np.float32(number)
    if abs(float(single) - number) <= error and float(single) != 0:
        return str(single).removesuffix(".0")
    return format_number(number, error, 6)


def is_arrow_date(dtype: Any) -> bool:
    """Whether a dtype of pandas is Arrow's date, whose values have no time of day."""
    return isinstance(dtype, pd.ArrowDtype) and str(dtype.pyarrow_dtype).startswith("date")


def is_zoned(dtype: Any) -> bool:
    """Whether moments of a dtype of pandas have a time zone."""
    arrow = dtype.pyarrow_dtype if isinstance(dtype, pd.ArrowDtype) else dtype
    return getattr(arrow, "tz", None) is not None


def _format_date(ticks: float, dtype: Any) -> str:
    if isinstance(dtype, np.dtype | pd.api.extensions.ExtensionDtype):  # pandas: always read in nanoseconds
        is_span = getattr(dtype, "kind", "M") == "m"
        moment: Any = pd.Timedelta(int(ticks // 1), "ns") if is_span else pd.Timestamp(int(ticks // 1))
        if is_arrow_date(dtype):
            return str(moment.date())
        return str(moment.floor("s")).removesuffix(" 00:00:00")
    import polars as pl

    dates = pl.Series([int(ticks // 1)]).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    return str(dates[0]).removesuffix(" 00:00:00")
