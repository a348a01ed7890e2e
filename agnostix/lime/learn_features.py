"""Learns from a table how its features are to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import type_of_target

from agnostix.core.features import (
    Coding,
    Features,
    JointCoding,
    LevelCoding,
    NumberCoding,
    column_of,
    first_of_each,
    value_codes,
)
from agnostix.core.frames import column_names, is_frame, kind_of, select, take_rows, to_numbers
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.drawing import Drawing, Resampling, TruncatedNormals
from agnostix.lime.edges import N_BINS, entropy_edges, quantile_edges, snapped
from agnostix.lime.features import BinnedFeature, Feature, ScaledFeature
from agnostix.lime.tempering import tempered

POINT_SHARE = 0.05
"""Share of a column's rows from which on a repeated number is a point mass."""


@dataclass(frozen=True)
class FeatureLearner:
    """A table, and how its columns are cut into bins.

    Attributes
    ----------
    table : DataFrame or ndarray of shape (n_rows, n_columns)
        The rows.
    weights : ndarray of shape (n_rows,)
        Of the rows, above 0.
    discretizer : {"quartile", "decile", "entropy"} or None
        None: numbers stay numbers.
    labels : ndarray of shape (n_rows,) or None
        Classes, for "entropy".
    owner : str
        Whose parameters they are, for messages.
    """

    table: Any
    weights: Floats
    discretizer: str | None
    labels: Any
    owner: str

    def learn(self, players: Features) -> list[Feature]:
        """Learn every feature.

        Parameters
        ----------
        players : Features
            Which columns are one feature.

        Returns
        -------
        list of Feature

        Raises
        ------
        DataError
            If a column cannot be drawn.
        """
        pairs = zip(players.names, players.columns, strict=True)
        found = [self._alone(p[0]) if len(p) == 1 else self._together(name, p) for name, p in pairs]
        binned = [one for one in found if isinstance(one, BinnedFeature)]
        asked = iter(tempered([one.seen for one in binned]))
        return [one.with_asked(next(asked)) if isinstance(one, BinnedFeature) else one for one in found]

    def _alone(self, position: int) -> Feature:
        column = column_of(self.table, position)
        dtype = self._plain(column)
        if kind_of(column) == "categorical":
            return self._binned((position,), self._levels(position), None)
        if self.discretizer is None:
            return self._scaled(position, column, dtype)
        coding = self._intervals(position, column, dtype is not None)
        return self._binned((position,), coding, dtype)

    def _together(self, name: str, positions: tuple[int, ...]) -> Feature:
        """Columns that are drawn together, from rows that were seen."""
        members = [self._member(name, position) for position in sorted(positions)]
        own = np.column_stack([member.codes(self.table) for member in members])
        return self._binned(
            tuple(sorted(positions)), JointCoding(tuple(members), np.unique(own, axis=0)), None
        )

    def _member(self, group: str, position: int) -> Coding:
        column = column_of(self.table, position)
        if kind_of(column) == "categorical":
            return self._levels(position)
        if self.discretizer is None:
            raise DataError(
                f"The group {group!r} of feature_groups has the numbers {self._names[position]!r}, and "
                "without a discretizer numbers have no bins that could be the same together. Use "
                "discretizer='quartile'."
            )
        return self._intervals(position, column, self._plain(column) is not None)

    def _scaled(self, position: int, column: Any, dtype: Any) -> ScaledFeature:
        name, numbers = self._names[position], to_numbers(column)
        if dtype is None or not np.isfinite(numbers).all():
            what = f"is of type {column.dtype}" if dtype is None else "has missing or infinite values"
            raise DataError(
                f"Column {name!r} {what}, and without a discretizer only numbers without gaps can be drawn. "
                "Use discretizer='quartile', where missing values are a bin."
            )
        mean = float(np.average(numbers, weights=self.weights))
        sd = float(np.sqrt(np.average((numbers - mean) ** 2, weights=self.weights)))
        sd = 0.0 if np.ptp(numbers) == 0 else sd
        return ScaledFeature((position,), name, float(numbers[0]) if sd == 0 else mean, sd, dtype)

    def _binned(self, positions: tuple[int, ...], coding: Coding, dtype: Any) -> BinnedFeature:
        codes = coding.codes(self.table)
        seen = np.bincount(codes, self.weights, coding.n_codes) / self.weights.sum()
        drawing = self._drawing(positions, coding, codes, dtype)
        return BinnedFeature(positions, coding, seen, drawing, seen)

    def _drawing(self, positions: tuple[int, ...], coding: Coding, codes: Codes, dtype: Any) -> Drawing:
        if isinstance(coding, NumberCoding) and dtype is not None and dtype.kind == "f":
            numbers = to_numbers(column_of(self.table, positions[0]))
            if not self._has_points(numbers):
                return TruncatedNormals.of(numbers, codes, self.weights, coding.edges, dtype)
        if isinstance(coding, LevelCoding):
            places = np.arange(coding.n_codes)
            return Resampling.of(self._part(coding.levels, positions), places, places, np.ones(places.size))
        order_by = np.arange(codes.size)
        if isinstance(coding, NumberCoding):
            order_by = to_numbers(column_of(self.table, positions[0]))
        return Resampling.of(self._part(self.table, positions), codes, order_by, self.weights)

    def _has_points(self, numbers: Floats) -> bool:
        """Whether some number is seen so often that a smooth distribution would miss it."""
        there = ~np.isnan(numbers)
        _, which = np.unique(numbers[there], return_inverse=True)
        if which.size == 0:
            return False
        held = np.bincount(which.ravel(), self.weights[there])
        return bool(held.max() >= POINT_SHARE * held.sum())

    def _part(self, table: Any, positions: tuple[int, ...]) -> Any:
        if not is_frame(table):
            return table[:, list(positions)]
        return select(table, [table.columns[position] for position in positions])

    def _levels(self, position: int) -> LevelCoding:
        first, _ = first_of_each(value_codes(column_of(self.table, position)))
        return LevelCoding(position, self._names[position], take_rows(self.table, first))

    def _intervals(self, position: int, column: Any, is_plain: bool) -> NumberCoding:
        name, numbers = self._names[position], to_numbers(column)
        if np.isinf(numbers).any():
            raise DataError(
                f"Column {name!r} holds infinite values, which no bin can hold. Replace them, for example "
                "with missing ones."
            )
        there = ~np.isnan(numbers)
        edges = self._edges(numbers[there], there) if there.any() else np.empty(0)
        if is_plain:
            return NumberCoding(position, name, edges, tuple(f"{edge:.5g}" for edge in edges))
        edges = snapped(edges, numbers[there])
        values = column.to_list()
        words = tuple(_said(values[int(np.flatnonzero(numbers == edge)[0])]) for edge in edges)
        return NumberCoding(position, name, edges, words)

    def _edges(self, numbers: Floats, there: Any) -> Floats:
        weights = self.weights[there]
        if self.discretizer == "entropy":
            return entropy_edges(numbers, weights, self._classes()[there])
        assert self.discretizer is not None
        return quantile_edges(numbers, weights, N_BINS[self.discretizer])

    def _classes(self) -> Any:
        """The labels, if they are classes."""
        if self.labels is None:
            raise DataError(
                f"The 'discretizer' of {self.owner} is 'entropy', which needs the classes: pass y to "
                "fit, or use 'quartile'."
            )
        if type_of_target(self.labels).startswith("continuous"):
            raise DataError(
                f"The 'discretizer' of {self.owner} is 'entropy', which needs classes, and y is of numbers. "
                "Cut y into classes, or use 'quartile'."
            )
        return self.labels

    def _plain(self, column: Any) -> Any:
        """The type of a column of floats or whole numbers without gaps; None for any other."""
        if not is_frame(self.table):
            return self.table.dtype if self.table.dtype.kind in "fiu" else None
        if isinstance(column, pd.Series):
            dtype = column.dtype
            return dtype if isinstance(dtype, np.dtype) and dtype.kind in "fiu" else None
        is_number = column.dtype.is_float() or column.dtype.is_integer()
        return column.to_numpy().dtype if is_number and column.null_count() == 0 else None

    @cached_property
    def _names(self) -> list[str]:
        return column_names(self.table)


def _said(value: Any) -> str:
    """A value at which a bin ends; of a day's start the day."""
    return str(value).removesuffix(" 00:00:00")
