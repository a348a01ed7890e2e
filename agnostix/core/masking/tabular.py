"""Hiding columns of a table behind the values of background rows, whatever their types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.features import (
    Features,
    as_series,
    distinct_rows,
    first_of_each,
    joined_values,
    keys_of,
    read_like,
    table_codes,
    value_codes,
)
from agnostix.core.frames import build_table, is_frame, take_rows
from agnostix.core.masking.masker import BackgroundSubset, Builder, MaskBlock, MaskDistribution, MaskingInputs
from agnostix.core.state import PandasState
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

AGREEMENT = 0.05
"""Chance that two background rows agree in a column, from which on equal perturbed rows are looked for."""
_ROUNDING = 1e-8
"""How far from 1 the sum of weights may be."""
_WATCHED = 16
"""Cells that are looked at again after the model has seen them."""


@dataclass(frozen=True)
class TabularMasker(PandasState):
    """Replaces columns of a table by those of weighted background rows (n_background, n_columns)."""

    background: Any  # observed rows, or one of constants
    weights: Floats  # (n_background,), adding up to 1
    features: Features  # each column belongs to one

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
                f"once, got the places {places}. Features.from_names makes them from the columns' names."
            )

    def read(self, X: Any) -> MaskedTable:
        """Rows of a table that must have the background's columns and types."""
        return MaskedTable(read_like(X, self.background), self)

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


class ArrayBuilder:
    """Builds arrays in one buffer, of at most `capacity` cells, that the model may read but not write."""

    def __init__(self, own: Any, background: Any, features: Features, capacity: int) -> None:
        self._own = np.ascontiguousarray(own.T)
        self._background = np.ascontiguousarray(background.T)
        self._columns = features.columns
        self._memory = np.empty(own.shape[1] * capacity, dtype=own.dtype)
        self._last: MaskBlock | None = None
        self._watched = b""

    def distinct(self, block: MaskBlock) -> None:
        """Nothing is merged here."""
        return

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """All cells of a block, (n_cells, n_columns): read-only, column-major, valid until the next call."""
        n_columns, n_rows = self._own.shape
        n_cells = block.n_draws * n_rows
        store = self._memory[: n_columns * n_cells].reshape(n_columns, block.n_draws, n_rows)
        for mask, feature in np.argwhere(self._stale(block)):
            self._write(store, block, mask, feature)
        self._last = block
        table = store.reshape(n_columns, n_cells).T
        self._watched = table[self._places(n_cells)].tobytes()
        table.flags.writeable = False
        return table

    def is_whole(self, table: Any) -> bool:
        """Whether the cells looked at again are unchanged; a buffer written to is built anew."""
        if table.dtype == object:
            return True
        whole = table[self._places(table.shape[0])].tobytes() == self._watched
        if not whole:
            self._last = None
        return whole

    def _places(self, n_cells: int) -> slice:
        return slice(0, n_cells, -(-n_cells // _WATCHED))

    def _stale(self, block: MaskBlock) -> Bools:
        """Masks and features whose columns differ from what the buffer holds, (n_masks, n_features)."""
        last = self._last
        if last is None or not np.array_equal(last.starts, block.starts):
            return np.ones_like(block.masks)
        pairs = zip(last.draws, block.draws, strict=True)
        moved = np.array([one is not two and not np.array_equal(one.rows, two.rows) for one, two in pairs])
        return (last.masks != block.masks) | (~block.masks & moved[:, None])

    def _write(self, store: Any, block: MaskBlock, mask: int, feature: int) -> None:
        span = block.spans[mask]
        for column in self._columns[feature]:
            if block.masks[mask, feature]:
                store[column, span] = self._own[column]
            else:
                store[column, span] = self._background[column, block.draws[mask].rows][:, None]


class FrameBuilder:
    """Builds frames of any type, and arrays whose equal perturbed rows are merged."""

    def __init__(self, own: Any, background: Any, features: Features, merges: bool) -> None:
        self._n_rows = own.shape[0]
        self._like = background
        self._is_frame = is_frame(background)
        self._both = [joined_values(own, background, j) for j in range(own.shape[1])]
        self._columns = features.columns
        self._merges = merges

    def distinct(self, block: MaskBlock) -> tuple[Codes, Codes] | None:
        """First cell of each kind and kind of each cell, within rows; None unless cells are merged."""
        return first_of_each(self._cell_keys(block).ravel()) if self._merges else None

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Some cells (draw * n_rows + row), (n_cells, n_columns), of the table's own library and types."""
        if isinstance(cells, slice):
            cells = np.arange(*cells.indices(block.n_draws * self._n_rows))
        draw, row = np.divmod(cells, self._n_rows)
        mask = np.repeat(np.arange(len(block.draws)), np.diff(block.starts))[draw]
        other = self._n_rows + block.rows[draw]
        n_columns = len(self._both)
        columns = None if self._is_frame else np.empty((n_columns, row.size), dtype=self._both[0].dtype)
        taken: Any = [None] * n_columns if columns is None else columns
        for feature, positions in enumerate(self._columns):
            own = block.masks[:, feature]
            index = row if own.all() else np.where(own[mask], row, other)
            for position in positions:
                taken[position] = self._both[position][index]
        if columns is not None:
            return taken.T
        return build_table(self._like, dict(enumerate(taken)), copy=False)

    def is_whole(self, table: Any) -> bool:
        """True: nothing else holds the table, which the model may write to."""
        return True

    def _cell_keys(self, block: MaskBlock) -> Any:
        """64-bit key of each cell, (n_draws, n_rows): the sum of the keys of its values."""
        own, other = self._keys[: self._n_rows], self._keys[self._n_rows :]
        hidden = np.zeros((len(block.draws), own.shape[1]), dtype=np.uint64)
        for feature, positions in enumerate(self._columns):
            hidden[:, positions] = ~block.masks[:, [feature]]
        gone = hidden @ own.T
        salt = keys_of(np.arange(self._n_rows)[:, None], first_column=0)[:, 0]
        keys = np.empty((block.n_draws, self._n_rows), dtype=np.uint64)
        for mask, span in enumerate(block.spans):
            come = other[block.rows[span]] @ hidden[mask]
            keys[span] = come[:, None] - gone[mask] + salt
        return keys

    @cached_property
    def _keys(self) -> Any:
        """64-bit key of each value, (n_rows + n_background, n_columns)."""
        return keys_of(np.column_stack([value_codes(as_series(both)) for both in self._both]))
