"""Perturbed rows of tables: arrays in place, everything else column by column."""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from agnostix.core.features import (
    Features,
    as_series,
    first_of_each,
    joined_values,
    keys_of,
    table_codes,
    value_codes,
)
from agnostix.core.frames import build_table, is_frame
from agnostix.core.masking.masker import MaskBlock
from agnostix.core.typing import Bools, Codes

_WATCHED = 16
"""Cells that are looked at again after the model has seen them."""
_FEW_ROWS = 8
"""Rows below which all cells of a block are written at once, and not feature by feature."""


def hidden_columns(features: Features) -> tuple[Codes, Codes]:
    """Positions (n_positions,) of the columns that features have, and the feature of each."""
    sizes = list(map(len, features.columns))
    positions = np.array(list(chain.from_iterable(features.columns)), dtype=np.intp)
    return positions, np.repeat(np.arange(len(sizes)), sizes)


class ArrayBuilder:
    """Builds arrays in one buffer, of at most `capacity` cells, that the model may read but not write.

    Columns of no feature are those of the row, and written once.
    """

    def __init__(self, own: Any, background: Any, features: Features, capacity: int) -> None:
        self._own = np.ascontiguousarray(own.T)
        self._positions, self._owners = hidden_columns(features)
        self._background = np.ascontiguousarray(background.T[self._positions])
        self._starts = np.cumsum([0, *map(len, features.columns)])
        self._memory = np.empty(own.shape[1] * capacity, dtype=own.dtype)
        self._n_cells = 0
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
        if n_cells != self._n_cells:
            store[:] = self._own[:, None]
            self._n_cells, self._last = n_cells, None
        if n_rows < _FEW_ROWS:
            store[self._positions] = self._written(block)
        else:
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
            self._n_cells = 0
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
        for place in range(self._starts[feature], self._starts[feature + 1]):
            column = self._positions[place]
            if block.masks[mask, feature]:
                store[column, span] = self._own[column]
            else:
                store[column, span] = self._background[place, block.draws[mask].rows][:, None]

    def _written(self, block: MaskBlock) -> Any:
        """Columns that masks may hide, (n_positions, n_draws, n_rows)."""
        stays = np.repeat(block.masks.T[self._owners], np.diff(block.starts), axis=1)
        others = self._background[:, block.rows]
        return np.where(stays[:, :, None], self._own[self._positions][:, None], others[:, :, None])


class FrameBuilder:
    """Builds frames of any type, and arrays whose equal perturbed rows are merged."""

    def __init__(self, own: Any, background: Any, features: Features, merges: bool) -> None:
        self._n_rows = own.shape[0]
        self._like = background
        self._both: Any  # values of each column, of the rows and then of the background
        if is_frame(background):
            self._both = [joined_values(own, background, j) for j in range(own.shape[1])]
        else:
            self._both = np.ascontiguousarray(np.concatenate([own, background]).T)
        self._positions, self._owners = hidden_columns(features)
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
        taken: Any = self._both[:, row] if not is_frame(self._like) else [one[row] for one in self._both]
        for feature, positions in enumerate(self._columns):
            own = block.masks[:, feature]
            if own.all():
                continue
            index = np.where(own[mask], row, other)
            for position in positions:
                taken[position] = self._both[position][index]
        return (
            build_table(self._like, dict(enumerate(taken)), copy=False) if is_frame(self._like) else taken.T
        )

    def is_whole(self, table: Any) -> bool:
        """True: nothing else holds the table, which the model may write to."""
        return True

    def _cell_keys(self, block: MaskBlock) -> Any:
        """64-bit key of each cell, (n_draws, n_rows): the sum of the keys of its values."""
        own, other = self._keys[: self._n_rows], self._keys[self._n_rows :]
        hidden = (~block.masks[:, self._owners]).astype(np.uint64)
        gone = hidden @ own.T
        salt = keys_of(np.arange(self._n_rows)[:, None], first_column=0)[:, 0]
        keys = np.empty((block.n_draws, self._n_rows), dtype=np.uint64)
        for mask, span in enumerate(block.spans):
            come = other[block.rows[span]] @ hidden[mask]
            keys[span] = come[:, None] - gone[mask] + salt
        return keys

    @cached_property
    def _keys(self) -> Any:
        """64-bit key of each value in columns that may be hidden, (n_rows + n_background, n_positions)."""
        if not is_frame(self._like):
            return keys_of(table_codes(self._both[self._positions].T))
        return keys_of(
            np.column_stack([value_codes(as_series(self._both[place])) for place in self._positions])
        )
