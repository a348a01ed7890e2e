"""Hiding columns of a table behind the values of background rows, whatever their types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.frames import as_table, is_frame, take_rows
from agnostix.core.masking.array_builder import ArrayBuilder
from agnostix.core.masking.background_subset import BackgroundSubset
from agnostix.core.masking.duplicates import (
    as_series,
    distinct_rows,
    first_of_each,
    joined_values,
    keys_of,
    table_codes,
    value_codes,
)
from agnostix.core.masking.frame_builder import FrameBuilder
from agnostix.core.masking.masker import Builder, MaskDistribution, MaskingInputs
from agnostix.core.masking.players import Players
from agnostix.core.masking.schema import check_schema
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

AGREEMENT = 0.05
"""Chance that two background rows agree in a column, from which on equal perturbed rows are looked for."""

_ROUNDING = 1e-8
"""How far from 1 the sum of weights may be."""


@dataclass(frozen=True)
class TabularMasker:
    """Replaces columns of a table by those of background rows.

    Attributes
    ----------
    background : DataFrame or ndarray of shape (n_background, n_columns)
        Observed rows, or one of constants.
    weights : ndarray of shape (n_background,)
        Their weights, adding up to 1.
    features : Players
        Columns that are hidden together; each column belongs to one feature.
    """

    background: Any
    weights: Floats
    features: Players

    mask_distribution: ClassVar[MaskDistribution] = "bernoulli"
    same_features: ClassVar[bool] = True

    def __post_init__(self) -> None:
        n_rows, n_columns = self.background.shape
        weights = np.asarray(self.weights)
        if weights.shape != (n_rows,) or not (weights >= 0).all() or abs(weights.sum() - 1.0) > _ROUNDING:
            raise DataError(
                f"The 'weights' of TabularMasker must be one number for each of the {n_rows} background rows"
                f", 0 or more, that add up to 1; got shape {weights.shape} and a sum of {weights.sum():.6g}."
            )
        places = sorted(place for positions in self.features.columns for place in positions)
        if places != list(range(n_columns)):
            raise DataError(
                f"The 'features' of TabularMasker must have each of the background's {n_columns} columns "
                f"once, got the places {places}. Players.from_names makes them from the columns' names."
            )

    def read(self, X: Any) -> MaskedTable:
        """Rows of a table that must have the background's columns and types."""
        table = as_table(X)
        check_schema(table, self.background)
        return MaskedTable(table, self)

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """For each mask (n_masks, n_features), background rows merged where they agree in all it hides."""
        places = np.arange(self.weights.size)
        nothing = np.zeros_like(places)
        whole = BackgroundSubset(nothing[:1], np.ones(1), nothing)
        every = BackgroundSubset(places, self.weights, places)
        hidden = np.empty((masks.shape[0], self.background_codes.shape[1]), dtype=bool)
        for feature, positions in enumerate(self.features.columns):
            hidden[:, positions] = ~masks[:, [feature]]
        apart = (hidden & self._all_differ).sum(axis=1) > 0
        return [
            (every if apart[j] else self._merged(columns)) if columns.any() else whole
            for j, columns in enumerate(hidden)
        ]

    @cached_property
    def merges(self) -> bool:
        """Whether background rows agree in a column so often that looking for equal perturbed rows pays."""
        n_rows, n_columns = self.background_codes.shape
        counts = [np.unique(codes, return_counts=True)[1] for codes in self.background_codes.T]
        n_equal = sum(float((count**2.0).sum()) - n_rows for count in counts)
        return n_rows > 1 and n_equal >= AGREEMENT * n_rows * (n_rows - 1) * n_columns

    @cached_property
    def background_codes(self) -> Codes:
        """The background's values as codes (n_background, n_columns), equal where the values are."""
        return table_codes(self.background)

    @cached_property
    def _keys(self) -> Codes:
        return keys_of(self.background_codes)

    @cached_property
    def _all_differ(self) -> Bools:
        """Columns in which no two background rows agree, (n_columns,)."""
        return np.array([np.unique(codes).size == codes.size for codes in self.background_codes.T])

    def _merged(self, hidden: Bools) -> BackgroundSubset:
        first, which = first_of_each(self._keys[:, hidden].sum(axis=1))
        return BackgroundSubset(first, np.bincount(which, self.weights, first.size), which)


@dataclass(frozen=True)
class MaskedTable:
    """Rows of a table (n_rows, n_columns) and the masker that has read them."""

    table: Any
    masker: TabularMasker

    def __len__(self) -> int:
        return int(self.table.shape[0])

    def __getitem__(self, places: Any) -> MaskedTable:
        return MaskedTable(take_rows(self.table, places), self.masker)

    @property
    def features(self) -> Players:
        """The masker's: columns are the same in every row."""
        return self.masker.features

    @property
    def present(self) -> Bools:
        """Every feature in every row, (n_rows, n_features)."""
        return np.ones((len(self), len(self.features.names)), dtype=bool)

    @property
    def varying(self) -> Bools:
        """False where the row and all background rows agree in all of the feature's columns."""
        background, codes = self.masker.background, self.masker.background_codes
        differs = np.ones((len(self), codes.shape[1]), dtype=bool)
        for column in np.flatnonzero((codes == codes[0]).all(axis=0)):
            joined = value_codes(as_series(joined_values(self.table, background, int(column))))
            differs[:, column] = joined[: len(self)] != joined[-1]
        by_feature = [differs[:, list(positions)].any(axis=1) for positions in self.features.columns]
        return np.stack(by_feature, axis=1)

    @property
    def unmasked(self) -> Any:
        """The table."""
        return self.table

    @property
    def data(self) -> Any:
        """The table."""
        return self.table

    @property
    def n_values(self) -> int:
        """Columns."""
        return int(self.table.shape[1])

    def details(self) -> dict[str, Detail]:
        """Nothing: columns have their names."""
        return {}

    def distinct(self) -> tuple[Codes, Codes]:
        """First row of each kind, and kind of each row."""
        return distinct_rows(self.table)

    def builder(self, rows: Codes, capacity: int) -> Builder:
        """Builds arrays in place where no duplicates are looked for, everything else column by column."""
        own, background, merges = take_rows(self.table, rows), self.masker.background, self.masker.merges
        if is_frame(own):
            return FrameBuilder(own, background, self.features, merges)
        common = np.result_type(own.dtype, background.dtype)
        own, background = own.astype(common, copy=False), background.astype(common, copy=False)
        if capacity and not merges:
            return ArrayBuilder(own, background, self.features, capacity)
        return FrameBuilder(own, background, self.features, merges)

    def compose(self, rows: Codes) -> MaskingInputs | None:
        """Rows, background and the feature of each column; None for anything but an array of numbers."""
        table, background = self.table, self.masker.background
        if is_frame(table) or table.dtype.kind not in "biuf" or background.dtype.kind not in "biuf":
            return None
        labels = np.empty(table.shape[1], dtype=np.intp)
        for feature, positions in enumerate(self.features.columns):
            labels[list(positions)] = feature
        return MaskingInputs(table[rows], background[None], labels[None])
