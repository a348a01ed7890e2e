"""Tree ensembles of any library as plain arrays: splits, leaf values and what is summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats, Numbers

NAN_RIGHT, NAN_LEFT, ZERO_RIGHT, ZERO_LEFT, NAN_AS_ZERO, CATEGORY = range(6)
"""What missing values do: NaN goes right or left, zero and NaN do, NaN goes as zero; or a set of codes."""
_ZERO = np.float64(np.float32(1e-35))
"""LightGBM's zero: up to which a number is one, with zero_as_missing."""


@dataclass(frozen=True)
class Tree:
    """One tree as a library has it; `left` (n_nodes,) is -1 at leaves."""

    left: Codes
    right: Codes
    feature: Codes
    threshold: Numbers  # of `value <= threshold` goes left, in the type in which the library compares
    missing: Codes  # (n_nodes,), of the constants above
    values: Floats  # (n_nodes, n_values), read at leaves
    output: int = -1  # which output the values add to; -1 for one value for each output
    subset: Codes | None = None  # (n_nodes,) place in `subsets` where missing is CATEGORY
    subsets: Sequence[
        Bools
    ] = ()  # codes that go left (n_codes + 2,): then unknown codes, then missing values


def below(threshold: Numbers) -> Numbers:
    """Thresholds t of `value <= t` that mean `value < threshold`, in the same type."""
    lowest = np.array(-np.inf, dtype=threshold.dtype)
    return np.where(threshold == lowest, np.nan, np.nextafter(threshold, lowest)).astype(threshold.dtype)


def to_single(threshold: Floats) -> Numbers:
    """The largest single-precision numbers up to thresholds: for single-precision values they split alike."""
    with np.errstate(over="ignore"):
        single = threshold.astype(np.float32)
    return np.where(single > threshold, below(single), single)


