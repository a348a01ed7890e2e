"""Hiding columns of a table behind the values of background rows, whatever their types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.frames import as_table, is_frame, take_rows
from agnostix.core.masking.schema import check_schema
from agnostix.core.masking.array_builder import ArrayBuilder
from agnostix.core.masking.background_subset import BackgroundSubset
from agnostix.core.masking.frame_builder import FrameBuilder
from agnostix.core.masking.duplicates import (
    as_series,
    distinct_rows,
    first_of_each,
    joined_column,
    keys_of,
    table_codes,
    value_codes,
)
from agnostix.core.masking.masker import Builder, MaskingInputs, Law
from agnostix.core.masking.players import Players
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

AGREEMENT = 0.05
"""Chance that two background rows agree in a column, from which on equal perturbed rows are looked for."""

_ROUNDING = 1e-8
"""How far from 1 the sum of weights may be."""


@dataclass(frozen=True)
class TabularMasker:
    """A background, and the players whose columns it can stand in for.

    Attributes
    ----------
    background : DataFrame or ndarray of shape (n_background, n_columns)
        Real rows.
    weights : ndarray of shape (n_background,)
        Their weights, summing to 1.
    players : Players
        What is hidden as one; each column belongs to one player.

    Raises
    ------
    DataError
        If the weights or the players are not those of the background.
    """

    background: Any
    weights: Floats
    players: Players

    def __post_init__(self) -> None:
        n_rows, n_columns = self.background.shape
        weights = np.asarray(self.weights)
        if weights.shape != (n_rows,) or not (weights >= 0).all() or abs(weights.sum() - 1.0) > _ROUNDING:
            raise DataError(
                f"The 'weights' of TabularMasker must be one number for each of the {n_rows} background rows"
                f", 0 or more, that add up to 1; got shape {weights.shape} and a sum of {weights.sum():.6g}."
            )
        places = sorted(place for positions in self.players.columns for place in positions)
        if places != list(range(n_columns)):
            raise DataError(
                f"The 'players' of TabularMasker must have each of the background's {n_columns} columns once,"
                f" got the places {places}. Players.from_names makes them from the columns' names."
            )

    @property
    def mask_distribution(self) -> Law:
        """Each column is kept with chance 1/2."""
        return "bernoulli"

    @property
    def same_features(self) -> bool:
        """True: columns are the same in every row."""
        return True

    def read(self, X: Any) -> Any:
        """Check that a table has the background's columns and types.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The table to be explained.

        Returns
        -------
        DataFrame or ndarray of shape (n_rows, n_columns)

        Raises
        ------
        DataError
            If it does not.
        """
        table = as_table(X)
        check_schema(table, self.background)
        return table

    def unmasked(self, X: Any) -> Any:
        """The table itself.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        DataFrame or ndarray of shape (n_rows, n_columns)
        """
        return X

    def data(self, X: Any) -> Any:
        """The table itself.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        DataFrame or ndarray of shape (n_rows, n_columns)
        """
        return X

    def players_of(self, X: Any) -> Players:
        """Always its own.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        Players
        """
        return self.players

    def present(self, X: Any) -> Bools:
        """Every player in every row.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_players)
        """
        return np.ones((X.shape[0], len(self.players.names)), dtype=bool)

    def extras(self, X: Any) -> dict[str, Any]:
        """Nothing: columns have their names.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        dict
        """
        return {}

    @cached_property
    def _codes(self) -> Codes:
        """The background's values as codes, equal where the values are."""
        return table_codes(self.background)

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """For each mask, background rows merged where they agree in all that it hides.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_players)
            The masks.

        Returns
        -------
        list of BackgroundSubset
        """
        none = np.zeros_like(self._places)
        whole = BackgroundSubset(none[:1], np.ones(1), none)
        every = BackgroundSubset(self._places, self.weights, self._places)
        hidden = self._hidden_columns(masks)
        apart = (hidden & self._all_differ).sum(axis=1) > 0
        return [
            (every if apart[j] else self._merged(gone)) if gone.any() else whole
            for j, gone in enumerate(hidden)
        ]

    def varying(self, X: Any) -> Bools:
        """Find players that differ between each row and the background.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_players)
            False where the row agrees with every background row in all of the player's columns.
        """
        differs = np.ones((X.shape[0], self._codes.shape[1]), dtype=bool)
        for column in np.flatnonzero((self._codes == self._codes[0]).all(axis=0)):
            codes = value_codes(as_series(joined_column(X, self.background, int(column))))
            differs[:, column] = codes[: X.shape[0]] != codes[-1]
        players = [differs[:, list(positions)].any(axis=1) for positions in self.players.columns]
        return np.stack(players, axis=1)

    def distinct(self, X: Any) -> tuple[Codes, Codes]:
        """Find rows that say the same.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        tuple of ndarray of int
            The first row of each kind, and for every row its place there.
        """
        return distinct_rows(X)

    @cached_property
    def merges(self) -> bool:
        """Whether two background rows agree in a column so often that looking for equal cells pays."""
        n_rows, n_columns = self._codes.shape
        alike = sum(float((np.unique(c, return_counts=True)[1] ** 2.0).sum()) - n_rows for c in self._codes.T)
        return n_rows > 1 and alike >= AGREEMENT * n_rows * (n_rows - 1) * n_columns

    def width(self, X: Any) -> int:
        """Numbers in a row.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        int
        """
        return int(X.shape[1])

    def builder(self, X: Any, rows: Codes, room: int) -> Builder:
        """Make a builder of perturbed rows.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.
        rows : ndarray of int of shape (n,)
            Which of its rows.
        room : int
            Cells that are built at once at most; 0 where that is not known beforehand.

        Returns
        -------
        Builder
        """
        own = take_rows(X, rows)
        if is_frame(X):
            return FrameBuilder(own, self.background, self.players, self.merges)
        common = np.result_type(X.dtype, self.background.dtype)
        own, background = own.astype(common, copy=False), self.background.astype(common, copy=False)
        if room and not self.merges:
            return ArrayBuilder(own, background, self.players, room)
        return FrameBuilder(own, background, self.players, self.merges)

    def compose(self, X: Any, rows: Codes) -> MaskingInputs | None:
        """Rows in pieces, for a model that puts masked rows together itself.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.
        rows : ndarray of int
            Which rows.

        Returns
        -------
        MaskingInputs or None
            None for anything but an array of numbers.
        """
        if is_frame(X) or X.dtype.kind not in "biuf" or self.background.dtype.kind not in "biuf":
            return None
        labels = np.empty(X.shape[1], dtype=np.intp)
        for player, positions in enumerate(self.players.columns):
            labels[list(positions)] = player
        return MaskingInputs(X[rows], self.background[None], labels[None])

    @cached_property
    def _places(self) -> Codes:
        return np.arange(self.weights.size)

    @cached_property
    def _keys(self) -> Codes:
        return keys_of(self._codes)

    @cached_property
    def _all_differ(self) -> Bools:
        """Columns in which no two background rows agree."""
        return np.array([np.unique(codes).size == codes.size for codes in self._codes.T])

    def _hidden_columns(self, masks: Bools) -> Bools:
        hidden = np.empty((masks.shape[0], self._codes.shape[1]), dtype=bool)
        for player, positions in enumerate(self.players.columns):
            hidden[:, positions] = ~masks[:, [player]]
        return hidden

    def _merged(self, hidden: Bools) -> Draws:
        first, which = first_of_each(self._keys[:, hidden].sum(axis=1))
        return BackgroundSubset(first, np.bincount(which, self.weights, first.size), which)
