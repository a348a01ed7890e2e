"""Perturbed rows of an array, written in place: from mask to mask only the columns that change."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.masking.background import MaskBlock
from agnostix.core.masking.masker import Players
from agnostix.core.typing import Bools, Codes

_WATCHED = 16
"""Cells that are looked at again after the model has seen them."""


class ArrayBuilder:
    """Builds arrays in one buffer, of at most `capacity` cells, that the model may read but not write."""

    def __init__(self, own: Any, background: Any, players: Players, capacity: int) -> None:
        self._own = np.ascontiguousarray(own.T)
        self._background = np.ascontiguousarray(background.T)
        self._columns = players.columns
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
        for mask, player in np.argwhere(self._stale(block)):
            self._write(store, block, mask, player)
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

    def _write(self, store: Any, block: MaskBlock, mask: int, player: int) -> None:
        span = block.spans[mask]
        for column in self._columns[player]:
            if block.masks[mask, player]:
                store[column, span] = self._own[column]
            else:
                store[column, span] = self._background[column, block.draws[mask].rows][:, None]