@dataclass(frozen=True)
class TreeEnsemble:
    """The sum of trees and a constant (n_outputs,). A node of any tree is a place in joint arrays (n_nodes,).

    A value of a split's `column` up to its `threshold` goes left; where `subset` is not -1, a code does that
    the subset has. Columns are the features with missing values replaced as their splits need it.
    """

    roots: Codes  # (n_trees,)
    left: Codes  # -1 at leaves
    right: Codes
    column: Codes
    threshold: Numbers
    subset: Codes
    values: Floats  # (n_nodes, n_values)
    outputs: Codes  # (n_trees,), -1 where a tree has a value for each output
    constant: Floats  # (n_outputs,)
    columns: tuple[tuple[int, int], ...]  # feature and kind of missing values of each column
    subsets: tuple[Bools, ...]

    @classmethod
    def from_trees(cls, trees: Sequence[Tree], constant: Floats, dtype: Any) -> TreeEnsemble:
        """The ensemble of trees whose values are compared in a type."""
        sizes = np.array([tree.left.size for tree in trees], dtype=np.intp)
        roots = np.cumsum(sizes) - sizes

        def joined(name: str) -> Any:
            return np.concatenate([np.asarray(getattr(tree, name)) for tree in trees])

        left, right, shift = joined("left"), joined("right"), np.repeat(roots, sizes)
        is_leaf = left < 0
        missing = np.where(is_leaf, 0, joined("missing"))
        key = np.where(is_leaf, 0, joined("feature")) * 6 + missing
        used, column = np.unique(key[~is_leaf], return_inverse=True)
        columns = np.zeros(left.size, dtype=np.intp)
        columns[~is_leaf] = column
        n_subsets = np.array([len(tree.subsets) for tree in trees], dtype=np.intp)
        first = np.cumsum(n_subsets) - n_subsets
        own = [np.full(tree.left.size, -1) if tree.subset is None else tree.subset for tree in trees]
        subset = np.concatenate(own)
        return cls(
            roots=roots,
            left=np.where(is_leaf, -1, left + shift).astype(np.intp),
            right=np.where(is_leaf, -1, right + shift).astype(np.intp),
            column=columns,
            threshold=joined("threshold").astype(dtype),
            subset=np.where(subset < 0, -1, subset + np.repeat(first, sizes)),
            values=joined("values").astype(float),
            outputs=np.array([tree.output for tree in trees], dtype=np.intp),
            constant=np.asarray(constant, dtype=float),
            columns=tuple((int(one) // 6, int(one) % 6) for one in used),
            subsets=tuple(one for tree in trees for one in tree.subsets),
        )

    @property
    def n_outputs(self) -> int:
        """Numbers that the ensemble predicts for a row."""
        return self.constant.size

    @property
    def n_trees(self) -> int:
        """Trees."""
        return self.roots.size

    def mirrored(self) -> TreeEnsemble:
        """Two outputs in place of one: less of it, and it."""
        values, constant = (np.concatenate([-one, one], axis=-1) for one in (self.values, self.constant))
        return replace(self, values=values, constant=constant, outputs=np.full(self.n_trees, -1))

    @cached_property
    def sizes(self) -> Codes:
        """Nodes of each tree, (n_trees,); a tree's nodes are next to each other, its root first."""
        return np.diff(np.append(self.roots, self.left.size))

    def read(self, matrix: Numbers) -> Numbers:
        """Columns (n_columns, n_rows) that splits compare, of the features (n_rows, n_features)."""
        read = np.empty((len(self.columns), len(matrix)), dtype=self.threshold.dtype)
        for row, (feature, missing) in zip(read, self.columns, strict=True):
            row[:] = self._read_column(matrix[:, feature], missing)
        return read

    def _read_column(self, values: Numbers, missing: int) -> Numbers:
        with np.errstate(over="ignore"):
            values = values.astype(self.threshold.dtype, copy=missing != NAN_RIGHT)
        if missing == CATEGORY:
            return values
        lost = np.isnan(values)
        if missing in (ZERO_LEFT, ZERO_RIGHT):
            lost |= np.abs(values) <= _ZERO
        if missing == NAN_AS_ZERO:
            values[lost] = 0.0
        elif missing in (NAN_LEFT, ZERO_LEFT):
            values[lost] = -np.inf
        elif missing == ZERO_RIGHT:
            values[lost] = np.nan  # which no comparison is true of
        return values

    def goes_left(self, nodes: Codes, read: Numbers) -> Bools:
        """Whether rows go left at nodes (n_nodes,), (n_nodes, n_rows), from their columns `read`."""
        left = read[self.column[nodes]] <= self.threshold[nodes][:, None]
        for place in np.flatnonzero(self.subset[nodes] >= 0):
            node = nodes[place]
            codes = _codes(read[self.column[node]], self.subsets[self.subset[node]].size - 2)
            left[place] = self.subsets[self.subset[node]][codes]
        return left

    def predict(self, read: Numbers) -> Floats:
        """Predictions (n_rows, n_outputs) of rows, from their columns `read`."""
        n_rows = read.shape[1]
        node = np.repeat(self.roots, n_rows)
        row = np.tile(np.arange(n_rows), self.n_trees)
        inner = np.flatnonzero(self.left[node] >= 0)
        while inner.size:
            at = node[inner]
            goes_left = read[self.column[at], row[inner]] <= self.threshold[at]
            for place in np.flatnonzero(self.subset[at] >= 0):
                one, subset = at[place], self.subsets[self.subset[at[place]]]
                value = read[self.column[one], row[inner[place]]][None]
                goes_left[place] = subset[_codes(value, subset.size - 2)[0]]
            node[inner] = np.where(goes_left, self.left[at], self.right[at])
            inner = inner[self.left[node[inner]] >= 0]
        reached = self.values[node].reshape(self.n_trees, n_rows, -1)
        predictions = np.tile(self.constant, (n_rows, 1))
        for output, values in zip(self.outputs, reached, strict=True):
            if output < 0:
                predictions += values
            else:
                predictions[:, output] += values[:, 0]
        return predictions


def _codes(values: Numbers, n_codes: int) -> Codes:
    """Places (n_rows,) in a subset of the codes that values stand for: unknown and missing ones are last."""
    lost = np.isnan(values)
    with np.errstate(invalid="ignore"):
        known = (values > -1.0) & (values < n_codes)  # fractions are cut off, as a conversion to int does
        codes = np.where(known, values, n_codes).astype(np.intp)
    codes[lost] = n_codes + 1
    return codes
