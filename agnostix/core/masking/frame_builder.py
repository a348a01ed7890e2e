"""Perturbed rows of any table, each column taken from the values of rows and background together."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.frames import build_table, is_frame
from agnostix.core.masking.background_subset import MaskBlock
from agnostix.core.masking.duplicates import as_series, first_of_each, joined_values, keys_of, value_codes
from agnostix.core.masking.players import Players
from agnostix.core.typing import Codes


class FrameBuilder:
    """Builds frames of any type, and arrays whose equal perturbed rows are merged."""

    def __init__(self, own: Any, background: Any, players: Players, merges: bool) -> None:
        self._n_rows = own.shape[0]
        self._like = background
        self._is_frame = is_frame(background)
        self._both = [joined_values(own, background, j) for j in range(own.shape[1])]
        self._columns = players.columns
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
        for player, positions in enumerate(self._columns):
            own = block.masks[:, player]
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
        for player, positions in enumerate(self._columns):
            hidden[:, positions] = ~block.masks[:, [player]]
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
