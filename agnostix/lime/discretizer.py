"""Discretizer: from a table to its interpretable features (bins and levels, or standardized numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.multiclass import type_of_target

from agnostix.core.features import (
    Coding,
    Features,
    JointCoding,
    LevelCoding,
    NumberCoding,
    column_of,
    first_of_each,
    format_number,
    halfway,
    ranks,
    value_codes,
)
from agnostix.core.frames import column_names, is_frame, kind_of, select, take_rows, to_numbers
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.features import (
    BinDistribution,
    BinnedFeature,
    Feature,
    Resampling,
    ScaledFeature,
    TruncatedNormals,
    make_proposals,
)
from agnostix.lime.sparse_columns import SparseColumns, are_mostly_zero, sparse_cells
from agnostix.lime.wide_regression import MOST_DENSE

N_BINS = {"quartile": 4, "decile": 10}
POINT_MASS = 0.05
"""Frequency from which on a repeated number is a point mass, which a smooth distribution would miss."""
_ENTROPY_DEPTH = 3
_EDGE_ERROR = 1e-3
"""Precision of edges in the text of bins, relative to the range of the column."""


def quantile_edges(values: Floats, weights: Floats, n_bins: int) -> Floats:
    """Ascending edges between bins of equal weight; ties leave fewer bins.

    Values and weights (n,); a row of weight 2 counts as two of weight 1, interpolated as by np.percentile.
    """
    order = np.argsort(values, kind="stable")
    unit = max(weights.min(), 1e-15 * weights.max())  # of lighter rows a sum holds nothing
    ends = np.cumsum(weights[order] / unit)
    rank = np.arange(1, n_bins) / n_bins * (ends[-1] - 1.0)
    floor = np.floor(rank)
    below, above = (
        values[order][np.minimum(np.searchsorted(ends, one, side="right"), order.size - 1)]
        for one in (floor, floor + 1.0)
    )
    return np.unique(below + (above - below) * (rank - floor))


def entropy_edges(values: Floats, weights: Floats, labels: Codes) -> Floats:
    """Ascending thresholds of a tree of depth 3 on values (n,) alone; the median where it has no split."""
    classifier = DecisionTreeClassifier(criterion="entropy", max_depth=_ENTROPY_DEPTH, random_state=0)
    # On ranks, since scikit-learn compares in single precision and does not split numbers 1e-7 apart.
    tree = classifier.fit(ranks(values)[:, None], labels, sample_weight=weights).tree_
    distinct, below = np.unique(values), np.unique(tree.threshold[tree.feature >= 0]).astype(np.intp)
    edges = [halfway(float(distinct[place]), float(distinct[place + 1])) for place in below]
    return np.array(edges) if edges else quantile_edges(values, weights, 2)


def snap_edges(edges: Floats, values: Floats) -> Floats:
    """Edges moved down to observed values, which leaves every value in its bin."""
    observed = np.unique(values)
    index = np.searchsorted(observed, edges, side="right") - 1
    return np.unique(observed[index[index >= 0]])


@dataclass(frozen=True)
class Discretizer:
    """Learns the features of a table (n_rows, n_columns) with weights (n_rows,) above 0.

    `method` is "quartile", "decile", "entropy", which needs labels (n_rows,), or None, which standardizes
    numbers. `owner` is whose parameter it is, for messages.
    """

    table: Any
    weights: Floats
    method: str | None
    labels: Any
    owner: str

    def learn_features(self, features: Features) -> list[Feature]:
        """All features, rare levels with a proposal; DataError if a column cannot be sampled."""
        sparse = self._learn_sparse(features)
        pairs = enumerate(zip(features.names, features.columns, strict=True))
        learned = [
            sparse[j] if j in sparse else self._one(p[0]) if len(p) == 1 else self._group(name, p)
            for j, (name, p) in pairs
        ]
        binned = [one for one in learned if isinstance(one, BinnedFeature)]
        proposals = iter(make_proposals([one.frequencies for one in binned]))
        return [
            replace(one, proposal=next(proposals)) if isinstance(one, BinnedFeature) else one
            for one in learned
        ]

    def sparse_columns(self, features: Sequence[Feature]) -> SparseColumns | None:
        """Those of the learned features that are columns of zeros nearly everywhere; None if none are."""
        if self.method not in N_BINS or len(features) <= MOST_DENSE:
            return None
        is_own = np.array([len(one.positions) == 1 and self._is_sparse[one.positions[0]] for one in features])
        places = np.flatnonzero(is_own)
        own = tuple(
            one for one, flag in zip(features, is_own, strict=True) if flag and isinstance(one, BinnedFeature)
        )
        return SparseColumns(places, own) if own else None

    @cached_property
    def _is_sparse(self) -> Bools:
        return are_mostly_zero(self.table, self.weights)

    def _learn_sparse(self, features: Features) -> dict[int, BinnedFeature]:
        """Features of a wide table that are columns of zeros nearly everywhere, by place."""
        if self.method not in N_BINS or len(features.names) <= MOST_DENSE:
            return {}
        places = [j for j, own in enumerate(features.columns) if len(own) == 1 and self._is_sparse[own[0]]]
        if not places:
            return {}
        cells = sparse_cells(self.table, np.array([features.columns[j][0] for j in places]))
        learned = {}
        for number, place in enumerate(places):
            part = slice(cells.indptr[number], cells.indptr[number + 1])
            learned[place] = self._mostly_zero(
                features.columns[place][0], cells.data[part], cells.indices[part]
            )
        return learned

    def _mostly_zero(self, position: int, stored: Numbers, rows: Codes) -> BinnedFeature:
        """A feature of a column of zeros but for the numbers stored (n,) in some rows (n,)."""
        zeros = self._total - self.weights[rows].sum()
        values = np.append(stored, stored.dtype.type(0))
        weights = np.append(self.weights[rows], zeros)
        # All zeros count as one row of their weight.
        edges = quantile_edges(values.astype(float), weights, N_BINS[str(self.method)])
        error = _EDGE_ERROR * float(np.ptp(values))
        texts = tuple(format_number(float(edge), error, 5) for edge in edges)
        coding = NumberCoding(position, self._names[position], edges, texts)
        codes = np.searchsorted(edges, values)
        frequencies = np.bincount(codes, weights, coding.n_codes) / self._total
        distribution = Resampling.from_rows(values[:, None], codes, values, weights)
        return BinnedFeature((position,), coding, frequencies, distribution, frequencies)

    @cached_property
    def _total(self) -> float:
        return float(self.weights.sum())

    def _one(self, position: int) -> Feature:
        column = column_of(self.table, position)
        dtype = self._number_dtype(column)
        if kind_of(column) in ("categorical", "nested"):
            return self._binned((position,), self._levels(position), None)
        if self.method is None:
            return self._scaled(position, column, dtype)
        return self._binned((position,), self._intervals(position, column), dtype)

    def _group(self, name: str, positions: tuple[int, ...]) -> Feature:
        """Columns that are sampled together, from observed rows."""
        members = [self._member(name, position) for position in sorted(positions)]
        codes = np.column_stack([member.codes(self.table) for member in members])
        coding = JointCoding(tuple(members), np.unique(codes, axis=0))
        return self._binned(tuple(sorted(positions)), coding, None)

    def _member(self, group: str, position: int) -> Coding:
        column = column_of(self.table, position)
        if kind_of(column) in ("categorical", "nested"):
            return self._levels(position)
        if self.method is None:
            raise DataError(
                f"The group {group!r} of feature_groups has the numbers {self._names[position]!r}, and "
                "without a discretizer there are no bins in which rows could be equal. Use "
                "KernelSampling or TiltedSampling with discretizer='quartile'."
            )
        return self._intervals(position, column)

    def _scaled(self, position: int, column: Any, dtype: Any) -> ScaledFeature:
        name, values = self._names[position], to_numbers(column)
        if dtype is None or not np.isfinite(values).all():
            what = f"is of type {column.dtype}" if dtype is None else "has missing or infinite values"
            raise DataError(
                f"Column {name!r} {what}, and without a discretizer only finite numbers can be sampled. Use "
                "KernelSampling or TiltedSampling with discretizer='quartile': missing values are a bin."
            )
        mean = float(np.average(values, weights=self.weights))
        sd = float(np.sqrt(np.average((values - mean) ** 2, weights=self.weights)))
        if sd == 0 or np.ptp(values) == 0:  # of a constant, mean and sd may be off by rounding
            mean, sd = float(values[0]), 0.0
        return ScaledFeature((position,), name, mean, sd, dtype)

    def _binned(self, positions: tuple[int, ...], coding: Coding, dtype: Any) -> BinnedFeature:
        codes = coding.codes(self.table)
        frequencies = np.bincount(codes, self.weights, coding.n_codes) / self.weights.sum()
        distribution = self._distribution(positions, coding, codes, dtype)
        return BinnedFeature(positions, coding, frequencies, distribution, frequencies)

    def _distribution(
        self, positions: tuple[int, ...], coding: Coding, codes: Codes, dtype: Any
    ) -> BinDistribution:
        if isinstance(coding, NumberCoding) and dtype is not None and dtype.kind == "f":
            values = to_numbers(column_of(self.table, positions[0]))
            if not self._has_point_mass(values):
                return TruncatedNormals.from_values(values, codes, self.weights, coding.edges, dtype)
        if isinstance(coding, LevelCoding):
            order = np.arange(coding.n_codes)
            levels = _columns(coding.levels, positions)
            return Resampling.from_rows(levels, order, order, np.ones(order.size))
        order_by = np.arange(codes.size)
        if isinstance(coding, NumberCoding):
            order_by = to_numbers(column_of(self.table, positions[0]))
        return Resampling.from_rows(_columns(self.table, positions), codes, order_by, self.weights)

    def _has_point_mass(self, values: Floats) -> bool:
        present = ~np.isnan(values)
        _, which = np.unique(values[present], return_inverse=True)
        if which.size == 0:
            return False
        masses = np.bincount(which.ravel(), self.weights[present])
        return bool(masses.max() >= POINT_MASS * masses.sum())

    def _levels(self, position: int) -> LevelCoding:
        first, _ = first_of_each(value_codes(column_of(self.table, position)))
        return LevelCoding(position, self._names[position], take_rows(self.table, first))

    def _intervals(self, position: int, column: Any) -> NumberCoding:
        name, values = self._names[position], to_numbers(column)
        if np.isinf(values).any():
            raise DataError(
                f"Column {name!r} has infinite values, which fit into no bin. Replace them, for example with "
                "missing ones."
            )
        present = ~np.isnan(values)
        edges = self._edges(values[present], present) if present.any() else np.empty(0)
        if kind_of(column) == "numeric":
            error = _EDGE_ERROR * float(np.ptp(values[present])) if present.any() else 0.0
            texts = tuple(format_number(float(edge), error, 5) for edge in edges)
            return NumberCoding(position, name, edges, texts)
        edges = snap_edges(edges, values[present])
        originals = column.to_list()
        shown = (str(originals[int(np.flatnonzero(values == edge)[0])]) for edge in edges)
        return NumberCoding(position, name, edges, tuple(text.removesuffix(" 00:00:00") for text in shown))

    def _edges(self, values: Floats, present: Any) -> Floats:
        weights = self.weights[present]
        if self.method == "entropy":
            return entropy_edges(values, weights, self._classes()[present])
        assert self.method is not None
        return quantile_edges(values, weights, N_BINS[self.method])

    def _classes(self) -> Any:
        if self.labels is None:
            raise DataError(
                f"The 'discretizer' of {self.owner} is 'entropy', which needs classes: pass y to fit, or use "
                "'quartile'."
            )
        if type_of_target(self.labels).startswith("continuous"):
            raise DataError(
                f"The 'discretizer' of {self.owner} is 'entropy', which needs classes, but y is continuous. "
                "Pass classes as y, or use 'quartile'."
            )
        return self.labels

    def _number_dtype(self, column: Any) -> Any:
        """Numpy's dtype of a column of floats, or of integers without missing values; None for any other."""
        dtype = column.dtype
        if isinstance(dtype, np.dtype):
            return dtype if dtype.kind in "fiu" else None
        if kind_of(column) != "numeric":
            return None
        if not isinstance(column, pd.Series):
            is_known = str(dtype) not in ("Int128", "UInt128")  # which numpy does not hold
            is_number = dtype.is_float() or (dtype.is_integer() and is_known and column.null_count() == 0)
            return column[:0].to_numpy().dtype if is_number else None
        plain = np.dtype(getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", object)))
        return plain if plain.kind == "f" or (plain.kind in "iu" and not column.hasnans) else None

    @cached_property
    def _names(self) -> list[str]:
        return column_names(self.table)


def _columns(table: Any, positions: tuple[int, ...]) -> Any:
    """Some columns of a table, as a table."""
    if not is_frame(table):
        return table[:, list(positions)]
    return select(table, [table.columns[position] for position in positions])
