"""Hiding columns of a table behind the values of background rows, whatever their types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.features import (
    Features,
    as_series,
    comparable,
    distinct_rows,
    first_of_each,
    joined_values,
    keys_of,
    numeric_array,
    read_like,
    table_codes,
    value_codes,
)
from agnostix.core.frames import is_frame, take_rows
from agnostix.core.masking.builders import ArrayBuilder, FrameBuilder, hidden_columns
from agnostix.core.masking.masker import BackgroundSubset, Builder, MaskDistribution, MaskingInputs
from agnostix.core.state import PandasState
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

AGREEMENT = 0.05
"""Chance that two background rows agree in a column, from which on equal perturbed rows are looked for."""
MOST_DIFFERENT = 32.0
"""Columns in which two background rows differ on average, up to which perturbed rows may well be equal."""
_ROUNDING = 1e-8
"""How far from 1 the sum of weights may be."""


@dataclass(frozen=True)
class TabularMasker(PandasState):
    """Replaces columns of a table by those of weighted background rows (n_background, n_columns)."""

    background: Any  # observed rows, or one of constants
    weights: Floats  # (n_background,), adding up to 1
    features: Features  # each column belongs to one, unless this is part of another
    whole: TabularMasker | None = None  # the masker of all features, if this hides some of its alone

    mask_distribution: ClassVar[MaskDistribution] = "bernoulli"
    same_features: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.whole is not None:
            return
        n_rows, n_columns = self.background.shape
        weights = np.asarray(self.weights)
        if weights.shape != (n_rows,) or not (weights >= 0).all() or abs(weights.sum() - 1.0) > _ROUNDING:
            raise DataError(
                f"The 'weights' of TabularMasker must be one number for each of the {n_rows} background rows"
                f", 0 or more, that add up to 1; got shape {weights.shape} and a sum of {weights.sum():.6g}."
            )
        places = np.sort(hidden_columns(self.features)[0])
        if not np.array_equal(places, np.arange(n_columns)):
            raise DataError(
                f"The 'features' of TabularMasker must have each of the background's {n_columns} columns "
                f"once, got the places {places.tolist()}. Features.from_names makes them from the columns' "
                "names."
            )

    def read(self, X: Any) -> MaskedTable:
        """Rows of a table that must have the background's columns and types."""
        return MaskedTable(read_like(X, self.background), self)

    def narrow(self, features: Codes) -> TabularMasker:
        """A masker of some of the features (n_narrow,), for rows that keep all others."""
        own = Features(
            tuple(self.features.names[j] for j in features), tuple(self.features.columns[j] for j in features)
        )
        return replace(self, features=own, whole=self.whole or self)

    def single(self, place: int) -> TabularMasker:
        """A masker with one of the background rows alone."""
        return TabularMasker(take_rows(self.background, [place]), np.ones(1), self.features)

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """For each mask (n_masks, n_features), background rows merged where they agree in all it hides."""
        n_rows = self.weights.size
        places = np.arange(n_rows)
        nothing = np.zeros_like(places)
        whole = BackgroundSubset(nothing[:1], np.ones(1), nothing)
        every = BackgroundSubset(places, self.weights, places)
        hidden = ~masks[:, self._hidden[1]]
        apart: Any = (hidden & self._all_differ).any(axis=1)
        kinds = np.zeros((len(masks), n_rows), dtype=np.uint64)
        kinds[~apart] = hidden[~apart].astype(np.uint64) @ self._keys.T
        ordered = np.sort(kinds, axis=1)
        apart = apart | (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
        is_whole: Any = ~hidden.any(axis=1)
        return [
            whole if is_whole[j] else every if is_apart else self._merged(kinds[j])
            for j, is_apart in enumerate(apart)
        ]

    @cached_property
    def merges(self) -> bool:
        """Whether background rows agree so often that looking for equal perturbed rows pays."""
        n_rows, n_columns = self._codes.shape
        if n_rows < 2 or n_columns == 0:
            return False
        agreement = float((_count_pairs(self._codes) / (n_rows * (n_rows - 1))).mean())
        return agreement >= AGREEMENT and (1.0 - agreement) * n_columns <= MOST_DIFFERENT

    @cached_property
    def background_codes(self) -> Codes:
        """The background's values as codes (n_background, n_columns), equal where the values are."""
        return table_codes(self.background) if self.whole is None else self.whole.background_codes

    @cached_property
    def _hidden(self) -> tuple[Codes, Codes]:
        """Positions (n_positions,) of the columns that may be hidden, and the feature of each."""
        return hidden_columns(self.features)

    @property
    def _codes(self) -> Codes:
        """Of these columns, (n_background, n_positions)."""
        return self.background_codes[:, self._hidden[0]]

    @cached_property
    def _keys(self) -> Codes:
        return keys_of(self._codes)

    @cached_property
    def _all_differ(self) -> Bools:
        """Columns in which no two background rows agree, (n_positions,)."""
        return _count_pairs(self._codes) == 0

    def _merged(self, kinds: Codes) -> BackgroundSubset:
        """Background rows of equal kinds (n_background,) as one."""
        first, which = first_of_each(kinds)
        return BackgroundSubset(first, np.bincount(which, self.weights, first.size), which)


def _count_pairs(codes: Codes) -> Codes:
    """Ordered pairs of rows that agree in each column, (n_columns,), by codes (n_rows, n_columns) from -1."""
    n_rows, n_columns = codes.shape
    numbers = codes + 1 + np.arange(n_columns) * (n_rows + 2)
    counts = np.bincount(numbers.ravel(), minlength=n_columns * (n_rows + 2)).reshape(n_columns, n_rows + 2)
    return np.square(counts).sum(axis=1) - n_rows


@dataclass(frozen=True)
class MaskedTable:
    """Rows of a table (n_rows, n_columns) and the masker that has read them."""

    table: Any
    masker: TabularMasker

    def __len__(self) -> int:
        return int(self.table.shape[0])

    def __getitem__(self, places: Any) -> MaskedTable:
        return MaskedTable(take_rows(self.table, places), self.masker)

    def narrow(self, features: Codes) -> MaskedTable:
        """The rows with some of the features (n_narrow,), to hide these alone."""
        return MaskedTable(self.table, self.masker.narrow(features))

    @property
    def features(self) -> Features:
        """The masker's: columns are the same in every row."""
        return self.masker.features

    @property
    def present(self) -> Bools:
        """Every feature in every row, (n_rows, n_features)."""
        return np.ones((len(self), len(self.features.names)), dtype=bool)

    @property
    def varying(self) -> Bools:
        """False where the row and all background rows agree in all of the feature's columns."""
        return by_feature(self.features, self._differing)

    def behind(self, place: int) -> MaskedTable:
        """The rows before one of the background rows alone."""
        return MaskedTable(self.table, self.masker.single(place))

    @property
    def differing(self) -> Bools:
        """Features in which each row differs from each background row, (n_rows, n_background, n_features)."""
        own, background = numeric_array(self.table), numeric_array(self.masker.background)
        if own is None or background is None:
            pairs = (
                value_codes(as_series(joined_values(self.table, self.masker.background, column)))
                for column in range(self.table.shape[1])
            )
            codes = np.column_stack(list(pairs))
            own, background = codes[: len(self)], codes[len(self) :]
        common = np.result_type(own.dtype, background.dtype)
        own, background = (comparable(part.astype(common, copy=False)) for part in (own, background))
        return by_feature(self.features, own[:, None] != background[None])

    @property
    def _differing(self) -> Bools:
        """Whether a row and the background differ in a column, (n_rows, n_columns)."""
        background, codes = self.masker.background, self.masker.background_codes
        differs = np.ones((len(self), codes.shape[1]), dtype=bool)
        is_constant = (codes == codes[0]).all(axis=0)
        numbers, others = numeric_array(self.table), numeric_array(background)
        if numbers is not None and others is not None:
            common = np.result_type(numbers.dtype, others.dtype)
            own, other = (comparable(part.astype(common, copy=False)) for part in (numbers, others[:1]))
            return ~is_constant | (own != other)
        for column in np.flatnonzero(is_constant):
            joined = value_codes(as_series(joined_values(self.table, background, int(column))))
            differs[:, column] = joined[: len(self)] != joined[-1]
        return differs

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


def by_feature(features: Features, by_column: Bools) -> Bools:
    """Whether something holds in a column of each feature, (..., n_features), from (..., n_columns)."""
    positions, owners = hidden_columns(features)
    if positions.size == len(features.names):
        return by_column[..., positions]
    starts = np.searchsorted(owners, np.arange(len(features.names)))
    return np.asarray(np.logical_or.reduceat(by_column[..., positions], starts, axis=-1))
